/// Curves of free-response data, and which mark belongs to which lesion.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"
#include "stats/froc.h"

namespace rouage::stats {
namespace {

/// A mark as it counts: an NL, or the first (highest) on its lesion.
struct Step {
  double rating = 0, nl = 0, ll = 0, weight = 0, first_nl_of_normal = 0;
};

struct Totals {
  double cases = 0, normal = 0, abnormal = 0, lesions = 0;
};

double times_of(std::span<const std::uint32_t> times, std::size_t k) {
  return times.empty() ? 1.0 : static_cast<double>(times[k]);
}

Totals totals_of(const FrocTruth& truth, std::span<const std::uint32_t> times) {
  Totals t;
  for (std::size_t k = 0; k < truth.weights.size(); ++k) {
    const double n = times_of(times, k);
    t.cases += n;
    (truth.weights[k].empty() ? t.normal : t.abnormal) += n;
    t.lesions += n * static_cast<double>(truth.weights[k].size());
  }
  return t;
}

/// Highest rating first.
std::vector<Step> steps_of(const FrocTruth& truth, const FrocCell& cell, std::span<const std::uint32_t> times) {
  std::vector<std::uint32_t> order(cell.marks.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return cell.marks[a].rating > cell.marks[b].rating; });
  std::vector<std::vector<bool>> found;
  for (const auto& weights : truth.weights) found.emplace_back(weights.size(), false);
  std::vector<bool> marked(truth.weights.size(), false);
  std::vector<Step> steps;
  for (const std::uint32_t at : order) {
    const FrocMark& mark = cell.marks[at];
    if (mark.of_case >= truth.weights.size()) throw Error(ErrorCode::Internal, "a mark of an unknown case");
    const double n = times_of(times, mark.of_case);
    if (mark.lesion < 0) {
      const bool first = truth.weights[mark.of_case].empty() && !marked[mark.of_case];
      marked[mark.of_case] = true;
      steps.push_back({.rating = mark.rating, .nl = n, .first_nl_of_normal = first ? n : 0.0});
      continue;
    }
    const auto lesion = static_cast<std::size_t>(mark.lesion);
    if (found[mark.of_case].at(lesion)) continue;
    found[mark.of_case][lesion] = true;
    steps.push_back({.rating = mark.rating, .ll = n, .weight = n * truth.weights[mark.of_case][lesion]});
  }
  return steps;
}

double ratio(double over, double under) {
  return under > 0 ? over / under : std::numeric_limits<double>::quiet_NaN();
}

/// How well a mark fits a lesion, larger is better; absent: not at all.
std::optional<double> fit_of(const Box& lesion, const Box& mark, const MatchingRule& rule) {
  double inside = 1, lesion_size = 1, mark_size = 1, squared = 0;
  bool centre_in = true;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double centre = (mark.low[axis] + mark.high[axis]) / 2;
    const double other = (lesion.low[axis] + lesion.high[axis]) / 2;
    centre_in = centre_in && centre >= lesion.low[axis] && centre <= lesion.high[axis];
    squared += (centre - other) * (centre - other);
    if (axis == 2 && lesion.high[2] == lesion.low[2] && mark.high[2] == mark.low[2] && lesion.low[2] == mark.low[2])
      continue;  // two axes
    inside *= std::max(0.0, std::min(lesion.high[axis], mark.high[axis]) - std::max(lesion.low[axis], mark.low[axis]));
    lesion_size *= lesion.high[axis] - lesion.low[axis];
    mark_size *= mark.high[axis] - mark.low[axis];
  }
  if (rule.kind == Matching::centre_in_box) return centre_in ? std::optional(-squared) : std::nullopt;
  if (rule.kind == Matching::distance)
    return std::sqrt(squared) <= rule.most_distance ? std::optional(-squared) : std::nullopt;
  const double both = lesion_size + mark_size - inside;
  const double overlap = both > 0 ? inside / both : 0.0;
  return overlap >= rule.least_overlap && overlap > 0 ? std::optional(overlap) : std::nullopt;
}

}  // namespace

FrocCurve froc_curve(const FrocTruth& truth, const FrocCell& cell, std::span<const std::uint32_t> times) {
  const Totals total = totals_of(truth, times);
  const std::vector<Step> steps = steps_of(truth, cell, times);
  FrocCurve curve;
  Step sum;
  const auto point = [&](double threshold) {
    curve.threshold.push_back(threshold);
    curve.nlf.push_back(ratio(sum.nl, total.cases));
    curve.llf.push_back(ratio(sum.ll, total.lesions));
    curve.fpf.push_back(ratio(sum.first_nl_of_normal, total.normal));
    curve.wllf.push_back(ratio(sum.weight, total.abnormal));
  };
  point(std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    sum.nl += steps[i].nl;
    sum.ll += steps[i].ll;
    sum.weight += steps[i].weight;
    sum.first_nl_of_normal += steps[i].first_nl_of_normal;
    if (i + 1 == steps.size() || steps[i + 1].rating != steps[i].rating) point(steps[i].rating);
  }
  return curve;
}

double llf_at(const FrocCurve& curve, double nlf) {
  double best = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 0; i < curve.nlf.size(); ++i)
    if (curve.nlf[i] <= nlf) best = curve.llf[i];
  return best;
}

double mean_llf(const FrocCurve& curve) {
  double sum = 0;
  for (const double nlf : {0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0}) sum += llf_at(curve, nlf) / 7;
  return sum;
}

double average_precision(const FrocTruth& truth, const FrocCell& cell, std::span<const std::uint32_t> times) {
  const Totals total = totals_of(truth, times);
  if (!(total.lesions > 0)) return std::numeric_limits<double>::quiet_NaN();
  const FrocCurve curve = froc_curve(truth, cell, times);
  double area = 0, best = 0;
  for (std::size_t i = curve.llf.size(); i-- > 1;) {
    const double hits = curve.llf[i] * total.lesions, misses = curve.nlf[i] * total.cases;
    if (hits + misses > 0) best = std::max(best, hits / (hits + misses));
    area += best * (curve.llf[i] - curve.llf[i - 1]);
  }
  return area;
}

FrocCell match_marks(std::span<const Box> lesions, std::span<const PlacedMark> marks, const MatchingRule& rule) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> of_case;
  for (std::uint32_t i = 0; i < lesions.size(); ++i) of_case[lesions[i].of_case].push_back(i);
  std::vector<std::uint32_t> order(marks.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return marks[a].rating > marks[b].rating; });
  std::vector<bool> taken(lesions.size(), false);
  FrocCell cell;
  for (const std::uint32_t at : order) {
    const PlacedMark& mark = marks[at];
    std::optional<double> best;
    std::int32_t lesion = -1;
    bool repeated = false;
    const auto here = of_case.find(mark.place.of_case);
    for (std::size_t i = 0; here != of_case.end() && i < here->second.size(); ++i) {
      const std::uint32_t index = here->second[i];
      const std::optional<double> fit = fit_of(lesions[index], mark.place, rule);
      if (!fit) continue;
      if (taken[index]) {
        repeated = true;
      } else if (!best || *fit > *best) {
        best = fit;
        lesion = static_cast<std::int32_t>(i);
      }
    }
    if (best) taken[here->second[static_cast<std::size_t>(lesion)]] = true;
    if (best || !repeated) cell.marks.push_back({mark.place.of_case, lesion, mark.rating});
  }
  return cell;
}

}  // namespace rouage::stats
