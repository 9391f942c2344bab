// Label maps at another size: the shares of labels at a point are sums of at most eight weights, so no mask is ever
// made.
#include "infer/float16.h"

#include <algorithm>
#include "infer/nnunet/parallel.h"
#include "infer/nnunet/resize.h"

namespace rouage::infer::nnunet {
namespace {

/// The up to eight neighbours of a point with their weights, in scipy's order (axis 2 fastest).
template <class Real>
struct Corners {
  std::array<std::int32_t, 8> label{};
  std::array<Real, 8> weight{};

  /// Sum of the weights of corners with this label, added in order.
  Real share(std::int32_t of) const {
    Real sum = 0;
    for (std::size_t i = 0; i < 8; ++i) sum += label[i] == of ? weight[i] : Real{0};
    return sum;
  }
  std::array<std::int32_t, 8> ascending() const {
    std::array<std::int32_t, 8> sorted = label;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
};

/// Section 5.4: later labels overwrite earlier ones; what no label reaches is 0.
std::int32_t majority(const Corners<double>& corners) {
  std::int32_t chosen = 0;
  for (const std::int32_t label : corners.ascending())
    if (corners.share(label) >= 0.5) chosen = label;
  return chosen;
}

/// Section 5.5: shares of 1000 stored as float16; above 700 decides (the last such label), else the first largest.
std::int32_t torch_majority(const Corners<float>& corners) {
  std::int32_t chosen = 0, largest_label = 0;
  float largest = -1;
  bool decided = false;
  for (const std::int32_t label : corners.ascending()) {
    const float share = half_to_float(float_to_half(corners.share(label)));
    if (share > 700.0F) {
      chosen = label;
      decided = true;
    }
    if (share > largest) {
      largest = share;
      largest_label = label;
    }
  }
  return decided ? chosen : largest_label;
}

template <class Real>
Corners<Real> corners_at(std::span<const std::int32_t> values, const Shape3& from,
                         const std::array<LinearAxis, 3>& axes, const Shape3& at, Real full) {
  Corners<Real> corners;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t index = 0;
    Real weight = full;
    for (std::size_t a = 0; a < 3; ++a) {
      const bool high = ((i >> (2 - a)) & 1U) != 0;
      const LinearAxis& axis = axes[a];
      index = index * from[a] + static_cast<std::size_t>(high ? axis.high[at[a]] : axis.low[at[a]]);
      weight *= static_cast<Real>(high ? axis.high_weight[at[a]] : axis.low_weight[at[a]]);
    }
    corners.label[i] = values[index];
    corners.weight[i] = weight;
  }
  return corners;
}

}  // namespace

std::vector<std::int32_t> resize_labels(std::span<const std::int32_t> values, const Shape3& from, const Shape3& to,
                                        const ResampleRule& rule, const std::optional<int>& separate, int threads) {
  if (from == to || rule.function == Resampling::no_resampling) return {values.begin(), values.end()};
  const std::array<LinearAxis, 3> axes = linear_axes(rule, from, to, separate);
  std::vector<std::int32_t> out(voxels(to));
  parallel_for(to[0], threads, [&](std::size_t z) {
    std::size_t position = z * to[1] * to[2];
    for (std::uint32_t y = 0; y < to[1]; ++y) {
      for (std::uint32_t x = 0; x < to[2]; ++x) {
        const Shape3 at{static_cast<std::uint32_t>(z), y, x};
        out[position++] = rule.function == Resampling::torch
                              ? torch_majority(corners_at<float>(values, from, axes, at, 1000.0F))
                              : majority(corners_at<double>(values, from, axes, at, 1.0));
      }
    }
  });
  return out;
}

}  // namespace rouage::infer::nnunet
