#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "evidence/survival_run.h"
#include "stats/distributions.h"

namespace rouage::evidence::survival {
namespace {

std::vector<double> numbers_of(const Run& run, const Subjects& subjects, const std::string& column) {
  std::vector<double> values;
  const std::size_t at = run.table.column(column);
  for (const std::size_t row : subjects.row) values.push_back(run.table.number(row, at).value());
  return values;
}

stats::TimedDraws draws_of(const Run& run) {
  const AnalysisOptions& common = run.request.common;
  return {.level = run.level, .draws = common.draws, .seed = common.seed, .threads = common.threads};
}

void add_figures(Run& run, const std::string& name, const std::string& stratum, const std::string& method,
                 const std::vector<stats::TimedFigure>& timed, std::uint64_t n) {
  for (const stats::TimedFigure& figure : timed)
    run.outcome.estimates.push_back({.name = name,
                                     .stratum = joined(stratum, "t=" + number_text(figure.time)),
                                     .value = figure.value,
                                     .lower = figure.lower,
                                     .upper = figure.upper,
                                     .level = run.level,
                                     .method = method,
                                     .n = n,
                                     .why = figure.why});
}

/// One line a series with error bars; times without a value are left out.
void add_series(page::Plot& plot, const std::string& name, const std::vector<stats::TimedFigure>& timed, int colour) {
  page::PlotPoints points{.name = "", .colour = colour};
  page::PlotLine line{.name = name, .colour = colour};
  for (const stats::TimedFigure& figure : timed) {
    if (!figure.value) continue;
    line.x.push_back(figure.time);
    line.y.push_back(*figure.value);
    points.x.push_back(figure.time);
    points.y.push_back(*figure.value);
    points.y_low.push_back(figure.lower.value_or(*figure.value));
    points.y_high.push_back(figure.upper.value_or(*figure.value));
  }
  plot.lines.push_back(std::move(line));
  plot.points.push_back(std::move(points));
}

page::Plot timed_plot(const Run& run, const std::string& name, const std::string& title, const std::string& label,
                      double high) {
  const std::vector<double> times = run.times();
  page::Plot plot{.name = name, .title = title};
  plot.x = {.label = run.french ? "temps" : "time", .low = 0, .high = times.back() > 0 ? times.back() * 1.05 : 1};
  plot.y = {.label = label, .low = 0, .high = high};
  return plot;
}

void add_uno(Run& run, const Subjects& subjects, const std::string& column, const std::vector<double>& score) {
  Figure figure{.name = "uno_c",
                .stratum = "score=" + column,
                .level = run.level,
                .method = "Uno (2011), all follow-up, infinitesimal jackknife with the weights taken as known",
                .n = subjects.row.size()};
  const stats::Concordance c =
      stats::uno_concordance(subjects.view(), score, std::numeric_limits<double>::infinity(), subjects.cluster);
  figure.why = c.why;
  if (c.value) {
    const double z = stats::normal_quantile(0.5 + run.level / 2);
    figure.value = c.value;
    figure.lower = std::max(0.0, *c.value - z * *c.standard_error);
    figure.upper = std::min(1.0, *c.value + z * *c.standard_error);
  }
  run.outcome.estimates.push_back(std::move(figure));
}

/// Five groups by predicted survival: their mean beside Kaplan-Meier.
page::Plot calibration_plot(const Run& run, const Subjects& subjects, const std::vector<double>& predicted, double t,
                            std::size_t number) {
  page::Plot plot{.name = fmt::format("calibration_{}", number + 1), .square = true};
  plot.title = fmt::format(fmt::runtime(run.french ? "Calibration à t = {:g}" : "Calibration at t = {:g}"), t);
  plot.x.label = run.french ? "survie prédite (moyenne du cinquième)" : "predicted survival (mean of a fifth)";
  plot.y.label = run.french ? "survie observée (Kaplan-Meier)" : "observed survival (Kaplan-Meier)";
  plot.lines.push_back(
      {.name = run.french ? "idéale" : "ideal", .x = {0, 1}, .y = {0, 1}, .dashed = true, .colour = -2});
  std::vector<std::uint32_t> order(predicted.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return predicted[a] < predicted[b]; });
  page::PlotPoints points;
  for (std::size_t g = 0; g < 5; ++g) {
    std::vector<double> time, weight;
    std::vector<std::uint8_t> event;
    double sum = 0, total = 0;
    for (std::size_t k = order.size() * g / 5; k < order.size() * (g + 1) / 5; ++k) {
      const double w = subjects.weight.empty() ? 1 : subjects.weight[order[k]];
      time.push_back(subjects.time[order[k]]);
      event.push_back(subjects.event[order[k]]);
      weight.push_back(w);
      sum += w * predicted[order[k]];
      total += w;
    }
    if (time.empty()) continue;
    const stats::SurvivalCurve curve =
        stats::kaplan_meier({.time = time, .event = event, .weight = weight}, run.level, stats::CurveInterval::log_log);
    if (t > curve.time.back() && curve.survival.back() > 0) continue;
    points.x.push_back(sum / total);
    points.y.push_back(curve.survival_at(t));
    points.y_low.push_back(curve.lower_at(t).value_or(curve.survival_at(t)));
    points.y_high.push_back(curve.upper_at(t).value_or(curve.survival_at(t)));
  }
  plot.points.push_back(std::move(points));
  return plot;
}

void check_predicted(const Run& run, const Subjects& subjects, const std::vector<std::string>& columns,
                     const std::vector<std::vector<double>>& predicted) {
  for (std::size_t k = 0; k < columns.size(); ++k)
    for (std::size_t i = 0; i < predicted[k].size(); ++i)
      if (!(predicted[k][i] >= 0 && predicted[k][i] <= 1))
        throw Error(ErrorCode::TableInvalid, fmt::format("line {}, column {}: {} is no survival between 0 and 1",
                                                         run.table.line(subjects.row[i]), columns[k], predicted[k][i]))
            .file(run.table.name());
}

void add_brier(Run& run, const Subjects& subjects, const std::vector<std::vector<double>>& predicted) {
  const std::vector<double> times = run.times();
  const stats::SurvivalCurve curve = stats::kaplan_meier(subjects.view(), run.level);
  std::vector<double> rows, reference;
  for (std::size_t i = 0; i < subjects.row.size(); ++i)
    for (std::size_t k = 0; k < times.size(); ++k) {
      rows.push_back(predicted[k][i]);
      reference.push_back(curve.survival_at(times[k]));
    }
  const auto brier = stats::brier_scores(subjects.view(), rows, times, draws_of(run));
  const auto without = stats::brier_scores(subjects.view(), reference, times, {.level = run.level, .draws = 0});
  const std::string how = "Graf (1999), inverse censoring weights";
  add_figures(run, "brier_score", "", how + ", percentile bootstrap over rows", brier, subjects.row.size());
  add_figures(run, "brier_score_reference", "", how + ", Kaplan-Meier's curve for everyone", without,
              subjects.row.size());
  Figure integrated{.name = "integrated_brier",
                    .value = stats::integrated_brier(brier),
                    .level = run.level,
                    .method = how + ", trapezoid over --times divided by their span",
                    .n = subjects.row.size()};
  integrated.why = integrated.value ? "no interval" : "wants two times, each with a Brier score";
  run.outcome.estimates.push_back(std::move(integrated));
  page::Plot plot = timed_plot(run, "brier", run.french ? "Score de Brier dans le temps" : "Brier score over time",
                               run.french ? "score de Brier" : "Brier score", 0.5);
  add_series(plot, run.french ? "prédiction" : "prediction", brier, 0);
  add_series(plot, "Kaplan-Meier", without, 1);
  run.outcome.plots.push_back(std::move(plot));
}

struct Cause {
  std::uint8_t code;
  std::string name;
};

void add_incidence_of(Run& run, page::Plot& plot, const stats::SurvivalView& view, const std::string& stratum,
                      const Cause& cause) {
  const stats::IncidenceCurve curve = stats::cumulative_incidence(view, cause.code);
  const std::string named = joined(stratum, "cause=" + cause.name);
  const double z = stats::normal_quantile(0.5 + run.level / 2);
  for (const double t : run.times()) {
    Figure figure{.name = "cumulative_incidence",
                  .stratum = joined(named, "t=" + number_text(t)),
                  .level = run.level,
                  .method = "Aalen and Johansen (1978), delta method, log-log interval",
                  .n = view.time.size()};
    if (t > curve.time.back()) {
      figure.why = "nobody was observed so long";
    } else {
      const double f = curve.at(t), se = curve.error_at(t);
      figure.value = f;
      if (f > 0 && f < 1) {
        const double spread = z * se / (f * -std::log(f));
        figure.lower = std::pow(f, std::exp(spread));
        figure.upper = std::pow(f, std::exp(-spread));
      } else {
        figure.why = "no interval at 0 or 1";
      }
    }
    run.outcome.estimates.push_back(std::move(figure));
  }
  page::PlotLine line{.name = named, .x = {0}, .y = {0}, .step = true, .dashed = cause.code != 1};
  line.x.insert(line.x.end(), curve.time.begin(), curve.time.end());
  line.y.insert(line.y.end(), curve.incidence.begin(), curve.incidence.end());
  plot.x.high = std::max(plot.x.high, curve.time.back());
  plot.lines.push_back(std::move(line));
}

}  // namespace

void add_timed_scores(Run& run) {
  const std::vector<std::string> columns = run.list("score");
  const std::vector<double> times = run.times();
  if (columns.empty()) return;
  if (!run.roles.start.empty()) {
    run.outcome.notes.push_back("uno_c and auc_at are not defined with delayed entry and left out");
    return;
  }
  const Subjects subjects = subjects_of(run.table, run.roles, columns);
  std::vector<std::vector<stats::TimedFigure>> series;
  for (const std::string& column : columns) {
    const std::vector<double> score = numbers_of(run, subjects, column);
    add_uno(run, subjects, column, score);
    if (times.empty()) continue;
    series.push_back(stats::time_dependent_auc(subjects.view(), score, times, draws_of(run)));
    add_figures(run, "auc_at", "score=" + column,
                "cumulative/dynamic, Uno (2007), inverse censoring weights, percentile bootstrap over rows",
                series.back(), subjects.row.size());
  }
  if (times.empty()) return;
  page::Plot plot = timed_plot(run, "auc_over_time", run.french ? "AUC dans le temps" : "AUC over time", "AUC", 1);
  plot.rules.push_back({.at = 0.5, .caption = run.french ? "hasard" : "chance"});
  for (std::size_t k = 0; k < series.size(); ++k) add_series(plot, columns[k], series[k], static_cast<int>(k));
  run.outcome.plots.push_back(std::move(plot));
}

void add_predictions(Run& run) {
  const std::vector<std::string> columns = run.list("predicted");
  if (columns.empty()) return;
  const std::vector<double> times = run.times();
  if (times.size() != columns.size())
    throw Error(ErrorCode::OptionInvalid,
                fmt::format("--predicted names {} columns, --times {} times", columns.size(), times.size()))
        .remedy("one column of predicted survival for each of --times, in the same order");
  if (!run.roles.start.empty())
    throw Error(ErrorCode::OptionInvalid, "--predicted and --start: the Brier score is not defined with delayed entry");
  const Subjects subjects = subjects_of(run.table, run.roles, columns);
  run.note_left_out("Brier", subjects);
  std::vector<std::vector<double>> predicted;
  for (const std::string& column : columns) predicted.push_back(numbers_of(run, subjects, column));
  check_predicted(run, subjects, columns, predicted);
  add_brier(run, subjects, predicted);
  for (std::size_t k = 0; k < times.size(); ++k)
    run.outcome.plots.push_back(calibration_plot(run, subjects, predicted[k], times[k], k));
}

void add_incidence(Run& run) {
  if (run.roles.competing_values.empty()) return;
  const std::string column = run.text("group");
  const Subjects all =
      subjects_of(run.table, run.roles, column.empty() ? std::vector<std::string>{} : std::vector{column});
  Levels groups{.names = {""}, .of = std::vector<std::uint32_t>(all.row.size())};
  if (!column.empty()) groups = levels_of(run.table, all, column);
  page::Plot plot{.name = "cumulative_incidence"};
  plot.title = run.french ? "Incidence cumulée (Aalen-Johansen)" : "Cumulative incidence (Aalen-Johansen)";
  plot.x.label = run.french ? "temps" : "time";
  plot.y.label = run.french ? "part avec l'événement" : "share with the event";
  for (std::uint32_t g = 0; g < groups.names.size(); ++g) {
    std::vector<double> time, entry;
    std::vector<std::uint8_t> cause;
    for (std::size_t i = 0; i < all.row.size(); ++i) {
      if (groups.of[i] != g) continue;
      time.push_back(all.time[i]);
      cause.push_back(all.cause[i]);
      if (!all.entry.empty()) entry.push_back(all.entry[i]);
    }
    const stats::SurvivalView view{.time = time, .event = cause, .entry = entry};
    const std::string stratum = column.empty() ? "" : column + "=" + groups.names[g];
    add_incidence_of(run, plot, view, stratum, {1, "event"});
    add_incidence_of(run, plot, view, stratum, {2, "competing"});
  }
  run.outcome.plots.push_back(std::move(plot));
  run.outcome.notes.push_back(
      run.french
          ? "Kaplan-Meier, log-rank, Cox et concordance : événements concurrents censurés (risque propre à la cause)"
          : "Kaplan-Meier, log-rank, Cox and concordance: competing events are censored (cause-specific)");
  if (!all.weight.empty()) run.outcome.notes.push_back("cumulative incidence does not use weights");
}

}  // namespace rouage::evidence::survival
