#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "evidence/analyses.h"
#include "stats/random.h"

namespace rouage::evidence {
namespace {

namespace fs = std::filesystem;

Outcome run(const std::string& input, const std::string& csv, std::map<std::string, std::string> options = {}) {
  const fs::path file = fs::temp_directory_path() / ("rouage-report-" + std::to_string(::getpid()) + ".csv");
  std::ofstream(file) << csv;
  AnalysisRequest request{.inputs = {{input, file}}, .options = std::move(options), .common = {}};
  request.common.draws = 200;
  const Outcome outcome = find_analysis("report")->run(request);
  fs::remove(file);
  return outcome;
}

const Figure& figure_of(const Outcome& outcome, const std::string& name, const std::string& stratum = "") {
  static const Figure none;
  for (const Figure& figure : outcome.estimates)
    if (figure.name == name && (stratum.empty() || figure.stratum == stratum)) return figure;
  ADD_FAILURE() << "no " << name << " " << stratum;
  return none;
}

/// Simulated: 25 cases, 4 raters, three sources; remote reports are rated lower, AI reports as in-house ones.
std::string ratings() {
  std::string csv = "case;rater;source;rating;error\n";
  stats::Random random(11);
  for (int k = 0; k < 25; ++k) {
    const double of_case = random.normal() / 2;
    for (int rater = 0; rater < 4; ++rater)
      for (const char* source : {"in-house", "remote", "AI"}) {
        const bool remote = std::string(source) == "remote";
        const double latent = of_case + (remote ? -1.5 : 0) + 1.7 * random.normal();
        const int rating = latent < -2 ? 1 : latent < -0.7 ? 2 : latent < 0.7 ? 3 : latent < 2 ? 4 : 5;
        csv += std::to_string(k) + ";" + std::to_string(rater) + ";" + source + ";" + std::to_string(rating) + ";" +
               (remote && k < 5 ? "missed finding" : "") + "\n";
      }
  }
  return csv;
}

TEST(ReportAnalysis, ComparesThreeSourcesByACumulativeLinkMixedModel) {
  const Outcome outcome = run("input", ratings());
  const Figure& remote = figure_of(outcome, "odds_ratio", "remote / in-house");
  ASSERT_TRUE(remote.value) << remote.why;
  EXPECT_LT(*remote.upper, 1);
  const Figure& ai = figure_of(outcome, "odds_ratio", "AI / in-house");
  const Figure& between = figure_of(outcome, "odds_ratio", "AI / remote");
  EXPECT_NEAR(*between.value, *ai.value / *remote.value, 1e-9);
  ASSERT_FALSE(outcome.tests.empty());
  EXPECT_EQ(outcome.tests.back().name, "sources_equal");
  EXPECT_LT(outcome.tests.back().p.value_or(1), 0.001);
  const Figure& missed = figure_of(outcome, "error_share", "source=remote; error=missed finding");
  EXPECT_NEAR(missed.value.value_or(0), 0.2, 1e-12);
  EXPECT_EQ(figure_of(outcome, "error_share", "source=AI; error=missed finding").value, 0.0);
}

TEST(ReportAnalysis, OfOneSourceOrOneRatingSaysWhy) {
  const Outcome outcome = run("input", "case,rater,source,rating\n1,1,AI,3\n2,1,AI,4\n");
  EXPECT_EQ(outcome.tests.at(0).why, "one source only");
  const Outcome same = run("input", "case,rater,source,rating\n1,1,AI,3\n1,1,remote,3\n2,1,AI,3\n2,1,remote,3\n");
  EXPECT_FALSE(figure_of(same, "odds_ratio").value);
  EXPECT_NE(figure_of(same, "odds_ratio").why, "");
}

TEST(ReportAnalysis, ScoresTexts) {
  const Outcome outcome = run("texts",
                              "candidate,reference\nno pleural effusion is seen,no pleural effusion is seen\n"
                              "heart size is normal today,heart size is normal today\n");
  for (const char* name : {"bleu_1", "bleu_4", "rouge_l", "sentence_bleu_4"})
    EXPECT_NEAR(figure_of(outcome, name).value.value_or(0), 1, 1e-12) << name;
  EXPECT_NEAR(figure_of(outcome, "cider_d").value.value_or(0), 10, 1e-9);
  EXPECT_THROW(run("texts", "candidate,reference\nno,\n"), Error);
  EXPECT_THROW(find_analysis("report")->run({}), Error);
}

}  // namespace
}  // namespace rouage::evidence
