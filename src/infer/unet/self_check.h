/// Our engine against ONNX Runtime on one random small patch.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>

#include "infer/unet/graph.h"
#include "infer/unet/volume_net.h"

namespace rouage::infer::unet {

struct SelfCheck {
  Extent patch{};
  double largest = 0;  ///< |difference| over the standard deviation of ONNX Runtime's logits
  double root_mean_square = 0;
  bool agrees = false;
};

/// Agreement. f32: largest at most 0.01 (two float32 runtimes differ by 0.0004 of the deviation on a 128^3 patch; a
/// wrong layer differs by about 1). bf16: root mean square at most 0.1 and largest at most 1 (weights and activations
/// have 8 bits; measured 0.01 to 0.03 and up to 0.2 on random nets). NaN never agrees. The patch is the smallest that
/// the net's strides allow, twice that along y and x, at most `patch`; seed 1. Errors: those of Engine, ModelInvalid
/// and RuntimeMissing of ONNX Runtime.
SelfCheck self_check(Graph& graph, const Extent& patch, Precision precision, int threads);

/// The comparison itself. Pure.
SelfCheck compare_logits(std::span<const float> ours, std::span<const float> peer, Precision precision);

}  // namespace rouage::infer::unet
