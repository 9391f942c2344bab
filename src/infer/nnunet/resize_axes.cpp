#include "infer/nnunet/resize.h"

#include <algorithm>
#include <cmath>

namespace rouage::infer::nnunet {
namespace {

LinearAxis finished(LinearAxis axis, std::uint32_t n) {
  axis.identity = axis.size() == n;
  for (std::size_t k = 0; k < axis.size(); ++k) {
    axis.identity = axis.identity && axis.low[k] == static_cast<std::int32_t>(k) && axis.low_weight[k] == 1.0;
    axis.low_weight_f.push_back(static_cast<float>(axis.low_weight[k]));
    axis.high_weight_f.push_back(static_cast<float>(axis.high_weight[k]));
  }
  return axis;
}

void append(LinearAxis& axis, std::int32_t low, std::int32_t high, double low_weight, double high_weight) {
  axis.low.push_back(low);
  axis.high.push_back(high);
  axis.low_weight.push_back(low_weight);
  axis.high_weight.push_back(high_weight);
}

}  // namespace

LinearAxis linear_axis(std::uint32_t n, std::uint32_t m) {
  LinearAxis axis;
  const double ratio = static_cast<double>(n) / m;
  for (std::uint32_t k = 0; k < m; ++k) {
    // scipy clamps the neighbours, not the coordinate: beyond the ends two weights fall on one sample. The sums are the
    // same but for the last bit, which decides label maps where shares are exactly one half.
    const double x = (k + 0.5) * ratio - 0.5, below = std::floor(x);
    const double low_weight = 1.0 - (x - below);
    const auto low = static_cast<std::int32_t>(below), last = static_cast<std::int32_t>(n) - 1;
    append(axis, std::clamp(low, 0, last), std::clamp(low + 1, 0, last), low_weight, 1.0 - low_weight);
  }
  return finished(std::move(axis), n);
}

LinearAxis nearest_axis(std::uint32_t n, std::uint32_t m) {
  LinearAxis axis;
  const double ratio = static_cast<double>(n) / m;
  for (std::uint32_t k = 0; k < m; ++k) {
    const double x = std::clamp((k + 0.5) * ratio - 0.5, 0.0, static_cast<double>(n - 1));
    const auto index = static_cast<std::int32_t>(std::floor(x + 0.5));
    append(axis, index, index, 1.0, 0.0);
  }
  return finished(std::move(axis), n);
}

LinearAxis torch_linear_axis(std::uint32_t n, std::uint32_t m) {
  LinearAxis axis;
  const float ratio = static_cast<float>(n) / static_cast<float>(m);
  for (std::uint32_t k = 0; k < m; ++k) {
    const float x = std::max(ratio * (static_cast<float>(k) + 0.5F) - 0.5F, 0.0F);
    const std::int32_t low = std::min(static_cast<std::int32_t>(x), static_cast<std::int32_t>(n) - 1);
    const float high_weight = std::clamp(x - static_cast<float>(low), 0.0F, 1.0F);
    append(axis, low, std::min(low + 1, static_cast<std::int32_t>(n) - 1), static_cast<double>(1.0F - high_weight),
           static_cast<double>(high_weight));
  }
  return finished(std::move(axis), n);
}

LinearAxis torch_nearest_axis(std::uint32_t n, std::uint32_t m) {
  LinearAxis axis;
  const float ratio = static_cast<float>(n) / static_cast<float>(m);
  for (std::uint32_t k = 0; k < m; ++k) {
    const auto index =
        std::min(static_cast<std::int32_t>((static_cast<float>(k) + 0.5F) * ratio), static_cast<std::int32_t>(n) - 1);
    append(axis, index, index, 1.0, 0.0);
  }
  return finished(std::move(axis), n);
}

std::array<LinearAxis, 3> linear_axes(const ResampleRule& rule, const Shape3& from, const Shape3& to,
                                      const std::optional<int>& separate) {
  std::array<LinearAxis, 3> axes;
  for (std::size_t a = 0; a < 3; ++a) {
    const bool alone = separate && *separate == static_cast<int>(a);
    if (rule.function == Resampling::torch) {
      axes[a] = alone ? torch_nearest_axis(from[a], to[a]) : torch_linear_axis(from[a], to[a]);
    } else {
      const int order = alone ? rule.order_z : rule.order;
      axes[a] = order == 0 ? nearest_axis(from[a], to[a]) : linear_axis(from[a], to[a]);
    }
  }
  return axes;
}

}  // namespace rouage::infer::nnunet
