/// What an .onnx file holds, read without ONNX Runtime: a bounded walk over the protobuf wire format.
///
/// It answers three questions before the runtime opens the file: is it a model at all, which outside files does it
/// pull in, and where do its weights lie (for the weight-randomisation check).
/// Source: onnx.proto3 of ONNX 1.12 (ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto fields 1, 2, 8, 9,
/// 13, 14; NodeProto.attribute = 5, AttributeProto.t = 5).
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace rouage::infer {

struct OnnxTensor {
  std::string name;
  std::vector<std::int64_t> dims;
  int element_type = 0;       ///< TensorProto.DataType: 1 float32, 10 float16
  std::string external_file;  ///< empty: the bytes lie in the .onnx file itself
  std::uint64_t offset = 0;   ///< of the raw bytes, in the file that holds them
  std::uint64_t length = 0;   ///< bytes; 0 when the values are stored as typed numbers
};

struct OnnxContent {
  std::int64_t ir_version = 0;
  std::uint64_t node_count = 0;
  std::vector<OnnxTensor> initializers;             ///< also constants held by nodes
  std::vector<std::string> external_files() const;  ///< sorted, each once
};

/// Errors: ModelInvalid (not protobuf, truncated, no graph).
OnnxContent read_onnx(std::span<const std::uint8_t> bytes);

/// Refuses what the runtime should never see: over 1 GiB, no graph, weights outside the model's own folder.
/// Errors: FileMissing, FileTooLarge, ModelInvalid.
void check_onnx_file(const std::filesystem::path& onnx);

/// A file name without folder parts: what a package may list and a model may pull in.
bool plain_file_name(const std::string& name);

}  // namespace rouage::infer
