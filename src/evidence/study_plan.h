/// What a plan says, read strictly, and what running it found.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evidence/analyses.h"
#include "evidence/study.h"
#include "page/plot.h"

namespace rouage::evidence {

struct PlannedData {
  std::string name{};
  std::filesystem::path file{};  ///< as written in the plan
  std::filesystem::path path{};  ///< where it lies
};
struct PlannedAnalysis {
  std::string name{}, kind{};
  std::map<std::string, std::string> inputs{}, options{};  ///< inputs: names of data
};
/// Shown when the test's p, adjusted, is at most alpha and its value lies on the right side; or when the figure's whole
/// interval lies beyond a bound.
struct Hypothesis {
  std::string id{}, text{}, analysis{}, test{}, figure{}, stratum{};
  bool primary = true;
  std::string direction{};  ///< "", "greater", "less": sign of the tested value
  std::optional<double> above{}, below{};
};
struct PlannedSize {
  std::string text{}, analysis{}, figure{}, stratum{};
  std::int64_t planned = 0;
};
struct Deviation {
  std::string date{}, text{}, reason{};
};
struct ReadingOrder {
  std::string data{}, reader{}, when{}, kase{}, arm{}, day{};
  double washout_days = 0;
};
struct StudyPlan {
  std::string title{}, question{}, date{}, design{}, intended_use{}, multiplicity{};
  double alpha = 0.05, level = 0.95;
  std::uint64_t seed = 1, draws = 2000;
  std::vector<std::string> order{};
  std::vector<PlannedData> data{};
  std::vector<PlannedAnalysis> analyses{};
  std::vector<Hypothesis> hypotheses{};
  std::vector<PlannedSize> sizes{};
  std::vector<Deviation> deviations{};
  std::optional<ReadingOrder> reading_order{};
  std::map<std::string, std::string> stard{}, claim{};  ///< what the plan says, by item
  std::string digest{};
};

/// Errors: FileMissing, ConfigInvalid (names line, key and remedy).
StudyPlan read_plan(const std::filesystem::path& file);
const PlannedData* find_data(const StudyPlan& plan, const std::string& name);

/// What differs from the lock, in the reader's language; empty: plan and data are as registered.
std::vector<std::string> differences_from_lock(const StudyPlan& plan, const std::filesystem::path& file, bool french);

struct RunAnalysis {
  const PlannedAnalysis* planned = nullptr;
  Outcome outcome{};
  std::string refused{};  ///< why it could not be run
};
struct Decision {
  const Hypothesis* hypothesis = nullptr;
  std::optional<double> value{}, lower{}, upper{}, p{}, adjusted{};
  std::string method{};
  bool shown = false;
  std::string why{};  ///< why not, where that is more than the figures
};
/// In the plan's order. Secondary hypotheses are only confirmed where all primary ones are.
std::vector<Decision> decide(const StudyPlan& plan, const std::vector<RunAnalysis>& runs, bool french);
const Figure* find_figure(const std::vector<RunAnalysis>& runs, const std::string& analysis, const std::string& figure,
                          const std::string& stratum);

/// How the readings were ordered: balance of the arms, repeats, washout. Errors: TableInvalid.
std::vector<page::ReportBlock> reading_order_blocks(const StudyPlan& plan, bool french);

struct ChecklistItem {
  const char* number;
  const char* en;
  const char* fr;
};
const std::vector<ChecklistItem>& stard_items();  ///< STARD 2015 (Bossuyt and others, BMJ 2015; 351: h5527), our words
const std::vector<ChecklistItem>&
claim_items();  ///< CLAIM 2024 (Tejani and others, Radiol Artif Intell 2024), our words

page::Report compose_report(const StudyPlan& plan, const std::vector<RunAnalysis>& runs,
                            const std::vector<Decision>& decisions, const std::vector<std::string>& differences,
                            bool french);

}  // namespace rouage::evidence
