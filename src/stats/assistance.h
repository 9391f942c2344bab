/// What assistance does to readers: effects of many readers beside each other, and differences between ways of reading.
///
///   Pooled pooled = pool_effects(effects, 0.95);      // tau, Q, shrunken effects
///   ArmDifference d = arm_difference(readings, 0.95, 2000, {.seed = 1});
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stats/random.h"

namespace rouage::stats {

struct Effect {
  double value = 0, variance = 0;  ///< variance above 0
};
struct ShrunkenEffect {
  double value = 0, lower = 0, upper = 0;
};
struct Pooled {
  std::string why{};  ///< fewer than two effects: nothing else counts
  double mean = 0, lower = 0, upper = 0;
  double tau = 0;  ///< standard deviation of the true effects, DerSimonian and Laird (1986)
  double q = 0, df = 0, p = 1;
  std::vector<ShrunkenEffect> shrunken{};
};
/// Normal effects of normal readers: empirical Bayes means, whose variance holds that of the pooled mean (Morris 1983;
/// the variance of tau is not in it).
Pooled pool_effects(std::span<const Effect> effects, double level);

/// Values of two arms (0, 1), each of a reader and a case.
struct ArmReadings {
  std::vector<double> value{};
  std::vector<std::uint8_t> arm{};
  std::vector<std::uint32_t> reader{}, case_of{};
  std::uint32_t readers = 0, cases = 0;
};
struct ArmFigure {
  std::optional<double> value{}, lower{}, upper{};
  std::string why{};
};
struct ArmDifference {
  ArmFigure first{}, second{}, difference{};  ///< difference: arm 1 minus arm 0
  std::uint64_t cases = 0;                    ///< that have a reading
};
/// Means over readings. Intervals by percentile bootstrap of readers and of cases, both drawn anew (Owen 2007: errs to
/// the wide side); with one reader, of cases alone.
ArmDifference arm_difference(const ArmReadings& readings, double level, std::uint64_t draws,
                             const DrawOptions& options);

/// Effect (arm 1 minus arm 0) of one reader with the variance clustered by case. Where nothing varies the variance is
/// that of shares with one half added to both cells. Absent without readings in both arms.
std::optional<Effect> reader_effect(const ArmReadings& readings, std::uint32_t reader);

/// Does the effect depend on skill without assistance? Skill and effect share the unassisted readings, so their errors
/// go together (regression to the mean). Here each random half of the cases gives the skill, the other half the effect.
struct SkillSlope {
  std::string why{};
  double naive = 0;  ///< slope of effects on skill from the same cases: biased
  double slope = 0;  ///< mean over splits, both ways
  double p = 1;      ///< permutation of readers, two-sided
  std::uint32_t readers = 0;
};
SkillSlope split_skill_slope(const ArmReadings& readings, std::uint32_t splits, std::uint32_t permutations,
                             std::uint64_t seed);

}  // namespace rouage::stats
