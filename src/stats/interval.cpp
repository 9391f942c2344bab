#include "stats/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stats/distributions.h"

namespace rouage::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Quantile by linear interpolation between order statistics (Hyndman and Fan's type 7, R's default).
double quantile_of(const std::vector<double>& sorted, double p) {
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  if (low + 1 >= sorted.size()) return sorted.back();
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[low + 1] - sorted[low]);
}

/// Finite draws, sorted; empty where too few are.
std::vector<double> usable(std::vector<double> draws) {
  const std::size_t all = draws.size();
  std::erase_if(draws, [](double x) { return !std::isfinite(x); });
  if (draws.size() < 100 || 2 * draws.size() < all) return {};
  std::sort(draws.begin(), draws.end());
  return draws;
}

}  // namespace

Estimate clopper_pearson(double k, double n, double level) {
  if (!(n > 0)) return {kNaN, 0, 1, level};
  const double tail = (1 - level) / 2;
  return {k / n, k <= 0 ? 0 : beta_quantile(tail, k, n - k + 1), k >= n ? 1 : beta_quantile(1 - tail, k + 1, n - k),
          level};
}

Estimate wilson(double k, double n, double level) {
  if (!(n > 0)) return {kNaN, 0, 1, level};
  const double z = normal_quantile(0.5 + level / 2), p = k / n, z2 = z * z;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {p, k <= 0 ? 0 : centre - half, k >= n ? 1 : centre + half, level};
}

Estimate newcombe_difference(double k1, double n1, double k2, double n2, double level) {
  const Estimate a = wilson(k1, n1, level), b = wilson(k2, n2, level);
  const double d = a.value - b.value;
  return {d, d - std::hypot(a.value - a.lower, b.upper - b.value), d + std::hypot(a.upper - a.value, b.value - b.lower),
          level};
}

Estimate newcombe_paired_difference(double both, double first, double second, double neither, double level) {
  const double n = both + first + second + neither;
  const Estimate a = wilson(both + first, n, level), b = wilson(both + second, n, level);
  const double d = a.value - b.value;
  // Correlation of the two, with a continuity correction where it is positive.
  const double product = (both + first) * (second + neither) * (both + second) * (first + neither);
  const double cross = both * neither - first * second;
  double phi = 0;
  if (product > 0) phi = (cross > n / 2 ? cross - n / 2 : cross >= 0 ? 0 : cross) / std::sqrt(product);
  const auto reach = [phi](double u, double v) { return std::sqrt(std::max(0.0, u * u - 2 * phi * u * v + v * v)); };
  return {d, d - reach(a.value - a.lower, b.upper - b.value), d + reach(a.upper - a.value, b.value - b.lower), level};
}

BootstrapInterval percentile_interval(std::vector<double> draws, double level) {
  const std::vector<double> sorted = usable(std::move(draws));
  if (sorted.empty()) return {{}, {}, "too few bootstrap samples are usable"};
  return {quantile_of(sorted, (1 - level) / 2), quantile_of(sorted, (1 + level) / 2), {}};
}

BootstrapInterval bca_interval(double value, std::vector<double> draws, std::span<const double> left_out,
                               double level) {
  const std::vector<double> sorted = usable(std::move(draws));
  if (sorted.empty()) return {{}, {}, "too few bootstrap samples are usable"};
  if (sorted.front() == sorted.back()) return {sorted.front(), sorted.back(), {}};
  // Ties with the value count half: a figure of few cases is discrete.
  const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
  const double below = (static_cast<double>(first - sorted.begin()) + static_cast<double>(last - first) / 2) /
                       static_cast<double>(sorted.size());
  if (below <= 0 || below >= 1) return {{}, {}, "the figure lies outside its bootstrap samples"};
  const double bias = normal_quantile(below);
  double mean = 0, squares = 0, cubes = 0, n = 0;
  for (const double x : left_out)
    if (std::isfinite(x)) {
      mean += x;
      ++n;
    }
  if (n < 2) return {{}, {}, "too few units for the acceleration"};
  mean /= n;
  for (const double x : left_out)
    if (std::isfinite(x)) {
      squares += (mean - x) * (mean - x);
      cubes += (mean - x) * (mean - x) * (mean - x);
    }
  const double acceleration = squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
  const auto adjusted = [&](double p) {
    const double z = bias + normal_quantile(p);
    return normal_cdf(bias + z / (1 - acceleration * z));
  };
  return {quantile_of(sorted, adjusted((1 - level) / 2)), quantile_of(sorted, adjusted((1 + level) / 2)), {}};
}

}  // namespace rouage::stats
