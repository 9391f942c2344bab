#include "stats/resample.h"

#include <algorithm>

namespace rouage::stats {

Resampling resampling_of(std::size_t cases, std::span<const std::uint32_t> patient,
                         std::span<const std::uint8_t> stratum) {
  Resampling plan;
  plan.cases = cases;
  std::uint32_t patients = static_cast<std::uint32_t>(cases);
  if (!patient.empty()) patients = *std::max_element(patient.begin(), patient.end()) + 1;
  plan.units.resize(patients);
  for (std::uint32_t i = 0; i < cases; ++i) plan.units[patient.empty() ? i : patient[i]].push_back(i);
  std::erase_if(plan.units, [](const auto& unit) { return unit.empty(); });
  for (std::uint32_t u = 0; u < plan.units.size(); ++u) {
    std::size_t highest = 0;
    if (!stratum.empty())
      for (const std::uint32_t i : plan.units[u]) highest = std::max<std::size_t>(highest, stratum[i]);
    if (plan.strata.size() <= highest) plan.strata.resize(highest + 1);
    plan.strata[highest].push_back(u);
  }
  return plan;
}

std::vector<std::uint32_t> draw_times(const Resampling& plan, Random& random) {
  std::vector<std::uint32_t> times(plan.cases, 0);
  for (const auto& stratum : plan.strata)
    for (std::size_t i = 0; i < stratum.size(); ++i)
      for (const std::uint32_t c : plan.units[stratum[random.below(stratum.size())]]) ++times[c];
  return times;
}

namespace {

/// The figures without each group of units.
std::vector<std::vector<double>> left_out(const WeighedFigures& figures, const Resampling& plan, std::size_t count,
                                          const DrawOptions& options) {
  const std::size_t groups = std::min<std::size_t>(plan.units.size(), 400);
  std::vector<std::vector<double>> values(count, std::vector<double>(groups));
  bootstrap(groups, options, [&](std::uint64_t group, Random&) {
    std::vector<std::uint32_t> times(plan.cases, 1);
    for (std::size_t u = group; u < plan.units.size(); u += groups)
      for (const std::uint32_t c : plan.units[u]) times[c] = 0;
    const std::vector<double> now = figures(times);
    for (std::size_t f = 0; f < count; ++f) values[f][group] = now[f];
  });
  return values;
}

}  // namespace

std::vector<BootstrapInterval> bootstrap_intervals(const WeighedFigures& figures, const Resampling& plan,
                                                   const BootstrapPlan& how, const DrawOptions& options) {
  const std::vector<std::uint32_t> once(plan.cases, 1);
  const std::vector<double> value = figures(once);
  std::vector<std::vector<double>> draws(value.size(), std::vector<double>(how.draws));
  bootstrap(how.draws, options, [&](std::uint64_t draw, Random& random) {
    const std::vector<double> now = figures(draw_times(plan, random));
    for (std::size_t f = 0; f < now.size(); ++f) draws[f][draw] = now[f];
  });
  std::vector<std::vector<double>> without;
  if (how.accelerated) without = left_out(figures, plan, value.size(), options);
  std::vector<BootstrapInterval> intervals;
  for (std::size_t f = 0; f < value.size(); ++f)
    intervals.push_back(how.accelerated ? bca_interval(value[f], std::move(draws[f]), without[f], how.level)
                                        : percentile_interval(std::move(draws[f]), how.level));
  return intervals;
}

}  // namespace rouage::stats
