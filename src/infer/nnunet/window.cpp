#include "infer/nnunet/window.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "infer/float16.h"

namespace rouage::infer::nnunet {
namespace {

/// A 1 at size / 2, filtered by a normalised gaussian of sigma size / 8 cut at 4 sigma, 0 outside.
std::vector<double> filtered_impulse(std::uint32_t size) {
  const double sigma = size / 8.0;
  const int radius = static_cast<int>(std::floor(4.0 * sigma + 0.5));
  std::vector<double> kernel;
  double sum = 0;
  for (int x = -radius; x <= radius; ++x) {
    kernel.push_back(std::exp(-0.5 / (sigma * sigma) * (x * x)));
    sum += kernel.back();
  }
  std::vector<double> line(size, 0.0);
  const auto centre = static_cast<std::int64_t>(size / 2);
  for (std::int64_t x = -radius; x <= radius; ++x)
    if (centre + x >= 0 && centre + x < static_cast<std::int64_t>(size))
      line[static_cast<std::size_t>(centre + x)] = kernel[static_cast<std::size_t>(radius + x)] / sum;
  return line;
}

/// double to binary16 with one rounding: through a float whose last bit keeps what was lost.
std::uint16_t to_half(double value) {
  float near = static_cast<float>(value);
  if (static_cast<double>(near) != value) {
    const float down = static_cast<double>(near) > value ? std::nextafterf(near, 0.0F) : near;
    const float up = std::nextafterf(down, 1e30F);
    near = (std::bit_cast<std::uint32_t>(down) & 1U) != 0 ? down : up;
  }
  return float_to_half(near);
}

}  // namespace

std::vector<std::uint16_t> gaussian_weights(const Shape3& patch, bool two_dimensional) {
  const std::vector<double> z = two_dimensional ? std::vector<double>{1.0} : filtered_impulse(patch[0]);
  const std::vector<double> y = filtered_impulse(patch[1]), x = filtered_impulse(patch[2]);
  const double most = z[z.size() / 2] * y[y.size() / 2] * x[x.size() / 2];
  const double divisor = most / 10.0;
  std::vector<std::uint16_t> weights;
  weights.reserve(z.size() * y.size() * x.size());
  for (const double wz : z)
    for (const double wy : y)
      for (const double wx : x) weights.push_back(to_half(wz * wy * wx / divisor));
  std::uint16_t least = 0x7C00;
  for (const std::uint16_t w : weights)
    if (w != 0) least = std::min(least, w);
  std::replace(weights.begin(), weights.end(), std::uint16_t{0}, least);
  return weights;
}

}  // namespace rouage::infer::nnunet
