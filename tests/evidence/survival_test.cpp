#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "evidence/analyses.h"

namespace rouage::evidence {
namespace {

namespace fs = std::filesystem;
using Options = std::map<std::string, std::string>;

Outcome run_file(const fs::path& file, Options options) {
  return find_analysis("survival")->run({.inputs = {{"input", file}}, .options = std::move(options), .common = {}});
}

Outcome survival(const std::string& csv, Options options) {
  const fs::path file = fs::temp_directory_path() / ("rouage-survival-" + std::to_string(::getpid()) + ".csv");
  std::ofstream(file) << csv;
  const auto remove = [&] { fs::remove(file); };
  try {
    Outcome outcome = run_file(file, std::move(options));
    remove();
    return outcome;
  } catch (...) {
    remove();
    throw;
  }
}

const Figure& figure(const Outcome& outcome, const std::string& name, const std::string& stratum) {
  for (const Figure& f : outcome.estimates)
    if (f.name == name && f.stratum == stratum) return f;
  throw std::runtime_error("no figure " + name + " of " + stratum);
}

const evidence::Test& test(const Outcome& outcome, const std::string& name, const std::string& stratum = "") {
  for (const auto& t : outcome.tests)
    if (t.name == name && t.stratum == stratum) return t;
  throw std::runtime_error("no test " + name + " of " + stratum);
}

/// reference_R.csv: veteran by cell type and its Cox model.
TEST(SurvivalAnalysis, OfTheVeteransTrialAsR) {
  const fs::path file = fs::path(ROUAGE_SHARED_DIR) / "data" / "survival" / "veteran.csv";
  if (!fs::exists(file)) GTEST_SKIP() << "no ../shared/data/survival";
  const Outcome outcome = run_file(file, {{"time", "Survival_in_days"},
                                          {"event", "Status"},
                                          {"event-value", "dead"},
                                          {"group", "Celltype"},
                                          {"covariates", "Karnofsky_score,Age_in_years,Months_from_Diagnosis"},
                                          {"times", "90,365"}});
  EXPECT_NEAR(test(outcome, "log_rank", "group=Celltype").statistic.value(), 25.4037003457854, 1e-9);
  EXPECT_NEAR(std::log(figure(outcome, "hazard_ratio", "covariate=Karnofsky_score").value.value()), -0.0336465864922,
              1e-9);
  EXPECT_NEAR(figure(outcome, "harrell_c", "score=cox").value.value(), 0.70820081781, 1e-9);
  EXPECT_TRUE(figure(outcome, "survival", "Celltype=adeno; t=90").value);
  ASSERT_EQ(outcome.plots.size(), 1U);
  EXPECT_EQ(outcome.plots[0].lines.size(), 4U);
  EXPECT_EQ(outcome.plots[0].risk.rows.size(), 4U);
  for (const auto& t : outcome.tests) EXPECT_TRUE(t.p || !t.why.empty()) << t.name;
}

TEST(SurvivalAnalysis, ComparesTwoScoresOnTheSamePatients) {
  std::string csv = "time;event;a;b\n";
  for (int i = 0; i < 40; ++i)
    csv += std::to_string(i + 1) + ";" + std::to_string(i % 3 != 0) + ";" + std::to_string(100 - i) + "," +
           std::to_string((i * 7) % 10) + ";" + std::to_string((i * 13) % 11) + "\n";
  const Outcome outcome = survival(csv, {{"score", "a,b"}});
  EXPECT_DOUBLE_EQ(figure(outcome, "harrell_c", "score=a").value.value(), 1);
  const Figure& difference = figure(outcome, "harrell_c_difference", "score=a - b");
  EXPECT_NEAR(difference.value.value(), 1 - figure(outcome, "harrell_c", "score=b").value.value(), 1e-12);
  EXPECT_LT(test(outcome, "harrell_c_difference", "score=a - b").p.value(), 0.001);
}

TEST(SurvivalAnalysis, WordsBecomeIndicatorsAndMissingRowsAreSaid) {
  const Outcome outcome =
      survival("time,event,stage\n1,1,I\n2,1,II\n3,0,I\n4,1,III\n5,1,\n6,0,II\n7,1,I\n8,1,III\n9,1,II\n",
               {{"covariates", "stage"}});
  EXPECT_TRUE(figure(outcome, "hazard_ratio", "covariate=stage=II").value);
  EXPECT_TRUE(figure(outcome, "hazard_ratio", "covariate=stage=III").value);
  EXPECT_EQ(figure(outcome, "hazard_ratio", "covariate=stage=II").n, 8U);
  std::string notes;
  for (const std::string& note : outcome.notes) notes += note + "\n";
  EXPECT_NE(notes.find("compared with I"), std::string::npos);
  EXPECT_NE(notes.find("1 rows"), std::string::npos);
}

// EVI-5
TEST(SurvivalAnalysis, SeparationHasAWordInsteadOfANumber) {
  std::string csv = "time,event,x\n";
  for (int i = 1; i <= 20; ++i) csv += std::to_string(i) + (i <= 10 ? ",1,1\n" : ",0,0\n");
  const Outcome outcome = survival(csv, {{"covariates", "x"}});
  const Figure& ratio = figure(outcome, "hazard_ratio", "covariate=x");
  EXPECT_FALSE(ratio.value);
  EXPECT_NE(ratio.why.find("separation"), std::string::npos);
  EXPECT_TRUE(test(outcome, "cox_likelihood_ratio").p);
}

TEST(SurvivalAnalysis, WithoutEventsTheCurveStaysAtOneAndTheMedianIsNotSaid) {
  const Outcome outcome = survival("time,event,g\n1,0,a\n2,0,b\n3,0,b\n", {{"group", "g"}, {"times", "1,9"}});
  EXPECT_DOUBLE_EQ(figure(outcome, "survival", "g=b; t=1").value.value(), 1);
  EXPECT_FALSE(figure(outcome, "survival", "g=b; t=9").value);
  EXPECT_FALSE(figure(outcome, "median_survival", "g=a").value);
  EXPECT_FALSE(test(outcome, "log_rank", "group=g").p);
  for (const Figure& f : outcome.estimates)
    for (const auto& value : {f.value, f.lower, f.upper}) EXPECT_TRUE(!value || std::isfinite(*value)) << f.name;
}

TEST(SurvivalAnalysis, ScoresOverTimeHaveFiguresIntervalsAndPlots) {
  std::string csv = "time,event,s,p5,p15\n";
  for (int i = 0; i < 120; ++i) {
    const int score = (i * 37) % 101, time = 1 + (i * 53 + (100 - score)) % 30;
    csv += std::to_string(time) + "," + std::to_string(i % 4 != 0) + "," + std::to_string(score) + "," +
           std::to_string(0.9 - score / 300.0) + "," + std::to_string(0.6 - score / 300.0) + "\n";
  }
  const Outcome outcome = survival(csv, {{"score", "s"}, {"predicted", "p5,p15"}, {"times", "5,15"}});
  for (const char* name : {"auc_at", "brier_score"})
    for (const char* t : {"t=5", "t=15"}) {
      const Figure& f = figure(outcome, name, (name[0] == 'a' ? std::string("score=s; ") : std::string()) + t);
      EXPECT_LT(f.lower.value(), f.value.value());
      EXPECT_GT(f.upper.value(), f.value.value());
    }
  EXPECT_TRUE(figure(outcome, "uno_c", "score=s").value);
  EXPECT_TRUE(figure(outcome, "integrated_brier", "").value);
  std::vector<std::string> plots;
  for (const page::Plot& plot : outcome.plots) plots.push_back(plot.name);
  EXPECT_EQ(plots,
            (std::vector<std::string>{"kaplan_meier", "auc_over_time", "brier", "calibration_1", "calibration_2"}));
}

/// By hand: times 1 (event), 2 (competing), 3 (event), 4 (censored): 1/4, then + 2/4 * 1/2 = 1/2; competing 1/4.
TEST(SurvivalAnalysis, CompetingEventsHaveIncidences) {
  const Outcome outcome = survival("time,event\n1,1\n2,2\n3,1\n4,0\n", {{"competing", "2"}, {"times", "1,3"}});
  EXPECT_NEAR(figure(outcome, "cumulative_incidence", "cause=event; t=1").value.value(), 0.25, 1e-12);
  EXPECT_NEAR(figure(outcome, "cumulative_incidence", "cause=event; t=3").value.value(), 0.5, 1e-12);
  EXPECT_NEAR(figure(outcome, "cumulative_incidence", "cause=competing; t=3").value.value(), 0.25, 1e-12);
  EXPECT_EQ(outcome.plots.back().name, "cumulative_incidence");
}

TEST(SurvivalAnalysis, RefusesWhatIsNoTable) {
  const auto code = [](const std::string& csv, Options options) {
    try {
      survival(csv, std::move(options));
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code("time,event\n-1,1\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code("time,event\n1,dead\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code("time,event,s\n1,1,1\n", {{"start", "s"}}), ErrorCode::TableInvalid);
  EXPECT_EQ(code("time,event\n,1\n", {}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code("time,event,x\n1,0,1\n2,0,2\n", {{"covariates", "x"}}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code("time,event\n1,1\n", {{"times", "soon"}}), ErrorCode::OptionInvalid);
  EXPECT_EQ(code("time,event\n1,1\n", {{"group", "arm"}}), ErrorCode::TableInvalid);
  EXPECT_EQ(code("time,event\n1,1\n", {{"times", "5,1"}}), ErrorCode::OptionInvalid);
  EXPECT_EQ(code("time,event,p\n1,1,0.5\n", {{"predicted", "p"}}), ErrorCode::OptionInvalid);
  EXPECT_EQ(code("time,event,p\n1,1,1.5\n", {{"predicted", "p"}, {"times", "1"}}), ErrorCode::TableInvalid);
}

}  // namespace
}  // namespace rouage::evidence
