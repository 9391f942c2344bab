/// Areas of many readers in many bootstrap draws, several draws side by side.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "stats/mrmc.h"
#include "stats/random.h"

namespace rouage::stats {
namespace {

constexpr std::size_t kLanes = 16;  ///< draws side by side: the compiler keeps them in vector registers

/// Cases by rising rating; equal ratings end together.
struct Order {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> ends;
};

Order order_of(const std::vector<double>& ratings) {
  Order o;
  o.order.resize(ratings.size());
  std::iota(o.order.begin(), o.order.end(), 0U);
  std::stable_sort(o.order.begin(), o.order.end(), [&](auto a, auto b) { return ratings[a] < ratings[b]; });
  for (std::uint32_t i = 0; i < o.order.size(); ++i)
    if (i + 1 == o.order.size() || ratings[o.order[i + 1]] != ratings[o.order[i]]) o.ends.push_back(i + 1);
  return o;
}

/// float where every sum is exact in it (at most 2^23 pairs, halves included), else double.
template <typename Real>
using Lanes = std::array<Real, kLanes>;

/// times: how often each case occurs, [case][lane].
template <typename Real>
Lanes<double> areas_of(const Order& o, std::span<const std::uint8_t> truth, const std::vector<Lanes<Real>>& times,
                       double pairs) {
  Lanes<Real> below{}, area{};
  std::uint32_t at = 0;
  for (const std::uint32_t end : o.ends) {
    if (end - at == 1) {  // no tie: the usual case of continuous ratings
      const std::uint32_t k = o.order[at++];
      const Lanes<Real>& n = times[k];
      if (truth[k] == 0)
        for (std::size_t l = 0; l < kLanes; ++l) below[l] += n[l];
      else
        for (std::size_t l = 0; l < kLanes; ++l) area[l] += n[l] * below[l];
      continue;
    }
    Lanes<Real> negatives{}, positives{};
    for (; at < end; ++at) {
      const std::uint32_t k = o.order[at];
      const Lanes<Real>& n = times[k];
      Lanes<Real>& side = truth[k] != 0 ? positives : negatives;
      for (std::size_t l = 0; l < kLanes; ++l) side[l] += n[l];
    }
    for (std::size_t l = 0; l < kLanes; ++l) {
      area[l] += positives[l] * (below[l] + negatives[l] / 2);
      below[l] += negatives[l];
    }
  }
  Lanes<double> share{};
  for (std::size_t l = 0; l < kLanes; ++l) share[l] = static_cast<double>(area[l]) / pairs;
  return share;
}

template <typename Real>
void fill(std::vector<std::vector<double>>& result, std::span<const Order> orders, std::span<const std::uint8_t> truth,
          std::span<const std::vector<std::uint32_t>> sides, const DrawOptions& how) {
  const double pairs = static_cast<double>(sides[0].size()) * static_cast<double>(sides[1].size());
  const std::uint64_t draws = result.size(), blocks = (draws + kLanes - 1) / kLanes;
  bootstrap(blocks, how, [&](std::uint64_t block, Random& random) {
    std::vector<Lanes<Real>> times(truth.size(), Lanes<Real>{});
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      for (const auto& side : sides) {
        const std::vector<std::uint32_t> counts = resample_counts(static_cast<std::uint32_t>(side.size()), random);
        for (std::size_t i = 0; i < side.size(); ++i) times[side[i]][lane] = static_cast<Real>(counts[i]);
      }
    for (std::size_t c = 0; c < orders.size(); ++c) {
      const Lanes<double> areas = areas_of(orders[c], truth, times, pairs);
      for (std::size_t lane = 0; lane < kLanes && block * kLanes + lane < draws; ++lane)
        result[block * kLanes + lane][c] = areas[lane];
    }
  });
}

}  // namespace

std::vector<std::vector<double>> bootstrap_areas(std::span<const std::vector<double>> ratings,
                                                 std::span<const std::uint8_t> truth, std::uint64_t draws,
                                                 std::uint64_t seed, int threads) {
  std::vector<std::uint32_t> sides[2];
  for (std::uint32_t k = 0; k < truth.size(); ++k) sides[truth[k] != 0 ? 1 : 0].push_back(k);
  if (sides[0].empty() || sides[1].empty()) throw Error(ErrorCode::StatisticUndefined, "one class only");
  std::vector<Order> orders;
  for (const auto& cell : ratings) {
    for (const double x : cell)
      if (std::isnan(x))
        throw Error(ErrorCode::StatisticUndefined, "the bootstrap wants every case rated by every reader in every arm")
            .remedy("jackknife covariances");
    orders.push_back(order_of(cell));
  }
  const double pairs = static_cast<double>(sides[0].size()) * static_cast<double>(sides[1].size());
  std::vector<std::vector<double>> result(draws, std::vector<double>(ratings.size()));
  const DrawOptions how{.seed = seed, .threads = threads};
  if (pairs <= 8388608.0)
    fill<float>(result, orders, truth, sides, how);
  else
    fill<double>(result, orders, truth, sides, how);
  return result;
}

}  // namespace rouage::stats
