/// The U-Net inside an ONNX file, as our engine sees it: a closed set of operators in the order in which they run.
///
///   Graph graph = read_graph(onnx);          // or read_graph(bytes, folder)
///   for (const Node& node : graph.nodes) ...
///
/// Accepted: Conv (2D or 3D, any stride and padding, no dilation, one group), ConvTranspose (kernel = stride),
/// InstanceNormalization, LeakyRelu, Relu, Concat along channels, Add of two values of one shape, AveragePool and
/// MaxPool without padding, Identity and Dropout (left out), Constant. Everything else is NetUnsupported and named. 2D
/// nets are read as 3D nets of depth 1. Sizes are checked against the bytes that are really there before anything is
/// taken. Source: onnx.proto3 of ONNX 1.12 and its operators up to opset 17.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::infer::unet {

using Extent = std::array<std::uint32_t, 3>;  ///< z, y, x

/// A tensor of the file, its bytes checked to be as many as its sizes say, not yet converted.
struct Weight {
  std::string name;
  std::vector<std::uint64_t> dims;
  int element_type = 0;               ///< TensorProto.DataType: 1 float32, 10 float16
  std::span<const std::uint8_t> raw;  ///< in Graph::file
  Bytes owned;                        ///< where the file holds them as typed numbers
  std::string external_file;          ///< plain name in the model's folder
  std::uint64_t offset = 0, length = 0;
};

enum class Op {
  convolution,
  transposed_convolution,
  instance_norm,
  leaky_relu,
  concatenate,
  add,
  average_pool,
  max_pool
};

struct Node {
  Op op = Op::convolution;
  std::string name;
  std::vector<int> inputs;  ///< values; 0 is the net's input
  int output = 0;           ///< value
  Extent kernel{1, 1, 1}, stride{1, 1, 1}, pad_before{}, pad_after{};
  float alpha = 0;    ///< leaky_relu: slope below 0 (0 for Relu)
  float epsilon = 0;  ///< instance_norm
  int weight = -1;    ///< in Graph::weights; instance_norm: scale
  int bias = -1;
};

struct Graph {
  Bytes file;                    ///< the .onnx itself: Weight::raw points into it
  std::filesystem::path folder;  ///< of external weights
  bool flat = false;             ///< a 2D net
  std::string input_name, output_name;
  std::vector<std::int64_t> input_dims;  ///< of y, x or z, y, x as declared; -1 where free
  std::uint32_t channels = 0;
  std::vector<Weight> weights;
  std::vector<Node> nodes;
  int values = 1;  ///< how many there are
  int output = 0;  ///< value

  Graph() = default;
  Graph(Graph&&) = default;  // moving a vector keeps its bytes where they are
  Graph& operator=(Graph&&) = default;
  Graph(const Graph&) = delete;

  /// float32, in the file's order. Errors: ModelInvalid (its file is shorter), FileMissing.
  std::vector<float> weight_values(int weight) const;
};

/// Errors: ModelInvalid (damaged, a value used before it is computed, weights that do not fit), NetUnsupported (names
/// the node and its operator).
Graph read_graph(Bytes file, const std::filesystem::path& folder);
/// Errors: FileMissing, FileTooLarge (over 1 GiB), and those above.
Graph read_graph(const std::filesystem::path& onnx);

/// The same model with the spatial extent of input and outputs left free: ONNX Runtime then takes a patch of any size.
/// Errors: ModelInvalid.
Bytes with_free_extent(std::span<const std::uint8_t> file);

}  // namespace rouage::infer::unet
