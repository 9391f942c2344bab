#include "infer/float16.h"

#include <bit>
#include <span>

namespace rouage::infer {

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t fraction = bits & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1.0p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (fraction << 13));
}

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return sign | 0x7E00U;   // NaN
  if (magnitude >= 0x477FF000U) return sign | 0x7C00U;  // rounds to 65520 or more
  if (magnitude < 0x38800000U) {                        // below 2^-14: subnormal, counted in units of 2^-24
    if (magnitude < 0x33000000U) return sign;           // at most 2^-25: rounds to zero
    const std::uint32_t shift = 126U - (magnitude >> 23);
    const std::uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
    const std::uint32_t kept = mantissa >> shift, rest = mantissa & ((1U << shift) - 1), tie = 1U << (shift - 1);
    return static_cast<std::uint16_t>(sign | (kept + ((rest > tie || (rest == tie && (kept & 1U))) ? 1U : 0U)));
  }
  const std::uint32_t rebased = magnitude - 0x38000000U;
  const std::uint32_t kept = rebased >> 13, rest = rebased & 0x1FFFU;
  return static_cast<std::uint16_t>(sign | (kept + ((rest > 0x1000U || (rest == 0x1000U && (kept & 1U))) ? 1U : 0U)));
}

std::vector<float> halves_to_floats(std::span<const std::uint16_t> halves) {
  std::vector<float> floats(halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) floats[i] = half_to_float(halves[i]);
  return floats;
}

std::vector<std::uint16_t> floats_to_halves(std::span<const float> floats) {
  std::vector<std::uint16_t> halves(floats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) halves[i] = float_to_half(floats[i]);
  return halves;
}

}  // namespace rouage::infer
