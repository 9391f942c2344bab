#include "evidence/case_rows.h"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"

namespace rouage::evidence {
namespace {

/// "age:20" -> column and width; a plain column has width 0.
struct StratumColumn {
  std::string name;
  std::size_t at = 0;
  double width = 0;
};

StratumColumn stratum_column(const DataTable& table, const std::string& text) {
  if (const auto found = table.find(text)) return {text, *found, 0};
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return {text, table.column(text), 0};
  StratumColumn column{text.substr(0, colon), table.column(text.substr(0, colon)), 0};
  const std::string digits = text.substr(colon + 1);
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), column.width);
  if (failure != std::errc() || end != digits.data() + digits.size() || !(column.width > 0) ||
      !std::isfinite(column.width))
    throw Error(ErrorCode::OptionInvalid, "--strata " + text + ": the width of a band is a number above 0")
        .remedy("for example age:20");
  return column;
}

std::string label_of(const DataTable& table, std::size_t row, const StratumColumn& column) {
  if (column.width == 0) return table.text(row, column.at);
  const auto value = table.number(row, column.at);
  if (!value) return {};
  const double low = std::floor(*value / column.width) * column.width;
  return fmt::format("{:g}-{:g}", low, low + column.width);
}

/// Dense numbers; none where nobody repeats.
std::vector<std::uint32_t> dense(const std::vector<std::string>& names) {
  std::map<std::string, std::uint32_t> known;
  std::vector<std::uint32_t> numbers;
  std::uint32_t unnamed = 0;
  for (const std::string& name : names) {
    // A patient without a name is nobody else's double.
    const std::string key = name.empty() ? fmt::format("\n{}", unnamed++) : name;
    numbers.push_back(known.try_emplace(key, static_cast<std::uint32_t>(known.size())).first->second);
  }
  if (known.size() == names.size()) numbers.clear();
  return numbers;
}

bool numeric_less(const std::string& a, const std::string& b) {
  double x = 0, y = 0;
  const auto first = std::from_chars(a.data(), a.data() + a.size(), x);
  const auto second = std::from_chars(b.data(), b.data() + b.size(), y);
  if (first.ec == std::errc() && second.ec == std::errc() && x != y) return x < y;
  if ((first.ec == std::errc()) != (second.ec == std::errc())) return first.ec == std::errc();
  return a < b;
}

}  // namespace

std::uint64_t CaseRows::patients() const {
  return patient.empty() ? truth.size() : *std::max_element(patient.begin(), patient.end()) + std::uint64_t{1};
}

CaseRows read_cases(const DataTable& table, const CaseColumns& columns) {
  const std::size_t truth_at = table.column(columns.truth);
  std::vector<std::size_t> score_at;
  for (const std::string& name : columns.scores) score_at.push_back(table.column(name));
  std::vector<StratumColumn> strata;
  for (const std::string& text : columns.strata) strata.push_back(stratum_column(table, text));
  CaseRows rows;
  rows.scores.resize(score_at.size());
  rows.strata.resize(strata.size());
  std::vector<std::string> patients;
  const bool clustered = !columns.patient.empty();
  const std::size_t patient_at = clustered ? table.column(columns.patient) : 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto truth = table.flag(row, truth_at);
    bool whole = truth.has_value();
    std::vector<double> scores;
    for (const std::size_t at : score_at) {
      const auto score = table.number(row, at);
      whole = whole && score.has_value();
      scores.push_back(score.value_or(0));
    }
    if (!whole) {
      ++rows.left_out;
      continue;
    }
    rows.truth.push_back(*truth ? 1 : 0);
    for (std::size_t s = 0; s < scores.size(); ++s) rows.scores[s].push_back(scores[s]);
    for (std::size_t s = 0; s < strata.size(); ++s) rows.strata[s].push_back(label_of(table, row, strata[s]));
    if (clustered) patients.push_back(table.text(row, patient_at));
  }
  if (clustered) rows.patient = dense(patients);
  return rows;
}

std::string patient_column(const DataTable& table, const std::string& asked) {
  if (asked == "none") return {};
  if (!asked.empty()) return asked;
  return table.find("patient") ? "patient" : "";
}

std::string with_finding(const std::string& pattern, const std::string& finding) {
  const auto at = pattern.find("{}");
  if (finding.empty() || at == std::string::npos) return pattern;
  return pattern.substr(0, at) + finding + pattern.substr(at + 2);
}

std::vector<OptionEntry> case_options() {
  return {{.name = "truth", .help = "column of the truth (0/1); {} stands for the finding", .initial = "truth"},
          {.name = "score", .help = "column of the score; {} stands for the finding", .initial = "score"},
          {.name = "findings", .help = "names put into {} of the columns, comma between"},
          {.name = "patient", .help = "column that repeats (default: patient, where there is one; none: off)"},
          {.name = "strata", .help = "columns, comma between; age:20 makes bands of 20"}};
}

std::vector<FindingColumns> finding_columns(const AnalysisEntry& entry, const AnalysisRequest& request,
                                            const DataTable& table) {
  std::vector<std::string> findings = option_list(entry, request, "findings");
  const std::string truth = option_text(entry, request, "truth");
  if (findings.empty()) findings.emplace_back();
  if (!findings.front().empty() && truth.find("{}") == std::string::npos)
    throw Error(ErrorCode::OptionInvalid, "--findings wants {} in --truth").remedy("for example --truth y_{}");
  std::vector<FindingColumns> all;
  for (const std::string& finding : findings) {
    FindingColumns one{finding, {}};
    one.columns.truth = with_finding(truth, finding);
    for (const std::string& score : option_list(entry, request, "score"))
      one.columns.scores.push_back(with_finding(score, finding));
    one.columns.patient = patient_column(table, option_text(entry, request, "patient"));
    one.columns.strata = option_list(entry, request, "strata");
    all.push_back(std::move(one));
  }
  return all;
}

std::string joined_stratum(const std::string& first, const std::string& second) {
  return first.empty() || second.empty() ? first + second : first + "; " + second;
}

std::vector<std::string> levels_of(const std::vector<std::string>& labels) {
  std::vector<std::string> levels = labels;
  std::sort(levels.begin(), levels.end(), numeric_less);
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  std::erase(levels, "");
  if (levels.size() > 100)
    throw Error(ErrorCode::TableInvalid, "a column of --strata has more than 100 levels").remedy("age:20 makes bands");
  return levels;
}

CaseRows rows_of(const CaseRows& rows, std::size_t stratum, const std::string& level) {
  CaseRows part;
  part.scores.resize(rows.scores.size());
  std::map<std::uint32_t, std::uint32_t> known;
  for (std::size_t i = 0; i < rows.truth.size(); ++i) {
    if (rows.strata[stratum][i] != level) continue;
    part.truth.push_back(rows.truth[i]);
    for (std::size_t s = 0; s < rows.scores.size(); ++s) part.scores[s].push_back(rows.scores[s][i]);
    if (!rows.patient.empty())
      part.patient.push_back(
          known.try_emplace(rows.patient[i], static_cast<std::uint32_t>(known.size())).first->second);
  }
  if (known.size() == part.truth.size()) part.patient.clear();
  return part;
}

void note_rows(Outcome& outcome, const CaseRows& rows, const std::string& finding, bool french) {
  const std::string where = finding.empty() ? "" : finding + ": ";
  if (rows.left_out > 0)
    outcome.notes.push_back(where + fmt::format(fmt::runtime(french ? "{} lignes sans vérité ou sans score, exclues"
                                                                    : "{} rows without truth or score, left out"),
                                                rows.left_out));
  if (!rows.patient.empty())
    outcome.notes.push_back(
        where + fmt::format(fmt::runtime(french ? "{} cas de {} patients : les intervalles tiennent compte du patient"
                                                : "{} cases of {} patients: intervals go by patient"),
                            rows.truth.size(), rows.patients()));
}

}  // namespace rouage::evidence
