#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/distributions.h"
#include "stats/survival_order.h"

namespace rouage::stats {
namespace {

/// Index of the last time <= t, or absent.
std::optional<std::size_t> last_at(const std::vector<double>& times, double t) {
  const auto after = std::upper_bound(times.begin(), times.end(), t);
  if (after == times.begin()) return std::nullopt;
  return static_cast<std::size_t>(after - times.begin()) - 1;
}

struct Limits {
  std::optional<double> lower, upper;
};

/// relative: Greenwood's standard error of log S.
Limits limits_of(double s, double relative, double z, CurveInterval interval) {
  if (interval == CurveInterval::plain)
    return {std::max(0.0, s - z * s * relative), std::min(1.0, s + z * s * relative)};
  if (s <= 0) return {};
  if (interval == CurveInterval::log) return {s * std::exp(-z * relative), std::min(1.0, s * std::exp(z * relative))};
  if (s >= 1) return {1.0, 1.0};
  const double log_s = std::log(s), spread = std::exp(z * relative / -log_s);
  return {std::exp(log_s * spread), std::exp(log_s / spread)};
}

}  // namespace

SurvivalCurve kaplan_meier(const SurvivalView& view, double level, CurveInterval interval) {
  survival::check(view);
  SurvivalView whole = view;
  whole.stratum = {};
  const std::vector<std::uint32_t> order = survival::ascending(whole, view.time);
  const std::vector<std::uint32_t> entering =
      view.entry.empty() ? std::vector<std::uint32_t>{} : survival::ascending(whole, view.entry);
  const double z = normal_quantile(0.5 + level / 2);
  SurvivalCurve curve;
  double present = 0, s = 1, greenwood = 0, hazard = 0, hazard_variance = 0;
  if (view.entry.empty())
    for (std::size_t i = 0; i < view.time.size(); ++i) present += survival::weight_of(view, i);
  std::size_t entered = 0;
  for (std::size_t i = 0; i < order.size();) {
    const double t = view.time[order[i]];
    for (; entered < entering.size() && view.entry[entering[entered]] < t; ++entered)
      present += survival::weight_of(view, entering[entered]);
    double died = 0, left = 0;
    for (; i < order.size() && view.time[order[i]] == t; ++i)
      (view.event[order[i]] ? died : left) += survival::weight_of(view, order[i]);
    const double stay = present - died > 1e-12 * present ? present - died : 0;
    if (died > 0) {
      s = stay > 0 ? s * (stay / present) : 0;
      greenwood += stay > 0 ? died / (present * stay) : 0;
      hazard += died / present;
      hazard_variance += died / (present * present);
    }
    const double relative = std::sqrt(greenwood);
    const Limits limits = limits_of(s, relative, z, interval);
    curve.time.push_back(t);
    curve.at_risk.push_back(present);
    curve.events.push_back(died);
    curve.censored.push_back(left);
    curve.survival.push_back(s);
    curve.standard_error.push_back(s * relative);
    curve.hazard.push_back(hazard);
    curve.hazard_error.push_back(std::sqrt(hazard_variance));
    curve.lower.push_back(limits.lower);
    curve.upper.push_back(limits.upper);
    present = std::max(0.0, present - died - left);
  }
  return curve;
}

double SurvivalCurve::survival_at(double t) const {
  const auto at = last_at(time, t);
  return at ? survival[*at] : 1;
}

double SurvivalCurve::survival_before(double t) const {
  const auto first = std::lower_bound(time.begin(), time.end(), t);
  return first == time.begin() ? 1 : survival[static_cast<std::size_t>(first - time.begin()) - 1];
}

double SurvivalCurve::error_at(double t) const {
  const auto at = last_at(time, t);
  return at ? standard_error[*at] : 0;
}

double SurvivalCurve::at_risk_at(double t) const {
  const auto first = std::lower_bound(time.begin(), time.end(), t);
  return first == time.end() ? 0 : at_risk[static_cast<std::size_t>(first - time.begin())];
}

std::optional<double> SurvivalCurve::lower_at(double t) const {
  const auto at = last_at(time, t);
  return at ? lower[*at] : 1;
}

std::optional<double> SurvivalCurve::upper_at(double t) const {
  const auto at = last_at(time, t);
  return at ? upper[*at] : 1;
}

SurvivalQuantile survival_quantile(const SurvivalCurve& curve, double p) {
  constexpr double kSame = 1.5e-8;  // as R: a curve at 1 - p but for rounding is at 1 - p
  const double target = 1 - p;
  const auto find = [&](const auto& value_at) -> std::optional<double> {
    for (std::size_t i = 0; i < curve.time.size(); ++i) {
      const std::optional<double> value = value_at(i);
      if (!value) return std::nullopt;
      if (*value > target + kSame) continue;
      if (*value < target - kSame) return curve.time[i];
      for (std::size_t k = i + 1; k < curve.time.size(); ++k) {
        const std::optional<double> next = value_at(k);
        if (!next || *next < target - kSame) return (curve.time[i] + curve.time[k]) / 2;
      }
      return (curve.time[i] + curve.time.back()) / 2;
    }
    return std::nullopt;
  };
  return {find([&](std::size_t i) { return std::optional<double>(curve.survival[i]); }),
          find([&](std::size_t i) { return curve.lower[i]; }), find([&](std::size_t i) { return curve.upper[i]; })};
}

RestrictedMean restricted_mean(const SurvivalCurve& curve, double tau) {
  if (!(tau > 0)) throw Error(ErrorCode::StatisticUndefined, "a restricted mean wants a time > 0");
  RestrictedMean mean;
  std::vector<std::size_t> steps;
  for (std::size_t i = 0; i < curve.time.size() && curve.time[i] <= tau; ++i)
    if (curve.events[i] > 0) steps.push_back(i);
  double area = 0, variance = 0, end = tau;
  for (std::size_t k = steps.size(); k-- > 0;) {
    const std::size_t i = steps[k];
    area += (end - curve.time[i]) * curve.survival[i];
    end = curve.time[i];
    const double stay = curve.at_risk[i] - curve.events[i];
    if (stay > 0) variance += area * area * curve.events[i] / (curve.at_risk[i] * stay);
  }
  mean.value = area + end;
  mean.standard_error = std::sqrt(variance);
  return mean;
}

namespace {

/// Sums of one stratum, rows [from, to) of the order.
struct RankSums {
  std::span<const std::uint32_t> group;
  std::size_t groups;
  double rho;
  LogRank* result;
  std::vector<double>* variance;

  void add(const SurvivalView& view, std::span<const std::uint32_t> order, std::span<const std::uint32_t> entering) {
    std::vector<double> present(groups), died(groups);
    if (entering.empty())
      for (const std::uint32_t row : order) ++present[group[row]];
    double s = 1;
    std::size_t entered = 0;
    for (std::size_t i = 0; i < order.size();) {
      const double t = view.time[order[i]];
      for (; entered < entering.size() && view.entry[entering[entered]] < t; ++entered)
        ++present[group[entering[entered]]];
      std::fill(died.begin(), died.end(), 0.0);
      const std::size_t first = i;
      for (; i < order.size() && view.time[order[i]] == t; ++i)
        if (view.event[order[i]]) ++died[group[order[i]]];
      const double d = std::accumulate(died.begin(), died.end(), 0.0);
      if (d > 0) {
        const double n = std::accumulate(present.begin(), present.end(), 0.0);
        tally(present, died, n, d, rho == 0 ? 1 : std::pow(s, rho));
        s *= (n - d) / n;
      }
      for (std::size_t k = first; k < i; ++k) --present[group[order[k]]];
    }
  }

  void tally(const std::vector<double>& present, const std::vector<double>& died, double n, double d, double weight) {
    for (std::size_t a = 0; a < groups; ++a) {
      result->observed[a] += weight * died[a];
      result->expected[a] += weight * d * present[a] / n;
    }
    if (n < 2) return;
    const double spread = weight * weight * d * (n - d) / (n * n * (n - 1));
    for (std::size_t a = 0; a < groups; ++a)
      for (std::size_t b = 0; b < groups; ++b)
        (*variance)[a * groups + b] += spread * present[a] * ((a == b ? n : 0) - present[b]);
  }
};

}  // namespace

LogRank log_rank(const SurvivalView& view, std::span<const std::uint32_t> group, std::uint32_t groups, double rho,
                 std::span<const double> scores) {
  survival::check(view);
  const std::size_t k = groups;
  if (group.size() != view.time.size() || std::any_of(group.begin(), group.end(), [&](auto g) { return g >= groups; }))
    throw Error(ErrorCode::StatisticUndefined, "each row wants one group");
  LogRank result{.n = std::vector<double>(k), .observed = std::vector<double>(k), .expected = std::vector<double>(k)};
  for (const std::uint32_t g : group) ++result.n[g];
  std::vector<double> variance(k * k);
  const std::vector<std::uint32_t> order = survival::ascending(view, view.time);
  const std::vector<std::uint32_t> entering =
      view.entry.empty() ? std::vector<std::uint32_t>{} : survival::ascending(view, view.entry);
  RankSums sums{group, k, rho, &result, &variance};
  for (std::size_t from = 0, to = 0; from < order.size(); from = to) {
    const std::uint32_t stratum = survival::stratum_of(view, order[from]);
    while (to < order.size() && survival::stratum_of(view, order[to]) == stratum) ++to;
    const std::span<const std::uint32_t> rows(order.data() + from, to - from);
    sums.add(view, rows, entering.empty() ? entering : std::span(entering.data() + from, to - from));
  }
  std::vector<std::size_t> alive;
  for (std::size_t a = 0; a < k; ++a)
    if (result.expected[a] > 0) alive.push_back(a);
  if (alive.size() < 2) {
    result.test.why = result.trend.why = "fewer than two groups are at risk at any event";
    return result;
  }
  const std::size_t free = alive.size() - 1;
  std::vector<double> u(free), v(free * free);
  for (std::size_t a = 0; a < free; ++a) {
    u[a] = result.observed[alive[a]] - result.expected[alive[a]];
    for (std::size_t b = 0; b < free; ++b) v[a * free + b] = variance[alive[a] * k + alive[b]];
  }
  result.test = survival::quadratic_test(u, v);
  double slope = 0, slope_variance = 0;
  const auto score = [&](std::size_t a) { return scores.empty() ? static_cast<double>(a) : scores[a]; };
  for (std::size_t a = 0; a < k; ++a) {
    slope += score(a) * (result.observed[a] - result.expected[a]);
    for (std::size_t b = 0; b < k; ++b) slope_variance += score(a) * score(b) * variance[a * k + b];
  }
  result.trend = survival::quadratic_test(std::span(&slope, 1), std::span(&slope_variance, 1));
  return result;
}

}  // namespace rouage::stats
