#include "evidence/calibration.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evidence/case_rows.h"
#include "stats/calibration.h"
#include "stats/distributions.h"

namespace rouage::evidence {
namespace {

/// What was asked, read once.
struct CalibrationRequest {
  AnalysisOptions common;
  std::uint32_t bins = 10;
  std::vector<double> thresholds{};
  std::vector<std::string> score_names{};
  bool french() const { return common.language == "fr"; }
};

CalibrationRequest read_request(const AnalysisEntry& entry, const AnalysisRequest& request) {
  CalibrationRequest asked{.common = request.common};
  const double bins = option_number(entry, request, "bins");
  if (!(bins >= 1 && bins <= 1000) || bins != std::floor(bins))
    throw Error(ErrorCode::OptionInvalid, "--bins wants a whole number from 1 to 1000");
  asked.bins = static_cast<std::uint32_t>(bins);
  asked.score_names = option_list(entry, request, "score");
  if (asked.score_names.empty()) throw Error(ErrorCode::OptionInvalid, "--score names no column");
  for (const std::string& text : option_list(entry, request, "thresholds")) {
    char* end = nullptr;
    const double t = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size() || !(t > 0 && t < 1))
      throw Error(ErrorCode::OptionInvalid, "--thresholds wants numbers between 0 and 1, got \"" + text + "\"");
    asked.thresholds.push_back(t);
  }
  std::sort(asked.thresholds.begin(), asked.thresholds.end());
  return asked;
}

/// One column of probabilities of one finding.
struct Forecast {
  std::span<const double> p;
  std::span<const std::uint8_t> y;
  std::span<const std::uint32_t> patient;
  std::string stratum;
};

void want_probabilities(const DataTable& table, const CaseRows& rows, const std::vector<std::string>& names) {
  for (std::size_t s = 0; s < names.size(); ++s)
    for (const double p : rows.scores[s])
      if (!(p >= 0 && p <= 1))
        throw Error(ErrorCode::TableInvalid, fmt::format("column {}: {} is no probability", names[s], number_text(p)))
            .file(table.name())
            .remedy("calibration wants probabilities within 0 and 1; rouage evidence roc takes any score");
}

constexpr const char* kDrawn[] = {"brier",        "brier_reliability", "brier_resolution", "brier_uncertainty",
                                  "brier_within", "brier_skill",       "ece_equal_width",  "ece_equal_mass",
                                  "mce",          "observed_share",    "mean_predicted",   "calibration_difference"};
constexpr const char* kDrawnMethod[] = {"Brier (1950)",
                                        "Murphy (1973)",
                                        "Murphy (1973)",
                                        "Murphy (1973)",
                                        "Stephenson, Coelho and Jolliffe (2008)",
                                        "1 - brier / uncertainty",
                                        "bins of equal width, Naeini (2015)",
                                        "bins of equal numbers",
                                        "largest difference, bins of equal width",
                                        "share of the condition",
                                        "mean probability",
                                        "mean probability less share"};

std::vector<double> drawn_values(const Forecast& f, const stats::Bins& width, const stats::Bins& mass,
                                 std::span<const std::uint32_t> times, std::span<const double> thresholds) {
  const stats::Brier b = stats::brier(f.p, f.y, width, times);
  const stats::CalibrationError by_width = stats::calibration_error(f.p, f.y, width, times);
  double n = 0, y = 0, p = 0;
  for (std::size_t i = 0; i < f.y.size(); ++i) {
    const double w = times.empty() ? 1 : times[i];
    n += w;
    y += w * f.y[i];
    p += w * f.p[i];
  }
  std::vector<double> values{b.score,
                             b.reliability,
                             b.resolution,
                             b.uncertainty,
                             b.within,
                             b.skill,
                             by_width.expected,
                             stats::calibration_error(f.p, f.y, mass, times).expected,
                             by_width.maximum,
                             y / n,
                             p / n,
                             (p - y) / n};
  const stats::NetBenefit benefit = stats::net_benefit(f.p, f.y, thresholds, times);
  values.insert(values.end(), benefit.model.begin(), benefit.model.end());
  for (std::size_t t = 0; t < thresholds.size(); ++t)
    values.push_back(benefit.model[t] - std::max(0.0, benefit.all[t]));
  return values;
}

Figure drawn_figure(const std::string& name, const std::string& stratum, double value,
                    const stats::BootstrapInterval& interval, const Forecast& f, double level,
                    const std::string& method) {
  Figure figure{
      .name = name,
      .stratum = stratum,
      .lower = interval.lower,
      .upper = interval.upper,
      .level = level,
      .method = method + (f.patient.empty() ? "; percentile bootstrap" : "; percentile bootstrap over patients"),
      .n = f.y.size(),
      .why = interval.why};
  if (std::isfinite(value))
    figure.value = value;
  else
    figure.why = "every case is of one class";
  return figure;
}

page::Plot decision_plot(const Forecast& f, const CalibrationRequest& asked, std::size_t first,
                         const std::vector<stats::BootstrapInterval>& intervals, const std::string& name) {
  const bool fr = asked.french();
  page::Plot plot{.name = name};
  plot.title = fr ? "Courbe de décision" : "Decision curve";
  plot.x.label = fr ? "seuil de probabilité" : "threshold probability";
  plot.y.label = fr ? "bénéfice net" : "net benefit";
  const stats::NetBenefit benefit = stats::net_benefit(f.p, f.y, asked.thresholds);
  page::PlotBand band{.x = {}, .low = {}, .high = {}, .colour = 0};
  double high = 0.01;
  for (std::size_t t = 0; t < asked.thresholds.size(); ++t) {
    const stats::BootstrapInterval& interval = intervals[first + t];
    high = std::max({high, benefit.model[t], interval.upper.value_or(0)});
    if (!interval.lower || !interval.upper) continue;
    band.x.push_back(asked.thresholds[t]);
    band.low.push_back(*interval.lower);
    band.high.push_back(*interval.upper);
  }
  plot.x.low = 0;
  plot.x.high = asked.thresholds.back();
  plot.y.low = -high / 4;
  plot.y.high = high * 1.1;
  if (band.x.size() > 1) plot.bands.push_back(std::move(band));
  plot.lines.push_back({.name = fr ? "modèle" : "model", .x = asked.thresholds, .y = benefit.model, .colour = 0});
  page::PlotLine all{.name = fr ? "traiter tous" : "treat all", .x = {}, .y = {}, .dashed = true, .colour = -2};
  for (std::size_t t = 0; t < asked.thresholds.size(); ++t)
    if (benefit.all[t] >= plot.y.low) {
      all.x.push_back(asked.thresholds[t]);
      all.y.push_back(benefit.all[t]);
    }
  if (all.x.size() > 1) plot.lines.push_back(std::move(all));
  plot.rules.push_back({.at = 0, .vertical = false, .caption = fr ? "ne traiter personne" : "treat none"});
  return plot;
}

void add_drawn(Outcome& outcome, const Forecast& f, const CalibrationRequest& asked, const std::string& plot_ending) {
  const stats::Bins width = stats::bins_of_equal_width(f.p, asked.bins),
                    mass = stats::bins_of_equal_mass(f.p, asked.bins);
  const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
    return drawn_values(f, width, mass, times, asked.thresholds);
  };
  const auto intervals = stats::bootstrap_intervals(figures, stats::resampling_of(f.y.size(), f.patient, {}),
                                                    {.level = asked.common.level, .draws = asked.common.draws},
                                                    {asked.common.seed, asked.common.threads});
  const std::vector<double> values = drawn_values(f, width, mass, {}, asked.thresholds);
  const std::size_t named = std::size(kDrawn), thresholds = asked.thresholds.size();
  for (std::size_t i = 0; i < named; ++i)
    outcome.estimates.push_back(
        drawn_figure(kDrawn[i], f.stratum, values[i], intervals[i], f, asked.common.level, kDrawnMethod[i]));
  for (std::size_t t = 0; t < thresholds; ++t) {
    const std::string at = joined_stratum(f.stratum, fmt::format("threshold={:g}", asked.thresholds[t]));
    outcome.estimates.push_back(drawn_figure("net_benefit", at, values[named + t], intervals[named + t], f,
                                             asked.common.level, "Vickers and Elkin (2006)"));
    outcome.estimates.push_back(drawn_figure("net_benefit_gain", at, values[named + thresholds + t],
                                             intervals[named + thresholds + t], f, asked.common.level,
                                             "less the better of treating all and none"));
  }
  if (thresholds > 1)
    outcome.plots.push_back(decision_plot(f, asked, named, intervals, "decision_curve" + plot_ending));
}

void add_line(Outcome& outcome, const Forecast& f, double level) {
  const stats::Logistic line = stats::calibration_line(f.p, f.y, f.patient, level);
  const std::string method = f.patient.empty() ? "logistic regression on the logit, Cox (1958)"
                                               : "logistic on the logit, Cox (1958), sandwich over patients";
  const auto add = [&](const char* name, const std::optional<double>& value, const std::optional<double>& lower,
                       const std::optional<double>& upper) {
    outcome.estimates.push_back({.name = name,
                                 .stratum = f.stratum,
                                 .value = value,
                                 .lower = lower,
                                 .upper = upper,
                                 .level = level,
                                 .method = method,
                                 .n = f.y.size(),
                                 .why = lower ? "" : line.why});
  };
  add("calibration_slope", line.slope, line.slope_lower, line.slope_upper);
  add("calibration_intercept", line.intercept, line.intercept_lower, line.intercept_upper);
  add("calibration_in_the_large", line.in_the_large, line.in_the_large_lower, line.in_the_large_upper);
  Test test{.name = "calibration_line",
            .method = "Wald, intercept 0 and slope 1 together",
            .stratum = f.stratum,
            .statistic = line.chi_square,
            .df = {2},
            .p = line.p,
            .why = line.why};
  outcome.tests.push_back(std::move(test));
  const double z = stats::spiegelhalter_z(f.p, f.y);
  Test brier{.name = "spiegelhalter", .method = "Spiegelhalter (1986)", .stratum = f.stratum};
  if (!f.patient.empty()) {
    brier.why = "takes cases as independent, and patients repeat";
  } else if (std::isfinite(z)) {
    brier.statistic = z;
    brier.p = 2 * stats::normal_upper(std::abs(z));
  } else {
    brier.why = "all probabilities are 0, 0.5 or 1";
  }
  outcome.tests.push_back(std::move(brier));
}

void add_reliability(Outcome& outcome, const Forecast& f, const CalibrationRequest& asked,
                     const std::string& plot_ending) {
  const bool fr = asked.french();
  const auto bins = stats::reliability(f.p, f.y, stats::bins_of_equal_width(f.p, asked.bins), asked.common.level);
  page::Plot plot{.name = "reliability" + plot_ending};
  plot.title = fr ? "Fiabilité" : "Reliability";
  plot.caption = fr ? "part observée par classe de probabilité, intervalle de Clopper et Pearson"
                    : "observed share by bin of probability, Clopper-Pearson interval";
  plot.x.label = fr ? "probabilité prédite" : "predicted probability";
  plot.y.label = fr ? "part observée" : "observed share";
  plot.square = true;
  plot.lines.push_back({.name = fr ? "idéal" : "ideal", .x = {0, 1}, .y = {0, 1}, .dashed = true, .colour = -2});
  page::PlotPoints points;
  for (const stats::ReliabilityBin& bin : bins) {
    outcome.estimates.push_back(
        {.name = "observed_in_bin",
         .stratum = joined_stratum(f.stratum, fmt::format("predicted={:.4f}", bin.predicted)),
         .value = bin.observed,
         .lower = bin.lower,
         .upper = bin.upper,
         .level = asked.common.level,
         .method = f.patient.empty() ? "Clopper-Pearson (1934)" : "Clopper-Pearson (1934), cases taken as independent",
         .n = static_cast<std::uint64_t>(bin.n)});
    points.x.push_back(bin.predicted);
    points.y.push_back(bin.observed);
    points.y_low.push_back(bin.lower);
    points.y_high.push_back(bin.upper);
    points.captions.push_back(fmt::format("{:g} / {:g}", bin.positives, bin.n));
  }
  plot.points.push_back(std::move(points));
  outcome.plots.push_back(std::move(plot));
}

/// Probabilities of each fifth of the patients (in their order) by a map that was fitted on the others.
template <typename Fit>
std::vector<double> crossed(const Forecast& f, const Fit& fit) {
  constexpr std::size_t kFolds = 5;
  std::vector<double> mapped(f.p.size());
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<double> p;
    std::vector<std::uint8_t> y;
    const auto mine = [&](std::size_t i) { return (f.patient.empty() ? i : f.patient[i]) % kFolds == fold; };
    for (std::size_t i = 0; i < f.p.size(); ++i) {
      if (mine(i)) continue;
      p.push_back(f.p[i]);
      y.push_back(f.y[i]);
    }
    const auto map = fit(p, y);
    for (std::size_t i = 0; i < f.p.size(); ++i)
      if (mine(i)) mapped[i] = map(f.p[i]);
  }
  return mapped;
}

void add_recalibrated(Outcome& outcome, const Forecast& f, const CalibrationRequest& asked) {
  const stats::Platt platt = stats::platt_fit(f.p, f.y);
  outcome.notes.push_back(fmt::format("{}Platt: logit p' = {:.6g} + {:.6g} logit p",
                                      f.stratum.empty() ? "" : f.stratum + ": ", platt.intercept, platt.slope));
  const std::vector<double> by_platt = crossed(f, [](const auto& p, const auto& y) { return stats::platt_fit(p, y); });
  const std::vector<double> by_steps =
      crossed(f, [](const auto& p, const auto& y) { return stats::isotonic_fit(p, y); });
  for (const auto& [name, mapped] : {std::pair{"platt", &by_platt}, std::pair{"isotonic", &by_steps}}) {
    Forecast g = f;
    g.p = *mapped;
    g.stratum = joined_stratum(f.stratum, std::string("recalibrated=") + name);
    const stats::Bins width = stats::bins_of_equal_width(g.p, asked.bins),
                      mass = stats::bins_of_equal_mass(g.p, asked.bins);
    const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
      return std::vector<double>{stats::brier(g.p, g.y, width, times).score,
                                 stats::calibration_error(g.p, g.y, width, times).expected,
                                 stats::calibration_error(g.p, g.y, mass, times).expected};
    };
    const auto intervals = stats::bootstrap_intervals(figures, stats::resampling_of(g.y.size(), g.patient, {}),
                                                      {.level = asked.common.level, .draws = asked.common.draws},
                                                      {asked.common.seed, asked.common.threads});
    const std::vector<double> values = figures(std::vector<std::uint32_t>(g.y.size(), 1));
    const char* names[] = {"brier", "ece_equal_width", "ece_equal_mass"};
    for (std::size_t i = 0; i < values.size(); ++i)
      outcome.estimates.push_back(drawn_figure(names[i], g.stratum, values[i], intervals[i], g, asked.common.level,
                                               "fitted on four fifths, applied to the fifth"));
  }
}

void add_isotonic_table(Outcome& outcome, const Forecast& f) {
  const stats::Isotonic steps = stats::isotonic_fit(f.p, f.y);
  Detail detail{.title = "isotonic map " + f.stratum, .header = {"probability", "recalibrated"}};
  for (std::size_t i = 0; i < steps.at.size(); ++i)
    detail.rows.push_back({fixed_text(steps.at[i], 6), fixed_text(steps.value[i], 6)});
  outcome.details.push_back(std::move(detail));
}

std::string plot_ending(const std::string& finding, const std::string& score) {
  std::string ending;
  for (const std::string& part : {finding, score})
    if (!part.empty()) ending += "_" + lower_case(part);
  for (char& c : ending)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '_';
  return ending;
}

Outcome run_calibration(const AnalysisRequest& request) {
  const AnalysisEntry entry = calibration_entry();
  const CalibrationRequest asked = read_request(entry, request);
  const DataTable table = DataTable::read(request.inputs.at("input"));
  Outcome outcome{.analysis = "calibration"};
  for (const FindingColumns& one : finding_columns(entry, request, table)) {
    const CaseRows rows = read_cases(table, one.columns);
    if (rows.truth.empty())
      throw Error(ErrorCode::StatisticUndefined, "no row has a truth and a probability").file(table.name());
    want_probabilities(table, rows, one.columns.scores);
    note_rows(outcome, rows, one.finding, asked.french());
    const std::string finding = one.finding.empty() ? "" : "finding=" + one.finding;
    for (std::size_t s = 0; s < rows.scores.size(); ++s) {
      const bool several = rows.scores.size() > 1;
      const Forecast f{rows.scores[s], rows.truth, rows.patient,
                       several ? joined_stratum(finding, "score=" + asked.score_names[s]) : finding};
      const std::string ending = plot_ending(one.finding, several ? asked.score_names[s] : "");
      add_drawn(outcome, f, asked, ending);
      add_line(outcome, f, asked.common.level);
      add_reliability(outcome, f, asked, ending);
      if (option_flag(request, "recalibrate") && f.y.size() >= 10) {
        add_recalibrated(outcome, f, asked);
        add_isotonic_table(outcome, f);
      }
      for (std::size_t column = 0; column < rows.strata.size(); ++column)
        for (const std::string& level : levels_of(rows.strata[column])) {
          const CaseRows part = rows_of(rows, column, level);
          const std::string name = split(one.columns.strata[column], ':').front() + "=" + level;
          CalibrationRequest short_request = asked;
          short_request.thresholds.clear();
          const Forecast g{part.scores[s], part.truth, part.patient, joined_stratum(f.stratum, name)};
          add_drawn(outcome, g, short_request, "");
          add_line(outcome, g, asked.common.level);
        }
    }
  }
  return outcome;
}

}  // namespace

AnalysisEntry calibration_entry() {
  AnalysisEntry entry{.name = "calibration",
                      .title = "Calibration: Brier and its parts, ECE, slope, reliability, recalibration, net benefit",
                      .inputs = {{.name = "input", .help = "CSV case,truth,score[,patient,stratum...], probabilities"}},
                      .options = case_options(),
                      .run = run_calibration};
  for (const OptionEntry& option : std::vector<OptionEntry>{
           {.name = "bins", .help = "of equal width, and of equal numbers", .initial = "10"},
           {.name = "thresholds",
           .help = "of the decision curve, comma between",
           .initial = "0.05,0.1,0.15,0.2,0.25,0.3,0.35,0.4,0.45,0.5,0.6,0.7,0.8,0.9"},
           {.name = "recalibrate", .help = "Platt's and the isotonic map, judged by five folds", .flag = true}})
    entry.options.push_back(option);
  return entry;
}

}  // namespace rouage::evidence
