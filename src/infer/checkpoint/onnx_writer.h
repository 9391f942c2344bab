/// ONNX files written without a library: protobuf's wire format, weights one after the other, so that the peak of
/// memory is one weight and not the net. Source: onnx.proto3 of ONNX 1.12, IR version 7, opset 13.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace rouage::infer::checkpoint {

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::vector<std::int64_t>> value;
};
struct OnnxNode {
  std::string op, name;
  std::vector<std::string> inputs;
  std::string output;
  std::vector<OnnxAttribute> attributes;
};
/// A float32 initializer; its values come when it is written.
struct OnnxWeight {
  std::string name;
  std::vector<std::int64_t> dims;
};
/// Float32 tensor [n, dims...] whose first axis is free.
struct OnnxPort {
  std::string name;
  std::vector<std::int64_t> dims;
};
struct OnnxGraph {
  std::string name;
  std::vector<OnnxNode> nodes;  ///< in the order in which they run
  std::vector<OnnxWeight> weights;
  OnnxPort input, output;
  std::uint64_t weight_values() const;  ///< sum over the weights
};

using WeightSource = std::function<std::vector<float>(const OnnxWeight&)>;
using ByteSink = std::function<void(std::span<const std::uint8_t>)>;

/// The same graph and weights give the same bytes. Errors: ModelInvalid (over 1 GiB), CheckpointInvalid (a weight of
/// another size than its dims say); what source and sink throw passes through.
void write_onnx(const OnnxGraph& graph, const WeightSource& source, const ByteSink& sink);

}  // namespace rouage::infer::checkpoint
