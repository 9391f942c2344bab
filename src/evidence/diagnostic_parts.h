/// Parts of `rouage evidence diagnostic`: answers as counts, compared, by readers.
#pragma once
#include "evidence/case_rows.h"
#include "stats/diagnostic.h"
#include "stats/roc.h"

namespace rouage::evidence {

struct DiagnosticRequest {
  AnalysisOptions common{};
  bool wilson = false, stratified = false;
  std::string bootstrap = "auto";  ///< auto: BCa where patients repeat
  std::vector<double> prevalences{};
  double threshold = 0.5, compare_threshold = 0.5;
  std::string compare{};
  bool french() const { return common.language == "fr"; }
};

/// One finding: truth, one or two answers (yes or no).
struct Answers {
  std::vector<std::uint8_t> truth, first, second;
  std::vector<std::uint32_t> patient;
};
stats::Counts counts_of(std::span<const std::uint8_t> truth, std::span<const std::uint8_t> call,
                        std::span<const std::uint32_t> times = {});
/// All accuracies of counts; with answers and a bootstrap asked for, its intervals.
void add_accuracies(Outcome& outcome, const stats::Counts& counts, const std::string& stratum,
                    const DiagnosticRequest& asked);
void add_answers(Outcome& outcome, const Answers& answers, const std::string& stratum, const DiagnosticRequest& asked);

/// McNemar, differences, relative predictive values of two answers to the same cases.
void add_paired(Outcome& outcome, const Answers& answers, const std::string& stratum, const DiagnosticRequest& asked);
/// Two tables of other cases.
void add_unpaired(Outcome& outcome, const stats::Counts& a, const stats::Counts& b, const DiagnosticRequest& asked);
/// Do sensitivity, specificity... differ between the levels of a stratum? Where patients repeat, counts shrink by their
/// design effect (Rao and Scott 1992).
void add_interaction(Outcome& outcome, const std::vector<Answers>& levels, const std::vector<std::string>& names,
                     const std::string& stratum, const DiagnosticRequest& asked);

/// Micro and macro means over findings of the same cases, bootstrap over patients (cases).
void add_means(Outcome& outcome, const std::vector<Answers>& findings, const DiagnosticRequest& asked);

/// F1 of the model and of each reader against each other reader as truth; mean of the model less mean of the readers
/// (Rajpurkar 2017), BCa over patients (cases).
void add_readers(Outcome& outcome, const DataTable& table, const std::vector<std::string>& readers,
                 const std::vector<FindingColumns>& findings, const DiagnosticRequest& asked);

}  // namespace rouage::evidence
