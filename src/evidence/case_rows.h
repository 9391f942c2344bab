/// Cases with a truth, scores, patients and strata out of a table: what diagnostic, roc and calibration read.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "evidence/analyses.h"

namespace rouage::evidence {

struct CaseColumns {
  std::string truth = "truth";
  std::vector<std::string> scores{};
  std::string patient{};              ///< "": each case for itself
  std::vector<std::string> strata{};  ///< "sex"; "age:20" makes bands of 20 of a number
};
/// Rows where truth and every score are there; the others are counted in left_out.
struct CaseRows {
  std::vector<std::uint8_t> truth;
  std::vector<std::vector<double>> scores;       ///< [column][row]
  std::vector<std::uint32_t> patient;            ///< dense from 0; empty: none, or none repeats
  std::vector<std::vector<std::string>> strata;  ///< [column][row], "" where missing
  std::uint64_t left_out = 0;
  std::uint64_t patients() const;
};
/// Errors: TableInvalid (no such column, no number, a truth that is neither 0 nor 1).
CaseRows read_cases(const DataTable& table, const CaseColumns& columns);

/// The patient column: as asked; "" where not asked and the table has none called "patient"; "none" switches it off.
std::string patient_column(const DataTable& table, const std::string& asked);
/// "p_{}" with the finding put in.
std::string with_finding(const std::string& pattern, const std::string& finding);
/// The options that all three share.
std::vector<OptionEntry> case_options();
/// One row a finding: name ("" for a table of one) and its columns.
struct FindingColumns {
  std::string finding;
  CaseColumns columns;
};
/// `scores`: names of the options that hold score columns. Errors: OptionInvalid (pattern without {}).
std::vector<FindingColumns> finding_columns(const AnalysisEntry& entry, const AnalysisRequest& request,
                                            const DataTable& table);

/// "finding=Mass; sex=F", empty parts left out.
std::string joined_stratum(const std::string& first, const std::string& second);
/// The levels of a stratum column, sorted, without "".
std::vector<std::string> levels_of(const std::vector<std::string>& labels);
/// The rows whose label is `level`.
CaseRows rows_of(const CaseRows& rows, std::size_t stratum, const std::string& level);
/// Notes about rows left out and repeating patients.
void note_rows(Outcome& outcome, const CaseRows& rows, const std::string& finding, bool french);

}  // namespace rouage::evidence
