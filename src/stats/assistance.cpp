#include "stats/assistance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "stats/distributions.h"
#include "stats/interval.h"

namespace rouage::stats {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

struct Sums {
  double sum[2] = {0, 0}, weight[2] = {0, 0};
  double mean(int arm) const { return weight[arm] > 0 ? sum[arm] / weight[arm] : kMissing; }
};

ArmFigure figure_of(double value, std::vector<double> draws, double level, bool one_unit) {
  if (std::isnan(value)) return {.why = "no readings"};
  ArmFigure figure{.value = value};
  if (one_unit) {
    figure.why = "one case";
    return figure;
  }
  const BootstrapInterval interval = percentile_interval(std::move(draws), level);
  figure.lower = interval.lower;
  figure.upper = interval.upper;
  figure.why = interval.why;
  return figure;
}

/// Least squares; absent where x does not vary.
std::optional<double> slope_of(const std::vector<double>& x, const std::vector<double>& y,
                               const std::vector<std::uint32_t>& order) {
  const auto n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n, my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    xy += (x[i] - mx) * (y[order[i]] - my);
  }
  return xx > 1e-14 ? std::optional(xy / xx) : std::nullopt;
}

/// Skill (mean of arm 0 in `skill_half`) and effect in the other half, one a reader; empty where a reader lacks one.
struct SkillAndEffect {
  std::vector<double> skill{}, effect{};
};

/// half: 0 or 1 a case; both: the same cases for skill and effect.
SkillAndEffect halves(const ArmReadings& readings, const std::vector<std::uint8_t>& half, int skill_half, bool both) {
  std::vector<Sums> skill(readings.readers), effect(readings.readers);
  for (std::size_t row = 0; row < readings.value.size(); ++row) {
    const bool for_skill = both || half[readings.case_of[row]] == skill_half;
    const int arm = readings.arm[row];
    if (for_skill && arm == 0) {
      skill[readings.reader[row]].sum[0] += readings.value[row];
      skill[readings.reader[row]].weight[0] += 1;
    }
    if (both || !for_skill) {
      effect[readings.reader[row]].sum[arm] += readings.value[row];
      effect[readings.reader[row]].weight[arm] += 1;
    }
  }
  SkillAndEffect out;
  for (std::uint32_t r = 0; r < readings.readers; ++r) {
    if (skill[r].weight[0] == 0 || effect[r].weight[0] == 0 || effect[r].weight[1] == 0) return {};
    out.skill.push_back(skill[r].mean(0));
    out.effect.push_back(effect[r].mean(1) - effect[r].mean(0));
  }
  return out;
}

}  // namespace

Pooled pool_effects(std::span<const Effect> effects, double level) {
  Pooled out;
  if (effects.size() < 2) return {.why = "fewer than two readers with an effect"};
  double w = 0, wy = 0, ww = 0;
  for (const Effect& e : effects) {
    w += 1 / e.variance;
    wy += e.value / e.variance;
    ww += 1 / (e.variance * e.variance);
  }
  for (const Effect& e : effects) out.q += (e.value - wy / w) * (e.value - wy / w) / e.variance;
  out.df = static_cast<double>(effects.size() - 1);
  out.p = chi_square_upper(out.q, out.df);
  const double tau2 = std::max(0.0, (out.q - out.df) / (w - ww / w));
  out.tau = std::sqrt(tau2);
  double total = 0, sum = 0;
  for (const Effect& e : effects) {
    total += 1 / (e.variance + tau2);
    sum += e.value / (e.variance + tau2);
  }
  const double z = normal_quantile((1 + level) / 2);
  out.mean = sum / total;
  out.lower = out.mean - z / std::sqrt(total);
  out.upper = out.mean + z / std::sqrt(total);
  for (const Effect& e : effects) {
    const double pull = e.variance / (e.variance + tau2);  // towards the mean
    const double value = pull * out.mean + (1 - pull) * e.value;
    const double error = std::sqrt((1 - pull) * e.variance + pull * pull / total);
    out.shrunken.push_back({value, value - z * error, value + z * error});
  }
  return out;
}

ArmDifference arm_difference(const ArmReadings& readings, double level, std::uint64_t draws,
                             const DrawOptions& options) {
  const auto weighted = [&](const std::vector<std::uint32_t>* readers, const std::vector<std::uint32_t>* cases) {
    Sums sums;
    for (std::size_t row = 0; row < readings.value.size(); ++row) {
      const double weight = (readers == nullptr ? 1.0 : double((*readers)[readings.reader[row]])) *
                            (cases == nullptr ? 1.0 : double((*cases)[readings.case_of[row]]));
      sums.sum[readings.arm[row]] += weight * readings.value[row];
      sums.weight[readings.arm[row]] += weight;
    }
    return sums;
  };
  ArmDifference out;
  std::vector<std::uint8_t> seen(readings.cases, 0);
  for (const std::uint32_t k : readings.case_of) seen[k] = 1;
  out.cases = static_cast<std::uint64_t>(std::count(seen.begin(), seen.end(), 1));
  std::vector<double> first(draws, kMissing), second(draws, kMissing), difference(draws, kMissing);
  if (out.cases > 1)
    bootstrap(draws, options, [&](std::uint64_t draw, Random& random) {
      const std::vector<std::uint32_t> cases = resample_counts(readings.cases, random);
      std::vector<std::uint32_t> readers;
      if (readings.readers > 1) readers = resample_counts(readings.readers, random);
      const Sums drawn = weighted(readings.readers > 1 ? &readers : nullptr, &cases);
      first[draw] = drawn.mean(0);
      second[draw] = drawn.mean(1);
      difference[draw] = second[draw] - first[draw];
    });
  const Sums all = weighted(nullptr, nullptr);
  const bool one = out.cases < 2;
  out.first = figure_of(all.mean(0), std::move(first), level, one);
  out.second = figure_of(all.mean(1), std::move(second), level, one);
  out.difference = figure_of(all.mean(1) - all.mean(0), std::move(difference), level, one);
  return out;
}

std::optional<Effect> reader_effect(const ArmReadings& readings, std::uint32_t reader) {
  Sums sums;
  for (std::size_t row = 0; row < readings.value.size(); ++row)
    if (readings.reader[row] == reader) {
      sums.sum[readings.arm[row]] += readings.value[row];
      sums.weight[readings.arm[row]] += 1;
    }
  if (sums.weight[0] == 0 || sums.weight[1] == 0) return std::nullopt;
  std::vector<double> shares(readings.cases, 0);
  std::vector<std::uint8_t> seen(readings.cases, 0);
  for (std::size_t row = 0; row < readings.value.size(); ++row)
    if (readings.reader[row] == reader) {
      const int arm = readings.arm[row];
      shares[readings.case_of[row]] += (arm == 1 ? 1 : -1) * (readings.value[row] - sums.mean(arm)) / sums.weight[arm];
      seen[readings.case_of[row]] = 1;
    }
  const auto cases = static_cast<double>(std::count(seen.begin(), seen.end(), 1));
  Effect effect{.value = sums.mean(1) - sums.mean(0)};
  for (const double share : shares) effect.variance += share * share;
  if (cases > 1) effect.variance *= cases / (cases - 1);
  if (effect.variance < 1e-12)
    for (const int arm : {0, 1}) {
      const double p = (sums.sum[arm] + 0.5) / (sums.weight[arm] + 1);
      effect.variance += std::max(p * (1 - p), 1e-6) / sums.weight[arm];
    }
  return effect;
}

SkillSlope split_skill_slope(const ArmReadings& readings, std::uint32_t splits, std::uint32_t permutations,
                             std::uint64_t seed) {
  SkillSlope out{.readers = readings.readers};
  if (readings.readers < 4) return {.why = "fewer than four readers", .readers = readings.readers};
  std::vector<std::uint32_t> same(readings.readers);
  std::iota(same.begin(), same.end(), 0U);
  const SkillAndEffect whole = halves(readings, {}, 0, true);
  const auto naive = whole.skill.empty() ? std::nullopt : slope_of(whole.skill, whole.effect, same);
  if (!naive) return {.why = "readers lack readings of one arm, or do not differ", .readers = readings.readers};
  out.naive = *naive;
  std::vector<SkillAndEffect> kept;
  for (std::uint32_t split = 0; split < splits; ++split) {
    Random random(seed, split);
    std::vector<std::uint32_t> order(readings.cases);
    std::iota(order.begin(), order.end(), 0U);
    random.shuffle(order);
    std::vector<std::uint8_t> half(readings.cases);
    for (std::size_t i = 0; i < order.size(); ++i) half[order[i]] = static_cast<std::uint8_t>(i % 2);
    for (const int skill_half : {0, 1}) {
      SkillAndEffect one = halves(readings, half, skill_half, false);
      if (!one.skill.empty() && slope_of(one.skill, one.effect, same)) kept.push_back(std::move(one));
    }
  }
  if (kept.size() < splits) return {.why = "too few cases to split", .readers = readings.readers};
  const auto mean_slope = [&](const std::vector<std::uint32_t>& order) {
    double sum = 0;
    for (const SkillAndEffect& one : kept) sum += slope_of(one.skill, one.effect, order).value_or(0);
    return sum / static_cast<double>(kept.size());
  };
  out.slope = mean_slope(same);
  std::uint32_t beyond = 0;
  for (std::uint32_t k = 0; k < permutations; ++k) {
    Random random(seed + 1, k);
    std::vector<std::uint32_t> order = same;
    random.shuffle(order);
    beyond += std::abs(mean_slope(order)) >= std::abs(out.slope) - 1e-12;
  }
  out.p = (1.0 + beyond) / (1.0 + permutations);
  return out;
}

}  // namespace rouage::stats
