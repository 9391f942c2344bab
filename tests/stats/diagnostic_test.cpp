#include <gtest/gtest.h>

#include <cmath>

#include "stats/diagnostic.h"
#include "stats/distributions.h"
#include "stats/interval.h"
#include "stats/random.h"

namespace rouage::stats {
namespace {

/// R: binom.test(7, 20)$conf.int = 0.1539092 0.5921885; prop of 0 of 10: upper 1 - 0.025^(1/10).
TEST(Shares, ClopperPearsonAsR) {
  const Estimate e = clopper_pearson(7, 20, 0.95);
  EXPECT_NEAR(e.lower, 0.1539092, 5e-8);
  EXPECT_NEAR(e.upper, 0.5921885, 5e-8);
  EXPECT_DOUBLE_EQ(clopper_pearson(0, 10, 0.95).lower, 0);
  EXPECT_NEAR(clopper_pearson(0, 10, 0.95).upper, 1 - std::pow(0.025, 0.1), 1e-12);
}

/// Newcombe (1998), table: 56/70 against 48/80, difference 0.2, method 10: 0.0524 to 0.3339.
TEST(Shares, DifferenceAsNewcombe) {
  const Estimate d = newcombe_difference(56, 70, 48, 80, 0.95);
  EXPECT_NEAR(d.value, 0.2, 1e-12);
  EXPECT_NEAR(d.lower, 0.0524, 5e-5);
  EXPECT_NEAR(d.upper, 0.3339, 5e-5);
}

/// Coverage of the paired difference over 4,000 simulated studies of 60 correlated pairs: 93.5 % to 97.5 % (score
/// intervals are slightly conservative; standard error 0.35 points).
TEST(Shares, PairedDifferenceCovers) {
  Random random(41);
  int covered = 0;
  constexpr int kStudies = 4000;
  for (int study = 0; study < kStudies; ++study) {
    double cells[4] = {};
    for (int i = 0; i < 60; ++i) {
      const double u = random.uniform();
      ++cells[u < 0.6 ? 0 : u < 0.8 ? 1 : u < 0.87 ? 2 : 3];
    }
    const Estimate d = newcombe_paired_difference(cells[0], cells[1], cells[2], cells[3], 0.95);
    covered += d.lower <= 0.13 && 0.13 <= d.upper ? 1 : 0;
  }
  EXPECT_GE(covered / static_cast<double>(kStudies), 0.935);
  EXPECT_LE(covered / static_cast<double>(kStudies), 0.975);
}

/// The normality study (issue 6): 1,100 abnormal, the AI found 1,090; 429 normal, 120 released.
TEST(Accuracies, OfTheNormalityStudyFromCountsAlone) {
  for (const Accuracy& figure : accuracies({.tp = 1090, .fn = 10, .tn = 120, .fp = 309}, 0.95)) {
    ASSERT_TRUE(figure.value) << figure.name;
    ASSERT_TRUE(figure.lower && figure.upper) << figure.name;
    EXPECT_LE(*figure.lower, *figure.value) << figure.name;
    EXPECT_GE(*figure.upper, *figure.value) << figure.name;
    if (figure.name == "sensitivity") {
      EXPECT_NEAR(*figure.value, 0.990909, 1e-6);
      EXPECT_NEAR(*figure.lower, clopper_pearson(1090, 1100, 0.95).lower, 1e-15);
    }
    if (figure.name == "specificity") EXPECT_NEAR(*figure.value, 120.0 / 429, 1e-12);
  }
}

TEST(Accuracies, SayWhyThereIsNone) {
  for (const Accuracy& figure : accuracies({.tp = 3, .fn = 1}, 0.95)) {
    if (figure.name == "specificity" || figure.name == "mcc" || figure.name == "lr_positive") {
      EXPECT_FALSE(figure.value) << figure.name;
      EXPECT_FALSE(figure.why.empty());
    }
  }
  for (const Accuracy& figure : accuracies({}, 0.95)) EXPECT_FALSE(figure.value) << figure.name;
}

/// Coverage of the MCC and F1 intervals over 4,000 simulated studies of 150 cases: at least 93.5 %, so at most 1.5
/// points below nominal, as delta-method intervals of that size are (standard error 0.35 points).
TEST(Accuracies, IntervalsOfF1AndMccCover) {
  Random random(17);
  const double share[4] = {0.25, 0.10, 0.50, 0.15};
  const Counts truth{share[0], share[1], share[2], share[3]};
  int f1 = 0, mcc = 0;
  constexpr int kStudies = 4000;
  for (int study = 0; study < kStudies; ++study) {
    double cells[4] = {};
    for (int i = 0; i < 150; ++i) {
      const double u = random.uniform();
      ++cells[u < 0.25 ? 0 : u < 0.35 ? 1 : u < 0.85 ? 2 : 3];
    }
    for (const Accuracy& a : accuracies({cells[0], cells[1], cells[2], cells[3]}, 0.95)) {
      if (a.kind != AccuracyKind::f1 && a.kind != AccuracyKind::mcc) continue;
      const double expected = accuracy_value(a.kind, truth);
      (a.kind == AccuracyKind::f1 ? f1 : mcc) += *a.lower <= expected && expected <= *a.upper ? 1 : 0;
    }
  }
  EXPECT_GE(f1 / static_cast<double>(kStudies), 0.935);
  EXPECT_GE(mcc / static_cast<double>(kStudies), 0.935);
}

TEST(PredictiveValues, AtTheSamplesOwnPrevalenceAreTheSamples) {
  const Counts counts{.tp = 80, .fn = 20, .tn = 270, .fp = 30};
  const AdjustedPredictive adjusted = predictive_at(counts, 0.25, 0.95);
  EXPECT_NEAR(*adjusted.ppv.value, 80.0 / 110, 1e-12);
  EXPECT_NEAR(*adjusted.npv.value, 270.0 / 290, 1e-12);
  EXPECT_LT(*predictive_at(counts, 0.01, 0.95).ppv.value, 0.1);
}

/// Fagerland, Lydersen and Laake (2013), airway hyper-responsiveness: 1 and 7 discordant pairs: exact 0.0703, mid-p
/// 0.0391, asymptotic 0.0339.
TEST(McNemar, AsFagerland) {
  const McNemar test = mcnemar({.both = 1, .first = 1, .second = 7, .neither = 12});
  EXPECT_NEAR(*test.exact, 0.0703, 5e-5);
  EXPECT_NEAR(*test.mid, 0.0391, 5e-5);
  EXPECT_NEAR(*test.chi, 0.0339, 5e-5);
  EXPECT_DOUBLE_EQ(*mcnemar({.both = 3, .neither = 3}).exact, 1);
}

/// Under the null (two equal exchangeable tests, correlated): the weighted generalised score rejects in 5 % +- 1 % of
/// 4,000 studies, and the ratio's interval misses 1 as often.
TEST(PredictiveValues, ComparisonHoldsItsLevel) {
  Random random(23);
  int rejected = 0, missed = 0;
  constexpr int kStudies = 4000;
  for (int study = 0; study < kStudies; ++study) {
    PairedCounts diseased, healthy;
    for (int i = 0; i < 400; ++i) {
      const bool ill = random.uniform() < 0.4;
      const double base = ill ? 0.75 : 0.2, shared = random.uniform();
      const auto answer = [&] { return (random.uniform() < 0.5 ? shared : random.uniform()) < base; };
      const bool a = answer(), b = answer();
      PairedCounts& cell = ill ? diseased : healthy;
      (a && b ? cell.both : a ? cell.first : b ? cell.second : cell.neither) += 1;
    }
    const auto ppv = compare_ppv(diseased, healthy, 0.95), npv = compare_npv(diseased, healthy, 0.95);
    rejected += *ppv.p < 0.05 ? 1 : 0;
    missed += *npv.ratio_lower > 1 || *npv.ratio_upper < 1 ? 1 : 0;
  }
  EXPECT_NEAR(rejected / static_cast<double>(kStudies), 0.05, 0.01);
  EXPECT_NEAR(missed / static_cast<double>(kStudies), 0.05, 0.01);
}

TEST(Heterogeneity, OfTwoSharesIsTheirChiSquare) {
  const double k[] = {56, 48}, n[] = {70, 80};
  const auto test = compare_shares(k, n);
  const double p = 104.0 / 150;
  EXPECT_NEAR(*test.statistic, 0.2 * 0.2 / (p * (1 - p) * (1.0 / 70 + 1.0 / 80)), 1e-9);
  EXPECT_DOUBLE_EQ(test.df, 1);
}

/// BCa of a mean is close to the t interval for symmetric data and shifts to the right for skewed data.
TEST(BootstrapIntervals, BcaShiftsWithSkewness) {
  Random random(4);
  std::vector<double> x;
  for (int i = 0; i < 60; ++i) x.push_back(std::exp(random.normal()));
  const auto mean_of = [&](const std::vector<std::uint32_t>& times) {
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += times[i] * x[i];
      n += times[i];
    }
    return sum / n;
  };
  std::vector<double> draws(4000), left_out(60);
  bootstrap(draws.size(), {.seed = 3, .threads = 2},
            [&](std::uint64_t draw, Random& r) { draws[draw] = mean_of(resample_counts(60, r)); });
  std::vector<std::uint32_t> once(60, 1);
  const double value = mean_of(once);
  for (std::size_t i = 0; i < 60; ++i) {
    once[i] = 0;
    left_out[i] = mean_of(once);
    once[i] = 1;
  }
  const auto bca = bca_interval(value, draws, left_out, 0.95), plain = percentile_interval(draws, 0.95);
  EXPECT_GT(*bca.lower, *plain.lower);
  EXPECT_GT(*bca.upper, *plain.upper);
}

}  // namespace
}  // namespace rouage::stats
