#include "evidence/survival.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evidence/survival_run.h"
#include "stats/distributions.h"

namespace rouage::evidence {
namespace {

using survival::joined;
using survival::Run;

stats::CurveInterval interval_of(const std::string& word) {
  if (word == "plain") return stats::CurveInterval::plain;
  return word == "log" ? stats::CurveInterval::log : stats::CurveInterval::log_log;
}

Test test_of(const std::string& name, const std::string& method, const std::string& stratum,
             const stats::ChiSquare& chi) {
  Test test{.name = name, .method = method, .stratum = stratum, .statistic = chi.statistic, .p = chi.p, .why = chi.why};
  if (chi.df > 0) test.df = {chi.df};
  return test;
}

// ---- curves

struct GroupCurve {
  std::string stratum, name;
  stats::SurvivalCurve curve;
  std::uint64_t n = 0;
};

std::vector<GroupCurve> curves_of(const Run& run, const survival::Subjects& all, const survival::Levels& groups,
                                  const std::string& column, stats::CurveInterval interval) {
  std::vector<GroupCurve> curves;
  for (std::uint32_t g = 0; g < groups.names.size(); ++g) {
    std::vector<double> time, entry, weight;
    std::vector<std::uint8_t> event;
    for (std::size_t i = 0; i < all.row.size(); ++i) {
      if (groups.of[i] != g) continue;
      time.push_back(all.time[i]);
      event.push_back(all.event[i]);
      if (!all.entry.empty()) entry.push_back(all.entry[i]);
      if (!all.weight.empty()) weight.push_back(all.weight[i]);
    }
    const stats::SurvivalView view{.time = time, .event = event, .entry = entry, .weight = weight};
    curves.push_back({.stratum = column.empty() ? "" : column + "=" + groups.names[g],
                      .name = groups.names[g],
                      .curve = stats::kaplan_meier(view, run.level, interval),
                      .n = time.size()});
  }
  return curves;
}

void add_curve_figures(Run& run, const GroupCurve& group, const std::string& interval,
                       const std::vector<double>& times) {
  const auto add = [&](const std::string& name, const std::string& stratum, const std::string& method) -> Figure& {
    run.outcome.estimates.push_back(
        {.name = name, .stratum = joined(group.stratum, stratum), .level = run.level, .method = method, .n = group.n});
    return run.outcome.estimates.back();
  };
  const std::string how = fmt::format("Kaplan-Meier (1958), Greenwood's variance, {} interval", interval);
  const stats::SurvivalCurve& curve = group.curve;
  for (const double t : times) {
    Figure& figure = add("survival", fmt::format("t={}", number_text(t)), how);
    if (t > curve.time.back() && curve.survival.back() > 0) {
      figure.why = "nobody was observed so long";
      continue;
    }
    figure.value = curve.survival_at(t);
    figure.lower = curve.lower_at(t);
    figure.upper = curve.upper_at(t);
    if (!figure.lower) figure.why = "no interval where the curve is 0";
  }
  const stats::SurvivalQuantile median = stats::survival_quantile(curve, 0.5);
  Figure& middle = add("median_survival", "", how + ", by its limits (Brookmeyer and Crowley 1982)");
  middle.value = median.value;
  middle.lower = median.lower;
  middle.upper = median.upper;
  if (!median.value)
    middle.why = "the curve does not reach one half";
  else if (!median.lower || !median.upper)
    middle.why = "a limit of the curve does not reach one half";
}

void add_restricted_means(Run& run, const std::vector<GroupCurve>& curves) {
  double tau = curves[0].curve.time.back();
  for (const GroupCurve& group : curves) tau = std::min(tau, group.curve.time.back());
  if (!run.text("tau").empty()) tau = option_number(survival_entry(), run.request, "tau");
  const double z = stats::normal_quantile(0.5 + run.level / 2);
  for (const GroupCurve& group : curves) {
    Figure figure{.name = "restricted_mean",
                  .stratum = joined(group.stratum, fmt::format("t={}", number_text(tau))),
                  .level = run.level,
                  .method = "area under Kaplan-Meier's curve (Irwin 1949), normal interval",
                  .n = group.n};
    if (!(tau > 0)) {
      figure.why = "no time above 0";
    } else if (tau > group.curve.time.back() && group.curve.survival.back() > 0) {
      figure.why = "nobody was observed so long";
    } else {
      const stats::RestrictedMean mean = stats::restricted_mean(group.curve, tau);
      figure.value = mean.value;
      figure.lower = std::max(0.0, mean.value - z * mean.standard_error);
      figure.upper = mean.value + z * mean.standard_error;
    }
    run.outcome.estimates.push_back(std::move(figure));
  }
}

/// About six round times from 0 to the end.
std::vector<double> risk_times(double end) {
  if (!(end > 0)) return {0};
  double step = std::pow(10, std::floor(std::log10(end / 6)));
  for (const double factor : {2.0, 2.5, 2.0})
    if (end / step > 7) step *= factor;
  std::vector<double> times;
  for (int k = 0; k * step <= end; ++k) times.push_back(k * step);
  return times;
}

void draw_curve(page::Plot& plot, const GroupCurve& group, int colour) {
  const stats::SurvivalCurve& curve = group.curve;
  page::PlotLine line{.name = group.name, .x = {0}, .y = {1}, .step = true, .colour = colour};
  page::PlotBand band{.x = {0}, .low = {1}, .high = {1}, .step = true, .colour = colour};
  for (std::size_t i = 0; i < curve.time.size(); ++i) {
    if (curve.events[i] > 0 || i + 1 == curve.time.size()) {
      line.x.push_back(curve.time[i]);
      line.y.push_back(curve.survival[i]);
      if (curve.lower[i] && curve.upper[i]) {
        band.x.push_back(curve.time[i]);
        band.low.push_back(*curve.lower[i]);
        band.high.push_back(*curve.upper[i]);
      }
    }
  }
  plot.lines.push_back(std::move(line));
  plot.bands.push_back(std::move(band));
  std::vector<std::int64_t> counts;
  for (const double t : plot.risk.times) counts.push_back(std::llround(curve.at_risk_at(t)));
  plot.risk.rows.emplace_back(group.name, std::move(counts));
}

page::Plot curve_plot(const Run& run, const std::vector<GroupCurve>& curves, const std::string& interval) {
  page::Plot plot{.name = "kaplan_meier"};
  plot.title = run.french ? "Survie (Kaplan-Meier)" : "Survival (Kaplan-Meier)";
  plot.caption = run.french
                     ? fmt::format("Bandes : intervalles ponctuels à {:g} %, méthode {}", 100 * run.level, interval)
                     : fmt::format("Bands: pointwise {:g} % intervals, {} method", 100 * run.level, interval);
  double end = 0;
  for (const GroupCurve& group : curves) end = std::max(end, group.curve.time.back());
  plot.x = {.label = run.french ? "temps" : "time", .low = 0, .high = end > 0 ? end : 1};
  plot.y = {.label = run.french ? "part sans événement" : "share without event", .low = 0, .high = 1};
  plot.risk.title = run.french ? "à risque" : "at risk";
  plot.risk.times = risk_times(end);
  for (std::size_t g = 0; g < curves.size(); ++g) draw_curve(plot, curves[g], static_cast<int>(g));
  if (curves.size() == 1 && plot.lines[0].name.empty()) plot.risk.rows[0].first = run.french ? "tous" : "all";
  return plot;
}

void add_curves(Run& run) {
  const std::string column = run.text("group"), interval = run.text("interval");
  const survival::Subjects all =
      survival::subjects_of(run.table, run.roles, column.empty() ? std::vector<std::string>{} : std::vector{column});
  run.note_left_out("Kaplan-Meier", all);
  survival::Levels groups{.names = {""}, .of = std::vector<std::uint32_t>(all.row.size())};
  if (!column.empty()) groups = survival::levels_of(run.table, all, column);
  const std::vector<GroupCurve> curves = curves_of(run, all, groups, column, interval_of(interval));
  const std::vector<double> times = run.times();
  for (const GroupCurve& group : curves) add_curve_figures(run, group, interval, times);
  add_restricted_means(run, curves);
  run.outcome.plots.push_back(curve_plot(run, curves, interval));
  if (column.empty()) return;
  if (!run.roles.weight.empty()) run.outcome.notes.push_back("the log-rank test does not use weights");
  const double rho = option_number(survival_entry(), run.request, "rho");
  const auto count = static_cast<std::uint32_t>(groups.names.size());
  const stats::LogRank rank = stats::log_rank(all.view(), groups.of, count, rho);
  const std::string how = rho == 0 ? "Mantel (1966)" : fmt::format("Harrington and Fleming (1982), rho {:g}", rho);
  const std::string strata = run.roles.strata.empty() ? "" : ", stratified by " + run.roles.strata;
  run.outcome.tests.push_back(test_of("log_rank", how + strata, "group=" + column, rank.test));
  if (option_flag(run.request, "trend"))
    run.outcome.tests.push_back(
        test_of("log_rank_trend", "Tarone (1975), groups scored 0, 1, 2..." + strata, "group=" + column, rank.trend));
  Detail detail{.title = "log-rank: " + column, .header = {"group", "n", "observed", "expected"}, .rows = {}};
  for (std::uint32_t g = 0; g < count; ++g)
    detail.rows.push_back({groups.names[g], fmt::format("{:g}", rank.n[g]), fmt::format("{:.6g}", rank.observed[g]),
                           fmt::format("{:.6g}", rank.expected[g])});
  run.outcome.details.push_back(std::move(detail));
}

// ---- Cox

std::string state_text(stats::CoxState state) {
  return state == stats::CoxState::aliased
             ? "collinear with the columns before it"
             : "the likelihood grows without bound (complete separation): no finite ratio";
}

void add_ratio(Run& run, const stats::CoxFit& fit, std::size_t j, const std::string& name, const std::string& how) {
  const std::string stratum = "covariate=" + name;
  Figure ratio{.name = "hazard_ratio", .stratum = stratum, .level = run.level, .method = how, .n = fit.rows};
  Test wald{.name = "hazard_ratio_is_one", .method = "Wald; " + how, .stratum = stratum};
  if (fit.state[j] == stats::CoxState::finite) {
    const double se = fit.robust_error.empty() ? fit.standard_error[j] : fit.robust_error[j];
    const double beta = fit.coefficient[j], z = stats::normal_quantile(0.5 + run.level / 2);
    ratio.value = std::exp(beta);
    ratio.lower = std::exp(beta - z * se);
    ratio.upper = std::exp(beta + z * se);
    wald.value = ratio.value;
    if (se > 0) {
      wald.statistic = beta / se;
      wald.p = 2 * stats::normal_upper(std::abs(beta / se));
    } else {
      wald.why = "no variance";
    }
    for (auto* limit : {&ratio.value, &ratio.lower, &ratio.upper, &wald.value})
      if (!std::isfinite(**limit)) {
        limit->reset();
        ratio.why = "beyond the range of numbers: change the covariate's unit";
      }
  } else {
    ratio.why = wald.why = state_text(fit.state[j]);
  }
  run.outcome.estimates.push_back(std::move(ratio));
  run.outcome.tests.push_back(std::move(wald));
}

Figure concordance_figure(const Run& run, const std::string& stratum, const stats::Concordance& c, std::uint64_t n) {
  Figure figure{.name = "harrell_c",
                .stratum = stratum,
                .value = c.value,
                .level = run.level,
                .method = "Harrell (1982), infinitesimal jackknife, normal interval",
                .n = n,
                .why = c.why};
  if (c.value && c.standard_error) {
    const double z = stats::normal_quantile(0.5 + run.level / 2);
    figure.lower = std::max(0.0, *c.value - z * *c.standard_error);
    figure.upper = std::min(1.0, *c.value + z * *c.standard_error);
  }
  return figure;
}

void add_cox_tests(Run& run, const stats::CoxFit& fit, const survival::Covariates& covariates, const std::string& how) {
  run.outcome.tests.push_back(test_of("cox_likelihood_ratio", how, "", fit.likelihood_ratio));
  run.outcome.tests.push_back(test_of("cox_wald", how, "", fit.wald));
  run.outcome.tests.push_back(test_of("cox_score", how, "", fit.score));
  for (std::size_t j = 0; j <= covariates.names.size(); ++j)
    run.outcome.tests.push_back(test_of(
        "proportional_hazards", "score test with 1 - Kaplan-Meier (Grambsch and Therneau 1994; survival 3)",
        j < covariates.names.size() ? "covariate=" + covariates.names[j] : "covariate=all", fit.proportional[j]));
  for (const auto& [name, value] :
       {std::pair{"cox_log_likelihood_null", fit.loglik_null}, {"cox_log_likelihood", fit.loglik}})
    run.outcome.estimates.push_back(
        {.name = name, .value = value, .level = run.level, .method = how, .n = fit.rows, .why = "no interval"});
}

void add_cox(Run& run) {
  const std::vector<std::string> columns = run.list("covariates");
  if (columns.empty()) return;
  const survival::Subjects subjects = survival::subjects_of(run.table, run.roles, columns);
  run.note_left_out("Cox", subjects);
  const survival::Covariates covariates = survival::covariates_of(run.table, subjects, columns);
  const bool efron = run.text("ties") == "efron", robust = option_flag(run.request, "robust");
  const stats::CoxFit fit =
      stats::cox_regression({.data = subjects.view(),
                             .covariates = covariates.values,
                             .columns = covariates.names.size(),
                             .cluster = subjects.cluster},
                            {.ties = efron ? stats::CoxTies::efron : stats::CoxTies::breslow, .robust = robust});
  std::string how = fmt::format("Cox (1972), ties after {}", efron ? "Efron (1977)" : "Breslow (1974)");
  if (!run.roles.strata.empty()) how += ", stratified by " + run.roles.strata;
  if (!subjects.cluster.empty())
    how += ", robust over " + run.roles.cluster;
  else if (robust)
    how += ", robust (Lin and Wei 1989)";
  Detail detail{.title = "Cox", .header = {"covariate", "coefficient", "se", "robust se"}, .rows = {}};
  for (std::size_t j = 0; j < covariates.names.size(); ++j) {
    add_ratio(run, fit, j, covariates.names[j], how);
    const bool finite = fit.state[j] == stats::CoxState::finite;
    detail.rows.push_back({covariates.names[j], finite ? fmt::format("{:.8g}", fit.coefficient[j]) : "",
                           finite ? fmt::format("{:.8g}", fit.standard_error[j]) : "",
                           finite && !fit.robust_error.empty() ? fmt::format("{:.8g}", fit.robust_error[j]) : ""});
  }
  run.outcome.details.push_back(std::move(detail));
  add_cox_tests(run, fit, covariates, how);
  const stats::Concordance c = stats::harrell_concordance(subjects.view(), fit.linear_predictor, subjects.cluster);
  run.outcome.estimates.push_back(concordance_figure(run, "score=cox", c, fit.rows));
  run.outcome.notes.push_back(run.french ? "harrell_c de score=cox : sur les données de l'ajustement, donc optimiste"
                                         : "harrell_c of score=cox: on the data of the fit, hence optimistic");
  for (const std::string& note : covariates.notes) run.outcome.notes.push_back(note);
}

// ---- scores

void add_scores(Run& run) {
  const std::vector<std::string> columns = run.list("score");
  if (columns.empty()) return;
  const survival::Subjects subjects = survival::subjects_of(run.table, run.roles, columns);
  run.note_left_out("concordance", subjects);
  std::vector<stats::Concordance> found;
  for (const std::string& column : columns) {
    std::vector<double> score;
    for (const std::size_t row : subjects.row) score.push_back(run.table.number(row, run.table.column(column)).value());
    found.push_back(stats::harrell_concordance(subjects.view(), score, subjects.cluster));
    run.outcome.estimates.push_back(concordance_figure(run, "score=" + column, found.back(), subjects.row.size()));
  }
  const double z = stats::normal_quantile(0.5 + run.level / 2);
  for (std::size_t a = 0; a < found.size(); ++a)
    for (std::size_t b = a + 1; b < found.size(); ++b) {
      const std::string stratum = fmt::format("score={} - {}", columns[a], columns[b]);
      const std::string how = "paired infinitesimal jackknife";
      Figure figure{.name = "harrell_c_difference",
                    .stratum = stratum,
                    .level = run.level,
                    .method = how,
                    .n = subjects.row.size()};
      Test test{.name = "harrell_c_difference", .method = how, .stratum = stratum};
      if (found[a].value && found[b].value) {
        std::vector<double> influence = found[a].influence;
        for (std::size_t i = 0; i < influence.size(); ++i) influence[i] -= found[b].influence[i];
        const double se = stats::clustered_error(influence, subjects.cluster);
        const double difference = *found[a].value - *found[b].value;
        figure.value = test.value = difference;
        figure.lower = difference - z * se;
        figure.upper = difference + z * se;
        if (se > 0) {
          test.statistic = difference / se;
          test.p = 2 * stats::normal_upper(std::abs(difference / se));
        } else {
          test.why = "the two scores order all pairs alike";
        }
      } else {
        figure.why = test.why = found[a].value ? found[b].why : found[a].why;
      }
      run.outcome.estimates.push_back(std::move(figure));
      run.outcome.tests.push_back(std::move(test));
    }
}

Outcome run_survival(const AnalysisRequest& request) {
  const AnalysisEntry entry = survival_entry();
  const DataTable table = DataTable::read(request.inputs.at("input"));
  Run run{.request = request,
          .table = table,
          .roles = {},
          .french = request.common.language == "fr",
          .level = request.common.level};
  run.roles = {.time = option_text(entry, request, "time"),
               .event = option_text(entry, request, "event"),
               .start = option_text(entry, request, "start"),
               .weight = option_text(entry, request, "weight"),
               .strata = option_text(entry, request, "strata"),
               .cluster = option_text(entry, request, "cluster"),
               .event_values = option_list(entry, request, "event-value"),
               .competing_values = option_list(entry, request, "competing")};
  try {
    add_curves(run);
    survival::add_incidence(run);
    add_scores(run);
    survival::add_timed_scores(run);
    survival::add_predictions(run);
    add_cox(run);
  } catch (Error& error) {
    throw error.file(table.name());
  }
  return std::move(run.outcome);
}

}  // namespace

namespace survival {

std::string Run::text(const std::string& option) const {
  return option_text(survival_entry(), request, option);
}

std::vector<std::string> Run::list(const std::string& option) const {
  return option_list(survival_entry(), request, option);
}

std::vector<double> Run::times() const {
  std::vector<double> times;
  for (const std::string& word : list("times")) {
    char* end = nullptr;
    const double t = std::strtod(word.c_str(), &end);
    if (end != word.c_str() + word.size() || !std::isfinite(t) || t < 0)
      throw Error(ErrorCode::OptionInvalid, fmt::format("--times: \"{}\" is no time", word));
    times.push_back(t);
  }
  if (!std::is_sorted(times.begin(), times.end()))
    throw Error(ErrorCode::OptionInvalid, "--times are not in ascending order");
  return times;
}

void Run::note_left_out(const std::string& part, const Subjects& subjects) {
  if (subjects.left_out > 0)
    outcome.notes.push_back(fmt::format(fmt::runtime(french ? "{} : {} lignes sans valeur laissées de côté"
                                                            : "{}: {} rows with a missing value left out"),
                                        part, subjects.left_out));
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + "; " + b;
}

}  // namespace survival

AnalysisEntry survival_entry() {
  return {
      .name = "survival",
      .title = "Times to an event: Kaplan-Meier, log-rank, Cox, concordance of scores",
      .inputs = {{.name = "input", .help = "CSV time,event (or start,time,event) and the columns that options name"}},
      .options = {{.name = "time", .help = "column of the time (end of the interval with --start)", .initial = "time"},
                  {.name = "event", .help = "column of the event: 0 censored, 1 event", .initial = "event"},
                  {.name = "event-value", .help = "cells that mean the event, comma between (default: 1, yes, true)"},
                  {.name = "competing", .help = "cells that mean a competing event: cumulative incidence"},
                  {.name = "start", .help = "column of the delayed entry: at risk after start, up to time"},
                  {.name = "score", .help = "columns of scores, more means earlier: Harrell's C and differences"},
                  {.name = "predicted", .help = "columns of predicted survival at each of --times: Brier, calibration"},
                  {.name = "group", .help = "column of groups: one curve each, log-rank test"},
                  {.name = "covariates", .help = "columns of Cox's regression; words become indicator columns"},
                  {.name = "strata", .help = "column: own baseline in Cox, stratified log-rank, pairs inside"},
                  {.name = "cluster", .help = "column of patients who repeat: robust variance over them"},
                  {.name = "weight", .help = "column of case weights"},
                  {.name = "times", .help = "times at which survival and AUC are said, ascending"},
                  {.name = "tau", .help = "end of the restricted mean (default: the shortest group's last time)"},
                  {.name = "interval", .help = "of the curve", .initial = "log", .words = {"log", "log-log", "plain"}},
                  {.name = "ties", .help = "in Cox's regression", .initial = "efron", .words = {"efron", "breslow"}},
                  {.name = "rho", .help = "log-rank weights S(t-)^rho", .initial = "0"},
                  {.name = "trend", .help = "trend over ordered groups too", .flag = true},
                  {.name = "robust", .help = "sandwich variance in Cox's regression", .flag = true}},
      .run = run_survival};
}

}  // namespace rouage::evidence
