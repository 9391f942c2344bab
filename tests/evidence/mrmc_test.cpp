/// `rouage evidence mrmc` on Van Dyke's study (../shared/data/mrmc) and on tables that are not as they should be.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "evidence/analyses.h"

namespace rouage::evidence {
namespace {

namespace fs = std::filesystem;

fs::path data_folder() {
  return fs::path(ROUAGE_SHARED_DIR) / "data" / "mrmc";
}

Outcome mrmc(const fs::path& input, std::map<std::string, std::string> options, const fs::path& marks = {}) {
  AnalysisRequest request{.inputs = {{"input", input}}, .options = std::move(options), .common = {}};
  if (!marks.empty()) request.inputs["marks"] = marks;
  return find_analysis("mrmc")->run(request);
}

const Figure& figure_at(const Outcome& outcome, const std::string& name, const std::string& stratum) {
  for (const Figure& figure : outcome.estimates)
    if (figure.name == name && figure.stratum == stratum) return figure;
  throw std::runtime_error("no " + name + " of " + stratum);
}

// EVI-4
TEST(MrmcAnalysis, OfVanDykeGivesAllThreeAnalyses) {
  if (!fs::exists(data_folder())) GTEST_SKIP() << "no ../shared/data/mrmc (ROUAGE_SHARED_DIR)";
  const Outcome outcome = mrmc(data_folder() / "vandyke.csv", {});
  EXPECT_NEAR(*figure_at(outcome, "auc", "arm=1; reader=1").value, 0.91964573, 1e-8);
  const Figure& rrrc = figure_at(outcome, "auc_difference", "arms=1-2; analysis=rrrc");
  EXPECT_NEAR(*rrrc.value, -0.04380032, 1e-8);
  EXPECT_NEAR(*rrrc.lower, -0.08796, 6e-6);
  EXPECT_NEAR(*figure_at(outcome, "auc_difference", "arms=1-2; reader=5; analysis=frrc").lower, -0.18651, 6e-6);
  EXPECT_NEAR(*figure_at(outcome, "auc", "arm=1; analysis=rrfc").upper, 0.96597599, 1e-8);
  EXPECT_EQ(outcome.tests.at(0).name, "arms_equal");
  EXPECT_NEAR(*outcome.tests.at(0).p, 0.0517, 5e-5);
  for (const Figure& figure : outcome.estimates) EXPECT_TRUE(figure.lower && figure.upper) << figure.stratum;
}

TEST(MrmcAnalysis, OfMarksGivesWafroc) {
  if (!fs::exists(data_folder())) GTEST_SKIP() << "no ../shared/data/mrmc (ROUAGE_SHARED_DIR)";
  const Outcome outcome =
      mrmc(data_folder() / "tony_froc_cases.csv", {{"figure", "wAFROC"}}, data_folder() / "tony_froc_marks.csv");
  const Figure& rrrc = figure_at(outcome, "wafroc_difference", "arms=BT-DM; analysis=rrrc");
  EXPECT_NEAR(*rrrc.value, 0.1011235955, 1e-9);
  EXPECT_NEAR(*rrrc.lower, 0.03618638452, 1e-9);
}

ErrorCode refusal(const std::string& csv, std::map<std::string, std::string> options = {}) {
  const fs::path file = fs::temp_directory_path() / ("rouage-mrmc-" + std::to_string(::getpid()) + ".csv");
  std::ofstream(file) << csv;
  try {
    mrmc(file, std::move(options));
  } catch (const Error& e) {
    fs::remove(file);
    return e.code();
  }
  ADD_FAILURE() << "was taken";
  return ErrorCode::Internal;
}

// EVI-6
TEST(MrmcAnalysis, RefusesTablesThatSayTwoThings) {
  const std::string head = "reader,treatment,case,truth,rating\n";
  EXPECT_EQ(refusal(head + "1,1,a,0,2\n1,2,a,1,3\n"), ErrorCode::TableInvalid) << "two truths";
  EXPECT_EQ(refusal(head + "1,1,a,0,2\n1,1,a,0,3\n"), ErrorCode::TableInvalid) << "rated twice";
  EXPECT_EQ(refusal(head + "1,1,a,0,2\n1,2,a,0,3\n"), ErrorCode::StatisticUndefined) << "one class";
  EXPECT_EQ(refusal(head), ErrorCode::TableInvalid) << "no rows";
  EXPECT_EQ(refusal(head + "1,1,a,0,2\n", {{"figure", "sensitivity"}}), ErrorCode::OptionInvalid);
}

}  // namespace
}  // namespace rouage::evidence
