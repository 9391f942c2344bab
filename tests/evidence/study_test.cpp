// What a registered study promises: the plan is read to the letter, a change after registration is refused or said, a
// hypothesis counts only as planned, an analysis that fails is told, and the report is the same bytes each time.
#include "evidence/study.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/host.h"
#include "evidence/study_plan.h"

namespace rouage::evidence {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kHead = R"(format = "rouage-study 1"
title = "Agreement <of> two readers"
question = "Do two readers agree on effusion?"
date = "2026-11-20"
design = "retrospective, every case read by both"
draws = 200
[[data]]
name = "ratings"
file = "ratings.csv"
[[analysis]]
name = "main"
kind = "agreement"
inputs = {input = "ratings"}
[[sample_size]]
analysis = "main"
figure = "cohen_kappa"
planned = 1000
text = "half width 0.05"
)";

class Study : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              (std::string("rouage_study_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::string csv = "case,reader,rating\n";
    for (int i = 0; i < 120; ++i) {
      csv += std::to_string(i) + ",A," + (i % 2 == 0 ? "yes" : "no") + "\n";
      csv += std::to_string(i) + ",B," + ((i % 2 == 0) == (i % 10 != 0) ? "yes" : "no") + "\n";
    }
    write("ratings.csv", csv);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) { write_file_atomic(folder_ / name, text); }
  fs::path plan(const std::string& rest) {
    write("plan.toml", kHead + rest);
    return folder_ / "plan.toml";
  }
  static ErrorCode code_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::Internal;
  }
  fs::path folder_;
};

std::string hypothesis(const std::string& id, const std::string& rest) {
  return "[[hypothesis]]\nid = \"" + id + "\"\ntext = \"t\"\nanalysis = \"main\"\n" + rest;
}

TEST(Multiplicity, holm_and_hochberg_are_those_of_r_p_adjust) {
  // R 4.2: p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm") and "hochberg"; the same for the unordered set.
  const auto expect = [](const std::vector<double>& got, const std::vector<double>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-15) << i;
  };
  expect(adjusted_holm({0.01, 0.02, 0.03, 0.04}), {0.04, 0.06, 0.06, 0.06});
  expect(adjusted_hochberg({0.01, 0.02, 0.03, 0.04}), {0.04, 0.04, 0.04, 0.04});
  expect(adjusted_holm({0.04, 0.001, 0.03}), {0.06, 0.003, 0.06});
  expect(adjusted_hochberg({0.04, 0.001, 0.03}), {0.04, 0.003, 0.04});
  expect(adjusted_holm({0.9, 0.8}), {1, 1});
  expect(adjusted_hochberg({}), {});
}

// EVI-7
TEST_F(Study, runs_only_as_registered_and_says_so_where_not) {
  const fs::path file = plan(hypothesis("H1", "figure = \"cohen_kappa\"\nabove = 0.6\n"));
  EXPECT_EQ(code_of([&] { run_study({.plan = file}); }), ErrorCode::ConfigInvalid);  // never registered
  EXPECT_EQ(register_study(file), folder_ / "plan.toml.lock");
  const StudyReport report = run_study({.plan = file});
  EXPECT_TRUE(report.registered);
  EXPECT_EQ(report.html.find("NOT REGISTERED"), std::string::npos);

  write("ratings.csv", read_text(folder_ / "ratings.csv") + "999,A,yes\n999,B,yes\n");
  EXPECT_EQ(code_of([&] { run_study({.plan = file}); }), ErrorCode::ConfigInvalid);  // data changed
  EXPECT_EQ(code_of([&] { register_study(file); }), ErrorCode::ConfigInvalid);       // a lock is never replaced
  const StudyReport exploratory = run_study({.plan = file, .unregistered = true});
  EXPECT_FALSE(exploratory.registered);
  EXPECT_NE(exploratory.html.find("NOT REGISTERED"), std::string::npos);
  EXPECT_NE(exploratory.html.find("data that changed since registration: ratings"), std::string::npos);
}

// EVI-7
TEST_F(Study, a_plan_changed_after_registration_is_refused) {
  register_study(plan(""));
  const fs::path file = plan("[multiplicity]\nalpha = 0.1\n");
  EXPECT_EQ(code_of([&] { run_study({.plan = file}); }), ErrorCode::ConfigInvalid);
}

TEST_F(Study, deviations_stand_beside_the_plan_and_leave_it_registered) {
  const fs::path file = plan("");
  register_study(file);
  write("plan.deviations.toml",
        "[[deviation]]\ndate = \"2026-11-22\"\ntext = \"reader C left\"\nreason = \"retired\"\n");
  const StudyReport report = run_study({.plan = file});
  EXPECT_TRUE(report.registered);
  EXPECT_NE(report.html.find("reader C left"), std::string::npos);
}

TEST_F(Study, a_hypothesis_is_shown_by_its_whole_interval) {
  // kappa 0.8 of 120 cases: shown above 0.6, not above 0.78 although the value is.
  const fs::path file = plan(hypothesis("H1", "figure = \"cohen_kappa\"\nabove = 0.6\n") +
                             hypothesis("H2", "figure = \"cohen_kappa\"\nabove = 0.78\n") +
                             hypothesis("H3", "rank = \"secondary\"\nfigure = \"cohen_kappa\"\nabove = 0.1\n"));
  const Json json = Json::parse(run_study({.plan = file, .unregistered = true}).json);
  EXPECT_NEAR(json["hypotheses"][0]["value"].get<double>(), 0.8, 1e-9);
  EXPECT_TRUE(json["hypotheses"][0]["shown"]);
  EXPECT_FALSE(json["hypotheses"][1]["shown"]);
  EXPECT_FALSE(json["hypotheses"][2]["shown"]);  // a primary one is not
  EXPECT_EQ(json["hypotheses"][2]["why"], "a primary hypothesis is not shown");
}

TEST_F(Study, gates_close_behind_the_first_that_is_not_shown) {
  const fs::path file = plan("[multiplicity]\nmethod = \"gatekeeping\"\norder = [\"H2\", \"H1\"]\n" +
                             hypothesis("H1", "figure = \"cohen_kappa\"\nabove = 0.6\n") +
                             hypothesis("H2", "figure = \"cohen_kappa\"\nabove = 0.99\n"));
  const Json json = Json::parse(run_study({.plan = file, .unregistered = true}).json);
  EXPECT_FALSE(json["hypotheses"][0]["shown"]);
  EXPECT_EQ(json["hypotheses"][0]["why"], "a hypothesis before it is not shown");
}

// EVI-8
TEST(Decide, tests_are_adjusted_and_their_direction_counts) {
  StudyPlan plan;
  plan.multiplicity = "holm";
  plan.analyses = {{.name = "main", .kind = "roc"}};
  for (const char* id : {"a", "b", "c"})
    plan.hypotheses.push_back({.id = id, .analysis = "main", .test = id, .direction = "greater"});
  RunAnalysis run{.planned = &plan.analyses[0]};
  run.outcome.tests = {{.name = "a", .value = 0.1, .p = 0.01},
                       {.name = "b", .value = 0.1, .p = 0.03},
                       {.name = "c", .value = -0.1, .p = 0.001}};
  const std::vector<Decision> decisions = decide(plan, {run}, false);
  EXPECT_TRUE(decisions[0].shown);  // 0.02
  EXPECT_TRUE(decisions[1].shown);  // 0.03
  EXPECT_NEAR(*decisions[0].adjusted, 0.02, 1e-12);
  EXPECT_FALSE(decisions[2].shown);  // 0.003, but the other way
}

// EVI-8
TEST_F(Study, an_analysis_that_cannot_be_run_is_told_and_its_hypothesis_is_not_shown) {
  const fs::path file = plan(
      "[[analysis]]\nname = \"bad\"\nkind = \"agreement\"\ninputs = {input = \"ratings\"}\n"
      "options = {raters = \"nobody,none\"}\n"
      "[[hypothesis]]\nid = \"H\"\ntext = \"t\"\nanalysis = \"bad\"\nfigure = \"x\"\nabove = 0\n");
  const StudyReport report = run_study({.plan = file, .unregistered = true});
  const Json json = Json::parse(report.json);
  EXPECT_TRUE(json["analyses"][1].contains("refused"));
  EXPECT_TRUE(json["analyses"][0].contains("outcome"));
  EXPECT_FALSE(json["hypotheses"][0]["shown"]);
  EXPECT_NE(report.html.find("Could not be run"), std::string::npos);
}

TEST_F(Study, what_the_plan_does_not_know_is_an_error_with_its_line) {
  const auto refused = [&](const std::string& rest) {
    return code_of([&] { read_plan(plan(rest)); }) == ErrorCode::ConfigInvalid;
  };
  EXPECT_FALSE(refused(""));
  EXPECT_TRUE(refused("[multiplicty]\nalpha = 0.1\n"));
  EXPECT_TRUE(refused("[[analysis]]\nname = \"x\"\nkind = \"astrology\"\n"));
  EXPECT_TRUE(refused("[[analysis]]\nname = \"main\"\nkind = \"agreement\"\ninputs = {input = \"ratings\"}\n"));
  EXPECT_TRUE(refused("[[analysis]]\nname = \"x\"\nkind = \"agreement\"\ninputs = {input = \"other\"}\n"));
  EXPECT_TRUE(refused("[[analysis]]\nname = \"x\"\nkind = \"agreement\"\n"));
  EXPECT_TRUE(refused(
      "[[analysis]]\nname = \"x\"\nkind = \"agreement\"\ninputs = {input = \"ratings\"}\noptions = {no = \"1\"}\n"));
  EXPECT_TRUE(refused("[checklist.stard]\n31 = \"x\"\n"));
  EXPECT_TRUE(refused(hypothesis("H", "")));
  EXPECT_TRUE(refused(hypothesis("H", "figure = \"x\"\n")));
  // An interval of 95 % cannot decide at an alpha of 0.01.
  EXPECT_TRUE(refused("[multiplicity]\nalpha = 0.01\n" + hypothesis("H", "figure = \"x\"\nabove = 0\n")));
  EXPECT_TRUE(refused("[multiplicity]\nmethod = \"holm\"\n" + hypothesis("H", "figure = \"x\"\nabove = 0\n")));
  EXPECT_TRUE(refused("[multiplicity]\nmethod = \"gatekeeping\"\n" + hypothesis("H", "figure = \"x\"\nabove = 0\n")));
}

TEST_F(Study, the_report_has_the_checklists_and_is_the_same_each_time_in_both_languages) {
  const fs::path file = plan("[checklist.stard]\n1 = \"title\"\n[checklist.claim]\n22 = \"DenseNet\"\n");
  for (const char* language : {"en", "fr"}) {
    const StudyReport report = run_study({.plan = file, .unregistered = true, .language = language}),
                      again = run_study({.plan = file, .unregistered = true, .language = language, .threads = 2});
    EXPECT_EQ(report.html, again.html);
    EXPECT_EQ(report.pdf, again.pdf);
    EXPECT_EQ(report.json, again.json);
    EXPECT_NE(report.html.find("STARD 2015"), std::string::npos);
    EXPECT_NE(report.html.find("DenseNet"), std::string::npos);
    EXPECT_NE(report.html.find(language == std::string("fr") ? "non précisé" : "not stated"), std::string::npos);
    EXPECT_NE(report.html.find("Agreement &lt;of&gt; two readers"), std::string::npos);
    if (const char* keep = std::getenv("ROUAGE_KEEP_PLOTS")) {
      write_file_atomic(fs::path(keep) / (std::string("study_") + language + ".pdf"), report.pdf);
      write_file_atomic(fs::path(keep) / (std::string("study_") + language + ".html"), report.html);
    }
  }
  EXPECT_EQ(stard_items().size(), 34U);  // 30 items, four of them in two parts
  EXPECT_EQ(claim_items().size(), 44U);
}

TEST_F(Study, the_order_of_readings_is_counted_and_what_is_wrong_with_it_is_said) {
  std::string csv = "reader;case;arm;place;day\n";
  for (int i = 0; i < 40; ++i)
    for (int pass = 0; pass < 2; ++pass) {
      csv += "R1;" + std::to_string(i) + ";" + ((i + pass) % 2 == 0 ? "alone" : "aided") + ";" + std::to_string(pass) +
             ";" + std::to_string(pass * 30) + "\n";
      csv += "R2;" + std::to_string(i) + ";" + (pass == 0 ? "alone" : "aided") + ";" + std::to_string(pass) + ";" +
             std::to_string(pass * 7) + "\n";
    }
  write("readings.csv", csv);
  const fs::path file = plan(
      "[[data]]\nname = \"readings\"\nfile = \"readings.csv\"\n[reading_order]\ndata = \"readings\"\nreader = "
      "\"reader\"\ncase = \"case\"\narm = \"arm\"\nsequence = \"place\"\nday = \"day\"\nwashout_days = 28\n");
  const StudyPlan read = read_plan(file);
  const auto blocks = reading_order_blocks(read, false);
  const auto& table = std::get<page::ReportTable>(blocks[0]);
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"R1", "40", "40", "20", "40", "20", "0", "30"}));
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"R2", "40", "40", "0", "40", "40", "0", "7"}));
  std::string warnings;
  for (std::size_t i = 1; i < blocks.size(); ++i) warnings += std::get<page::ReportText>(blocks[i]).text + "\n";
  EXPECT_EQ(warnings.find("R1"), std::string::npos);
  EXPECT_NE(warnings.find("R2: the order of the arms is not balanced"), std::string::npos);
  EXPECT_NE(warnings.find("R2: an interval shorter than planned"), std::string::npos);
}

}  // namespace
}  // namespace rouage::evidence
