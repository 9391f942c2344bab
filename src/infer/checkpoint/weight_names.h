/// Under which names the weights of a module may stand, and names that never stand in a checkpoint.
#pragma once
#include <optional>
#include <string>

namespace rouage::infer::checkpoint {

/// Before the name of a norm without scale and shift: initializers of ones and of zeros.
inline constexpr const char* kConstantOne = "constant_one:";
inline constexpr const char* kConstantZero = "constant_zero:";

/// The first name of a weight that a module registers twice (`all_modules.N`, `decoder.encoder.`), else nothing.
/// A block's `all_modules` is a sequence of convolution, [dropout,] norm, nonlinearity: entry 0 is the convolution, the
/// next one with weights is the norm.
std::optional<std::string> first_name(const std::string& name);

/// decoder.seg_layers.N with N below the last: used by training only.
bool is_deep_supervision_head(const std::string& name, std::size_t last);

}  // namespace rouage::infer::checkpoint
