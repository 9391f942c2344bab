#include "stats/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "stats/distributions.h"

namespace rouage::stats {
namespace {

struct Sample {
  std::vector<double> p;
  std::vector<std::uint8_t> y;
};

/// Calibrated on the logit scale up to (intercept, slope).
Sample sample_of(Random& random, std::size_t n, double intercept = 0, double slope = 1) {
  Sample s;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = -0.5 + 1.2 * random.normal();
    s.p.push_back(1 / (1 + std::exp(-x)));
    s.y.push_back(random.uniform() < 1 / (1 + std::exp(-(intercept + slope * x))));
  }
  return s;
}

TEST(Brier, PartsAddUpForAnyBins) {
  Random random(1);
  const Sample s = sample_of(random, 500);
  double score = 0;
  for (std::size_t i = 0; i < s.y.size(); ++i) score += (s.p[i] - s.y[i]) * (s.p[i] - s.y[i]) / 500;
  for (const Bins& bins : {bins_of_equal_width(s.p, 10), bins_of_equal_mass(s.p, 7), bins_of_equal_width(s.p, 1)}) {
    const Brier b = brier(s.p, s.y, bins);
    EXPECT_NEAR(b.score, score, 1e-12);
    EXPECT_NEAR(b.score, b.reliability - b.resolution + b.uncertainty + b.within, 1e-12);
  }
}

/// Murphy (1973): with one forecast a bin nothing is left within.
TEST(Brier, OfDistinctForecastsHasNothingWithin) {
  const std::vector<double> p{0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9};
  const std::vector<std::uint8_t> y{0, 0, 0, 0, 1, 1, 1, 1, 1, 0};
  const Brier b = brier(p, y, bins_of_equal_width(p, 10));
  EXPECT_NEAR(b.within, 0, 1e-15);
  EXPECT_NEAR(b.reliability, 0.01, 1e-12);
  EXPECT_NEAR(b.resolution, 0.09, 1e-12);
  EXPECT_NEAR(b.uncertainty, 0.25, 1e-12);
  EXPECT_NEAR(b.skill, 1 - 0.17 / 0.25, 1e-12);
  const CalibrationError error = calibration_error(p, y, bins_of_equal_width(p, 10));
  EXPECT_NEAR(error.expected, 0.1, 1e-12);
  EXPECT_NEAR(error.maximum, 0.1, 1e-12);
  EXPECT_TRUE(std::isnan(brier({}, {}, bins_of_equal_width({}, 10)).score));
  EXPECT_EQ(bins_of_equal_width(std::vector<double>{0, 1}, 10).of_case[1], 9U);
}

TEST(EqualMass, KeepsEqualProbabilitiesTogether) {
  const std::vector<double> p{0.2, 0.2, 0.2, 0.2, 0.7, 0.9};
  const Bins bins = bins_of_equal_mass(p, 3);
  EXPECT_EQ(bins.of_case[0], bins.of_case[3]);
  EXPECT_NE(bins.of_case[3], bins.of_case[4]);
}

/// Under calibration the joint Wald test rejects in 5 % +- 1 % of 2,000 studies and Spiegelhalter's too; slope and
/// intercept of a distorted model are found.
TEST(CalibrationLine, HoldsItsLevelAndFindsTheDistortion) {
  std::vector<std::uint8_t> wald(2000), brier_z(2000), covered(2000);
  bootstrap(2000, {.seed = 5, .threads = 2}, [&](std::uint64_t study, Random& random) {
    const Sample s = sample_of(random, 400);
    const Logistic line = calibration_line(s.p, s.y, {}, 0.95);
    wald[study] = *line.p < 0.05;
    covered[study] = *line.slope_lower <= 1 && 1 <= *line.slope_upper;
    brier_z[study] = 2 * normal_upper(std::abs(spiegelhalter_z(s.p, s.y))) < 0.05;
  });
  double a = 0, b = 0, c = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    a += wald[i] / 2000.0;
    b += brier_z[i] / 2000.0;
    c += covered[i] / 2000.0;
  }
  EXPECT_NEAR(a, 0.05, 0.012);
  EXPECT_NEAR(b, 0.05, 0.012);
  EXPECT_NEAR(c, 0.95, 0.012);
  Random random(9);
  const Sample s = sample_of(random, 20000, 0.7, 0.5);
  const Logistic line = calibration_line(s.p, s.y, {}, 0.95);
  EXPECT_NEAR(*line.intercept, 0.7, 0.06);
  EXPECT_NEAR(*line.slope, 0.5, 0.06);
  EXPECT_LT(*line.p, 1e-10);
}

/// Each case twice in its patient: the sandwich stays as it was, the plain error shrinks.
// EVI-2
TEST(CalibrationLine, CopiesInAPatientAddNoCertainty) {
  Random random(10);
  Sample s = sample_of(random, 300);
  std::vector<std::uint32_t> patient(300);
  for (std::uint32_t i = 0; i < 300; ++i) patient[i] = i;
  const Logistic before = calibration_line(s.p, s.y, patient, 0.95);
  for (std::uint32_t i = 0; i < 300; ++i) {
    s.p.push_back(s.p[i]);
    s.y.push_back(s.y[i]);
    patient.push_back(i);
  }
  const Logistic after = calibration_line(s.p, s.y, patient, 0.95);
  EXPECT_NEAR(*after.slope_lower, *before.slope_lower, 1e-9);
  EXPECT_GT(*calibration_line(s.p, s.y, {}, 0.95).slope_lower, *after.slope_lower);
}

TEST(CalibrationLine, DegenerateDataSayWhy) {
  const std::vector<double> apart{0.1, 0.2, 0.8, 0.9}, same{0.5, 0.5, 0.5, 0.5}, sure{0, 0, 1, 1};
  const std::vector<std::uint8_t> both{0, 0, 1, 1}, one{1, 1, 1, 1};
  for (const auto& p : {apart, same, sure}) {
    const Logistic line = calibration_line(p, both, {}, 0.95);
    EXPECT_FALSE(line.slope);
    EXPECT_FALSE(line.why.empty());
  }
  EXPECT_FALSE(calibration_line(apart, one, {}, 0.95).slope);
  EXPECT_TRUE(std::isnan(spiegelhalter_z(same, both)));
}

TEST(Recalibration, UndoesADistortion) {
  Random random(11);
  const Sample train = sample_of(random, 20000, 1, 2), test = sample_of(random, 20000, 1, 2);
  const Platt platt = platt_fit(train.p, train.y);
  const Isotonic isotonic = isotonic_fit(train.p, train.y);
  std::vector<double> by_platt, by_steps;
  for (const double p : test.p) {
    by_platt.push_back(platt(p));
    by_steps.push_back(isotonic(p));
  }
  EXPECT_GT(calibration_error(test.p, test.y, bins_of_equal_width(test.p, 10)).expected, 0.1);
  EXPECT_LT(calibration_error(by_platt, test.y, bins_of_equal_width(by_platt, 10)).expected, 0.015);
  EXPECT_LT(calibration_error(by_steps, test.y, bins_of_equal_width(by_steps, 10)).expected, 0.02);
  EXPECT_NEAR(platt.slope, 2, 0.1);
}

/// Pool adjacent violators, by hand: 1 0 1 1 0 at 1..5 tenths gives 1/2 1/2 2/3 2/3 2/3.
TEST(Recalibration, IsotonicPoolsViolators) {
  const std::vector<double> p{0.1, 0.2, 0.3, 0.4, 0.5};
  const std::vector<std::uint8_t> y{1, 0, 1, 1, 0};
  const Isotonic fit = isotonic_fit(p, y);
  EXPECT_DOUBLE_EQ(fit(0.1), 0.5);
  EXPECT_DOUBLE_EQ(fit(0.2), 0.5);
  EXPECT_DOUBLE_EQ(fit(0.4), 2.0 / 3);
  EXPECT_DOUBLE_EQ(fit(0.9), 2.0 / 3);
  EXPECT_DOUBLE_EQ(fit(0), 0.5);
  // Newton stops at a step of 1e-12.
  EXPECT_NEAR(platt_fit(std::vector<double>{0.3, 0.3}, std::vector<std::uint8_t>{0, 1})(0.3), 0.5, 1e-9);
}

/// Vickers and Elkin (2006): (tp - fp t / (1 - t)) / n.
TEST(NetBenefit, ByHand) {
  const std::vector<double> p{0.1, 0.4, 0.6, 0.9};
  const std::vector<std::uint8_t> y{0, 1, 0, 1};
  const std::vector<double> thresholds{0.4, 0.5, 0.95};
  const NetBenefit benefit = net_benefit(p, y, thresholds);
  EXPECT_NEAR(benefit.model[0], (2 - 1 * 0.4 / 0.6) / 4, 1e-12);
  EXPECT_NEAR(benefit.model[1], (1 - 1.0) / 4, 1e-12);
  EXPECT_NEAR(benefit.model[2], 0, 1e-12);
  EXPECT_NEAR(benefit.all[1], (2 - 2.0) / 4, 1e-12);
  const std::vector<std::uint32_t> times{2, 0, 0, 2};
  EXPECT_NEAR(net_benefit(p, y, thresholds, times).model[1], 0.5, 1e-12);
}

}  // namespace
}  // namespace rouage::stats
