#include "stats/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "stats/distributions.h"

namespace rouage::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double weight_of(std::span<const std::uint32_t> times, std::size_t i) {
  return times.empty() ? 1.0 : static_cast<double>(times[i]);
}

/// Sums of one bin.
struct BinSums {
  double n = 0, p = 0, y = 0, pp = 0, py = 0;
};

std::vector<BinSums> bin_sums(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                              const Bins& bins, std::span<const std::uint32_t> times) {
  std::vector<BinSums> sums(bins.count);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    BinSums& bin = sums[bins.of_case[i]];
    const double w = weight_of(times, i), p = probabilities[i];
    bin.n += w;
    bin.p += w * p;
    bin.y += w * truth[i];
    bin.pp += w * p * p;
    bin.py += w * p * truth[i];
  }
  return sums;
}

std::vector<std::uint32_t> ascending(std::span<const double> values) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  return order;
}

}  // namespace

Bins bins_of_equal_width(std::span<const double> probabilities, std::uint32_t count) {
  Bins bins{.of_case = std::vector<std::uint32_t>(probabilities.size()), .count = count};
  for (std::size_t i = 0; i < probabilities.size(); ++i)
    bins.of_case[i] = std::min(count - 1, static_cast<std::uint32_t>(probabilities[i] * count));
  return bins;
}

Bins bins_of_equal_mass(std::span<const double> probabilities, std::uint32_t count) {
  Bins bins{.of_case = std::vector<std::uint32_t>(probabilities.size()), .count = count};
  const std::vector<std::uint32_t> order = ascending(probabilities);
  std::uint32_t bin = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || probabilities[order[i]] != probabilities[order[i - 1]])
      bin = static_cast<std::uint32_t>(i * count / order.size());
    bins.of_case[order[i]] = bin;
  }
  return bins;
}

Brier brier(std::span<const double> probabilities, std::span<const std::uint8_t> truth, const Bins& bins,
            std::span<const std::uint32_t> times) {
  const std::vector<BinSums> sums = bin_sums(probabilities, truth, bins, times);
  double n = 0, y = 0;
  for (const BinSums& bin : sums) {
    n += bin.n;
    y += bin.y;
  }
  if (!(n > 0)) return {kNaN, kNaN, kNaN, kNaN, kNaN, kNaN};
  Brier result;
  const double base = y / n;
  result.uncertainty = base * (1 - base);
  for (const BinSums& bin : sums) {
    if (!(bin.n > 0)) continue;
    const double predicted = bin.p / bin.n, observed = bin.y / bin.n;
    result.score += (bin.pp - 2 * bin.py + bin.y) / n;
    result.reliability += bin.n * (predicted - observed) * (predicted - observed) / n;
    result.resolution += bin.n * (observed - base) * (observed - base) / n;
    result.within += (bin.pp - bin.n * predicted * predicted - 2 * (bin.py - bin.n * predicted * observed)) / n;
  }
  result.skill = result.uncertainty > 0 ? 1 - result.score / result.uncertainty : kNaN;
  return result;
}

CalibrationError calibration_error(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                                   const Bins& bins, std::span<const std::uint32_t> times) {
  CalibrationError result;
  double n = 0;
  for (const BinSums& bin : bin_sums(probabilities, truth, bins, times)) {
    if (!(bin.n > 0)) continue;
    n += bin.n;
    result.expected += std::abs(bin.p - bin.y);
    result.maximum = std::max(result.maximum, std::abs(bin.p - bin.y) / bin.n);
  }
  result.expected = n > 0 ? result.expected / n : kNaN;
  return result;
}

std::vector<ReliabilityBin> reliability(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                                        const Bins& bins, double level) {
  std::vector<ReliabilityBin> result;
  for (const BinSums& bin : bin_sums(probabilities, truth, bins, {})) {
    if (!(bin.n > 0)) continue;
    const Estimate share = clopper_pearson(bin.y, bin.n, level);
    result.push_back({bin.p / bin.n, share.value, share.lower, share.upper, bin.n, bin.y});
  }
  return result;
}

double spiegelhalter_z(std::span<const double> probabilities, std::span<const std::uint8_t> truth) {
  double sum = 0, variance = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double p = probabilities[i], tilt = 1 - 2 * p;
    sum += (truth[i] - p) * tilt;
    variance += tilt * tilt * p * (1 - p);
  }
  return variance > 0 ? sum / std::sqrt(variance) : kNaN;
}

Isotonic isotonic_fit(std::span<const double> probabilities, std::span<const std::uint8_t> truth) {
  struct Block {
    double from, to, sum, n;
  };
  std::vector<Block> blocks;
  const std::vector<std::uint32_t> order = ascending(probabilities);
  for (const std::uint32_t i : order) {
    const double p = probabilities[i], y = truth[i];
    if (!blocks.empty() && blocks.back().from == p && blocks.back().to == p) {
      blocks.back().sum += y;
      ++blocks.back().n;
    } else if (!blocks.empty() && blocks.back().to == p) {
      blocks.back().sum += y;
      ++blocks.back().n;
    } else {
      blocks.push_back({p, p, y, 1});
    }
  }
  std::vector<Block> pooled;
  for (const Block& block : blocks) {
    pooled.push_back(block);
    while (pooled.size() > 1) {
      Block& last = pooled.back();
      Block& before = pooled[pooled.size() - 2];
      if (before.sum * last.n < last.sum * before.n) break;
      before = {before.from, last.to, before.sum + last.sum, before.n + last.n};
      pooled.pop_back();
    }
  }
  Isotonic fit;
  for (const Block& block : pooled) {
    fit.at.push_back(block.from);
    fit.value.push_back(block.sum / block.n);
    if (block.to > block.from) {
      fit.at.push_back(block.to);
      fit.value.push_back(block.sum / block.n);
    }
  }
  return fit;
}

double Isotonic::operator()(double probability) const {
  if (at.empty()) return kNaN;
  const auto next = std::upper_bound(at.begin(), at.end(), probability);
  if (next == at.begin()) return value.front();
  if (next == at.end()) return value.back();
  const auto i = static_cast<std::size_t>(next - at.begin());
  const double part = (probability - at[i - 1]) / (at[i] - at[i - 1]);
  return value[i - 1] + part * (value[i] - value[i - 1]);
}

NetBenefit net_benefit(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                       std::span<const double> thresholds, std::span<const std::uint32_t> times) {
  // Thresholds ascending in one pass each would be O(n t); a difference table needs O(n log t + t).
  std::vector<double> sorted(thresholds.begin(), thresholds.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> tp(sorted.size() + 1, 0), fp(sorted.size() + 1, 0);
  double n = 0, y = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double w = weight_of(times, i);
    if (w == 0) continue;
    n += w;
    y += w * truth[i];
    const auto met = std::upper_bound(sorted.begin(), sorted.end(), probabilities[i]) - sorted.begin();
    (truth[i] ? tp : fp)[static_cast<std::size_t>(met)] += w;
  }
  for (std::size_t k = sorted.size(); k-- > 0;) {
    tp[k] += tp[k + 1];
    fp[k] += fp[k + 1];
  }
  NetBenefit result;
  for (const double t : thresholds) {
    const auto k = static_cast<std::size_t>(std::upper_bound(sorted.begin(), sorted.end(), t) - sorted.begin());
    const double odds = t / (1 - t);
    result.model.push_back(n > 0 ? (tp[k] - fp[k] * odds) / n : kNaN);
    result.all.push_back(n > 0 ? (y - (n - y) * odds) / n : kNaN);
  }
  return result;
}

}  // namespace rouage::stats
