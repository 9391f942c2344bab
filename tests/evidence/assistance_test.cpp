#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "evidence/analyses.h"
#include "stats/random.h"

namespace rouage::evidence {
namespace {

namespace fs = std::filesystem;

Outcome run(const std::string& csv, std::map<std::string, std::string> options = {}) {
  const fs::path file = fs::temp_directory_path() / ("rouage-assistance-" + std::to_string(::getpid()) + ".csv");
  std::ofstream(file) << csv;
  AnalysisRequest request{.inputs = {{"input", file}}, .options = std::move(options), .common = {}};
  request.common.draws = 200;
  const Outcome outcome = find_analysis("assistance")->run(request);
  fs::remove(file);
  return outcome;
}

const Figure& figure_of(const Outcome& outcome, const std::string& name, const std::string& stratum) {
  static const Figure none;
  for (const Figure& figure : outcome.estimates)
    if (figure.name == name && figure.stratum == stratum) return figure;
  ADD_FAILURE() << "no " << name << " " << stratum;
  return none;
}

/// Simulated: 6 readers, 50 cases, three orders of reading, each reader and case in each; half of the cases hold the
/// finding. Readers err in 40 % unaided and after their own first read, in 8 % where the AI reads first; each takes
/// half as long then. The AI errs in every fifth case.
std::string simulated() {
  std::string csv = "reader,case,mode,truth,verdict,ai,time,period\n";
  stats::Random random(23);
  for (int reader = 0; reader < 6; ++reader)
    for (int k = 0; k < 50; ++k)
      for (const char* mode : {"unaided", "physician_first", "ai_first"}) {
        const bool ai_first = std::string(mode) == "ai_first", truth = k % 2 == 1, ai = truth != (k % 5 == 0);
        const bool verdict = truth != (random.uniform() < (ai_first ? 0.08 : 0.4));
        csv += std::to_string(reader) + "," + std::to_string(k) + "," + mode + "," + (truth ? "1" : "0") + "," +
               (verdict ? "1" : "0") + "," + (ai ? "1" : "0") + "," + (ai_first ? "20" : "40") + "," +
               std::to_string(1 + (k + reader) % 2) + "\n";
      }
  return csv;
}

TEST(AssistanceAnalysis, AnswersWhetherAiFirstLowersFalsePositives) {
  const Outcome outcome = run(simulated());
  const Figure& direct = figure_of(outcome, "false_positive_rate_difference", "ai_first - physician_first");
  ASSERT_TRUE(direct.value && direct.lower && direct.upper) << direct.why;
  EXPECT_LT(*direct.upper, 0);
  const Figure& odds = figure_of(outcome, "false_positive_odds_ratio", "ai_first - unaided");
  ASSERT_TRUE(odds.value) << odds.why;
  EXPECT_LT(*odds.upper, 1);
  EXPECT_GT(*odds.lower, 0);
  const Figure& time = figure_of(outcome, "time_ratio", "ai_first / unaided");
  EXPECT_NEAR(time.value.value_or(0), 0.5, 1e-12);
  EXPECT_EQ(outcome.plots.front().name, "order_of_reading");
}

TEST(AssistanceAnalysis, EffectsOfReadersShrinkTowardsTheirMean) {
  const Outcome outcome = run(simulated());
  const std::string pair = "ai_first - unaided";
  const double mean = figure_of(outcome, "effect_mean", pair).value.value_or(9);
  for (int reader = 0; reader < 6; ++reader) {
    const std::string stratum = "reader=" + std::to_string(reader) + "; " + pair;
    const double raw = figure_of(outcome, "reader_effect", stratum).value.value_or(9);
    const double shrunken = figure_of(outcome, "reader_effect_shrunken", stratum).value.value_or(9);
    EXPECT_LE(std::abs(shrunken - mean), std::abs(raw - mean) + 1e-12);
  }
}

/// By hand: the AI is wrong in cases 1 and 2 and right in 3 and 4. Assisted, the reader follows it in case 1 and
/// contradicts it in case 3.
TEST(AssistanceAnalysis, CountsFollowingAWrongAiAndRejectingARightOne) {
  const Outcome outcome =
      run("reader,case,mode,truth,verdict,ai\n"
          "A,1,unaided,0,0,1\nA,2,unaided,1,1,0\nA,3,unaided,1,1,1\nA,4,unaided,0,0,0\n"
          "A,1,ai_first,0,1,1\nA,2,ai_first,1,1,0\nA,3,ai_first,1,0,1\nA,4,ai_first,0,0,0\n");
  EXPECT_EQ(figure_of(outcome, "follow_wrong", "mode=ai_first").value, 0.5);
  EXPECT_EQ(figure_of(outcome, "reject_right", "mode=ai_first").value, 0.5);
  EXPECT_EQ(figure_of(outcome, "follow_wrong", "mode=unaided").value, 0.0);
  EXPECT_EQ(figure_of(outcome, "error_rate_difference", "ai_first - unaided; ai=wrong").value, 0.5);
  for (const Figure& figure : outcome.estimates)
    if (!figure.value || !figure.lower) EXPECT_NE(figure.why, "") << figure.name << " " << figure.stratum;
}

TEST(AssistanceAnalysis, RefusesWhatSaysNothing) {
  EXPECT_THROW(run("reader,case,mode,truth,verdict\n"), Error);
  EXPECT_THROW(run("reader,case,mode,truth,verdict\nA,1,unaided,1,1\n"), Error);
  EXPECT_THROW(run("reader,case,mode,truth,verdict\nA,1,unaided,1,1\nA,1,ai_first,0,1\n"), Error);
  EXPECT_THROW(run("reader,case,mode,truth,verdict\nA,1,unaided,1,1\nA,1,x,1,1\n", {{"baseline", "y"}}), Error);
}

}  // namespace
}  // namespace rouage::evidence
