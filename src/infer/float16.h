/// IEEE 754 binary16 <-> binary32, for nets whose inputs or outputs are fp16.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rouage::infer {

float half_to_float(std::uint16_t bits);
/// Rounds to nearest, ties to even; too large becomes infinity.
std::uint16_t float_to_half(float value);

std::vector<float> halves_to_floats(std::span<const std::uint16_t> halves);
std::vector<std::uint16_t> floats_to_halves(std::span<const float> floats);

}  // namespace rouage::infer
