#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evidence/diagnostic_parts.h"

namespace rouage::evidence {
namespace {

Figure figure_of(const stats::Accuracy& a, const std::string& stratum, double level) {
  return {.name = a.name,
          .stratum = stratum,
          .value = a.value,
          .lower = a.lower,
          .upper = a.upper,
          .level = level,
          .method = a.method,
          .n = static_cast<std::uint64_t>(a.n),
          .why = a.why};
}

/// A figure whose interval was drawn, or why it has none.
void set_drawn(Figure& figure, double value, const stats::BootstrapInterval& interval, const char* undefined) {
  if (!std::isfinite(value)) {
    figure.why = undefined;
    return;
  }
  figure.value = value;
  figure.lower = interval.lower;
  figure.upper = interval.upper;
  figure.why = interval.why;
}

/// Empty: no bootstrap.
std::optional<stats::BootstrapPlan> plan_of(const DiagnosticRequest& asked, bool clustered) {
  if (asked.bootstrap == "none" || (asked.bootstrap == "auto" && !clustered)) return std::nullopt;
  return stats::BootstrapPlan{
      .level = asked.common.level, .draws = asked.common.draws, .accelerated = asked.bootstrap != "percentile"};
}

std::string bootstrap_name(const stats::BootstrapPlan& plan, bool clustered, bool stratified) {
  return std::string(plan.accelerated ? "BCa bootstrap, Efron (1987)" : "percentile bootstrap") +
         (clustered ? " over patients" : "") + (stratified ? ", stratified by truth" : "");
}

const std::vector<stats::AccuracyKind>& mean_kinds() {
  using enum stats::AccuracyKind;
  static const std::vector<stats::AccuracyKind> kKinds{sensitivity, specificity, ppv, npv, accuracy, f1, mcc};
  return kKinds;
}
constexpr const char* kMeanNames[] = {"sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "mcc"};

}  // namespace

stats::Counts counts_of(std::span<const std::uint8_t> truth, std::span<const std::uint8_t> call,
                        std::span<const std::uint32_t> times) {
  std::uint64_t cells[4] = {};
  for (std::size_t i = 0; i < truth.size(); ++i)
    cells[truth[i] * 2 + call[i]] += times.empty() ? std::uint64_t{1} : times[i];
  return {.tp = static_cast<double>(cells[3]),
          .fn = static_cast<double>(cells[2]),
          .tn = static_cast<double>(cells[0]),
          .fp = static_cast<double>(cells[1])};
}

void add_accuracies(Outcome& outcome, const stats::Counts& counts, const std::string& stratum,
                    const DiagnosticRequest& asked) {
  const double level = asked.common.level;
  for (const stats::Accuracy& a : stats::accuracies(counts, level, asked.wilson))
    outcome.estimates.push_back(figure_of(a, stratum, level));
  for (const double prevalence : asked.prevalences) {
    const stats::AdjustedPredictive at = stats::predictive_at(counts, prevalence, level);
    const std::string where = joined_stratum(stratum, fmt::format("prevalence={:g}", prevalence));
    for (const stats::Accuracy& a : {at.ppv, at.npv}) {
      Figure figure = figure_of(a, where, level);
      figure.name += "_at_prevalence";
      outcome.estimates.push_back(std::move(figure));
    }
  }
  outcome.details.push_back(
      {.title = stratum.empty() ? "counts" : "counts, " + stratum,
       .header = {"", "positive", "negative"},
       .rows = {{"condition", fmt::format("{:.0f}", counts.tp), fmt::format("{:.0f}", counts.fn)},
                {"no condition", fmt::format("{:.0f}", counts.fp), fmt::format("{:.0f}", counts.tn)}}});
}

void add_answers(Outcome& outcome, const Answers& answers, const std::string& stratum, const DiagnosticRequest& asked) {
  const bool clustered = !answers.patient.empty();
  const auto add = [&](const std::vector<std::uint8_t>& call, const std::string& where) {
    const std::size_t first = outcome.estimates.size();
    const stats::Counts counts = counts_of(answers.truth, call);
    add_accuracies(outcome, counts, where, asked);
    const auto plan = plan_of(asked, clustered);
    if (!plan) return;
    const auto all = stats::accuracies(counts, asked.common.level);
    const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
      const stats::Counts now = counts_of(answers.truth, call, times);
      std::vector<double> values;
      values.reserve(all.size());
      for (const stats::Accuracy& a : all) values.push_back(stats::accuracy_value(a.kind, now));
      return values;
    };
    const auto strata =
        asked.stratified ? std::span<const std::uint8_t>(answers.truth) : std::span<const std::uint8_t>();
    const auto intervals =
        stats::bootstrap_intervals(figures, stats::resampling_of(answers.truth.size(), answers.patient, strata), *plan,
                                   {asked.common.seed, asked.common.threads});
    for (std::size_t f = 0; f < all.size(); ++f) {
      Figure& figure = outcome.estimates[first + f];
      if (!figure.value) continue;
      figure.lower = intervals[f].lower;
      figure.upper = intervals[f].upper;
      figure.why = intervals[f].why;
      figure.method = bootstrap_name(*plan, clustered, asked.stratified);
    }
    for (std::size_t f = first + all.size(); clustered && f < outcome.estimates.size(); ++f)
      outcome.estimates[f].method += ", cases taken as independent";
  };
  if (answers.second.empty()) return add(answers.first, stratum);
  add(answers.first, joined_stratum(stratum, "answer=1"));
  add(answers.second, joined_stratum(stratum, "answer=2"));
}

void add_means(Outcome& outcome, const std::vector<Answers>& findings, const DiagnosticRequest& asked) {
  const std::size_t cases = findings.front().truth.size();
  for (const Answers& finding : findings)
    if (finding.truth.size() != cases) {
      outcome.notes.push_back(
          "micro and macro means are left out: the findings have other cases each (missing truth or score)");
      return;
    }
  const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
    stats::Counts sum;
    const std::size_t kinds = mean_kinds().size();
    std::vector<double> values(2 * kinds, 0);
    for (const Answers& finding : findings) {
      const stats::Counts counts = counts_of(finding.truth, finding.first, times);
      sum = {sum.tp + counts.tp, sum.fn + counts.fn, sum.tn + counts.tn, sum.fp + counts.fp};
      for (std::size_t k = 0; k < kinds; ++k)
        values[kinds + k] += stats::accuracy_value(mean_kinds()[k], counts) / static_cast<double>(findings.size());
    }
    for (std::size_t k = 0; k < kinds; ++k) values[k] = stats::accuracy_value(mean_kinds()[k], sum);
    return values;
  };
  const bool clustered = !findings.front().patient.empty();
  // Findings share cases, so that exact intervals of pooled counts would be too short.
  const stats::BootstrapPlan plan{
      .level = asked.common.level, .draws = asked.common.draws, .accelerated = asked.bootstrap != "percentile"};
  const auto intervals = stats::bootstrap_intervals(figures, stats::resampling_of(cases, findings.front().patient, {}),
                                                    plan, {asked.common.seed, asked.common.threads});
  const std::vector<double> values = figures(std::vector<std::uint32_t>(cases, 1));
  for (std::size_t f = 0; f < values.size(); ++f) {
    const bool micro = f < mean_kinds().size();
    Figure figure{.name = kMeanNames[f % mean_kinds().size()],
                  .stratum = micro ? "mean=micro" : "mean=macro",
                  .level = asked.common.level,
                  .method = bootstrap_name(plan, clustered, false),
                  .n = cases};
    set_drawn(figure, values[f], intervals[f], "not defined for a finding");
    outcome.estimates.push_back(std::move(figure));
  }
}

namespace {

/// Mean F1 of `call` against each of `truths` (other than `own`).
double mean_f1(const std::vector<std::vector<std::uint8_t>>& truths, const std::vector<std::uint8_t>& call,
               std::size_t own, std::span<const std::uint32_t> times) {
  double sum = 0, n = 0;
  for (std::size_t r = 0; r < truths.size(); ++r) {
    if (r == own) continue;
    sum += stats::accuracy_value(stats::AccuracyKind::f1, counts_of(truths[r], call, times));
    ++n;
  }
  return sum / n;
}

/// F1 of each reader, of the model, of the readers' mean, and the difference.
std::vector<double> reader_values(const std::vector<std::vector<std::uint8_t>>& readers,
                                  const std::vector<std::uint8_t>& model, std::span<const std::uint32_t> times) {
  std::vector<double> values;
  double mean = 0;
  for (std::size_t r = 0; r < readers.size(); ++r) {
    values.push_back(mean_f1(readers, readers[r], r, times));
    mean += values.back() / static_cast<double>(readers.size());
  }
  const double of_model = mean_f1(readers, model, readers.size(), times);
  values.insert(values.end(), {of_model, mean, of_model - mean});
  return values;
}

}  // namespace

void add_readers(Outcome& outcome, const DataTable& table, const std::vector<std::string>& readers,
                 const std::vector<FindingColumns>& findings, const DiagnosticRequest& asked) {
  if (readers.size() < 2) throw Error(ErrorCode::OptionInvalid, "--readers wants at least two columns");
  outcome.notes.push_back(
      "F1 against each other reader as the truth, averaged (Rajpurkar 2017); no truth column is used");
  for (const FindingColumns& one : findings) {
    CaseColumns columns = one.columns;
    columns.truth = with_finding(readers.front(), one.finding);
    for (const std::string& reader : readers) columns.scores.push_back(with_finding(reader, one.finding));
    const CaseRows rows = read_cases(table, columns);
    if (rows.truth.empty())
      throw Error(ErrorCode::StatisticUndefined, "no row has an answer of every reader").file(table.name());
    note_rows(outcome, rows, one.finding, asked.french());
    std::vector<std::uint8_t> model;
    for (const double x : rows.scores.front()) model.push_back(x >= asked.threshold);
    std::vector<std::vector<std::uint8_t>> calls(readers.size());
    for (std::size_t r = 0; r < readers.size(); ++r)
      for (const double x : rows.scores[r + 1]) {
        if (x != 0 && x != 1)
          throw Error(ErrorCode::TableInvalid, "reader " + readers[r] + " answers neither 0 nor 1").file(table.name());
        calls[r].push_back(x == 1);
      }
    const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
      return reader_values(calls, model, times);
    };
    const stats::BootstrapPlan plan{
        .level = asked.common.level, .draws = asked.common.draws, .accelerated = asked.bootstrap != "percentile"};
    const auto intervals = stats::bootstrap_intervals(figures, stats::resampling_of(model.size(), rows.patient, {}),
                                                      plan, {asked.common.seed, asked.common.threads});
    const std::vector<double> values = reader_values(calls, model, {});
    const std::string finding = one.finding.empty() ? "" : "finding=" + one.finding;
    for (std::size_t f = 0; f < values.size(); ++f) {
      const bool reader = f < readers.size();
      const char* const means[] = {"f1_model", "f1_readers", "f1_difference"};
      Figure figure{.name = reader ? "f1_reader" : means[f - readers.size()],
                    .stratum = reader ? joined_stratum(finding, "reader=" + readers[f]) : finding,
                    .level = asked.common.level,
                    .method = "F1 against the other readers; " + bootstrap_name(plan, !rows.patient.empty(), false),
                    .n = rows.patients()};
      set_drawn(figure, values[f], intervals[f], "a pair of readers has no positive answer");
      outcome.estimates.push_back(std::move(figure));
    }
  }
}

}  // namespace rouage::evidence
