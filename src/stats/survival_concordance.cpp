#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "stats/survival_order.h"

namespace rouage::stats {
namespace {

/// Weights by rank of the score: prefix sums in O(log n) (Fenwick 1994).
class RankTree {
 public:
  explicit RankTree(std::size_t n) : tree_(n + 1), at_(n) {}
  void add(std::size_t rank, double weight) {
    at_[rank] += weight;
    total_ += weight;
    for (std::size_t i = rank + 1; i < tree_.size(); i += i & (~i + 1)) tree_[i] += weight;
  }
  double below(std::size_t rank) const {
    double sum = 0;
    for (std::size_t i = rank; i > 0; i &= i - 1) sum += tree_[i];
    return sum;
  }
  double at(std::size_t rank) const { return at_[rank]; }
  double total() const { return total_; }

 private:
  std::vector<double> tree_, at_;
  double total_ = 0;
};

/// Ranks 0.. of the distinct values; equal values share one.
std::vector<std::uint32_t> ranks_of(std::span<const double> score) {
  std::vector<std::pair<double, std::uint32_t>> sorted(score.size());
  for (std::size_t i = 0; i < score.size(); ++i) sorted[i] = {score[i], static_cast<std::uint32_t>(i)};
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::uint32_t> ranks(score.size());
  std::uint32_t rank = 0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    if (k > 0 && sorted[k].first != sorted[k - 1].first) ++rank;
    ranks[sorted[k].second] = rank;
  }
  return ranks;
}

/// Pairs by row: what each row takes part in, weighted by its partner.
struct Pairs {
  const SurvivalView& view;
  std::span<const std::uint32_t> rank;
  std::span<const double> factor;  ///< of the pairs that a row's event opens; empty: 1
  std::vector<double> concordant, discordant, tied;

  double factor_of(std::uint32_t row) const { return factor.empty() ? 1 : factor[row]; }

  /// The row as the one whose event comes first. Times descending; the tree holds who is still at risk.
  void as_first(std::span<const std::uint32_t> order, std::span<const std::uint32_t> entering, RankTree& tree,
                Concordance& sum) {
    std::size_t leaving = entering.size();
    for (std::size_t i = order.size(); i > 0;) {
      const double t = view.time[order[i - 1]];
      for (; leaving > 0 && view.entry[entering[leaving - 1]] >= t; --leaving)
        tree.add(rank[entering[leaving - 1]], -survival::weight_of(view, entering[leaving - 1]));
      std::size_t from = i;
      for (; from > 0 && view.time[order[from - 1]] == t; --from)
        if (!view.event[order[from - 1]]) tree.add(rank[order[from - 1]], survival::weight_of(view, order[from - 1]));
      for (std::size_t k = from; k < i; ++k) {
        const std::uint32_t row = order[k];
        if (!view.event[row]) continue;
        const double f = factor_of(row), w = survival::weight_of(view, row);
        const double below = f * tree.below(rank[row]), same = f * tree.at(rank[row]);
        const double above = f * tree.total() - below - same;
        concordant[row] += below;
        discordant[row] += above;
        tied[row] += same;
        sum.concordant += w * below;
        sum.discordant += w * above;
        sum.tied_score += w * same;
      }
      double died = 0, squares = 0;
      for (std::size_t k = from; k < i; ++k)
        if (view.event[order[k]]) {
          const double w = survival::weight_of(view, order[k]);
          tree.add(rank[order[k]], w);
          died += w;
          squares += w * w;
        }
      sum.tied_time += (died * died - squares) / 2;
      i = from;
    }
    for (; leaving > 0; --leaving)
      tree.add(rank[entering[leaving - 1]], -survival::weight_of(view, entering[leaving - 1]));
    if (entering.empty())
      for (const std::uint32_t row : order) tree.add(rank[row], -survival::weight_of(view, row));
  }

  /// The row as the one that outlives the other. Times ascending; the tree holds the events so far.
  void as_second(std::span<const std::uint32_t> order, std::span<const std::uint32_t> entering, RankTree& tree) {
    const auto count = [&](std::uint32_t row, double sign) {
      const double below = tree.below(rank[row]), same = tree.at(rank[row]), above = tree.total() - below - same;
      concordant[row] += sign * above;
      discordant[row] += sign * below;
      tied[row] += sign * same;
    };
    std::size_t entered = 0;
    for (std::size_t i = 0; i < order.size();) {
      const double t = view.time[order[i]];
      for (; entered < entering.size() && view.entry[entering[entered]] < t; ++entered) count(entering[entered], -1);
      const std::size_t from = i;
      for (; i < order.size() && view.time[order[i]] == t; ++i)
        if (view.event[order[i]]) count(order[i], 1);
      for (std::size_t k = from; k < i; ++k)
        if (view.event[order[k]]) tree.add(rank[order[k]], survival::weight_of(view, order[k]) * factor_of(order[k]));
      for (std::size_t k = from; k < i; ++k)
        if (!view.event[order[k]]) count(order[k], 1);
    }
    for (const std::uint32_t row : order)
      if (view.event[row]) tree.add(rank[row], -survival::weight_of(view, row) * factor_of(row));
  }
};

/// factor: of the pairs that a row's event opens; empty: 1.
Concordance concordance_of(const SurvivalView& view, std::span<const double> score, std::span<const double> factor,
                           std::span<const std::uint32_t> cluster) {
  const std::size_t n = view.time.size();
  if (score.size() != n || (!cluster.empty() && cluster.size() != n) ||
      std::any_of(score.begin(), score.end(), [](double s) { return !std::isfinite(s); }))
    throw Error(ErrorCode::StatisticUndefined, "each row wants one finite score");
  Concordance result;
  const std::vector<std::uint32_t> rank = ranks_of(score), order = survival::ascending(view, view.time);
  const std::vector<std::uint32_t> entering =
      view.entry.empty() ? std::vector<std::uint32_t>{} : survival::ascending(view, view.entry);
  Pairs pairs{view, rank, factor, std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
  RankTree tree(n);
  for (std::size_t from = 0, to = 0; from < n; from = to) {
    const std::uint32_t stratum = survival::stratum_of(view, order[from]);
    while (to < n && survival::stratum_of(view, order[to]) == stratum) ++to;
    const std::span<const std::uint32_t> rows(order.data() + from, to - from);
    const std::span<const std::uint32_t> in =
        entering.empty() ? std::span<const std::uint32_t>{} : std::span(entering.data() + from, to - from);
    pairs.as_first(rows, in, tree, result);
    pairs.as_second(rows, in, tree);
  }
  const double all = result.concordant + result.discordant + result.tied_score;
  if (!(all > 0)) {
    result.why = "no pair of which it is known who had the event first";
    return result;
  }
  const double somers = (result.concordant - result.discordant) / all;
  result.value = (somers + 1) / 2;
  result.influence.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    result.influence[i] = survival::weight_of(view, i) / (2 * all) *
                          (pairs.concordant[i] - pairs.discordant[i] -
                           somers * (pairs.concordant[i] + pairs.discordant[i] + pairs.tied[i]));
  result.standard_error = clustered_error(result.influence, cluster);
  return result;
}

}  // namespace

Concordance harrell_concordance(const SurvivalView& view, std::span<const double> score,
                                std::span<const std::uint32_t> cluster) {
  survival::check(view);
  return concordance_of(view, score, {}, cluster);
}

Concordance uno_concordance(const SurvivalView& view, std::span<const double> score, double tau,
                            std::span<const std::uint32_t> cluster, CensoringSide side) {
  const CensoringCurve censoring = censoring_curve(view);
  std::vector<double> factor(view.time.size());
  for (std::size_t i = 0; i < factor.size(); ++i) {
    if (!view.event[i] || !(view.time[i] < tau)) continue;
    const double g = side == CensoringSide::before ? censoring.before(view.time[i]) : censoring.at(view.time[i]);
    factor[i] = g > 0 ? 1 / (g * g) : 0;
  }
  return concordance_of(view, score, factor, cluster);
}

double clustered_error(std::span<const double> influence, std::span<const std::uint32_t> cluster) {
  std::vector<double> sums;
  if (!cluster.empty()) {
    sums.resize(std::size_t{*std::max_element(cluster.begin(), cluster.end())} + 1);
    for (std::size_t i = 0; i < influence.size(); ++i) sums[cluster[i]] += influence[i];
    influence = sums;
  }
  return std::sqrt(std::inner_product(influence.begin(), influence.end(), influence.begin(), 0.0));
}

}  // namespace rouage::stats
