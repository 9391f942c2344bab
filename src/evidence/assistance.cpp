#include "evidence/assistance.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "stats/assistance.h"
#include "stats/distributions.h"
#include "stats/ordinal.h"

namespace rouage::evidence {
namespace {

struct Reading {
  std::uint32_t reader = 0, case_of = 0, finding = 0, mode = 0;
  bool truth = false, verdict = false;
  std::optional<bool> ai{};
  std::optional<double> time{}, period{};
};

struct Readings {
  std::vector<std::string> readers{}, cases{}, findings{}, modes{};  ///< modes: the baseline first
  std::vector<Reading> rows{};
  std::vector<int> present{};  ///< true findings, one a case
};

std::uint32_t index_in(std::vector<std::string>& names, std::map<std::string, std::uint32_t>& known,
                       const std::string& name) {
  const auto [at, fresh] = known.try_emplace(name, static_cast<std::uint32_t>(names.size()));
  if (fresh) names.push_back(name);
  return at->second;
}

std::string first_mode(const DataTable& table, std::size_t mode_at, const std::string& asked) {
  std::string first = table.text(0, mode_at);
  bool found = asked.empty();
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, mode_at) == asked) found = true;
    if (table.text(row, mode_at) == "unaided") first = "unaided";
  }
  if (!found)
    throw Error(ErrorCode::OptionInvalid, "--baseline \"" + asked + "\" is no mode of the table").file(table.name());
  return asked.empty() ? first : asked;
}

/// True findings of each case, each finding once; a finding whose truth differs between rows is refused.
void count_present(Readings& data, const DataTable& table) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, bool> truths;
  for (const Reading& r : data.rows)
    if (truths.try_emplace({r.case_of, r.finding}, r.truth).first->second != r.truth)
      throw Error(ErrorCode::TableInvalid, fmt::format("case {}: its truth differs between rows ({})",
                                                       data.cases[r.case_of], data.findings[r.finding]))
          .file(table.name());
  data.present.assign(data.cases.size(), 0);
  for (const auto& [key, truth] : truths) data.present[key.first] += truth ? 1 : 0;
}

Readings read_rows(const DataTable& table, const std::string& baseline, std::optional<double> threshold) {
  Readings data;
  if (table.rows() == 0) throw Error(ErrorCode::StatisticUndefined, "no readings").file(table.name());
  const std::size_t reader_at = table.column("reader"), case_at = table.column("case"), mode_at = table.column("mode"),
                    truth_at = table.column("truth"), verdict_at = table.column(threshold ? "rating" : "verdict");
  const auto finding_at = table.find("finding"), ai_at = table.find("ai"), time_at = table.find("time"),
             period_at = table.find("period");
  std::map<std::string, std::uint32_t> readers, cases, findings, modes;
  index_in(data.modes, modes, first_mode(table, mode_at, baseline));
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto truth = table.flag(row, truth_at);
    std::optional<bool> verdict;
    if (!threshold) {
      verdict = table.flag(row, verdict_at);
    } else if (const auto rating = table.number(row, verdict_at)) {
      verdict = *rating >= *threshold;
    }
    if (!truth || !verdict) continue;
    data.rows.push_back({.reader = index_in(data.readers, readers, table.text(row, reader_at)),
                         .case_of = index_in(data.cases, cases, table.text(row, case_at)),
                         .finding = index_in(data.findings, findings, finding_at ? table.text(row, *finding_at) : ""),
                         .mode = index_in(data.modes, modes, table.text(row, mode_at)),
                         .truth = *truth,
                         .verdict = *verdict,
                         .ai = ai_at ? table.flag(row, *ai_at) : std::nullopt,
                         .time = time_at ? table.number(row, *time_at) : std::nullopt,
                         .period = period_at ? table.number(row, *period_at) : std::nullopt});
  }
  if (data.modes.size() < 2 || data.rows.empty())
    throw Error(ErrorCode::StatisticUndefined, "readings in two modes are needed").file(table.name());
  if (data.modes.size() > 8) throw Error(ErrorCode::TableInvalid, "more than eight modes").file(table.name());
  count_present(data, table);
  return data;
}

enum class Measure { false_positive, false_negative, error, time };

/// Absent: the row does not count for this measure.
std::optional<double> measured(const Reading& r, Measure measure) {
  if (measure == Measure::time) return r.time && *r.time > 0 ? std::optional(std::log(*r.time)) : std::nullopt;
  if (measure == Measure::false_positive && r.truth) return std::nullopt;
  if (measure == Measure::false_negative && !r.truth) return std::nullopt;
  return r.verdict != r.truth ? 1.0 : 0.0;
}

template <class Keep>
stats::ArmReadings arms(const Readings& data, Measure measure, std::size_t first, std::size_t second, Keep keep) {
  stats::ArmReadings out{.readers = static_cast<std::uint32_t>(data.readers.size()),
                         .cases = static_cast<std::uint32_t>(data.cases.size())};
  for (const Reading& r : data.rows) {
    if ((r.mode != first && r.mode != second) || !keep(r)) continue;
    if (const auto value = measured(r, measure)) {
      out.value.push_back(*value);
      out.arm.push_back(r.mode == second ? 1 : 0);
      out.reader.push_back(r.reader);
      out.case_of.push_back(r.case_of);
    }
  }
  return out;
}

std::string joined(const std::string& pair, const std::string& stratum) {
  return stratum.empty() ? pair : pair + "; " + stratum;
}

constexpr const char* kTwoWay = "percentile bootstrap of readers and cases (Owen 2007)";

class Analysis {
 public:
  Analysis(Readings data, const AnalysisOptions& common) : data_(std::move(data)), common_(common) {
    outcome_.analysis = "assistance";
  }
  void rates();
  void differences();
  void models(const char* name, Measure measure);
  void readers();
  void advice();
  void times();
  void skill();
  Outcome take() { return std::move(outcome_); }

 private:
  void figure(const std::string& name, const std::string& stratum, const stats::ArmFigure& f, std::uint64_t n,
              const std::string& method, bool ratio = false);
  template <class Keep>
  void difference(std::size_t a, std::size_t b, const std::string& stratum, Keep keep);
  void reader_effects(std::size_t mode, std::size_t finding, bool all_findings);
  void forest(std::size_t mode, const std::vector<std::string>& names, const stats::Pooled& pooled);
  std::string pair(std::size_t a, std::size_t b) const { return data_.modes[b] + " - " + data_.modes[a]; }
  stats::ArmDifference compare(const stats::ArmReadings& readings) const {
    return stats::arm_difference(readings, common_.level, common_.draws, {common_.seed, common_.threads});
  }

  Readings data_;
  AnalysisOptions common_;
  Outcome outcome_;
};

void Analysis::figure(const std::string& name, const std::string& stratum, const stats::ArmFigure& f, std::uint64_t n,
                      const std::string& method, bool ratio) {
  const auto turned = [ratio](std::optional<double> v) { return v && ratio ? std::optional(std::exp(*v)) : v; };
  outcome_.estimates.push_back({.name = name,
                                .stratum = stratum,
                                .value = turned(f.value),
                                .lower = turned(f.lower),
                                .upper = turned(f.upper),
                                .level = common_.level,
                                .method = method,
                                .n = n,
                                .why = f.why});
}

/// Rates of each mode, and the plot of the order of reading.
void Analysis::rates() {
  const bool french = common_.language == "fr";
  page::Plot plot{.name = "order_of_reading"};
  plot.title = french ? "Faux positifs et faux négatifs selon l'ordre de lecture"
                      : "False positives and negatives by order of reading";
  plot.x = {.label = french ? "taux d'erreur" : "error rate", .low = 0, .high = 0.05};
  plot.y = {.label = "", .low = -0.5, .high = static_cast<double>(data_.modes.size()) - 0.5};
  for (std::size_t mode = 0; mode < data_.modes.size(); ++mode)
    plot.y.ticks.emplace_back(static_cast<double>(mode), data_.modes[mode]);
  int colour = 0;
  for (const auto& [name, measure] : {std::pair{"false_positive_rate", Measure::false_positive},
                                      std::pair{"false_negative_rate", Measure::false_negative}}) {
    page::PlotPoints points{.colour = colour};
    points.name =
        colour == 0 ? (french ? "faux positifs" : "false positives") : (french ? "faux négatifs" : "false negatives");
    for (std::size_t mode = 0; mode < data_.modes.size(); ++mode) {
      // Both arms named alike: all readings of this mode are arm 1.
      const stats::ArmDifference d = compare(arms(data_, measure, mode, mode, [](const Reading&) { return true; }));
      figure(name, "mode=" + data_.modes[mode], d.second, d.cases, kTwoWay);
      if (!d.second.value || !d.second.lower || !d.second.upper) continue;
      points.x.push_back(*d.second.value);
      points.y.push_back(static_cast<double>(mode) + (colour == 0 ? 0.1 : -0.1));
      points.x_low.push_back(*d.second.lower);
      points.x_high.push_back(*d.second.upper);
      plot.x.high = std::max(plot.x.high, *d.second.upper);
    }
    if (!points.x.empty()) plot.points.push_back(std::move(points));
    ++colour;
  }
  if (!plot.points.empty()) outcome_.plots.push_back(std::move(plot));
}

template <class Keep>
void Analysis::difference(std::size_t a, std::size_t b, const std::string& stratum, Keep keep) {
  for (const auto& [name, measure] : {std::pair{"false_positive_rate_difference", Measure::false_positive},
                                      std::pair{"false_negative_rate_difference", Measure::false_negative},
                                      std::pair{"error_rate_difference", Measure::error}}) {
    const stats::ArmDifference d = compare(arms(data_, measure, a, b, keep));
    figure(name, joined(pair(a, b), stratum), d.difference, d.cases, kTwoWay);
  }
}

void Analysis::differences() {
  for (std::size_t a = 0; a < data_.modes.size(); ++a)
    for (std::size_t b = a + 1; b < data_.modes.size(); ++b) {
      difference(a, b, "", [](const Reading&) { return true; });
      if (data_.findings.size() > 1 && data_.findings.size() <= 40)
        for (std::uint32_t f = 0; f < data_.findings.size(); ++f)
          difference(a, b, "finding=" + data_.findings[f], [f](const Reading& r) { return r.finding == f; });
      if (data_.findings.size() > 1) {
        difference(a, b, "findings=none", [this](const Reading& r) { return data_.present[r.case_of] == 0; });
        difference(a, b, "findings=single", [this](const Reading& r) { return data_.present[r.case_of] == 1; });
        difference(a, b, "findings=several", [this](const Reading& r) { return data_.present[r.case_of] > 1; });
      }
    }
}

/// Mixed logistic model of one kind of error: modes and period fixed, cases and readers random.
void Analysis::models(const char* name, Measure measure) {
  const std::size_t modes = data_.modes.size();
  std::set<double> periods;
  for (const Reading& r : data_.rows) periods.insert(r.period.value_or(0));
  const bool period = periods.size() > 1;
  stats::OrdinalData model{.categories = 2, .predictors = static_cast<std::uint32_t>(modes - 1 + (period ? 1 : 0))};
  stats::RandomTerm cases{.levels = static_cast<std::uint32_t>(data_.cases.size())},
      readers{.levels = static_cast<std::uint32_t>(data_.readers.size())};
  for (const Reading& r : data_.rows) {
    const auto value = measured(r, measure);
    if (!value || (period && !r.period)) continue;
    model.outcome.push_back(*value > 0 ? 1 : 0);
    for (std::uint32_t k = 1; k < modes; ++k) model.x.push_back(r.mode == k ? 1 : 0);
    if (period) model.x.push_back(*r.period - *periods.begin());
    cases.group.push_back(r.case_of);
    readers.group.push_back(r.reader);
  }
  if (cases.levels > 1) model.terms.push_back(cases);
  if (readers.levels > 1) model.terms.push_back(readers);
  std::string method = "mixed logistic model, Laplace; random: case, reader";
  if (readers.levels > 2) {
    for (std::size_t k = 0; k + 1 < modes; ++k) {
      stats::RandomTerm slope = readers;
      slope.coefficient = static_cast<int>(k);
      for (std::size_t row = 0; row < model.outcome.size(); ++row)
        slope.covariate.push_back(model.x[row * model.predictors + k]);
      model.terms.push_back(std::move(slope));
    }
    method += ", reader by mode";
  }
  if (period) method += "; period fixed";
  const stats::OrdinalFit fit = stats::cumulative_link_fit(model, {});
  const double z = stats::normal_quantile((1 + common_.level) / 2);
  const std::size_t width = 1 + fit.coefficients.size();
  const auto covariance = [&](std::size_t a, std::size_t b) {
    return a == 0 || b == 0 ? 0 : fit.covariance[a * width + b];
  };
  for (std::size_t a = 0; a < modes; ++a)
    for (std::size_t b = a + 1; b < modes; ++b) {
      stats::ArmFigure f{.why = fit.why};
      if (fit.why.empty()) {
        const double value = fit.coefficients[b - 1] - (a == 0 ? 0 : fit.coefficients[a - 1]);
        const double error = std::sqrt(covariance(a, a) + covariance(b, b) - 2 * covariance(a, b));
        f = {.value = value, .lower = value - z * error, .upper = value + z * error};
        outcome_.tests.push_back({.name = std::string(name) + "_is_one",
                                  .method = method + "; Wald, not adjusted for several pairs",
                                  .stratum = pair(a, b),
                                  .statistic = value / error,
                                  .value = value,
                                  .p = 2 * stats::normal_upper(std::abs(value / error))});
      }
      figure(name, pair(a, b), f, data_.cases.size(), method + "; Wald interval", true);
    }
  if (!fit.why.empty() || readers.levels < 3) return;
  for (std::size_t k = 0; k + 1 < modes; ++k) {
    const std::size_t t = model.terms.size() - (modes - 1) + k;
    for (std::size_t r = 0; r < data_.readers.size(); ++r) {
      const double value = fit.coefficients[k] + fit.effects[t][r];
      stats::ArmFigure f{.value = value};
      if (!fit.total_variance[t].empty()) {
        const double error = std::sqrt(fit.total_variance[t][r]);
        f.lower = value - z * error;
        f.upper = value + z * error;
      }
      figure(std::string("reader_") + name, joined("reader=" + data_.readers[r], pair(0, k + 1)), f, data_.cases.size(),
             method + "; conditional mode (shrunken)", true);
    }
  }
}

void Analysis::forest(std::size_t mode, const std::vector<std::string>& names, const stats::Pooled& pooled) {
  const bool french = common_.language == "fr";
  page::Plot plot{.name = fmt::format("readers_{}", mode)};
  plot.title = (french ? "Effet sur chaque lecteur : " : "Effect on each reader: ") + pair(0, mode);
  plot.x.label = french ? "différence du taux d'erreur" : "difference of error rate";
  plot.x.low = std::min(0.0, pooled.lower);
  plot.x.high = std::max(0.0, pooled.upper);
  plot.y = {.label = "", .low = -0.5, .high = static_cast<double>(names.size()) + 0.5};
  page::PlotPoints points{.name = french ? "rétréci" : "shrunken"};
  const auto add = [&](double value, double low, double high, const std::string& name) {
    const auto y = static_cast<double>(points.x.size());
    points.x.push_back(value);
    points.y.push_back(y);
    points.x_low.push_back(low);
    points.x_high.push_back(high);
    points.captions.push_back(name);
    plot.y.ticks.emplace_back(y, name);
    plot.x.low = std::min(plot.x.low, low);
    plot.x.high = std::max(plot.x.high, high);
  };
  for (std::size_t i = 0; i < names.size(); ++i)
    add(pooled.shrunken[i].value, pooled.shrunken[i].lower, pooled.shrunken[i].upper, names[i]);
  add(pooled.mean, pooled.lower, pooled.upper, french ? "moyenne" : "mean");
  if (!(plot.x.high > plot.x.low)) plot.x.high = plot.x.low + 1;
  plot.rules.push_back({.at = 0, .vertical = true});
  plot.points.push_back(std::move(points));
  outcome_.plots.push_back(std::move(plot));
}

void Analysis::reader_effects(std::size_t mode, std::size_t finding, bool all_findings) {
  const stats::ArmReadings readings =
      arms(data_, Measure::error, 0, mode, [&](const Reading& r) { return all_findings || r.finding == finding; });
  const std::string tail = joined(pair(0, mode), all_findings ? "" : "finding=" + data_.findings[finding]);
  const double z = stats::normal_quantile((1 + common_.level) / 2);
  std::vector<std::string> names;
  std::vector<stats::Effect> effects;
  for (std::uint32_t r = 0; r < data_.readers.size(); ++r) {
    stats::ArmFigure f{.why = "no readings in one of the modes"};
    if (const auto effect = stats::reader_effect(readings, r)) {
      const double error = z * std::sqrt(effect->variance);
      f = {.value = effect->value, .lower = effect->value - error, .upper = effect->value + error};
      effects.push_back(*effect);
      names.push_back(data_.readers[r]);
    }
    figure("reader_effect", joined("reader=" + data_.readers[r], tail), f, data_.cases.size(),
           "difference of error rates, variance clustered by case");
  }
  const stats::Pooled pooled = stats::pool_effects(effects, common_.level);
  const std::string method = "DerSimonian and Laird (1986) over readers";
  if (!pooled.why.empty()) {
    figure("effect_mean", tail, {.why = pooled.why}, data_.cases.size(), method);
    return;
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    figure("reader_effect_shrunken", joined("reader=" + names[i], tail),
           {.value = pooled.shrunken[i].value, .lower = pooled.shrunken[i].lower, .upper = pooled.shrunken[i].upper},
           data_.cases.size(), "empirical Bayes (Morris 1983)");
  figure("effect_mean", tail, {.value = pooled.mean, .lower = pooled.lower, .upper = pooled.upper}, data_.cases.size(),
         method);
  figure("effect_tau", tail, {.value = pooled.tau, .why = "no interval for tau"}, names.size(), method);
  outcome_.tests.push_back({.name = "effect_heterogeneity",
                            .method = "Cochran (1954) Q over readers",
                            .stratum = tail,
                            .statistic = pooled.q,
                            .df = {pooled.df},
                            .p = pooled.p});
  if (all_findings) forest(mode, names, pooled);
}

void Analysis::readers() {
  for (std::size_t mode = 1; mode < data_.modes.size(); ++mode) {
    reader_effects(mode, 0, true);
    if (data_.findings.size() > 1 && data_.findings.size() <= 40)
      for (std::size_t f = 0; f < data_.findings.size(); ++f) reader_effects(mode, f, false);
  }
}

/// Effect given that the AI is right or wrong; following it where it is wrong, rejecting it where it is right.
void Analysis::advice() {
  if (std::none_of(data_.rows.begin(), data_.rows.end(), [](const Reading& r) { return r.ai.has_value(); })) return;
  const auto right = [](const Reading& r) { return r.ai && *r.ai == r.truth; };
  const auto wrong = [](const Reading& r) { return r.ai && *r.ai != r.truth; };
  // Where the AI is wrong, agreeing with it is the reader's error; where it is right, contradicting it is.
  for (std::size_t mode = 0; mode < data_.modes.size(); ++mode)
    for (const bool ai_right : {false, true}) {
      const char* name = ai_right ? "reject_right" : "follow_wrong";
      const std::string how =
          std::string(ai_right ? "share of verdicts against a right AI, " : "share of verdicts with a wrong AI, ") +
          kTwoWay + (mode == 0 ? "; baseline: coincidence" : "");
      const auto keep = [&](const Reading& r) { return ai_right ? right(r) : wrong(r); };
      const stats::ArmDifference d = compare(arms(data_, Measure::error, mode, mode, keep));
      figure(name, "mode=" + data_.modes[mode], d.second, d.cases, how);
      for (std::uint32_t reader = 0; data_.readers.size() > 1 && reader < data_.readers.size(); ++reader) {
        stats::ArmReadings own =
            arms(data_, Measure::error, mode, mode, [&](const Reading& r) { return r.reader == reader && keep(r); });
        own.readers = 1;
        std::fill(own.reader.begin(), own.reader.end(), 0U);
        const stats::ArmDifference one = compare(own);
        figure(name, joined("mode=" + data_.modes[mode], "reader=" + data_.readers[reader]), one.second, one.cases,
               "percentile bootstrap of cases");
      }
    }
  for (std::size_t a = 0; a < data_.modes.size(); ++a)
    for (std::size_t b = a + 1; b < data_.modes.size(); ++b) {
      difference(a, b, "ai=right", right);
      difference(a, b, "ai=wrong", wrong);
    }
}

void Analysis::times() {
  for (std::size_t a = 0; a < data_.modes.size(); ++a)
    for (std::size_t b = a + 1; b < data_.modes.size(); ++b) {
      const stats::ArmReadings readings = arms(data_, Measure::time, a, b, [](const Reading&) { return true; });
      if (readings.value.empty()) continue;
      const stats::ArmDifference d = compare(readings);
      figure("time_ratio", data_.modes[b] + " / " + data_.modes[a], d.difference, d.cases,
             std::string("ratio of geometric means, ") + kTwoWay, true);
    }
}

void Analysis::skill() {
  for (std::size_t mode = 1; mode < data_.modes.size(); ++mode) {
    const stats::ArmReadings readings = arms(data_, Measure::error, 0, mode, [](const Reading&) { return true; });
    const stats::SkillSlope s = stats::split_skill_slope(readings, 50, 999, common_.seed);
    Test test{.name = "effect_by_baseline_error",
              .method =
                  "slope of the effect on the baseline error rate, skill and effect from different random halves "
                  "of the cases (50 splits), permutation of readers",
              .stratum = pair(0, mode),
              .why = s.why};
    if (s.why.empty()) {
      test.value = s.slope;
      test.p = s.p;
      outcome_.notes.push_back(
          fmt::format("{}: slope from the same cases would be {:.3g} (regression to the mean "
                      "included), from split cases {:.3g}",
                      pair(0, mode), s.naive, s.slope));
    }
    outcome_.tests.push_back(std::move(test));
  }
}

Outcome run_assistance(const AnalysisRequest& request) {
  const AnalysisEntry entry = assistance_entry();
  std::optional<double> threshold;
  if (!option_text(entry, request, "threshold").empty()) threshold = option_number(entry, request, "threshold");
  const DataTable table = DataTable::read(request.inputs.at("input"));
  Analysis analysis(read_rows(table, option_text(entry, request, "baseline"), threshold), request.common);
  analysis.rates();
  analysis.differences();
  analysis.models("false_positive_odds_ratio", Measure::false_positive);
  analysis.models("false_negative_odds_ratio", Measure::false_negative);
  analysis.readers();
  analysis.advice();
  analysis.times();
  analysis.skill();
  return analysis.take();
}

}  // namespace

AnalysisEntry assistance_entry() {
  return {.name = "assistance",
          .title = "What the AI does to readers, and in which order of reading: errors, effects by reader, time",
          .inputs = {{.name = "input",
                      .help = "CSV reader,case,mode,truth,verdict[,finding,ai,time,period]; rating instead of verdict "
                              "with --threshold"}},
          .options = {{.name = "baseline", .help = "mode to compare with (default: unaided, else the first row's)"},
                      {.name = "threshold", .help = "a rating at or above it is a positive verdict"}},
          .run = run_assistance};
}

}  // namespace rouage::evidence
