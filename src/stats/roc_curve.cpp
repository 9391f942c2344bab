#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/roc.h"

namespace rouage::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool one_class(const RocCurve& curve) {
  return !(curve.positives > 0) || !(curve.negatives > 0);
}

/// Area under straight lines through (x, y), x ascending, between low and high.
double area_between(const std::vector<double>& x, const std::vector<double>& y, double low, double high) {
  double area = 0;
  for (std::size_t i = 1; i < x.size(); ++i) {
    const double from = std::max(x[i - 1], low), to = std::min(x[i], high);
    if (!(to > from)) continue;
    const double slope = (y[i] - y[i - 1]) / (x[i] - x[i - 1]);
    const double left = y[i - 1] + slope * (from - x[i - 1]), right = y[i - 1] + slope * (to - x[i - 1]);
    area += (to - from) * (left + right) / 2;
  }
  return area;
}

/// y at x on straight lines; the highest y where the line is upright.
double height_at(const std::vector<double>& x, const std::vector<double>& y, double at) {
  double height = kNaN;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] <= at) {
      height = y[i];
      continue;
    }
    if (i == 0 || x[i - 1] == at) return height;
    return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
  }
  return height;
}

std::vector<double> shares(const std::vector<double>& counts, double of) {
  std::vector<double> result(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) result[i] = counts[i] / of;
  return result;
}

/// The curve turned: x = sensitivity descending made 1 - sensitivity ascending, y = specificity.
struct Turned {
  std::vector<double> x, y;
};
Turned turned(const RocCurve& curve) {
  Turned t;
  for (std::size_t i = curve.tp.size(); i-- > 0;) {
    t.x.push_back((curve.positives - curve.tp[i]) / curve.positives);
    t.y.push_back((curve.negatives - curve.fp[i]) / curve.negatives);
  }
  return t;
}

OperatingPoint point_at(const SortedCases& cases, const RocCurve& curve, std::size_t i) {
  return {.threshold = i == 0 ? std::numeric_limits<double>::infinity() : cases.thresholds[i - 1],
          .tp = curve.tp[i],
          .fn = curve.positives - curve.tp[i],
          .tn = curve.negatives - curve.fp[i],
          .fp = curve.fp[i]};
}

void want_both(const RocCurve& curve) {
  if (one_class(curve)) throw Error(ErrorCode::StatisticUndefined, "an operating point wants cases of both classes");
}

std::size_t best_youden(const RocCurve& curve) {
  std::size_t best = 0;
  double most = 0;
  for (std::size_t i = 0; i < curve.tp.size(); ++i) {
    const double youden = curve.tp[i] / curve.positives - curve.fp[i] / curve.negatives;
    if (youden > most + 1e-15) {
      most = youden;
      best = i;
    }
  }
  return best;
}

}  // namespace

SortedCases sort_cases(std::span<const double> scores, std::span<const std::uint8_t> truth) {
  if (scores.size() != truth.size()) throw Error(ErrorCode::Internal, "scores and truth differ in length");
  SortedCases cases;
  cases.order.resize(scores.size());
  std::iota(cases.order.begin(), cases.order.end(), 0U);
  std::sort(cases.order.begin(), cases.order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  for (std::uint32_t i = 0; i < cases.order.size(); ++i) {
    cases.truth.push_back(truth[cases.order[i]]);
    if (i + 1 == cases.order.size() || scores[cases.order[i + 1]] != scores[cases.order[i]]) {
      cases.ends.push_back(i + 1);
      cases.thresholds.push_back(scores[cases.order[i]]);
    }
  }
  return cases;
}

RocCurve roc_curve(const SortedCases& cases, std::span<const std::uint32_t> times) {
  RocCurve curve;
  curve.tp.assign(cases.ends.size() + 1, 0);
  curve.fp.assign(cases.ends.size() + 1, 0);
  std::uint64_t tp = 0, fp = 0;
  std::uint32_t i = 0;
  for (std::size_t group = 0; group < cases.ends.size(); ++group) {
    for (; i < cases.ends[group]; ++i) {
      const std::uint64_t weight = times.empty() ? 1 : times[cases.order[i]];
      (cases.truth[i] ? tp : fp) += weight;
    }
    curve.tp[group + 1] = static_cast<double>(tp);
    curve.fp[group + 1] = static_cast<double>(fp);
  }
  curve.positives = static_cast<double>(tp);
  curve.negatives = static_cast<double>(fp);
  return curve;
}

double curve_area(const RocCurve& curve) {
  if (one_class(curve)) return kNaN;
  double area = 0;
  for (std::size_t i = 1; i < curve.tp.size(); ++i)
    area += (curve.fp[i] - curve.fp[i - 1]) * (curve.tp[i] + curve.tp[i - 1]) / 2;
  return area / (curve.positives * curve.negatives);
}

double partial_area(const RocCurve& curve, const PartialRange& range, bool standardised) {
  if (one_class(curve)) return kNaN;
  const double from = 1 - range.high, to = 1 - range.low;
  double area = 0;
  if (range.of_sensitivity) {
    const Turned t = turned(curve);
    area = area_between(t.x, t.y, from, to);
  } else {
    area = area_between(shares(curve.fp, curve.negatives), shares(curve.tp, curve.positives), from, to);
  }
  if (!standardised) return area;
  const double least = (to * to - from * from) / 2, most = to - from;
  return (1 + (area - least) / (most - least)) / 2;
}

double sensitivity_at(const RocCurve& curve, double specificity) {
  if (one_class(curve)) return kNaN;
  // Counts, not shares: a specificity that is attained exactly is met exactly.
  return height_at(curve.fp, curve.tp, (1 - specificity) * curve.negatives + 1e-9) / curve.positives;
}

double specificity_at(const RocCurve& curve, double sensitivity) {
  if (one_class(curve)) return kNaN;
  const Turned t = turned(curve);
  return height_at(t.x, t.y, 1 - sensitivity + 1e-12);
}

OperatingPoint point_with_specificity(const SortedCases& cases, const RocCurve& curve, double specificity) {
  want_both(curve);
  std::size_t best = 0;
  for (std::size_t i = 0; i < curve.tp.size(); ++i)
    if (curve.negatives - curve.fp[i] >= specificity * curve.negatives - 1e-9 && curve.tp[i] > curve.tp[best]) best = i;
  return point_at(cases, curve, best);
}

OperatingPoint point_with_sensitivity(const SortedCases& cases, const RocCurve& curve, double sensitivity) {
  want_both(curve);
  for (std::size_t i = 0; i < curve.tp.size(); ++i)
    if (curve.tp[i] >= sensitivity * curve.positives - 1e-9) return point_at(cases, curve, i);
  return point_at(cases, curve, curve.tp.size() - 1);
}

OperatingPoint youden_point(const SortedCases& cases, const RocCurve& curve) {
  want_both(curve);
  return point_at(cases, curve, best_youden(curve));
}

double largest_youden(const RocCurve& curve) {
  if (one_class(curve)) return kNaN;
  const std::size_t best = best_youden(curve);
  return curve.tp[best] / curve.positives - curve.fp[best] / curve.negatives;
}

double average_precision(const RocCurve& curve) {
  if (!(curve.positives > 0)) return kNaN;
  double sum = 0;
  for (std::size_t i = 1; i < curve.tp.size(); ++i)
    if (curve.tp[i] > curve.tp[i - 1])
      sum += (curve.tp[i] - curve.tp[i - 1]) * curve.tp[i] / (curve.tp[i] + curve.fp[i]);
  return sum / curve.positives;
}

double precision_recall_area(const RocCurve& curve) {
  if (!(curve.positives > 0)) return kNaN;
  double area = 0;
  for (std::size_t i = 1; i < curve.tp.size(); ++i) {
    const double from = curve.tp[i - 1], to = curve.tp[i];
    if (!(to > from)) continue;
    // Precision at t true positives: t / (k t + c).
    const double slope = (curve.fp[i] - curve.fp[i - 1]) / (to - from), k = 1 + slope,
                 c = curve.fp[i - 1] - slope * from;
    area += (to - from) / k;
    if (std::abs(c) > 1e-12 * to) area -= c / (k * k) * std::log((k * to + c) / (k * from + c));
  }
  return area / curve.positives;
}

PrecisionRecall precision_recall(const RocCurve& curve, std::size_t most) {
  PrecisionRecall points;
  if (!(curve.positives > 0)) return points;
  std::size_t first = 1;
  while (first < curve.tp.size() && curve.tp[first] == 0 && curve.fp[first] == 0) ++first;
  const auto precision = [&](double t, std::size_t i) {
    const double slope =
        curve.tp[i] > curve.tp[i - 1] ? (curve.fp[i] - curve.fp[i - 1]) / (curve.tp[i] - curve.tp[i - 1]) : 0;
    const double wrong = curve.fp[i - 1] + slope * (t - curve.tp[i - 1]);
    // At recall 0 the curve starts with the precision of its first step.
    return t > 0 ? t / (t + wrong) : (curve.fp[i - 1] > 0 ? 0 : 1 / (1 + slope));
  };
  std::size_t i = first;
  for (std::size_t step = 0; step <= most; ++step) {
    const double t = curve.positives * static_cast<double>(step) / static_cast<double>(most);
    while (i + 1 < curve.tp.size() && (curve.tp[i] < t || curve.tp[i] == curve.tp[i - 1])) ++i;
    points.recall.push_back(t / curve.positives);
    points.precision.push_back(precision(t, i));
  }
  return points;
}

}  // namespace rouage::stats
