#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "evidence/analyses.h"

namespace rouage::evidence {
namespace {

namespace fs = std::filesystem;

Outcome agreement(const std::string& csv, std::map<std::string, std::string> options) {
  const fs::path file = fs::temp_directory_path() / ("rouage-agreement-" + std::to_string(::getpid()) + ".csv");
  std::ofstream(file) << csv;
  AnalysisRequest request{.inputs = {{"input", file}}, .options = std::move(options), .common = {}};
  request.common.draws = 200;
  const Outcome outcome = find_analysis("agreement")->run(request);
  fs::remove(file);
  return outcome;
}

double value_of(const Outcome& outcome, const std::string& name) {
  for (const Figure& figure : outcome.estimates)
    if (figure.name == name && figure.value) return *figure.value;
  ADD_FAILURE() << "no " << name;
  return 0;
}

std::string two_readers() {
  std::string csv = "case,reader,rating\n";
  int number = 0;
  const auto add = [&](const char* a, const char* b, int times) {
    for (int i = 0; i < times; ++i, ++number)
      csv += std::to_string(number) + ",A," + a + "\n" + std::to_string(number) + ",B," + b + "\n";
  };
  add("yes", "yes", 20);
  add("yes", "no", 5);
  add("no", "yes", 10);
  add("no", "no", 15);
  return csv;
}

TEST(AgreementAnalysis, OfTwoReadersAndWords) {
  const Outcome outcome = agreement(two_readers(), {});
  EXPECT_NEAR(value_of(outcome, "cohen_kappa"), 0.4, 1e-12);
  EXPECT_NEAR(value_of(outcome, "agreement"), 0.7, 1e-12);
  EXPECT_EQ(outcome.tests.at(0).name, "cohen_kappa_is_zero");
  for (const Figure& figure : outcome.estimates) EXPECT_TRUE(figure.lower && figure.upper) << figure.name;
}

TEST(AgreementAnalysis, OfMeasurementsGivesIccLimitsAndPlot) {
  const Outcome outcome =
      agreement("m1;m2\n1,0;1,2\n2,0;2,1\n3,5;3,0\n5,0;5,5\n8,0;7,0\n", {{"raters", "m1,m2"}, {"kind", "interval"}});
  EXPECT_GT(value_of(outcome, "icc(a,1)"), 0.9);
  EXPECT_NEAR(value_of(outcome, "bias"), (1 + 2 + 3.5 + 5 + 8 - 1.2 - 2.1 - 3 - 5.5 - 7) / 5, 1e-12);
  ASSERT_EQ(outcome.plots.size(), 1U);
  EXPECT_EQ(outcome.plots[0].points[0].x.size(), 5U);
}

TEST(AgreementAnalysis, RefusesWhatCannotBeSaid) {
  const auto code = [](const std::string& csv, std::map<std::string, std::string> options) {
    try {
      agreement(csv, std::move(options));
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code("case,reader,rating\n1,A,x\n2,A,y\n", {}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code("case,reader,rating\n1,A,x\n1,A,y\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code("case,reader,rating\n1,A,x\n1,B,x\n", {}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code(two_readers(), {{"weights", "linear"}}), ErrorCode::OptionInvalid);
  EXPECT_EQ(code(two_readers(), {{"kind", "interval"}}), ErrorCode::TableInvalid);
  EXPECT_EQ(code(two_readers(), {{"categories", "yes,maybe"}}), ErrorCode::TableInvalid);
}

TEST(AgreementAnalysis, AMissingRatingIsLeftOutAndTheRestCounts) {
  const Outcome outcome =
      agreement("a,b,c\n1,1,1\n2,,2\n,3,\n1,2,1\n3,3,3\n", {{"raters", "a,b,c"}, {"kind", "ordinal"}});
  for (const Figure& figure : outcome.estimates)
    if (figure.name == "fleiss_kappa" || figure.name == "gwet_ac2") EXPECT_EQ(figure.n, 5U);
  EXPECT_LE(value_of(outcome, "krippendorff_alpha"), 1);
}

}  // namespace
}  // namespace rouage::evidence
