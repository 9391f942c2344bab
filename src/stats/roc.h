/// Receiver operating characteristics of scores: areas with DeLong's variances, curves, operating points.
///
///   Area area = auc_delong(scores, truth, {.level = 0.95, .threads = 2});
///   AreaComparison test = compare_paired(a, b, truth, patient, 0.95);
///
/// Everywhere: scores finite, higher means more likely positive; truth 0 or 1; both of the same length (a mismatch is
/// Error Internal). patient: dense numbers from 0, one a case; empty: each case for itself. Pure, thread-safe.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stats/resample.h"

namespace rouage::stats {

struct Area {
  std::optional<double> value, se, lower, upper;
  std::uint64_t positives = 0, negatives = 0;
  std::string why{};
};
struct AreaOptions {
  double level = 0.95;
  int threads = 1;
  bool logit = false;  ///< interval on the logit scale (better coverage near 1) rather than on the area, cut at 0 and 1
};
/// Mann-Whitney area (ties count half), variance of DeLong, DeLong and Clarke-Pearson (1988). O(n log n) by midranks
/// (Sun and Xu 2014). No interval where the variance is 0.
Area auc_delong(std::span<const double> scores, std::span<const std::uint8_t> truth, const AreaOptions& options);

/// Structural components: share of the other class that a case beats (ties half). One a case.
struct Placements {
  std::vector<double> place;
  double area = 0;
};
/// Both classes must be there (else area NaN).
Placements placements_of(std::span<const double> scores, std::span<const std::uint8_t> truth);

/// Covariance of two areas of the same cases: DeLong (1988); with patients Obuchowski (1997). NaN where a class has
/// fewer than two cases (patients).
double area_covariance(const Placements& a, const Placements& b, std::span<const std::uint8_t> truth,
                       std::span<const std::uint32_t> patient);
/// As auc_delong, with patients (Obuchowski 1997).
Area auc_clustered(const Placements& placements, std::span<const std::uint8_t> truth,
                   std::span<const std::uint32_t> patient, const AreaOptions& options);

struct AreaComparison {
  std::optional<double> difference, se, lower, upper;  ///< first minus second
  std::optional<double> z, p;
  std::string why{};
};
AreaComparison compare_paired(const Placements& a, const Placements& b, std::span<const std::uint8_t> truth,
                              std::span<const std::uint32_t> patient, double level);
AreaComparison compare_unpaired(const Area& a, const Area& b, double level);
/// Do the areas of k independent groups differ? Chi-square with k - 1 degrees, weighed by precision.
AreaComparison compare_many(std::span<const Area> areas);

/// Cases in descending order of score, equal scores together: the base of every curve, also of bootstrap draws.
struct SortedCases {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> ends;  ///< end of each group of equal scores in `order`
  std::vector<std::uint8_t> truth;  ///< in `order`
  std::vector<double> thresholds;   ///< score of each group: positive is >= it
};
SortedCases sort_cases(std::span<const double> scores, std::span<const std::uint8_t> truth);

/// Counts at or above each threshold, starting at (0, 0): one more point than groups.
struct RocCurve {
  std::vector<double> tp, fp;
  double positives = 0, negatives = 0;
};
/// times: how often each case counts, in the original order; empty: once.
RocCurve roc_curve(const SortedCases& cases, std::span<const std::uint32_t> times = {});

/// Trapezoidal area; NaN with one class.
double curve_area(const RocCurve& curve);
/// Which part of the curve a partial area takes.
struct PartialRange {
  double low = 0.9, high = 1;   ///< of specificity (or sensitivity)
  bool of_sensitivity = false;  ///< range is of sensitivity: area right of the curve's left part
};
/// Area under the part, as drawn by straight lines. standardised: McClish (1989), 0.5 for chance and 1 for perfect.
double partial_area(const RocCurve& curve, const PartialRange& range, bool standardised);
/// Sensitivity at a specificity and the reverse, on the straight lines between the points.
double sensitivity_at(const RocCurve& curve, double specificity);
double specificity_at(const RocCurve& curve, double sensitivity);

/// An attained point: the threshold at or above which a case is called positive (infinity: none is).
struct OperatingPoint {
  double threshold = 0;
  double tp = 0, fn = 0, tn = 0, fp = 0;
};
/// Most sensitive point with at least this specificity; the reverse; the largest Youden index (the more specific one
/// of equals). Errors: StatisticUndefined with one class.
OperatingPoint point_with_specificity(const SortedCases& cases, const RocCurve& curve, double specificity);
OperatingPoint point_with_sensitivity(const SortedCases& cases, const RocCurve& curve, double sensitivity);
OperatingPoint youden_point(const SortedCases& cases, const RocCurve& curve);
double largest_youden(const RocCurve& curve);

/// Sum of precision times the step of recall, no interpolation (optimistic none); NaN without positives.
double average_precision(const RocCurve& curve);
/// Area under the precision-recall curve with the right interpolation: false positives grow linearly with true ones
/// (Davis and Goadrich 2006; closed form of Keilwagen, Grosse and Grau 2014).
double precision_recall_area(const RocCurve& curve);
/// Points of that curve, at most `most`: recall ascending, precision.
struct PrecisionRecall {
  std::vector<double> recall, precision;
};
PrecisionRecall precision_recall(const RocCurve& curve, std::size_t most);

/// Binormal model by maximum likelihood: scores of negatives N(0, 1), of positives N(a / b, 1 / b), after any monotone
/// transformation (Dorfman and Alf 1969; categories of continuous scores as LABROC, Metz, Herman and Shen 1998: runs of
/// the same truth, joined to at most 20).
struct Binormal {
  std::optional<double> a, b, area, se, lower, upper;
  std::optional<double> se_a, se_b;
  double chi_square = 0, df = 0;  ///< fit of the categories; df 0: none
  int categories = 0;
  std::string why{};  ///< degenerate data (separated, or no point inside the square) and no convergence are said
};
Binormal binormal_fit(std::span<const double> scores, std::span<const std::uint8_t> truth, double level);
/// From counts in categories of rising suspicion. Errors: Internal where the lengths differ.
Binormal binormal_fit_counts(std::span<const double> negatives, std::span<const double> positives, double level);

}  // namespace rouage::stats
