/// Figures of one reader in one arm, each with its left-one-out values.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "stats/mrmc.h"

namespace rouage::stats {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct SortedSide {
  std::vector<double> value, weight_until;  ///< ascending; weight of the first i items
};

SortedSide sorted_side(const std::vector<double>& values, const std::vector<double>& weights) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
  SortedSide side{.value = {}, .weight_until = {0}};
  for (const std::uint32_t at : order) {
    side.value.push_back(values[at]);
    side.weight_until.push_back(side.weight_until.back() + (weights.empty() ? 1.0 : weights[at]));
  }
  return side;
}

/// Weight below x plus half of the weight at x.
double weight_under(const SortedSide& side, double x) {
  const auto [low, high] = std::equal_range(side.value.begin(), side.value.end(), x);
  return (side.weight_until[static_cast<std::size_t>(low - side.value.begin())] +
          side.weight_until[static_cast<std::size_t>(high - side.value.begin())]) /
         2;
}

double beats(double positive, double negative) {
  if (positive == negative) return 0.5;
  return positive > negative ? 1.0 : 0.0;
}

/// What each case contributes.
struct CaseParts {
  std::vector<double> lost, negatives, weight;
  bool both_sides = false;
};

/// Pairs inside one case are subtracted twice with it: once as negative, once as positive.
void add_back_own_pairs(const PairItems& items, CaseParts& parts) {
  std::vector<std::vector<std::uint32_t>> own(parts.lost.size());
  for (std::uint32_t p = 0; p < items.positive.size(); ++p) own[items.positive_case[p]].push_back(p);
  for (std::size_t n = 0; n < items.negative.size(); ++n)
    for (const std::uint32_t p : own[items.negative_case[n]]) {
      parts.lost[items.negative_case[n]] -= items.weight[p] * beats(items.positive[p], items.negative[n]);
      parts.both_sides = true;
    }
}

}  // namespace

PairItems area_items(std::span<const double> ratings, std::span<const std::uint8_t> truth) {
  PairItems items;
  for (std::uint32_t k = 0; k < ratings.size(); ++k) {
    if (std::isnan(ratings[k])) continue;
    if (truth[k] != 0) {
      items.positive.push_back(ratings[k]);
      items.weight.push_back(1);
      items.positive_case.push_back(k);
    } else {
      items.negative.push_back(ratings[k]);
      items.negative_case.push_back(k);
    }
  }
  return items;
}

CellFigure pair_figure(const PairItems& items, std::uint32_t cases) {
  CellFigure figure{.value = kNone, .left_out = std::vector<double>(cases, kNone), .influence = {}};
  const auto negatives = static_cast<double>(items.negative.size());
  const double weight = std::accumulate(items.weight.begin(), items.weight.end(), 0.0);
  if (items.negative.empty() || !(weight > 0)) return figure;
  const SortedSide below = sorted_side(items.negative, {}), above = sorted_side(items.positive, items.weight);
  CaseParts parts{.lost = std::vector<double>(cases), .negatives = std::vector<double>(cases), .weight = {}};
  parts.weight.assign(cases, 0.0);
  double sum = 0;
  for (std::size_t p = 0; p < items.positive.size(); ++p) {
    const double won = items.weight[p] * weight_under(below, items.positive[p]);
    sum += won;
    parts.lost[items.positive_case[p]] += won;
    parts.weight[items.positive_case[p]] += items.weight[p];
  }
  for (std::size_t n = 0; n < items.negative.size(); ++n) {
    parts.lost[items.negative_case[n]] += weight - weight_under(above, items.negative[n]);
    parts.negatives[items.negative_case[n]] += 1;
  }
  add_back_own_pairs(items, parts);
  figure.value = sum / (negatives * weight);
  for (std::uint32_t k = 0; k < cases; ++k) {
    const double left = (negatives - parts.negatives[k]) * (weight - parts.weight[k]);
    if (parts.negatives[k] == 0 && parts.weight[k] == 0)
      figure.left_out[k] = figure.value;
    else if (left > 1e-9)
      figure.left_out[k] = (sum - parts.lost[k]) / left;
  }
  if (parts.both_sides) return figure;
  double positives = 0;
  for (const double w : parts.weight) positives += w > 0 ? 1 : 0;
  if (positives < 2 || negatives < 2) return figure;
  figure.influence.assign(cases, 0.0);
  for (std::uint32_t k = 0; k < cases; ++k) {
    if (parts.negatives[k] > 0)
      figure.influence[k] = (parts.lost[k] / weight - figure.value) / std::sqrt(negatives * (negatives - 1));
    else if (parts.weight[k] > 0)  // a case's share of the weight, as in a ratio estimate
      figure.influence[k] = (parts.lost[k] / negatives - parts.weight[k] * figure.value) * positives / weight /
                            std::sqrt(positives * (positives - 1));
  }
  return figure;
}

CellFigure share_figure(std::span<const double> over, std::span<const double> under) {
  const double top = std::accumulate(over.begin(), over.end(), 0.0);
  const double bottom = std::accumulate(under.begin(), under.end(), 0.0);
  CellFigure figure{.value = bottom > 0 ? top / bottom : kNone, .left_out = {}, .influence = {}};
  for (std::size_t k = 0; k < over.size(); ++k) {
    const double left = bottom - under[k];
    if (under[k] == 0 && over[k] == 0)
      figure.left_out.push_back(figure.value);
    else
      figure.left_out.push_back(left > 0 ? (top - over[k]) / left : kNone);
  }
  return figure;
}

}  // namespace rouage::stats
