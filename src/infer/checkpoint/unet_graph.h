/// A U-Net as an ONNX graph, its weights named as dynamic-network-architectures names them.
///
///   UNetGraph made = build_unet(plan);           // nodes, and which weights it wants in which shape
///   match_weights(made, checkpoint);             // every weight used once or known to be ignorable
///
/// Opset 13; input `input` [n, channels, (z,) y, x], output `logits` [n, classes, (z,) y, x], the patch being that of
/// the plan. Operators: Conv, InstanceNormalization, LeakyRelu or Relu, ConvTranspose, Concat; residual nets also
/// AveragePool and Add. Source: specification section 9.
#pragma once
#include <string>
#include <vector>

#include "infer/checkpoint/architecture.h"
#include "infer/checkpoint/checkpoint.h"
#include "infer/checkpoint/onnx_writer.h"

namespace rouage::infer::checkpoint {

/// Pure. Errors: ModelInvalid (over 1 GiB of weights).
OnnxGraph build_unet(const UNetPlan& plan);

/// Compares what the graph wants with what the checkpoint holds. Ignored: the second names under which a module stands
/// (`all_modules`, `decoder.encoder`), which must hold the same values as the first, and heads of deep supervision.
/// Errors: CheckpointInvalid: a weight missing, left over, of another shape, or two names with two values.
void match_weights(const OnnxGraph& graph, Checkpoint& checkpoint);

/// Values of a weight of this graph: from the checkpoint, or the constants that stand for a norm without scale and
/// shift.
std::vector<float> weight_values(const OnnxWeight& weight, Checkpoint& checkpoint);

}  // namespace rouage::infer::checkpoint
