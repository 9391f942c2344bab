/// The messages of an ONNX file as plain records: what read_graph() understands and judges.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "infer/unet/graph.h"

namespace rouage::infer::unet {

struct Attribute {
  std::string name;
  std::int64_t integer = 0;
  float number = 0;
  std::string string;
  std::vector<std::int64_t> integers;
  std::vector<Weight> tensors;  ///< at most one
  bool other = false;           ///< a graph or a list of another kind
};

struct NodeRecord {
  std::string op, name, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;
};

struct ValueRecord {
  std::string name;
  int element_type = 0;
  std::vector<std::int64_t> dims;  ///< -1 where free
};

struct ModelRecord {
  std::vector<NodeRecord> nodes;
  std::vector<Weight> initializers;
  std::vector<ValueRecord> inputs, outputs;
};

/// Spans point into `file`. Errors: ModelInvalid, NetUnsupported (weights of a kind that is not computed).
ModelRecord read_model(std::span<const std::uint8_t> file);

}  // namespace rouage::infer::unet
