#include <gtest/gtest.h>

#include <cmath>

#include "stats/assistance.h"

namespace rouage::stats {
namespace {

/// By hand: effects 0 and 2 of variance 1: Q = 2, tau^2 = (2 - 1) / (2 - 1) = 1, mean 1 of variance 1; each effect is
/// pulled half way to the mean.
TEST(PoolEffects, ByHand) {
  const std::vector<Effect> effects{{0, 1}, {2, 1}};
  const Pooled pooled = pool_effects(effects, 0.95);
  EXPECT_NEAR(pooled.q, 2, 1e-12);
  EXPECT_NEAR(pooled.tau, 1, 1e-12);
  EXPECT_NEAR(pooled.mean, 1, 1e-12);
  EXPECT_NEAR(pooled.upper, 1 + 1.959963985, 1e-8);
  EXPECT_NEAR(pooled.shrunken[0].value, 0.5, 1e-12);
  // Variance 1/2 of the effect given the mean, and a quarter of the mean's variance 1.
  EXPECT_NEAR(pooled.shrunken[0].upper, 0.5 + 1.959963985 * std::sqrt(0.75), 1e-8);
  EXPECT_NEAR(pooled.p, std::erfc(1), 1e-12);  // chi-square of 2 with one degree of freedom
  EXPECT_NE(pool_effects({effects.data(), 1}, 0.95).why, "");
}

TEST(PoolEffects, OfEqualEffectsShrinksToTheMean) {
  const std::vector<Effect> effects{{1, 1}, {1, 4}, {1, 2}};
  const Pooled pooled = pool_effects(effects, 0.95);
  EXPECT_EQ(pooled.tau, 0);
  for (const ShrunkenEffect& e : pooled.shrunken) EXPECT_NEAR(e.value, 1, 1e-12);
}

/// One reader, two arms on the same four cases: the clustered variance is that of the paired differences.
TEST(ReaderEffect, OfPairedCasesHasThePairedVariance) {
  ArmReadings readings{.readers = 1, .cases = 4};
  const double before[] = {1, 1, 0, 1}, after[] = {0, 1, 0, 0};
  for (std::uint32_t k = 0; k < 4; ++k)
    for (const std::uint8_t arm : {0, 1}) {
      readings.value.push_back(arm == 0 ? before[k] : after[k]);
      readings.arm.push_back(arm);
      readings.reader.push_back(0);
      readings.case_of.push_back(k);
    }
  const auto effect = reader_effect(readings, 0);
  ASSERT_TRUE(effect);
  EXPECT_NEAR(effect->value, -0.5, 1e-12);
  EXPECT_NEAR(effect->variance, (4 * 0.25 / 3) / 4, 1e-12);  // differences -1, 0, 0, -1
  readings.arm.assign(8, 0);
  EXPECT_FALSE(reader_effect(readings, 0));
}

TEST(ArmDifference, SaysWhyThereIsNothing) {
  const ArmReadings none{.readers = 2, .cases = 3};
  const ArmDifference d = arm_difference(none, 0.95, 200, {});
  EXPECT_FALSE(d.difference.value);
  EXPECT_EQ(d.difference.why, "no readings");
}

/// Simulated readers of different skill whom assistance changes alike: effects on skill from the same cases show a
/// strong slope that is not there (regression to the mean); split cases do not, and reject about 5 % (40 studies: at
/// most 7, the 99.8 % point of the binomial).
TEST(SplitSkillSlope, IsFreeOfRegressionToTheMean) {
  int rejected = 0;
  double naive = 0, split = 0;
  for (std::uint64_t study = 0; study < 40; ++study) {
    Random random(5, study);
    ArmReadings readings{.readers = 10, .cases = 40};
    for (std::uint32_t r = 0; r < 10; ++r) {
      const double skill = 0.25 + 0.1 * random.uniform();
      for (std::uint32_t k = 0; k < 40; ++k)
        for (const std::uint8_t arm : {0, 1}) {
          readings.value.push_back(random.uniform() < skill - 0.1 * arm ? 1 : 0);
          readings.arm.push_back(arm);
          readings.reader.push_back(r);
          readings.case_of.push_back(k);
        }
    }
    const SkillSlope s = split_skill_slope(readings, 20, 99, study);
    ASSERT_EQ(s.why, "");
    naive += s.naive / 40;
    split += s.slope / 40;
    rejected += s.p <= 0.05;
  }
  EXPECT_LT(naive, -0.5);
  EXPECT_NEAR(split, 0, 0.2);
  EXPECT_LE(rejected, 7);
}

}  // namespace
}  // namespace rouage::stats
