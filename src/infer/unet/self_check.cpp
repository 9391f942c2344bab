#include "infer/unet/self_check.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "infer/unet/engine.h"
#include "infer/unet/ort_net.h"

namespace rouage::infer::unet {
namespace {

/// Roughly normal numbers, sigma 1, the same on every machine: sums of four uniform ones (splitmix64).
std::vector<float> random_patch(std::size_t count, std::uint64_t seed) {
  std::vector<float> made(count);
  std::uint64_t state = seed;
  for (float& value : made) {
    state += 0x9E3779B97F4A7C15ULL;
    std::uint64_t bits = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL;
    bits ^= bits >> 31;
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>((bits >> (16 * i)) & 0xFFFF) / 65536.0F;
    value = (sum - 2) * 1.7320508F;
  }
  return made;
}

constexpr double kLargestF32 = 0.01, kRootMeanSquareBf16 = 0.1, kLargestBf16 = 1;

}  // namespace

SelfCheck compare_logits(std::span<const float> ours, std::span<const float> peer, Precision precision) {
  double sum = 0, squares = 0, apart = 0, largest = 0;
  for (std::size_t i = 0; i < peer.size(); ++i) {
    const double theirs = double{peer[i]}, difference = std::abs(double{ours[i]} - theirs);
    sum += theirs;
    squares += theirs * theirs;
    apart += difference * difference;
    if (!std::isfinite(difference)) return {};  // never agrees
    largest = std::max(largest, difference);
  }
  const double count = static_cast<double>(std::max<std::size_t>(1, peer.size()));
  const double deviation = std::sqrt(std::max(squares / count - (sum / count) * (sum / count), 1e-12));
  SelfCheck made;
  made.largest = largest / deviation;
  made.root_mean_square = std::sqrt(apart / count) / deviation;
  made.agrees = precision == Precision::f32
                    ? made.largest <= kLargestF32
                    : made.root_mean_square <= kRootMeanSquareBf16 && made.largest <= kLargestBf16;
  return made;
}

SelfCheck self_check(Graph& graph, const Extent& patch, Precision precision, int threads) {
  Extent small = deepest_stride(graph);
  small[1] *= 2;
  small[2] *= 2;
  for (std::size_t i = 0; i < 3; ++i) small[i] = std::min(small[i], patch[i]);
  const std::vector<std::int64_t> declared = graph.input_dims;
  graph.input_dims.assign(declared.size(), -1);
  Engine engine(graph, small, precision, threads);
  graph.input_dims = declared;
  const Plan& plan = engine.plan();
  const std::vector<float> input = random_patch(static_cast<std::size_t>(plan.input.values()), 1);
  std::vector<float> ours(static_cast<std::size_t>(plan.output.values())), peer(ours.size());
  engine.run(input.data(), ours.data());
  OrtNet net(with_free_extent(graph.file), graph.folder, small, threads);
  net.run(input, peer);
  SelfCheck made = compare_logits(ours, peer, precision);
  made.patch = small;
  return made;
}

}  // namespace rouage::infer::unet
