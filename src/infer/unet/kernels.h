/// The loops between the convolutions, for one block of memory on one thread; passes.h runs them over all threads.
///
/// One source (kernels_body.h) compiled for three kinds of CPU; kernels<T>() picks once, by CPU flags. All are channels
/// last.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace rouage::infer::unet {

/// The upper half of a float32.
struct Bf16 {
  std::uint16_t bits = 0;
};

inline float value_of(float x) {
  return x;
}
inline float value_of(Bf16 x) {
  return std::bit_cast<float>(std::uint32_t{x.bits} << 16);
}
/// Rounds to nearest, ties to even; NaN stays NaN.
inline Bf16 bf16_of(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  return {static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? 0x7FC0U : rounded)};
}

template <typename T>
struct Kernels {
  /// sums[i] = sum over groups of data[group * period + i]; the last group may be shorter. sums: `period` numbers.
  void (*sums)(const T* data, std::size_t count, std::size_t period, float* sums);
  /// The same of (data - mean)^2, mean repeated to the period.
  void (*squares)(const T* data, std::size_t count, std::size_t period, const float* mean, float* sums);
  /// out = leaky(in * scale + offset [+ residual]); scale and offset repeated to the period; slope 1: no ReLU.
  void (*normalise)(const T* in, const T* residual, T* out, std::size_t count, std::size_t period, const float* scale,
                    const float* offset, float slope);
  /// out = leaky(a [+ b]).
  void (*add)(const T* a, const T* b, T* out, std::size_t count, float slope);
  /// in: `voxels` x `channels`; out: channel c at out + c * plane.
  void (*to_planar)(const T* in, float* out, std::size_t voxels, std::size_t channels, std::size_t plane);
  void (*from_planar)(const float* in, T* out, std::size_t voxels, std::size_t channels, std::size_t plane);
  /// out[c] = largest (or mean) over `taps` pointers, channels at a time.
  void (*pool)(const T* const* taps, std::size_t count, T* out, std::size_t channels, bool largest);
};

/// For this CPU.
template <typename T>
const Kernels<T>& kernels();
/// The plain build, for comparison.
template <typename T>
const Kernels<T>& ref_kernels();

}  // namespace rouage::infer::unet
