/// What the parts of `rouage evidence survival` share. Inner header.
#pragma once
#include <string>
#include <vector>

#include "evidence/analyses.h"
#include "evidence/survival_table.h"

namespace rouage::evidence::survival {

struct Run {
  const AnalysisRequest& request;
  const DataTable& table;
  Roles roles{};
  bool french = false;
  double level = 0.95;
  Outcome outcome{.analysis = "survival"};

  std::string text(const std::string& option) const;
  std::vector<std::string> list(const std::string& option) const;
  /// As typed. Errors: OptionInvalid.
  std::vector<double> times() const;
  void note_left_out(const std::string& part, const Subjects& subjects);
};

/// "a; b", either may be empty.
std::string joined(const std::string& a, const std::string& b);

/// Uno's C and time-dependent AUC of --score; Brier score and calibration of --predicted; incidence of causes.
void add_timed_scores(Run& run);
void add_predictions(Run& run);
void add_incidence(Run& run);

}  // namespace rouage::evidence::survival
