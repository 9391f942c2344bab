/// What an analysis answers: figures with intervals, tests, plots, and what should be said beside them.
///
///   Outcome outcome = roc_analysis(read_cases("scores.csv", roles), options);
///   outcome_json(outcome);        // {"estimates": [...], "tests": [...]} (design.md section 3;
///   docs/formats/evidence.md)
///
/// Every figure says its method (name and source); where a figure is not defined its value is absent and `why` says so:
/// it is listed, never left out silently. Pure: the same table, options and seed give the same outcome with any number
/// of threads.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "page/plot.h"

namespace rouage::evidence {

struct Figure {
  std::string name{};     ///< lower case: "sensitivity", "auc", "auc_difference"
  std::string stratum{};  ///< "" for all; "sex=F", "reader=3", "arm=1", joined by "; "
  std::optional<double> value{}, lower{}, upper{};
  double level = 0.95;
  std::string method{};  ///< "Clopper-Pearson (1934)", "DeLong (1988)"
  std::uint64_t n = 0;   ///< cases (patients where clustered) behind it
  std::string why{};     ///< why there is no value or no interval
};

struct Test {
  std::string name{}, method{}, stratum{};
  std::optional<double> statistic{}, value{};  ///< value: the tested difference or ratio
  std::vector<double> df{};
  std::optional<double> p{};  ///< two-sided
  std::string why{};
};

/// A table for people that is not a list of figures: variance components, numbers at risk, confusion matrices.
struct Detail {
  std::string title{};
  std::vector<std::string> header{};
  std::vector<std::vector<std::string>> rows{};
};

struct Outcome {
  std::string analysis{};  ///< "roc", "mrmc"...
  std::vector<Figure> estimates{};
  std::vector<Test> tests{};
  std::vector<Detail> details{};
  std::vector<page::Plot> plots{};
  std::vector<std::string> notes{};  ///< what was left out, assumed, simulated; in the reader's language
};

struct AnalysisOptions {
  double level = 0.95;
  std::uint64_t seed = 1;
  std::uint64_t draws = 2000;
  int threads = 1;
  std::string language = "en";
};

/// One JSON document, keys in a fixed order; NaN and infinity never appear (absent figures are null, with "why").
std::string outcome_json(const Outcome& outcome);
/// Tables for a terminal.
std::string outcome_text(const Outcome& outcome, const std::string& language);

/// A table as people export them: UTF-8 (with or without BOM), comma, semicolon or tab (found from the header), decimal
/// point, or decimal comma in semicolon and tab files, quotes, CRLF, empty lines at the end. Cells are kept as text.
class DataTable {
 public:
  /// Errors: FileMissing, TableInvalid (names line and column; not UTF-8: says so and how to export).
  static DataTable read(const std::filesystem::path& path);
  static DataTable parse(std::string_view text, const std::string& name);
  std::size_t rows() const { return cells_.size(); }
  const std::vector<std::string>& columns() const { return header_; }
  /// Index of a column by name (case counts). Errors: TableInvalid lists what there is.
  std::size_t column(std::string_view name) const;
  std::optional<std::size_t> find(std::string_view name) const;
  const std::string& text(std::size_t row, std::size_t column) const { return cells_[row][column]; }
  /// Absent for an empty cell, "NA", "NaN", "."; finite otherwise. Errors: TableInvalid (names line, column and cell).
  std::optional<double> number(std::size_t row, std::size_t column) const;
  /// 0/1, true/false, yes/no, present/absent, positive/negative (any case, French too); absent as in `number`. Errors:
  /// TableInvalid.
  std::optional<bool> flag(std::size_t row, std::size_t column) const;
  /// Line of a row in the file, from 1.
  std::size_t line(std::size_t row) const { return lines_[row]; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  bool decimal_comma_ = false;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> cells_;
  std::vector<std::size_t> lines_;
};

}  // namespace rouage::evidence
