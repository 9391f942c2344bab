#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/interval.h"
#include "stats/random.h"
#include "stats/survival_order.h"

namespace rouage::stats {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();  // inside one draw only

/// order: rows by time ascending; weights may be 0 (a bootstrap draw).
CensoringCurve censoring_of(const SurvivalView& view, std::span<const std::uint32_t> order,
                            std::span<const double> weight) {
  CensoringCurve curve;
  double present = std::accumulate(weight.begin(), weight.end(), 0.0), g = 1;
  for (std::size_t i = 0; i < order.size();) {
    const double t = view.time[order[i]];
    double died = 0, left = 0;
    for (; i < order.size() && view.time[order[i]] == t; ++i) (view.event[order[i]] ? died : left) += weight[order[i]];
    present -= died;
    if (left > 0) {
      g = present - left > 1e-12 * present ? g * (present - left) / present : 0;
      curve.time.push_back(t);
      curve.value.push_back(g);
    }
    present -= left;
  }
  return curve;
}

std::vector<double> weights_of(const SurvivalView& view) {
  std::vector<double> weight(view.time.size(), 1);
  if (!view.weight.empty()) weight.assign(view.weight.begin(), view.weight.end());
  return weight;
}

std::vector<std::uint32_t> by_time(const SurvivalView& view) {
  SurvivalView whole = view;
  whole.stratum = {};
  return survival::ascending(whole, view.time);
}

void refuse_entry(const SurvivalView& view) {
  survival::check(view);
  if (!view.entry.empty())
    throw Error(ErrorCode::StatisticUndefined, "weights of inverse censoring are not defined with delayed entry");
}

/// Figures at each time from one set of weights; intervals from draws of weights.
template <class Evaluate>
std::vector<TimedFigure> figures_of(const SurvivalView& view, std::span<const double> times, const TimedDraws& options,
                                    const char* why, const Evaluate& evaluate) {
  const std::vector<double> weight = weights_of(view), values = evaluate(weight);
  std::vector<std::vector<double>> draws(times.size(), std::vector<double>(options.draws));
  bootstrap(options.draws, {options.seed, options.threads}, [&](std::uint64_t draw, Random& random) {
    const std::vector<std::uint32_t> counts = resample_counts(static_cast<std::uint32_t>(weight.size()), random);
    std::vector<double> drawn(weight);
    for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] *= counts[i];
    const std::vector<double> replicate = evaluate(drawn);
    for (std::size_t k = 0; k < times.size(); ++k) draws[k][draw] = replicate[k];
  });
  std::vector<TimedFigure> figures;
  for (std::size_t k = 0; k < times.size(); ++k) {
    TimedFigure figure{.time = times[k]};
    if (std::isfinite(values[k])) {
      figure.value = values[k];
      if (options.draws > 0) {
        const BootstrapInterval interval = percentile_interval(draws[k], options.level);
        figure.lower = interval.lower;
        figure.upper = interval.upper;
        figure.why = interval.why;
      }
    } else {
      figure.why = why;
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

double value_at(const CensoringCurve& curve, std::size_t reached) {
  return reached == 0 ? 1 : curve.value[reached - 1];
}

}  // namespace

double CensoringCurve::before(double t) const {
  return value_at(*this, static_cast<std::size_t>(std::lower_bound(time.begin(), time.end(), t) - time.begin()));
}

double CensoringCurve::at(double t) const {
  return value_at(*this, static_cast<std::size_t>(std::upper_bound(time.begin(), time.end(), t) - time.begin()));
}

CensoringCurve censoring_curve(const SurvivalView& view) {
  refuse_entry(view);
  return censoring_of(view, by_time(view), weights_of(view));
}

std::vector<TimedFigure> time_dependent_auc(const SurvivalView& view, std::span<const double> score,
                                            std::span<const double> times, const TimedDraws& draws,
                                            const CensoringCurve* censoring) {
  refuse_entry(view);
  if (score.size() != view.time.size() ||
      std::any_of(score.begin(), score.end(), [](double s) { return !std::isfinite(s); }))
    throw Error(ErrorCode::StatisticUndefined, "each row wants one finite score");
  const std::vector<std::uint32_t> order = by_time(view);
  SurvivalView whole = view;
  whole.stratum = {};
  const std::vector<std::uint32_t> by_score = survival::ascending(whole, score);
  const auto evaluate = [&](std::span<const double> weight) {
    const CensoringCurve own = censoring ? CensoringCurve{} : censoring_of(view, order, weight);
    const CensoringCurve& curve = censoring ? *censoring : own;
    std::vector<double> inverse(order.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      if (view.event[i]) {
        const double g = curve.before(view.time[i]);
        inverse[i] = g > 0 ? weight[i] / g : 0;
      }
    std::vector<double> values;
    for (const double t : times) {
      double controls = 0, cases = 0, won = 0;
      for (std::size_t i = 0; i < by_score.size();) {
        double same_controls = 0, same_cases = 0;
        const double s = score[by_score[i]];
        for (; i < by_score.size() && score[by_score[i]] == s; ++i) {
          const std::uint32_t row = by_score[i];
          if (view.time[row] > t)
            same_controls += weight[row];
          else
            same_cases += inverse[row];
        }
        won += same_cases * (controls + same_controls / 2);
        controls += same_controls;
        cases += same_cases;
      }
      values.push_back(cases > 0 && controls > 0 ? won / (cases * controls) : kUndefined);
    }
    return values;
  };
  return figures_of(view, times, draws, "no event by then, or nobody observed after it", evaluate);
}

std::vector<TimedFigure> brier_scores(const SurvivalView& view, std::span<const double> predicted,
                                      std::span<const double> times, const TimedDraws& draws) {
  refuse_entry(view);
  if (predicted.size() != view.time.size() * times.size() ||
      std::any_of(predicted.begin(), predicted.end(), [](double p) { return !(p >= 0 && p <= 1); }))
    throw Error(ErrorCode::StatisticUndefined, "each row and time wants one predicted survival between 0 and 1");
  const std::vector<std::uint32_t> order = by_time(view);
  const auto evaluate = [&](std::span<const double> weight) {
    const CensoringCurve curve = censoring_of(view, order, weight);
    const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
    std::vector<double> before(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) before[i] = view.event[i] ? curve.before(view.time[i]) : 0;
    std::vector<double> values;
    for (std::size_t k = 0; k < times.size(); ++k) {
      const double g = curve.at(times[k]);
      double sum = 0, beyond = 0;
      for (std::size_t i = 0; i < order.size(); ++i) {
        const double p = predicted[i * times.size() + k];
        if (view.time[i] > times[k]) {
          beyond += weight[i];
          sum += g > 0 ? weight[i] * (1 - p) * (1 - p) / g : 0;
        } else if (before[i] > 0) {
          sum += weight[i] * p * p / before[i];
        }
      }
      values.push_back(beyond > 0 && g > 0 ? sum / total : kUndefined);
    }
    return values;
  };
  return figures_of(view, times, draws, "nobody is observed after it", evaluate);
}

std::optional<double> integrated_auc(const SurvivalView& view, std::span<const TimedFigure> figures) {
  const SurvivalCurve curve = kaplan_meier(view, 0.95);
  double sum = 0, before = 1;
  for (const TimedFigure& figure : figures) {
    if (!figure.value) return std::nullopt;
    const double s = curve.survival_at(figure.time);
    sum += *figure.value * (before - s);
    before = s;
  }
  return before < 1 ? std::optional<double>(sum / (1 - before)) : std::nullopt;
}

std::optional<double> integrated_brier(std::span<const TimedFigure> figures) {
  if (figures.size() < 2 || !(figures.back().time > figures.front().time)) return std::nullopt;
  double sum = 0;
  for (std::size_t k = 1; k < figures.size(); ++k) {
    if (!figures[k - 1].value || !figures[k].value) return std::nullopt;
    sum += (figures[k].time - figures[k - 1].time) * (*figures[k].value + *figures[k - 1].value) / 2;
  }
  return sum / (figures.back().time - figures.front().time);
}

IncidenceCurve cumulative_incidence(const SurvivalView& view, std::uint8_t cause) {
  survival::check(view);
  const std::vector<std::uint32_t> order = by_time(view);
  SurvivalView whole = view;
  whole.stratum = {};
  const std::vector<std::uint32_t> entering =
      view.entry.empty() ? std::vector<std::uint32_t>{} : survival::ascending(whole, view.entry);
  IncidenceCurve curve;
  double present = view.entry.empty() ? static_cast<double>(order.size()) : 0, s = 1, incidence = 0;
  // Var F(t) = sum (F(t) - F(j))^2 a - 2 sum (F(t) - F(j)) c + sum b over the times j <= t, by powers of F(t).
  double a = 0, aF = 0, aFF = 0, b = 0, c = 0, cF = 0;
  std::size_t entered = 0;
  for (std::size_t i = 0; i < order.size();) {
    const double t = view.time[order[i]];
    for (; entered < entering.size() && view.entry[entering[entered]] < t; ++entered) ++present;
    double all = 0, ours = 0, left = 0;
    for (; i < order.size() && view.time[order[i]] == t; ++i) {
      const std::uint8_t event = view.event[order[i]];
      all += event != 0;
      ours += event == cause;
      left += 1;
    }
    if (all > 0) {
      incidence += s * ours / present;
      const double hazard_variance = present > all ? all / (present * (present - all)) : 0;
      const double cross = s * ours / (present * present);
      a += hazard_variance;
      aF += hazard_variance * incidence;
      aFF += hazard_variance * incidence * incidence;
      b += s * s * (present - ours) / present * ours / (present * present);
      c += cross;
      cF += cross * incidence;
      s *= (present - all) / present;
    }
    const double variance = incidence * incidence * a - 2 * incidence * aF + aFF - 2 * (incidence * c - cF) + b;
    curve.time.push_back(t);
    curve.incidence.push_back(incidence);
    curve.standard_error.push_back(std::sqrt(std::max(0.0, variance)));
    curve.at_risk.push_back(present);
    present -= left;
  }
  return curve;
}

double IncidenceCurve::at(double t) const {
  const auto after = std::upper_bound(time.begin(), time.end(), t);
  return after == time.begin() ? 0 : incidence[static_cast<std::size_t>(after - time.begin()) - 1];
}

double IncidenceCurve::error_at(double t) const {
  const auto after = std::upper_bound(time.begin(), time.end(), t);
  return after == time.begin() ? 0 : standard_error[static_cast<std::size_t>(after - time.begin()) - 1];
}

}  // namespace rouage::stats
