#include "stats/roc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "stats/distributions.h"

namespace rouage::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void check(std::size_t scores, std::size_t truth) {
  if (scores != truth) throw Error(ErrorCode::Internal, "scores and truth differ in length");
}

void set_interval(Area& area, double variance, const AreaOptions& options) {
  const double value = *area.value;
  if (!std::isfinite(variance)) {
    area.why = "no interval: fewer than two independent cases of a class";
    return;
  }
  // A sum of equal placements leaves rounding behind, which is no variance.
  if (!(variance > 1e-25)) {
    area.why = value <= 0 || value >= 1 ? "no interval: the scores separate the classes"
                                        : "no interval: the variance is 0 (equal scores)";
    return;
  }
  const double z = normal_quantile(0.5 + options.level / 2);
  area.se = std::sqrt(variance);
  if (options.logit && value > 0 && value < 1) {
    const double centre = std::log(value / (1 - value)), half = z * *area.se / (value * (1 - value));
    area.lower = 1 / (1 + std::exp(half - centre));
    area.upper = 1 / (1 + std::exp(-half - centre));
    return;
  }
  area.lower = std::max(0.0, value - z * *area.se);
  area.upper = std::min(1.0, value + z * *area.se);
}

std::string why_no_area(const Area& area) {
  if (area.positives + area.negatives == 0) return "there is no case";
  return area.positives == 0 ? "no case is positive" : "no case is negative";
}

/// Sum and squares of the shares of `others` that each of `mine` lies above (below where not `above`), ties half; both
/// ascending.
struct Moments {
  double sum = 0, squares = 0;
};
Moments placement_moments(std::span<const double> mine, std::span<const double> others, bool above, double centre) {
  Moments moments;
  std::size_t low = 0, high = 0;
  const double count = static_cast<double>(others.size());
  for (const double x : mine) {
    while (low < others.size() && others[low] < x) ++low;
    high = std::max(high, low);
    while (high < others.size() && others[high] <= x) ++high;
    double place = (static_cast<double>(low) + static_cast<double>(high - low) / 2) / count;
    if (!above) place = 1 - place;
    moments.sum += place;
    moments.squares += (place - centre) * (place - centre);
  }
  return moments;
}

/// A case's part in a class, summed by cluster.
struct ClusterSums {
  std::vector<double> positive, negative;  ///< centred sums
  double with_positive = 0, with_negative = 0, clusters = 0;
};
ClusterSums cluster_sums(const Placements& a, std::span<const std::uint8_t> truth,
                         std::span<const std::uint32_t> patient) {
  const std::size_t count = *std::max_element(patient.begin(), patient.end()) + std::size_t{1};
  ClusterSums sums{.positive = std::vector<double>(count), .negative = std::vector<double>(count)};
  std::vector<std::uint8_t> has(count, 0);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    (truth[i] ? sums.positive : sums.negative)[patient[i]] += a.place[i] - a.area;
    has[patient[i]] = static_cast<std::uint8_t>(has[patient[i]] | (truth[i] ? 1 : 2));
  }
  for (const std::uint8_t h : has) {
    sums.with_positive += h & 1;
    sums.with_negative += (h & 2) / 2;
    sums.clusters += h ? 1 : 0;
  }
  return sums;
}

double clustered_covariance(const Placements& a, const Placements& b, std::span<const std::uint8_t> truth,
                            std::span<const std::uint32_t> patient, double m, double n) {
  const ClusterSums x = cluster_sums(a, truth, patient), y = cluster_sums(b, truth, patient);
  if (x.with_positive < 2 || x.with_negative < 2) return kNaN;
  double pp = 0, nn = 0, cross = 0;
  for (std::size_t c = 0; c < x.positive.size(); ++c) {
    pp += x.positive[c] * y.positive[c];
    nn += x.negative[c] * y.negative[c];
    cross += x.positive[c] * y.negative[c] + x.negative[c] * y.positive[c];
  }
  return pp * x.with_positive / ((x.with_positive - 1) * m * m) +
         nn * x.with_negative / ((x.with_negative - 1) * n * n) + cross * x.clusters / ((x.clusters - 1) * m * n);
}

void set_z(AreaComparison& result, double variance, double level) {
  if (!std::isfinite(variance)) {
    result.why = "no test: fewer than two independent cases of a class";
    return;
  }
  if (!(variance > 1e-25)) {
    result.why = "no test: the difference has no variance (the two order the cases alike)";
    return;
  }
  result.se = std::sqrt(variance);
  const double z = normal_quantile(0.5 + level / 2);
  result.lower = *result.difference - z * *result.se;
  result.upper = *result.difference + z * *result.se;
  result.z = *result.difference / *result.se;
  result.p = 2 * normal_upper(std::abs(*result.z));
}

}  // namespace

Area auc_delong(std::span<const double> scores, std::span<const std::uint8_t> truth, const AreaOptions& options) {
  check(scores.size(), truth.size());
  Area area;
  for (const std::uint8_t t : truth) ++(t ? area.positives : area.negatives);
  if (area.positives == 0 || area.negatives == 0) {
    area.why = why_no_area(area);
    return area;
  }
  std::vector<double> positive, negative;
  positive.reserve(area.positives);
  negative.reserve(area.negatives);
  for (std::size_t i = 0; i < scores.size(); ++i) (truth[i] ? positive : negative).push_back(scores[i]);
  if (options.threads > 1) {
    std::thread other([&] { std::sort(positive.begin(), positive.end()); });
    std::sort(negative.begin(), negative.end());
    other.join();
  } else {
    std::sort(positive.begin(), positive.end());
    std::sort(negative.begin(), negative.end());
  }
  const double m = static_cast<double>(area.positives), n = static_cast<double>(area.negatives);
  const double value = placement_moments(positive, negative, true, 0).sum / m;
  area.value = value;
  const double squares1 = placement_moments(positive, negative, true, value).squares;
  const double squares0 = placement_moments(negative, positive, false, value).squares;
  set_interval(area, m < 2 || n < 2 ? kNaN : squares1 / ((m - 1) * m) + squares0 / ((n - 1) * n), options);
  return area;
}

Placements placements_of(std::span<const double> scores, std::span<const std::uint8_t> truth) {
  check(scores.size(), truth.size());
  std::vector<std::pair<double, std::uint32_t>> sorted(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) sorted[i] = {scores[i], static_cast<std::uint32_t>(i)};
  std::sort(sorted.begin(), sorted.end());
  double m = 0;
  for (const std::uint8_t t : truth) m += t;
  const double n = static_cast<double>(truth.size()) - m;
  Placements result{.place = std::vector<double>(scores.size()), .area = kNaN};
  if (m == 0 || n == 0) return result;
  double positives_below = 0, negatives_below = 0, sum = 0;
  for (std::size_t start = 0, end = 0; start < sorted.size(); start = end) {
    double p = 0, q = 0;
    for (end = start; end < sorted.size() && sorted[end].first == sorted[start].first; ++end)
      (truth[sorted[end].second] ? p : q) += 1;
    for (std::size_t i = start; i < end; ++i) {
      const std::uint32_t c = sorted[i].second;
      result.place[c] = truth[c] ? (negatives_below + q / 2) / n : 1 - (positives_below + p / 2) / m;
      if (truth[c]) sum += result.place[c];
    }
    positives_below += p;
    negatives_below += q;
  }
  result.area = sum / m;
  return result;
}

double area_covariance(const Placements& a, const Placements& b, std::span<const std::uint8_t> truth,
                       std::span<const std::uint32_t> patient) {
  double m = 0;
  for (const std::uint8_t t : truth) m += t;
  const double n = static_cast<double>(truth.size()) - m;
  if (m == 0 || n == 0) return kNaN;
  if (!patient.empty()) return clustered_covariance(a, b, truth, patient, m, n);
  if (m < 2 || n < 2) return kNaN;
  double positive = 0, negative = 0;
  for (std::size_t i = 0; i < truth.size(); ++i)
    (truth[i] ? positive : negative) += (a.place[i] - a.area) * (b.place[i] - b.area);
  return positive / (m * (m - 1)) + negative / (n * (n - 1));
}

Area auc_clustered(const Placements& placements, std::span<const std::uint8_t> truth,
                   std::span<const std::uint32_t> patient, const AreaOptions& options) {
  Area area;
  for (const std::uint8_t t : truth) ++(t ? area.positives : area.negatives);
  if (area.positives == 0 || area.negatives == 0) {
    area.why = why_no_area(area);
    return area;
  }
  area.value = placements.area;
  set_interval(area, area_covariance(placements, placements, truth, patient), options);
  return area;
}

AreaComparison compare_paired(const Placements& a, const Placements& b, std::span<const std::uint8_t> truth,
                              std::span<const std::uint32_t> patient, double level) {
  AreaComparison result;
  if (!std::isfinite(a.area) || !std::isfinite(b.area)) {
    result.why = "there are not cases of both classes";
    return result;
  }
  result.difference = a.area - b.area;
  // The variance of the difference is that of the difference's own components: no cancellation of near equals.
  Placements difference{.place = std::vector<double>(a.place.size()), .area = a.area - b.area};
  for (std::size_t i = 0; i < a.place.size(); ++i) difference.place[i] = a.place[i] - b.place[i];
  set_z(result, area_covariance(difference, difference, truth, patient), level);
  return result;
}

AreaComparison compare_unpaired(const Area& a, const Area& b, double level) {
  AreaComparison result;
  if (!a.value || !b.value) {
    result.why = "one of the areas is not defined: " + (a.value ? b.why : a.why);
    return result;
  }
  result.difference = *a.value - *b.value;
  const double va = a.se ? *a.se * *a.se : 0, vb = b.se ? *b.se * *b.se : 0;
  set_z(result, va + vb, level);
  return result;
}

AreaComparison compare_many(std::span<const Area> areas) {
  AreaComparison result;
  double weights = 0, mean = 0, groups = 0;
  for (const Area& area : areas)
    if (area.value && area.se) {
      const double weight = 1 / (*area.se * *area.se);
      weights += weight;
      mean += weight * *area.value;
      ++groups;
    }
  if (groups < 2) {
    result.why = "fewer than two strata have an area with a variance";
    return result;
  }
  mean /= weights;
  double chi = 0;
  for (const Area& area : areas)
    if (area.value && area.se) chi += (*area.value - mean) * (*area.value - mean) / (*area.se * *area.se);
  result.z = chi;
  result.p = chi_square_upper(chi, groups - 1);
  return result;
}

}  // namespace rouage::stats
