/// Accuracy of a test that says yes or no.
///
///   Counts counts{.tp = 1090, .fn = 10, .tn = 120, .fp = 309};
///   for (const Accuracy& figure : accuracies(counts, 0.95)) ...
///
/// Counts are of cases that are independent of each other; for several cases a patient see evidence's cluster
/// bootstrap.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::stats {

struct Counts {
  double tp = 0, fn = 0, tn = 0, fp = 0;
  double all() const { return tp + fn + tn + fp; }
};

enum class AccuracyKind {
  sensitivity,
  specificity,
  ppv,
  npv,
  accuracy,
  balanced_accuracy,
  prevalence,
  f1,
  mcc,
  youden,
  lr_positive,
  lr_negative,
  diagnostic_odds_ratio
};
struct Accuracy {
  AccuracyKind kind = AccuracyKind::sensitivity;
  std::string name;  ///< "sensitivity", ...
  std::optional<double> value{}, lower{}, upper{};
  double n = 0;  ///< cases behind it
  std::string method{}, why{};
};
/// The value alone; NaN where it is not defined. Pure.
double accuracy_value(AccuracyKind kind, const Counts& counts);
/// All figures with intervals. Shares: Clopper-Pearson, or Wilson. F1: its share tp / (tp + fp + fn) exact,
/// transformed. Balanced accuracy, Youden's index: squares added of Wilson's distances (Newcombe). MCC: delta method on
/// Fisher's z. Likelihood ratios: Simel, Samsa and Matchar (1991); odds ratio: Woolf (1955); a zero cell leaves them
/// without interval.
std::vector<Accuracy> accuracies(const Counts& counts, double level, bool use_wilson = false);

/// Predictive values at another prevalence (0..1), logit interval of Mercaldo, Lau and Zhou (2007).
struct AdjustedPredictive {
  Accuracy ppv, npv;
};
AdjustedPredictive predictive_at(const Counts& counts, double prevalence, double level);

/// Two tests on the same cases, counted by (first, second) answer: positive-positive, positive-negative...
struct PairedCounts {
  double both = 0, first = 0, second = 0, neither = 0;
  double n() const { return both + first + second + neither; }
};
struct McNemar {
  double first = 0, second = 0;  ///< discordant cases
  std::optional<double> exact, mid,
      chi;  ///< p values: exact binomial, mid-p (Lancaster; Fagerland 2013), uncorrected chi-square
  std::string why{};
};
McNemar mcnemar(const PairedCounts& pairs);

/// Predictive values of two tests on the same cases. diseased, healthy: paired answers in each.
struct PredictiveComparison {
  std::optional<double> first, second;                    ///< PPV (or NPV) of each
  std::optional<double> ratio, ratio_lower, ratio_upper;  ///< first / second, Moskowitz and Pepe (2006)
  std::optional<double> statistic, p;  ///< weighted generalised score, Kosinski (2013), 1 degree of freedom
  std::string why{};
};
PredictiveComparison compare_ppv(const PairedCounts& diseased, const PairedCounts& healthy, double level);
PredictiveComparison compare_npv(const PairedCounts& diseased, const PairedCounts& healthy, double level);

/// Does a share differ between k groups? Chi-square without correction and, for two groups, the difference (Newcombe).
/// Groups without cases are left out.  Heterogeneity of a log odds ratio (interaction of accuracy with a stratum) is
/// this test on sensitivity and on specificity.
struct Heterogeneity {
  std::optional<double> statistic, p;
  double df = 0;
  std::string why{};
};
Heterogeneity compare_shares(std::span<const double> k, std::span<const double> n);

}  // namespace rouage::stats
