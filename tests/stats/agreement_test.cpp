#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "stats/agreement.h"

namespace rouage::stats {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// Two raters from a table of counts [first][second].
Ratings of_table(const std::vector<std::vector<int>>& counts) {
  Ratings ratings{0, 2, static_cast<std::uint32_t>(counts.size()), {}};
  for (std::size_t a = 0; a < counts.size(); ++a)
    for (std::size_t b = 0; b < counts.size(); ++b)
      for (int i = 0; i < counts[a][b]; ++i) {
        ratings.values.push_back(static_cast<int>(a));
        ratings.values.push_back(static_cast<int>(b));
        ++ratings.subjects;
      }
  return ratings;
}

/// A 2x2 table by hand: 20, 5, 10, 15 of 50. po = 0.7, pe = 0.5 * 0.6 + 0.5 * 0.4 = 0.5, kappa = 0.4.
TEST(CohenKappa, OfATwoByTwoTableByHand) {
  const Ratings ratings = of_table({{20, 5}, {10, 15}});
  const auto weights = weights_of(Weighting::identity, {}, 2);
  const Coefficient kappa = cohen_kappa(ratings, weights, 0.95);
  EXPECT_NEAR(*kappa.value, 0.4, 1e-12);
  EXPECT_EQ(kappa.n, 50U);
  EXPECT_LT(*kappa.lower, 0.4);
  EXPECT_GT(*kappa.upper, 0.4);
  // Null variance by hand: (pe + pe^2 - sum p.i pi. (p.i + pi.)) / (n (1 - pe)^2), Fleiss, Cohen and Everitt (1969).
  const double null_variance = (0.5 + 0.25 - (0.5 * 0.6 * 1.1 + 0.5 * 0.4 * 0.9)) / (50 * 0.25);
  EXPECT_NEAR(*cohen_kappa_p(ratings, weights), std::erfc(0.4 / std::sqrt(null_variance) / std::sqrt(2.0)), 1e-12);
}

/// The quadratic kappa is the consistency-like intraclass correlation up to terms of 1/n (Fleiss and Cohen 1973): here
/// by its closed form 2 cov / (var + var + (difference of means)^2), exact.
TEST(CohenKappa, WithQuadraticWeightsIsTheConcordanceCoefficient) {
  const Ratings ratings = of_table({{11, 4, 1}, {3, 9, 5}, {0, 2, 8}});
  const auto weights = weights_of(Weighting::quadratic, {}, 3);
  double n = ratings.subjects, ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
  for (std::uint32_t s = 0; s < ratings.subjects; ++s) {
    const double a = ratings.values[2 * s], b = ratings.values[2 * s + 1];
    ma += a / n, mb += b / n, aa += a * a / n, bb += b * b / n, ab += a * b / n;
  }
  const double expected = 2 * (ab - ma * mb) / (aa - ma * ma + bb - mb * mb + (ma - mb) * (ma - mb));
  EXPECT_NEAR(*cohen_kappa(ratings, weights, 0.95).value, expected, 1e-12);
}

TEST(CohenKappa, HasNoValueWhenChanceAgreementIsOne) {
  const Coefficient kappa = cohen_kappa(of_table({{7, 0}, {0, 0}}), weights_of(Weighting::identity, {}, 2), 0.95);
  EXPECT_FALSE(kappa.value);
  EXPECT_FALSE(kappa.why.empty());
}

/// Fleiss (1971) as in Wikipedia's worked table of 10 subjects, 14 raters, 5 categories: kappa = 0.210.
TEST(FleissKappa, OfTheWorkedTable) {
  const int counts[10][5] = {{0, 0, 0, 0, 14}, {0, 2, 6, 4, 2}, {0, 0, 3, 5, 6}, {0, 3, 9, 2, 0}, {2, 2, 8, 1, 1},
                             {7, 7, 0, 0, 0},  {3, 2, 6, 3, 0}, {2, 5, 3, 2, 2}, {6, 5, 2, 1, 0}, {0, 2, 2, 3, 7}};
  Ratings ratings{10, 14, 5, {}};
  for (const auto& row : counts)
    for (int k = 0; k < 5; ++k)
      for (int i = 0; i < row[k]; ++i) ratings.values.push_back(k);
  const Coefficient kappa = fleiss_kappa(ratings, weights_of(Weighting::identity, {}, 5), 0.95);
  EXPECT_NEAR(*kappa.value, 0.210, 0.0005);
}

/// The linearised variance of Fleiss' kappa and AC1 beside the jackknife over subjects: same to first order; 5 % for n
/// = 200.
TEST(GwetAc, VarianceAgreesWithTheJackknife) {
  Random random(5);
  Ratings ratings{200, 3, 3, {}};
  for (std::uint32_t s = 0; s < 200; ++s) {
    const int truth = static_cast<int>(random.below(3));
    for (int r = 0; r < 3; ++r)
      ratings.values.push_back(random.uniform() < 0.1   ? -1
                               : random.uniform() < 0.6 ? truth
                                                        : static_cast<int>(random.below(3)));
  }
  const auto weights = weights_of(Weighting::linear, {}, 3);
  for (const auto& coefficient : {fleiss_kappa, gwet_ac}) {
    const Coefficient whole = coefficient(ratings, weights, 0.95);
    std::vector<double> left_out;
    for (std::uint32_t s = 0; s < 200; ++s) {
      Ratings fewer = ratings;
      fewer.values.erase(fewer.values.begin() + 3 * s, fewer.values.begin() + 3 * s + 3);
      --fewer.subjects;
      left_out.push_back(*coefficient(fewer, weights, 0.95).value);
    }
    double mean = 0, sum = 0;
    for (const double v : left_out) mean += v / 200;
    for (const double v : left_out) sum += (v - mean) * (v - mean);
    EXPECT_NEAR(*whole.standard_error, std::sqrt(199.0 / 200 * sum), 0.05 * *whole.standard_error);
  }
}

/// AC1 by hand for two raters: table 40, 1, 1, 0 (the paradox of high agreement): pa = 40/42, pi1 = 82/84,
/// pe = 2 pi1 (1 - pi1), while kappa is slightly negative.
TEST(GwetAc, IsNotUpsetByPrevalence) {
  const Ratings ratings = of_table({{40, 1}, {1, 0}});
  const auto weights = weights_of(Weighting::identity, {}, 2);
  const double share = 82.0 / 84, chance = 2 * share * (1 - share), observed = 40.0 / 42;
  EXPECT_NEAR(*gwet_ac(ratings, weights, 0.95).value, (observed - chance) / (1 - chance), 1e-12);
  EXPECT_LT(*cohen_kappa(ratings, weights, 0.95).value, 0);
}

/// Krippendorff (2011), section E: four observers, twelve units, missing values.
TEST(KrippendorffAlpha, OfThePublishedExample) {
  const double _ = kMissing;
  const double rows[4][12] = {{1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _},
                              {1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3},
                              {_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _},
                              {1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _}};
  std::vector<double> values(48);
  for (int r = 0; r < 4; ++r)
    for (int s = 0; s < 12; ++s) values[static_cast<std::size_t>(s * 4 + r)] = rows[r][s];
  const auto alpha = [&](AlphaMetric metric) {
    return krippendorff_alpha(values, 12, 4, metric, 0.95, 1000, {.seed = 1, .threads = 2});
  };
  EXPECT_NEAR(*alpha(AlphaMetric::nominal).value, 0.743, 0.0005);
  EXPECT_NEAR(*alpha(AlphaMetric::ordinal).value, 0.815, 0.0005);
  EXPECT_NEAR(*alpha(AlphaMetric::interval).value, 0.849, 0.0005);
  EXPECT_NEAR(*alpha(AlphaMetric::ratio).value, 0.797, 0.0005);
  const Coefficient nominal = alpha(AlphaMetric::nominal);
  EXPECT_LT(*nominal.lower, 0.743);
  EXPECT_GT(*nominal.upper, 0.743);
}

/// Shrout and Fleiss (1979), table 2: six targets, four judges; their coefficients to the printed two digits, intervals
/// as printed for them in the literature to two digits.
TEST(IntraclassCorrelation, OfShroutAndFleiss) {
  const std::vector<double> x{9, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7};
  const Intraclass icc = intraclass(x, 6, 4, 0.95);
  const double expected[6][3] = {{0.17, -0.13, 0.72}, {0.29, 0.02, 0.76}, {0.71, 0.34, 0.95},
                                 {0.44, -0.88, 0.91}, {0.62, 0.07, 0.93}, {0.91, 0.68, 0.99}};
  for (int form = 0; form < 6; ++form) {
    SCOPED_TRACE(icc.forms[static_cast<std::size_t>(form)].name);
    const Coefficient& c = icc.forms[static_cast<std::size_t>(form)].single_or_mean;
    EXPECT_NEAR(*c.value, expected[form][0], 0.005);
    EXPECT_NEAR(*c.lower, expected[form][1], 0.0051);
    EXPECT_NEAR(*c.upper, expected[form][2], 0.0051);
  }
  EXPECT_THROW(intraclass(x, 1, 4, 0.95), Error);
}

TEST(BlandAltman, LimitsAndTheirExactIntervals) {
  std::vector<double> a, b;
  Random random(9);
  for (int i = 0; i < 40; ++i) {
    b.push_back(50 + 10 * random.normal());
    a.push_back(b.back() + 2 + random.normal());
  }
  const LimitsOfAgreement limits = bland_altman(a, b, {}, 0.95, 0, {});
  EXPECT_NEAR(*limits.upper_limit.value - *limits.bias.value, 1.959964 * *limits.standard_deviation.value, 1e-6);
  // The approximation of Bland and Altman (1986), SE = SD sqrt(1/n + z^2 / (2 (n - 1))): within 6 % of the exact width
  // at n = 40.
  const double se = *limits.standard_deviation.value * std::sqrt(1.0 / 40 + 1.959964 * 1.959964 / 2 / 39);
  EXPECT_NEAR(*limits.upper_limit.upper - *limits.upper_limit.lower, 2 * 2.0227 * se, 0.06 * 4 * se);
  EXPECT_NEAR(*limits.upper_limit.upper + *limits.lower_limit.lower, 2 * *limits.bias.value, 1e-9);
  ASSERT_TRUE(limits.slope);
}

/// Coverage of the exact interval of the upper limit over 2,000 simulated studies of 12 pairs: 95 % within three
/// standard errors.
TEST(BlandAltman, ExactIntervalsCover) {
  Random random(21);
  int covered = 0;
  constexpr int kStudies = 2000;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<double> a(12), b(12, 0);
    for (double& v : a) v = 1 + 2 * random.normal();
    const auto limits = bland_altman(a, b, {}, 0.95, 0, {});
    const double truth = 1 + 2 * 1.959964;
    covered += *limits.upper_limit.lower <= truth && truth <= *limits.upper_limit.upper ? 1 : 0;
  }
  EXPECT_NEAR(covered / static_cast<double>(kStudies), 0.95, 3 * std::sqrt(0.95 * 0.05 / kStudies));
}

/// Repeated subjects: with a between SD of 3 and a within SD of 1, a single difference has SD sqrt(10). The plain SD of
/// 2,000 differences would be right too; that of subject means would not. 5 %: three standard errors of 400 subjects.
TEST(BlandAltman, RepeatedMeasurementsHaveBothVariances) {
  Random random(33);
  std::vector<double> a, b;
  std::vector<std::uint32_t> subject;
  for (std::uint32_t s = 0; s < 400; ++s) {
    const double own = 3 * random.normal();
    for (int i = 0; i < 5; ++i) {
      a.push_back(own + random.normal());
      b.push_back(0);
      subject.push_back(s);
    }
  }
  const auto limits = bland_altman(a, b, subject, 0.95, 500, {.seed = 2, .threads = 2});
  EXPECT_TRUE(limits.repeated);
  EXPECT_NEAR(*limits.standard_deviation.value, std::sqrt(10.0), 0.05 * std::sqrt(10.0) * 2);
  EXPECT_LT(*limits.upper_limit.lower, *limits.upper_limit.value);
  EXPECT_GT(*limits.upper_limit.upper, *limits.upper_limit.value);
}

}  // namespace
}  // namespace rouage::stats
