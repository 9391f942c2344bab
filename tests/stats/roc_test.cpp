#include "stats/roc.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "stats/distributions.h"

namespace rouage::stats {
namespace {

struct Sample {
  std::vector<double> scores, other;
  std::vector<std::uint8_t> truth;
  std::vector<std::uint32_t> patient;
};

/// Two correlated scores of patients with one to three cases; rounded scores tie.
Sample sample_of(Random& random, std::size_t patients, double apart, double rounding = 0) {
  Sample s;
  for (std::uint32_t p = 0; p < patients; ++p) {
    const double own = random.normal();
    const bool ill = random.uniform() < 0.4;
    for (std::uint64_t i = 0, cases = 1 + random.below(3); i < cases; ++i) {
      const bool positive = ill ? random.uniform() < 0.8 : random.uniform() < 0.1;
      const auto score = [&] {
        const double x = (positive ? apart : 0) + 0.7 * own + 0.7 * random.normal();
        return rounding > 0 ? std::round(x / rounding) * rounding : x;
      };
      s.scores.push_back(score());
      s.other.push_back(score());
      s.truth.push_back(positive);
      s.patient.push_back(p);
    }
  }
  return s;
}

/// The definition: all pairs.
double pairs_won(const Sample& s) {
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < s.truth.size(); ++i)
    for (std::size_t j = 0; j < s.truth.size(); ++j)
      if (s.truth[i] && !s.truth[j]) {
        ++pairs;
        won += s.scores[i] > s.scores[j] ? 1 : s.scores[i] == s.scores[j] ? 0.5 : 0;
      }
  return won / pairs;
}

TEST(Auc, IsTheShareOfPairsInOrderWithAndWithoutTies) {
  Random random(5);
  for (const double rounding : {0.0, 0.5}) {
    const Sample s = sample_of(random, 120, 1, rounding);
    const Area area = auc_delong(s.scores, s.truth, {});
    EXPECT_NEAR(*area.value, pairs_won(s), 1e-13);
    EXPECT_NEAR(placements_of(s.scores, s.truth).area, pairs_won(s), 1e-13);
    EXPECT_NEAR(curve_area(roc_curve(sort_cases(s.scores, s.truth))), pairs_won(s), 1e-13);
  }
}

/// Sorted moments and one placement a case are two ways to the same variance; two threads give the same bits as one.
TEST(Auc, VarianceByMomentsIsThatOfPlacements) {
  Random random(6);
  const Sample s = sample_of(random, 200, 1, 0.25);
  const Area area = auc_delong(s.scores, s.truth, {}), two = auc_delong(s.scores, s.truth, {.threads = 2});
  const Placements places = placements_of(s.scores, s.truth);
  EXPECT_NEAR(*area.se, std::sqrt(area_covariance(places, places, s.truth, {})), 1e-14);
  EXPECT_EQ(*area.se, *two.se);
  EXPECT_EQ(*area.value, *two.value);
}

/// Obuchowski's estimator with one case a patient is DeLong's.
TEST(Auc, ClusteredWithOneCaseAPatientIsDeLong) {
  Random random(7);
  const Sample s = sample_of(random, 150, 1);
  std::vector<std::uint32_t> own(s.truth.size());
  for (std::uint32_t i = 0; i < own.size(); ++i) own[i] = i;
  const Placements places = placements_of(s.scores, s.truth);
  EXPECT_NEAR(area_covariance(places, places, s.truth, own), area_covariance(places, places, s.truth, {}), 1e-15);
  EXPECT_GT(area_covariance(places, places, s.truth, s.patient), 0);
}

/// A case copied into its patient adds nothing: the clustered error stays, the plain one shrinks.
// EVI-2
TEST(Auc, CopiesInAPatientAddNoCertainty) {
  Random random(8);
  Sample s = sample_of(random, 100, 1);
  const Placements before = placements_of(s.scores, s.truth);
  const double clustered = area_covariance(before, before, s.truth, s.patient);
  const double plain = area_covariance(before, before, s.truth, {});
  for (std::size_t i = 0, n = s.truth.size(); i < n; ++i) {
    s.scores.push_back(s.scores[i]);
    s.truth.push_back(s.truth[i]);
    s.patient.push_back(s.patient[i]);
  }
  const Placements after = placements_of(s.scores, s.truth);
  EXPECT_NEAR(area_covariance(after, after, s.truth, s.patient), clustered, 1e-14);
  EXPECT_LT(area_covariance(after, after, s.truth, {}), 0.6 * plain);
}

TEST(Auc, DegenerateDataSayWhy) {
  const std::vector<std::uint8_t> both{0, 0, 1, 1}, one{1, 1, 1, 1};
  const std::vector<double> apart{1, 2, 3, 4}, same{2, 2, 2, 2};
  EXPECT_FALSE(auc_delong(apart, one, {}).value);
  EXPECT_FALSE(auc_delong({}, {}, {}).value);
  EXPECT_FALSE(auc_delong({}, {}, {}).why.empty());
  const Area perfect = auc_delong(apart, both, {}), tied = auc_delong(same, both, {});
  EXPECT_EQ(*perfect.value, 1);
  EXPECT_FALSE(perfect.lower);
  EXPECT_FALSE(perfect.why.empty());
  EXPECT_EQ(*tied.value, 0.5);
  EXPECT_FALSE(tied.lower);
  EXPECT_THROW(auc_delong(apart, std::vector<std::uint8_t>{1, 0}, {}), Error);
  const Placements p = placements_of(apart, both);
  EXPECT_FALSE(compare_paired(p, p, both, {}, 0.95).p);
  EXPECT_FALSE(compare_paired(placements_of(apart, one), p, one, {}, 0.95).difference);
}

struct Simulated {
  double rejected = 0, covered = 0;
};

/// Studies of two equally good, correlated scores of clustered cases.
Simulated simulate(int studies, std::size_t patients) {
  std::vector<std::uint8_t> rejected(static_cast<std::size_t>(studies)), covered(rejected.size());
  bootstrap(rejected.size(), {.seed = 99, .threads = 2}, [&](std::uint64_t study, Random& random) {
    Sample s = sample_of(random, patients, 1);
    // The own part of a patient is shared by both scores, and the population area is that of two such normals.
    const Placements a = placements_of(s.scores, s.truth), b = placements_of(s.other, s.truth);
    rejected[study] = *compare_paired(a, b, s.truth, s.patient, 0.95).p < 0.05;
    const Area area = auc_clustered(a, s.truth, s.patient, {});
    const double truth = normal_cdf(1 / std::sqrt(2 * 0.98));
    covered[study] = *area.lower <= truth && truth <= *area.upper;
  });
  Simulated result;
  for (const auto r : rejected) result.rejected += r / static_cast<double>(studies);
  for (const auto c : covered) result.covered += c / static_cast<double>(studies);
  return result;
}

/// Rejection 5 % +- 1 % under the null, coverage 95 % +- 1.5 % (standard error 0.4 points; the interval on the plain
/// scale is a little short with 150 patients).
TEST(Auc, ClusteredTestAndIntervalHoldTheirLevel) {
  const Simulated result = simulate(3000, 150);
  EXPECT_NEAR(result.rejected, 0.05, 0.01);
  EXPECT_NEAR(result.covered, 0.95, 0.015);
}

/// A curve of chance and a perfect one: McClish's index is 0.5 and 1 on every part.
TEST(PartialArea, StandardisedIsAHalfForChanceAndOneForPerfect) {
  const RocCurve chance{.tp = {0, 5, 10}, .fp = {0, 5, 10}, .positives = 10, .negatives = 10};
  const RocCurve perfect{.tp = {0, 10, 10}, .fp = {0, 0, 10}, .positives = 10, .negatives = 10};
  for (const bool of_sensitivity : {false, true})
    for (const double low : {0.0, 0.5, 0.9, 0.93}) {
      const PartialRange range{.low = low, .high = 1, .of_sensitivity = of_sensitivity};
      EXPECT_NEAR(partial_area(chance, range, true), 0.5, 1e-12);
      EXPECT_NEAR(partial_area(perfect, range, true), 1, 1e-12);
      EXPECT_NEAR(partial_area(perfect, range, false), 1 - low, 1e-12);
    }
  EXPECT_NEAR(partial_area(chance, {.low = 0.9, .high = 1}, false), 0.005, 1e-12);
}

TEST(OperatingPoints, AreAttainedAndTheBestOfTheirKind) {
  const std::vector<double> scores{0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2};
  const std::vector<std::uint8_t> truth{1, 1, 0, 1, 0, 1, 0, 0};
  const SortedCases cases = sort_cases(scores, truth);
  const RocCurve curve = roc_curve(cases);
  EXPECT_EQ(point_with_specificity(cases, curve, 0.75).threshold, 0.6);
  EXPECT_EQ(point_with_specificity(cases, curve, 0.75).tp, 3);
  EXPECT_EQ(point_with_sensitivity(cases, curve, 1).threshold, 0.4);
  EXPECT_EQ(point_with_sensitivity(cases, curve, 1).fp, 2);
  EXPECT_EQ(youden_point(cases, curve).threshold, 0.8);
  EXPECT_DOUBLE_EQ(largest_youden(curve), 0.5);
  EXPECT_NEAR(sensitivity_at(curve, 0.75), 0.75, 1e-9);
  EXPECT_NEAR(specificity_at(curve, 0.75), 0.75, 1e-9);
  const SortedCases worst = sort_cases(scores, std::vector<std::uint8_t>{0, 1, 1, 1, 1, 1, 1, 1});
  EXPECT_TRUE(std::isinf(point_with_specificity(worst, roc_curve(worst), 1).threshold));
  EXPECT_THROW(youden_point(cases, roc_curve(sort_cases(scores, std::vector<std::uint8_t>(8, 1)))), Error);
}

/// Davis and Goadrich (2006): between A (5 true, 5 false positives) and B (10, 30) of 20 positives and 2,000 negatives
/// precision is 0.5, 0.375, 0.318, 0.286, 0.265, 0.25 at 5..10 true positives. The area is the integral of that curve.
TEST(PrecisionRecall, InterpolatesAsDavisAndGoadrich) {
  const RocCurve curve{.tp = {0, 5, 10, 20}, .fp = {0, 5, 30, 2000}, .positives = 20, .negatives = 2000};
  const PrecisionRecall points = precision_recall(curve, 20);
  const double expected[] = {0.5, 0.375, 0.318, 0.286, 0.265, 0.25};
  for (std::size_t t = 5; t <= 10; ++t) EXPECT_NEAR(points.precision[t], expected[t - 5], 5e-4);
  const PrecisionRecall fine = precision_recall(curve, 200000);
  double area = 0;
  for (std::size_t i = 1; i < fine.recall.size(); ++i)
    area += (fine.recall[i] - fine.recall[i - 1]) * (fine.precision[i] + fine.precision[i - 1]) / 2;
  EXPECT_NEAR(precision_recall_area(curve), area, 1e-7);
  EXPECT_NEAR(average_precision(curve), (5 * 0.5 + 5 * 0.25 + 10 * 20.0 / 2020) / 20, 1e-12);
}

/// Chakraborty (2017, Observer Performance Methods, chapter 6), counts 30 19 8 2 1 and 5 6 5 12 22: a = 1.3204,
/// b = 0.6075, area 0.8704.
TEST(Binormal, AsAWorkedExample) {
  const double negatives[] = {30, 19, 8, 2, 1}, positives[] = {5, 6, 5, 12, 22};
  const Binormal fit = binormal_fit_counts(negatives, positives, 0.95);
  ASSERT_TRUE(fit.area) << fit.why;
  EXPECT_NEAR(*fit.a, 1.3204, 2e-4);
  EXPECT_NEAR(*fit.b, 0.6075, 2e-4);
  EXPECT_NEAR(*fit.area, 0.8704, 1e-4);
  EXPECT_NEAR(*fit.se, 0.0379, 5e-4);
  EXPECT_EQ(fit.df, 2);
}

/// Continuous scores of known normals: the mean of 300 fits is the population's area (standard error 0.002), its
/// interval covers 95 % +- 3 %.
TEST(Binormal, OfContinuousScoresIsUnbiasedAndCovers) {
  std::vector<double> areas(300);
  std::vector<std::uint8_t> covered(300);
  const double truth = normal_cdf(1.2 / std::sqrt(1 + 1.5 * 1.5));
  bootstrap(300, {.seed = 12, .threads = 2}, [&](std::uint64_t study, Random& random) {
    std::vector<double> scores;
    std::vector<std::uint8_t> labels;
    for (int i = 0; i < 300; ++i) {
      labels.push_back(i % 3 == 0);
      // Any monotone transformation leaves the fit as it is.
      scores.push_back(std::exp(labels.back() ? 1.2 + 1.5 * random.normal() : random.normal()));
    }
    const Binormal fit = binormal_fit(scores, labels, 0.95);
    areas[study] = fit.area.value_or(-1);
    covered[study] = fit.lower && *fit.lower <= truth && truth <= *fit.upper;
  });
  double mean = 0, share = 0;
  for (std::size_t i = 0; i < 300; ++i) {
    mean += areas[i] / 300;
    share += covered[i] / 300.0;
  }
  EXPECT_NEAR(mean, truth, 0.006);
  EXPECT_NEAR(share, 0.95, 0.03);
}

TEST(Binormal, DegenerateDataAreSaid) {
  const std::vector<double> apart{1, 2, 3, 4}, same{2, 2, 2, 2};
  const std::vector<std::uint8_t> both{0, 0, 1, 1}, one{1, 1, 1, 1};
  for (const auto& [scores, truth] : {std::pair{apart, both}, std::pair{same, both}, std::pair{apart, one}}) {
    const Binormal fit = binormal_fit(scores, truth, 0.95);
    EXPECT_FALSE(fit.area);
    EXPECT_FALSE(fit.why.empty());
  }
  EXPECT_FALSE(binormal_fit({}, {}, 0.95).area);
}

/// Patients drawn with all their cases; strata keep their sizes; the answer does not depend on the threads.
TEST(Resampling, DrawsPatientsWithinStrata) {
  const std::vector<std::uint32_t> patient{0, 0, 1, 2, 2, 2};
  const std::vector<std::uint8_t> truth{0, 1, 0, 0, 0, 0};
  const Resampling plan = resampling_of(6, patient, truth);
  ASSERT_EQ(plan.strata.size(), 2U);
  Random random(1);
  for (int i = 0; i < 50; ++i) {
    const auto times = draw_times(plan, random);
    EXPECT_EQ(times[0], 1U);
    EXPECT_EQ(times[1], 1U);
    EXPECT_EQ(times[3], times[5]);
    EXPECT_EQ(times[2] + times[3], 2U);
  }
  Random data(3);
  const Sample s = sample_of(data, 80, 1);
  const SortedCases cases = sort_cases(s.scores, s.truth);
  const WeighedFigures figures = [&](auto times) { return std::vector<double>{curve_area(roc_curve(cases, times))}; };
  const Resampling whole = resampling_of(s.truth.size(), s.patient, s.truth);
  const auto one = bootstrap_intervals(figures, whole, {.draws = 300, .accelerated = true}, {.seed = 2, .threads = 1});
  const auto two = bootstrap_intervals(figures, whole, {.draws = 300, .accelerated = true}, {.seed = 2, .threads = 2});
  EXPECT_EQ(*one[0].lower, *two[0].lower);
  EXPECT_EQ(*one[0].upper, *two[0].upper);
  const Area area = auc_clustered(placements_of(s.scores, s.truth), s.truth, s.patient, {});
  EXPECT_NEAR(*one[0].lower, *area.lower, 0.03);
}

}  // namespace
}  // namespace rouage::stats
