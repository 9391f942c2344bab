#include "evidence/diagnostic.h"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "evidence/diagnostic_parts.h"

namespace rouage::evidence {
namespace {

/// "tp=1,fn=2,tn=3,fp=4", each once.
stats::Counts parse_counts(const std::vector<std::string>& parts, const std::string& option) {
  const Error wrong = Error(ErrorCode::OptionInvalid, "--" + option + " wants tp, fn, tn and fp, each once, 0 or more")
                          .remedy("--" + option + " tp=90,fn=10,tn=80,fp=20");
  stats::Counts counts;
  std::map<std::string, double*> cells{{"tp", &counts.tp}, {"fn", &counts.fn}, {"tn", &counts.tn}, {"fp", &counts.fp}};
  for (const std::string& part : parts) {
    const auto equals = part.find('=');
    if (equals == std::string::npos) throw wrong;
    const auto cell = cells.find(lower_case(trimmed(std::string_view(part).substr(0, equals))));
    const std::string_view digits = trimmed(std::string_view(part).substr(equals + 1));
    std::uint64_t value = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    // Above 1e15 a double no longer counts every case.
    if (cell == cells.end() || failure != std::errc() || end != digits.data() + digits.size() ||
        value > 1'000'000'000'000'000U)
      throw wrong;
    *cell->second = static_cast<double>(value);
    cells.erase(cell);
  }
  if (!cells.empty()) throw wrong;
  if (counts.all() == 0) throw Error(ErrorCode::StatisticUndefined, "--" + option + ": there is no case");
  return counts;
}

DiagnosticRequest read_request(const AnalysisEntry& entry, const AnalysisRequest& request) {
  DiagnosticRequest asked{.common = request.common};
  asked.wilson = option_text(entry, request, "interval") == "wilson";
  asked.bootstrap = option_text(entry, request, "bootstrap");
  asked.stratified = option_flag(request, "stratified");
  asked.threshold = option_number(entry, request, "threshold");
  asked.compare = option_text(entry, request, "compare");
  asked.compare_threshold = option_text(entry, request, "compare-threshold").empty()
                                ? asked.threshold
                                : option_number(entry, request, "compare-threshold");
  for (const std::string& text : option_list(entry, request, "prevalence")) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size() || !(value > 0 && value < 1))
      throw Error(ErrorCode::OptionInvalid, "--prevalence wants numbers between 0 and 1, got \"" + text + "\"");
    asked.prevalences.push_back(value);
  }
  return asked;
}

Answers answers_of(const CaseRows& rows, const DiagnosticRequest& asked) {
  Answers answers{.truth = rows.truth, .first = {}, .second = {}, .patient = rows.patient};
  for (const double x : rows.scores[0]) answers.first.push_back(x >= asked.threshold);
  if (rows.scores.size() > 1)
    for (const double x : rows.scores[1]) answers.second.push_back(x >= asked.compare_threshold);
  return answers;
}

Outcome from_counts(const AnalysisEntry& entry, const AnalysisRequest& request, const DiagnosticRequest& asked) {
  Outcome outcome{.analysis = "diagnostic"};
  const stats::Counts counts = parse_counts(option_list(entry, request, "counts"), "counts");
  const auto other = option_list(entry, request, "compare-counts");
  add_accuracies(outcome, counts, other.empty() ? "" : "table=1", asked);
  if (other.empty()) return outcome;
  const stats::Counts second = parse_counts(other, "compare-counts");
  add_accuracies(outcome, second, "table=2", asked);
  add_unpaired(outcome, counts, second, asked);
  return outcome;
}

void add_strata(Outcome& outcome, const CaseRows& rows, const FindingColumns& one, const std::string& finding,
                const DiagnosticRequest& asked) {
  for (std::size_t column = 0; column < rows.strata.size(); ++column) {
    const std::string name = split(one.columns.strata[column], ':').front();
    std::vector<Answers> parts;
    const std::vector<std::string> levels = levels_of(rows.strata[column]);
    for (const std::string& level : levels) {
      parts.push_back(answers_of(rows_of(rows, column, level), asked));
      add_answers(outcome, parts.back(), joined_stratum(finding, name + "=" + level), asked);
    }
    add_interaction(outcome, parts, levels, joined_stratum(finding, name), asked);
  }
}

Outcome from_rows(const AnalysisEntry& entry, const AnalysisRequest& request, const DiagnosticRequest& asked) {
  Outcome outcome{.analysis = "diagnostic"};
  const DataTable table = DataTable::read(request.inputs.at("input"));
  std::vector<FindingColumns> findings = finding_columns(entry, request, table);
  const std::vector<std::string> readers = option_list(entry, request, "readers");
  if (!readers.empty()) {
    add_readers(outcome, table, readers, findings, asked);
    return outcome;
  }
  std::vector<Answers> all;
  for (FindingColumns& one : findings) {
    if (one.columns.scores.size() != 1)
      throw Error(ErrorCode::OptionInvalid, "--score names one column here").remedy("--compare names the second");
    if (!asked.compare.empty()) one.columns.scores.push_back(with_finding(asked.compare, one.finding));
    const CaseRows rows = read_cases(table, one.columns);
    if (rows.truth.empty())
      throw Error(ErrorCode::StatisticUndefined, "no row has a truth and an answer").file(table.name());
    note_rows(outcome, rows, one.finding, asked.french());
    const std::string finding = one.finding.empty() ? "" : "finding=" + one.finding;
    all.push_back(answers_of(rows, asked));
    add_answers(outcome, all.back(), finding, asked);
    if (!all.back().second.empty()) add_paired(outcome, all.back(), finding, asked);
    add_strata(outcome, rows, one, finding, asked);
  }
  if (all.size() > 1) add_means(outcome, all, asked);
  return outcome;
}

Outcome run_diagnostic(const AnalysisRequest& request) {
  const AnalysisEntry entry = diagnostic_entry();
  const DiagnosticRequest asked = read_request(entry, request);
  const bool counted = !option_text(entry, request, "counts").empty(), given = request.inputs.contains("input");
  if (counted == given)
    throw Error(ErrorCode::OptionInvalid, "either --input or --counts").remedy("--counts tp=..,fn=..,tn=..,fp=..");
  return counted ? from_counts(entry, request, asked) : from_rows(entry, request, asked);
}

}  // namespace

AnalysisEntry diagnostic_entry() {
  AnalysisEntry entry{.name = "diagnostic",
                      .title = "Yes or no: sensitivity, specificity, predictive values, F1; paired and by stratum",
                      .inputs = {{.name = "input",
                                  .help = "CSV case,truth,score[,patient,stratum...]; a score of 0/1 is an answer",
                                  .required = false}},
                      .options = case_options(),
                      .run = run_diagnostic};
  for (const OptionEntry& option : std::vector<OptionEntry>{
           {.name = "threshold", .help = "positive at or above", .initial = "0.5"},
           {.name = "counts", .help = "tp=..,fn=..,tn=..,fp=.. instead of --input"},
           {.name = "compare-counts", .help = "a second table, of other cases"},
           {.name = "compare", .help = "a second score of the same cases: paired tests"},
           {.name = "compare-threshold", .help = "of the second score (default: --threshold)"},
           {.name = "interval", .help = "of shares", .initial = "exact", .words = {"exact", "wilson"}},
           {.name = "bootstrap",
           .help = "intervals by resampling; auto: BCa over patients where they repeat",
           .initial = "auto",
           .words = {"auto", "none", "percentile", "bca"}},
           {.name = "stratified", .help = "draws keep the number of cases with the condition", .flag = true},
           {.name = "prevalence", .help = "predictive values at these, comma between"},
           {.name = "readers", .help = "columns of readers (0/1): F1 against each other, as CheXNet"}})
    entry.options.push_back(option);
  return entry;
}

}  // namespace rouage::evidence
