#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "evidence/diagnostic_parts.h"

namespace rouage::evidence {
namespace {

constexpr double kEither = 2;

/// First and second answer of the cases whose truth is `truth` (kEither: all), right answers counted where `right`.
stats::PairedCounts pairs_of(const Answers& answers, double truth, bool right) {
  stats::PairedCounts pairs;
  for (std::size_t i = 0; i < answers.truth.size(); ++i) {
    if (truth != kEither && answers.truth[i] != truth) continue;
    const bool a = right ? answers.first[i] == answers.truth[i] : answers.first[i];
    const bool b = right ? answers.second[i] == answers.truth[i] : answers.second[i];
    (a && b ? pairs.both : a ? pairs.first : b ? pairs.second : pairs.neither) += 1;
  }
  return pairs;
}

void add_share_difference(Outcome& outcome, const std::string& name, const stats::PairedCounts& pairs,
                          const std::string& stratum, double level, bool clustered) {
  Figure figure{.name = name + "_difference",
                .stratum = stratum,
                .level = level,
                .method = "first less second, paired, Newcombe (1998)",
                .n = static_cast<std::uint64_t>(pairs.n())};
  if (clustered) figure.method += ", cases taken as independent";
  if (pairs.n() > 0) {
    const Estimate d = stats::newcombe_paired_difference(pairs.both, pairs.first, pairs.second, pairs.neither, level);
    figure.value = d.value;
    figure.lower = d.lower;
    figure.upper = d.upper;
  } else {
    figure.why = "there is no such case";
  }
  outcome.estimates.push_back(figure);
  const stats::McNemar test = stats::mcnemar(pairs);
  const std::string also = clustered ? ", cases taken as independent" : "";
  for (const auto& [method, p] :
       {std::pair{"McNemar exact", test.exact}, std::pair{"McNemar mid-p, Fagerland (2013)", test.mid}})
    outcome.tests.push_back({.name = name + "_difference",
                             .method = method + also,
                             .stratum = stratum,
                             .value = figure.value,
                             .p = figure.value ? p : std::nullopt,
                             .why = figure.value ? test.why : figure.why});
}

void add_predictive(Outcome& outcome, const std::string& name, const stats::PredictiveComparison& test,
                    const std::string& stratum, std::uint64_t n, double level, bool clustered) {
  const std::string also = clustered ? ", cases taken as independent" : "";
  outcome.estimates.push_back({.name = name + "_ratio",
                               .stratum = stratum,
                               .value = test.ratio,
                               .lower = test.ratio_lower,
                               .upper = test.ratio_upper,
                               .level = level,
                               .method = "first over second, Moskowitz and Pepe (2006)" + also,
                               .n = n,
                               .why = test.ratio         ? ""
                                      : test.why.empty() ? "one of the two is 0"
                                                         : test.why});
  outcome.tests.push_back(
      {.name = name + "_difference",
       .method = "weighted generalised score, Kosinski (2013)" + also,
       .stratum = stratum,
       .statistic = test.statistic,
       .value = test.first && test.second ? std::optional(*test.first - *test.second) : std::nullopt,
       .df = {1},
       .p = test.p,
       .why = test.why});
}

/// Differences whose interval goes by patient: resampled together.
void add_bootstrap_differences(Outcome& outcome, const Answers& answers, const std::string& stratum,
                               const DiagnosticRequest& asked) {
  using enum stats::AccuracyKind;
  const std::vector<stats::AccuracyKind> kinds{f1, mcc, sensitivity, specificity, ppv, npv, accuracy};
  const char* const names[] = {"f1", "mcc", "sensitivity", "specificity", "ppv", "npv", "accuracy"};
  const bool clustered = !answers.patient.empty();
  const std::size_t count = clustered ? kinds.size() : 2;
  const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
    const stats::Counts a = counts_of(answers.truth, answers.first, times),
                        b = counts_of(answers.truth, answers.second, times);
    std::vector<double> values;
    for (std::size_t k = 0; k < count; ++k)
      values.push_back(stats::accuracy_value(kinds[k], a) - stats::accuracy_value(kinds[k], b));
    return values;
  };
  const stats::BootstrapPlan plan{
      .level = asked.common.level, .draws = asked.common.draws, .accelerated = asked.bootstrap != "percentile"};
  const auto intervals =
      stats::bootstrap_intervals(figures, stats::resampling_of(answers.truth.size(), answers.patient, {}), plan,
                                 {asked.common.seed, asked.common.threads});
  const std::vector<double> values = figures(std::vector<std::uint32_t>(answers.truth.size(), 1));
  for (std::size_t k = 0; k < count; ++k) {
    Figure figure{.name = std::string(names[k]) + "_difference",
                  .stratum = stratum,
                  .lower = intervals[k].lower,
                  .upper = intervals[k].upper,
                  .level = asked.common.level,
                  .method = std::string("first less second, ") + (plan.accelerated ? "BCa" : "percentile") +
                            " bootstrap" + (clustered ? " over patients" : ""),
                  .n = answers.truth.size(),
                  .why = intervals[k].why};
    if (std::isfinite(values[k]))
      figure.value = values[k];
    else
      figure = {.name = figure.name,
                .stratum = stratum,
                .level = figure.level,
                .method = figure.method,
                .n = figure.n,
                .why = "not defined for one of the two"};
    outcome.estimates.push_back(std::move(figure));
  }
}

/// Cases and right answers of a share in one stratum, shrunk by the design effect of its patients.
struct Effective {
  double k = 0, n = 0;
};
Effective effective(const Answers& answers, std::uint8_t truth) {
  Effective plain;
  std::vector<double> sums(
      answers.patient.empty() ? 0 : *std::max_element(answers.patient.begin(), answers.patient.end()) + std::size_t{1},
      0);
  std::vector<std::uint8_t> there(sums.size(), 0);
  for (std::size_t i = 0; i < answers.truth.size(); ++i)
    if (answers.truth[i] == truth) {
      ++plain.n;
      plain.k += answers.first[i] == truth ? 1 : 0;
    }
  if (answers.patient.empty() || plain.k == 0 || plain.k == plain.n) return plain;
  const double p = plain.k / plain.n;
  for (std::size_t i = 0; i < answers.truth.size(); ++i)
    if (answers.truth[i] == truth) {
      sums[answers.patient[i]] += (answers.first[i] == truth ? 1 : 0) - p;
      there[answers.patient[i]] = 1;
    }
  double squares = 0, patients = 0;
  for (std::size_t c = 0; c < sums.size(); ++c) {
    squares += sums[c] * sums[c];
    patients += there[c];
  }
  if (patients < 2) return {};
  const double effect = squares * patients / (patients - 1) / (plain.n * p * (1 - p));
  return effect > 0 ? Effective{plain.k / effect, plain.n / effect} : plain;
}

}  // namespace

void add_paired(Outcome& outcome, const Answers& answers, const std::string& stratum, const DiagnosticRequest& asked) {
  const double level = asked.common.level;
  const bool clustered = !answers.patient.empty();
  if (!clustered || asked.bootstrap == "none") {
    add_share_difference(outcome, "sensitivity", pairs_of(answers, 1, true), stratum, level, clustered);
    add_share_difference(outcome, "specificity", pairs_of(answers, 0, true), stratum, level, clustered);
    add_share_difference(outcome, "accuracy", pairs_of(answers, kEither, true), stratum, level, clustered);
  }
  const stats::PairedCounts diseased = pairs_of(answers, 1, false), healthy = pairs_of(answers, 0, false);
  if (!clustered || asked.bootstrap == "none") {
    add_predictive(outcome, "ppv", stats::compare_ppv(diseased, healthy, level), stratum, answers.truth.size(), level,
                   clustered);
    add_predictive(outcome, "npv", stats::compare_npv(diseased, healthy, level), stratum, answers.truth.size(), level,
                   clustered);
  }
  if (asked.bootstrap != "none") add_bootstrap_differences(outcome, answers, stratum, asked);
  if (clustered && asked.bootstrap != "none")
    outcome.notes.push_back(
        "patients repeat: paired differences have intervals over patients; McNemar's test would take cases as "
        "independent (--patient none, or --bootstrap none, shows it)");
}

void add_unpaired(Outcome& outcome, const stats::Counts& a, const stats::Counts& b, const DiagnosticRequest& asked) {
  struct Share {
    const char* name;
    double k1, n1, k2, n2;
  };
  for (const Share& s :
       {Share{"sensitivity", a.tp, a.tp + a.fn, b.tp, b.tp + b.fn},
        Share{"specificity", a.tn, a.tn + a.fp, b.tn, b.tn + b.fp}, Share{"ppv", a.tp, a.tp + a.fp, b.tp, b.tp + b.fp},
        Share{"npv", a.tn, a.tn + a.fn, b.tn, b.tn + b.fn},
        Share{"accuracy", a.tp + a.tn, a.all(), b.tp + b.tn, b.all()}}) {
    Figure figure{.name = std::string(s.name) + "_difference",
                  .stratum = "table=1 - table=2",
                  .level = asked.common.level,
                  .method = "unpaired, Newcombe (1998)",
                  .n = static_cast<std::uint64_t>(s.n1 + s.n2)};
    if (s.n1 > 0 && s.n2 > 0) {
      const Estimate d = stats::newcombe_difference(s.k1, s.n1, s.k2, s.n2, asked.common.level);
      figure.value = d.value;
      figure.lower = d.lower;
      figure.upper = d.upper;
    } else {
      figure.why = "not defined for one of the two tables";
    }
    const double k[] = {s.k1, s.k2}, n[] = {s.n1, s.n2};
    const stats::Heterogeneity test = stats::compare_shares(k, n);
    outcome.tests.push_back({.name = figure.name,
                             .method = "chi-square without correction",
                             .stratum = figure.stratum,
                             .statistic = test.statistic,
                             .value = figure.value,
                             .df = {1},
                             .p = test.p,
                             .why = test.why});
    outcome.estimates.push_back(std::move(figure));
  }
}

void add_interaction(Outcome& outcome, const std::vector<Answers>& levels, const std::vector<std::string>& names,
                     const std::string& stratum, const DiagnosticRequest& asked) {
  for (const std::uint8_t truth : {std::uint8_t{1}, std::uint8_t{0}}) {
    const std::string name = truth ? "sensitivity" : "specificity";
    std::vector<double> k, n;
    bool clustered = false;
    for (const Answers& level : levels) {
      const Effective counts = effective(level, truth);
      k.push_back(counts.k);
      n.push_back(counts.n);
      clustered = clustered || !level.patient.empty();
    }
    const std::string shrunk = clustered ? ", counts by design effect, Rao and Scott (1992)" : "";
    const stats::Heterogeneity test = stats::compare_shares(k, n);
    Test shown{.name = name + "_interaction",
               .method = "chi-square between strata" + shrunk,
               .stratum = stratum,
               .statistic = test.statistic,
               .p = test.p,
               .why = test.why};
    if (test.p) shown.df = {test.df};
    outcome.tests.push_back(std::move(shown));
    if (levels.size() != 2 || !(n[0] > 0) || !(n[1] > 0)) continue;
    const Estimate d = stats::newcombe_difference(k[0], n[0], k[1], n[1], asked.common.level);
    outcome.estimates.push_back({.name = name + "_difference",
                                 .stratum = stratum + "=" + names[0] + " - " + stratum + "=" + names[1],
                                 .value = d.value,
                                 .lower = d.lower,
                                 .upper = d.upper,
                                 .level = asked.common.level,
                                 .method = "unpaired, Newcombe (1998)" + shrunk,
                                 .n = static_cast<std::uint64_t>(levels[0].truth.size() + levels[1].truth.size())});
  }
}

}  // namespace rouage::evidence
