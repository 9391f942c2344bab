/// Krippendorff's alpha. Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "stats/agreement.h"

namespace rouage::stats {
namespace {

/// Values as indices into their sorted list; units with at least two values only.
struct Units {
  std::vector<double> distinct;
  std::vector<std::vector<std::uint32_t>> ratings;
};

Units units_of(std::span<const double> values, std::uint32_t subjects, std::uint32_t raters) {
  Units units;
  for (const double v : values)
    if (!std::isnan(v)) units.distinct.push_back(v);
  std::sort(units.distinct.begin(), units.distinct.end());
  units.distinct.erase(std::unique(units.distinct.begin(), units.distinct.end()), units.distinct.end());
  for (std::uint32_t s = 0; s < subjects; ++s) {
    std::vector<std::uint32_t> row;
    for (std::uint32_t r = 0; r < raters; ++r) {
      const double v = values[std::size_t{s} * raters + r];
      if (std::isnan(v)) continue;
      row.push_back(static_cast<std::uint32_t>(std::lower_bound(units.distinct.begin(), units.distinct.end(), v) -
                                               units.distinct.begin()));
    }
    if (row.size() > 1) units.ratings.push_back(std::move(row));
  }
  return units;
}

/// Squared distance of two values. ordinal: through the number of values ranked between them.
class Distance {
 public:
  Distance(AlphaMetric metric, const std::vector<double>& distinct, const std::vector<double>& totals)
      : metric_(metric), distinct_(distinct), ranks_(totals.size()) {
    double below = 0;
    for (std::size_t i = 0; i < totals.size(); ++i) {
      ranks_[i] = below + totals[i] / 2;
      below += totals[i];
    }
  }
  double operator()(std::size_t a, std::size_t b) const {
    if (a == b) return 0;
    const double x = distinct_[a], y = distinct_[b];
    switch (metric_) {
      case AlphaMetric::nominal:
        return 1;
      case AlphaMetric::ordinal:
        return (ranks_[a] - ranks_[b]) * (ranks_[a] - ranks_[b]);
      case AlphaMetric::interval:
        return (x - y) * (x - y);
      case AlphaMetric::ratio:
        return x + y == 0 ? 0 : (x - y) * (x - y) / ((x + y) * (x + y));
    }
    return 0;
  }

 private:
  AlphaMetric metric_;
  const std::vector<double>& distinct_;
  std::vector<double> ranks_;
};

/// times: how often each unit counts (bootstrap).
std::optional<double> alpha_of(const Units& units, std::span<const std::uint32_t> times, AlphaMetric metric) {
  const std::size_t q = units.distinct.size();
  std::vector<double> totals(q, 0);
  double all = 0;
  for (std::size_t u = 0; u < units.ratings.size(); ++u)
    for (const std::uint32_t value : units.ratings[u]) {
      totals[value] += times[u];
      all += times[u];
    }
  const Distance distance(metric, units.distinct, totals);
  double observed = 0, expected = 0;
  for (std::size_t u = 0; u < units.ratings.size(); ++u) {
    const auto& row = units.ratings[u];
    double sum = 0;
    for (std::size_t a = 0; a < row.size(); ++a)
      for (std::size_t b = 0; b < row.size(); ++b)
        if (a != b) sum += distance(row[a], row[b]);
    observed += times[u] * sum / static_cast<double>(row.size() - 1);
  }
  for (std::size_t a = 0; a < q; ++a)
    for (std::size_t b = 0; b < q; ++b) expected += totals[a] * totals[b] * distance(a, b);
  if (!(expected > 0)) return std::nullopt;
  return 1 - (all - 1) * observed / expected;
}

}  // namespace

Coefficient krippendorff_alpha(std::span<const double> values, std::uint32_t subjects, std::uint32_t raters,
                               AlphaMetric metric, double level, std::uint64_t draws, const DrawOptions& options) {
  const Units units = units_of(values, subjects, raters);
  const auto n = static_cast<std::uint32_t>(units.ratings.size());
  Coefficient result;
  result.n = n;
  const std::vector<std::uint32_t> once(n, 1);
  result.value = n == 0 ? std::nullopt : alpha_of(units, once, metric);
  if (!result.value) {
    result.why = n == 0 ? "no subject was rated twice" : "all ratings are the same: expected disagreement is 0";
    return result;
  }
  std::vector<double> replicates(draws, std::nan(""));
  bootstrap(draws, options, [&](std::uint64_t draw, Random& random) {
    if (const auto alpha = alpha_of(units, resample_counts(n, random), metric)) replicates[draw] = *alpha;
  });
  std::erase_if(replicates, [](double x) { return std::isnan(x); });
  if (replicates.size() < 100) {
    result.why = "too few bootstrap samples have two different ratings";
    return result;
  }
  std::sort(replicates.begin(), replicates.end());
  const auto at = [&](double p) {
    return replicates[static_cast<std::size_t>(p * static_cast<double>(replicates.size() - 1))];
  };
  result.lower = at((1 - level) / 2);
  result.upper = at((1 + level) / 2);
  return result;
}

}  // namespace rouage::stats
