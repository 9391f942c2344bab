#include "infer/unet/graph.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "infer/float16.h"
#include "infer/unet/onnx_records.h"
#include "infer/wire.h"

namespace rouage::infer::unet {
namespace {

constexpr std::uint64_t kFileCap = 1024 * kMebibyte;
constexpr std::int64_t kKernelCap = 31, kStrideCap = 16;  // nnU-Net: 7 and 4 at most

std::string called(const NodeRecord& node) {
  return node.op + " \"" + node.name + "\"";
}
[[noreturn]] void unsupported(const NodeRecord& node, const std::string& why) {
  throw Error(ErrorCode::NetUnsupported, called(node) + ": " + why);
}
[[noreturn]] void invalid(const NodeRecord& node, const std::string& why) {
  throw Error(ErrorCode::ModelInvalid, called(node) + ": " + why);
}

const Attribute* find(const NodeRecord& node, const char* name) {
  const auto at = std::find_if(node.attributes.begin(), node.attributes.end(),
                               [name](const Attribute& a) { return a.name == name; });
  return at == node.attributes.end() ? nullptr : &*at;
}

/// Refuses attributes that would change the meaning and are not read.
void only(const NodeRecord& node, std::initializer_list<const char*> known) {
  for (const Attribute& a : node.attributes)
    if (a.other || std::none_of(known.begin(), known.end(), [&](const char* name) { return a.name == name; }))
      unsupported(node, "the attribute " + a.name + " is not computed");
}

std::int64_t integer(const NodeRecord& node, const char* name, std::int64_t otherwise) {
  const Attribute* a = find(node, name);
  return a == nullptr ? otherwise : a->integer;
}

/// A list over the axes as z, y, x; the missing z of a flat net is `otherwise`.
Extent extent(const NodeRecord& node, const char* name, bool flat, std::int64_t most, std::int64_t least = 1) {
  Extent made{1, 1, 1};
  const Attribute* a = find(node, name);
  if (a == nullptr) return made;
  const std::size_t axes = flat ? 2 : 3;
  if (a->integers.size() != axes) unsupported(node, std::string(name) + " has another number of axes than the net");
  for (std::size_t i = 0; i < axes; ++i) {
    if (a->integers[i] < least || a->integers[i] > most)
      unsupported(node, std::string(name) + " " + std::to_string(a->integers[i]) + " is outside " +
                            std::to_string(least) + ".." + std::to_string(most));
    made[i + 3 - axes] = static_cast<std::uint32_t>(a->integers[i]);
  }
  return made;
}

class Builder {
 public:
  Builder(ModelRecord record, Graph& graph) : record_(std::move(record)), graph_(graph) {}

  void build() {
    for (Weight& w : record_.initializers) {
      std::string name = w.name;
      add_weight(std::move(name), std::move(w));
    }
    find_input();
    if (record_.outputs.size() != 1)
      throw Error(ErrorCode::NetUnsupported,
                  "the net has " + std::to_string(record_.outputs.size()) + " outputs, one is computed");
    for (const NodeRecord& node : record_.nodes) add(node);
    graph_.output_name = record_.outputs[0].name;
    const auto found = values_.find(graph_.output_name);
    if (found == values_.end())
      throw Error(ErrorCode::ModelInvalid, "nothing computes the output " + graph_.output_name);
    graph_.output = found->second;
  }

 private:
  void add_weight(std::string name, Weight weight) {
    weight.name = std::move(name);
    if (!weight.external_file.empty()) {
      const std::filesystem::path path = graph_.folder / weight.external_file;
      std::error_code failed;
      const std::uintmax_t size = std::filesystem::file_size(path, failed);
      if (failed) throw Error(ErrorCode::ModelInvalid, "its file of weights is missing: " + weight.external_file);
      if (weight.offset > size || weight.length > size - weight.offset)
        throw Error(ErrorCode::ModelInvalid, "its file of weights " + weight.external_file + " ends too early");
    }
    if (!constants_.emplace(weight.name, static_cast<int>(graph_.weights.size())).second)
      throw Error(ErrorCode::ModelInvalid, "two tensors are called " + weight.name);
    graph_.weights.push_back(std::move(weight));
  }

  void find_input() {
    const ValueRecord* input = nullptr;
    for (const ValueRecord& v : record_.inputs) {
      if (constants_.contains(v.name)) continue;  // before IR 4 the weights are inputs too
      if (input != nullptr)
        throw Error(ErrorCode::NetUnsupported, "the net has several inputs: " + input->name + ", " + v.name);
      input = &v;
    }
    if (input == nullptr) throw Error(ErrorCode::ModelInvalid, "the net has no input");
    if (input->element_type != 1) throw Error(ErrorCode::NetUnsupported, "the input is not float32");
    if (input->dims.size() != 4 && input->dims.size() != 5)
      throw Error(ErrorCode::NetUnsupported, "the input has " + std::to_string(input->dims.size()) +
                                                 " dimensions, 4 (n, c, y, x) or 5 (n, c, z, y, x) are computed");
    graph_.flat = input->dims.size() == 4;
    if (input->dims[1] < 1 || input->dims[1] > 4096)
      throw Error(ErrorCode::NetUnsupported, "the input does not say how many channels it has");
    graph_.channels = static_cast<std::uint32_t>(input->dims[1]);
    graph_.input_dims.assign(input->dims.begin() + 2, input->dims.end());
    graph_.input_name = input->name;
    values_.emplace(input->name, 0);
  }

  int value(const NodeRecord& node, std::size_t index) const {
    if (index >= node.inputs.size()) invalid(node, "an input is missing");
    const auto found = values_.find(node.inputs[index]);
    if (found != values_.end()) return found->second;
    if (constants_.contains(node.inputs[index])) unsupported(node, "it computes with a constant");
    invalid(node, "its input \"" + node.inputs[index] + "\" is used before anything computes it");
  }

  int constant(const NodeRecord& node, std::size_t index, std::size_t dims) const {
    if (index >= node.inputs.size() || node.inputs[index].empty()) invalid(node, "a weight is missing");
    const auto found = constants_.find(node.inputs[index]);
    if (found == constants_.end()) {
      if (values_.contains(node.inputs[index])) unsupported(node, "its weights are computed");
      invalid(node, "there is no tensor " + node.inputs[index]);
    }
    const Weight& weight = graph_.weights[static_cast<std::size_t>(found->second)];
    if (weight.element_type != 1 && weight.element_type != 10)
      unsupported(node, "the tensor " + weight.name + " is neither float32 nor float16");
    if (weight.dims.size() != dims) invalid(node, "the tensor " + weight.name + " has the wrong number of dimensions");
    return found->second;
  }

  const Weight& weight(int index) const { return graph_.weights[static_cast<std::size_t>(index)]; }

  void define(const NodeRecord& record, Node node) {
    node.name = record.name.empty() ? record.outputs[0] : record.name;
    node.output = graph_.values++;
    if (constants_.contains(record.outputs[0]) || !values_.emplace(record.outputs[0], node.output).second)
      invalid(record, "its output " + record.outputs[0] + " is computed twice");
    graph_.nodes.push_back(std::move(node));
  }

  /// Identity and inference-time Dropout: the output is another name of the input.
  void alias(const NodeRecord& node) {
    const auto held = constants_.find(node.inputs.empty() ? "" : node.inputs[0]);
    if (values_.contains(node.outputs[0]) || constants_.contains(node.outputs[0]))
      invalid(node, "its output " + node.outputs[0] + " is computed twice");
    if (held != constants_.end())
      constants_.emplace(node.outputs[0], held->second);
    else
      values_.emplace(node.outputs[0], value(node, 0));
  }

  void add(const NodeRecord& node) {
    if (!node.domain.empty() && node.domain != "ai.onnx") unsupported(node, "its domain is " + node.domain);
    if (node.outputs.empty() || node.outputs[0].empty()) invalid(node, "it has no output");
    if (node.op == "Conv")
      convolution(node);
    else if (node.op == "ConvTranspose")
      transposed(node);
    else if (node.op == "InstanceNormalization")
      instance_norm(node);
    else if (node.op == "LeakyRelu" || node.op == "Relu")
      activation(node);
    else if (node.op == "Concat")
      concatenate(node);
    else if (node.op == "Add")
      define(node, {.op = Op::add, .name = {}, .inputs = {value(node, 0), value(node, 1)}});
    else if (node.op == "AveragePool" || node.op == "MaxPool")
      pool(node);
    else if (node.op == "Identity" || node.op == "Dropout")
      alias(node);
    else if (node.op == "Constant")
      constant_node(node);
    else
      throw Error(ErrorCode::NetUnsupported, "the operator " + called(node) + " is not computed by this engine");
  }

  void constant_node(const NodeRecord& node) {
    const Attribute* a = find(node, "value");
    if (a == nullptr || a->tensors.empty()) unsupported(node, "it holds no tensor");
    if (values_.contains(node.outputs[0])) invalid(node, "its output " + node.outputs[0] + " is computed twice");
    add_weight(node.outputs[0], a->tensors[0]);
  }

  void windows(const NodeRecord& node, Node& made) const {
    const Attribute* automatic = find(node, "auto_pad");
    if (automatic != nullptr && automatic->string != "NOTSET") unsupported(node, "auto_pad is not computed");
    made.stride = extent(node, "strides", graph_.flat, kStrideCap);
    for (const std::uint32_t d : extent(node, "dilations", graph_.flat, kKernelCap))
      if (d != 1) unsupported(node, "dilations are not computed");
    if (integer(node, "group", 1) != 1) unsupported(node, "groups are not computed");
    const Attribute* pads = find(node, "pads");
    if (pads == nullptr) return;
    const std::size_t axes = graph_.flat ? 2 : 3;
    if (pads->integers.size() != 2 * axes) unsupported(node, "pads has another number of axes than the net");
    for (std::size_t i = 0; i < 2 * axes; ++i) {
      const std::size_t axis = i % axes + 3 - axes;
      if (pads->integers[i] < 0 || pads->integers[i] >= made.kernel[axis])
        unsupported(node, "a padding of " + std::to_string(pads->integers[i]));
      (i < axes ? made.pad_before : made.pad_after)[axis] = static_cast<std::uint32_t>(pads->integers[i]);
    }
  }

  /// Weights are [out][in][kernel] for Conv and [in][out][kernel] for ConvTranspose; the bias has `out` numbers.
  void kernel_weights(const NodeRecord& node, Node& made, std::size_t out_axis) const {
    const std::size_t axes = graph_.flat ? 2 : 3;
    made.weight = constant(node, 1, axes + 2);
    const Weight& w = weight(made.weight);
    for (std::size_t i = 0; i < axes; ++i) {
      if (w.dims[i + 2] < 1 || w.dims[i + 2] > static_cast<std::uint64_t>(kKernelCap))
        unsupported(node, "a kernel of " + std::to_string(w.dims[i + 2]));
      made.kernel[i + 3 - axes] = static_cast<std::uint32_t>(w.dims[i + 2]);
    }
    if (find(node, "kernel_shape") != nullptr && extent(node, "kernel_shape", graph_.flat, kKernelCap) != made.kernel)
      invalid(node, "kernel_shape is not that of " + w.name);
    if (w.dims[0] == 0 || w.dims[1] == 0) invalid(node, "the tensor " + w.name + " is empty");
    if (node.inputs.size() > 2 && !node.inputs[2].empty()) {
      made.bias = constant(node, 2, 1);
      if (weight(made.bias).dims[0] != w.dims[out_axis]) invalid(node, "its bias does not fit its weights");
    }
  }

  void convolution(const NodeRecord& node) {
    only(node, {"kernel_shape", "strides", "pads", "dilations", "group", "auto_pad"});
    Node made{.op = Op::convolution, .name = {}, .inputs = {value(node, 0)}};
    kernel_weights(node, made, 0);
    windows(node, made);
    define(node, std::move(made));
  }

  void transposed(const NodeRecord& node) {
    only(node, {"kernel_shape", "strides", "pads", "dilations", "group", "auto_pad", "output_padding"});
    Node made{.op = Op::transposed_convolution, .name = {}, .inputs = {value(node, 0)}};
    kernel_weights(node, made, 1);
    windows(node, made);
    if (made.kernel != made.stride) unsupported(node, "its kernel is not its stride");
    if (made.pad_before != Extent{} || made.pad_after != Extent{}) unsupported(node, "it has padding");
    if (const Attribute* a = find(node, "output_padding"))
      for (const std::int64_t pad : a->integers)
        if (pad != 0) unsupported(node, "it has output padding");
    define(node, std::move(made));
  }

  void instance_norm(const NodeRecord& node) {
    only(node, {"epsilon"});
    Node made{.op = Op::instance_norm, .name = {}, .inputs = {value(node, 0)}};
    made.weight = constant(node, 1, 1);
    made.bias = constant(node, 2, 1);
    if (weight(made.weight).dims != weight(made.bias).dims) invalid(node, "scale and bias are not of one size");
    const Attribute* epsilon = find(node, "epsilon");
    made.epsilon = epsilon == nullptr ? 1e-5F : epsilon->number;
    if (!(made.epsilon > 0 && made.epsilon < 1)) unsupported(node, "its epsilon is not between 0 and 1");
    define(node, std::move(made));
  }

  void activation(const NodeRecord& node) {
    only(node, {"alpha"});
    Node made{.op = Op::leaky_relu, .name = {}, .inputs = {value(node, 0)}};
    const Attribute* alpha = find(node, "alpha");
    if (node.op == "LeakyRelu") made.alpha = alpha == nullptr ? 0.01F : alpha->number;
    if (!(made.alpha >= 0 && made.alpha <= 1)) unsupported(node, "its slope is not between 0 and 1");
    define(node, std::move(made));
  }

  void concatenate(const NodeRecord& node) {
    only(node, {"axis"});
    const std::int64_t axis = integer(node, "axis", 0);
    if (axis != 1 && axis != (graph_.flat ? -3 : -4)) unsupported(node, "its axis is not that of the channels");
    Node made{.op = Op::concatenate, .name = {}, .inputs = {}};
    for (std::size_t i = 0; i < node.inputs.size(); ++i) made.inputs.push_back(value(node, i));
    if (made.inputs.empty()) invalid(node, "it has no input");
    define(node, std::move(made));
  }

  void pool(const NodeRecord& node) {
    only(node, {"kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "count_include_pad",
                "storage_order"});
    Node made{.op = node.op == "MaxPool" ? Op::max_pool : Op::average_pool, .name = {}, .inputs = {value(node, 0)}};
    if (find(node, "kernel_shape") == nullptr) invalid(node, "it has no kernel_shape");
    made.kernel = extent(node, "kernel_shape", graph_.flat, kKernelCap);
    windows(node, made);
    if (made.pad_before != Extent{} || made.pad_after != Extent{}) unsupported(node, "it has padding");
    if (integer(node, "ceil_mode", 0) != 0) unsupported(node, "it rounds its size up");
    for (std::size_t i = 1; i < node.outputs.size(); ++i)
      if (!node.outputs[i].empty()) unsupported(node, "it has a second output");
    define(node, std::move(made));
  }

  ModelRecord record_;
  Graph& graph_;
  std::map<std::string, int> values_, constants_;
};

}  // namespace

std::vector<float> Graph::weight_values(int index) const {
  const Weight& weight = weights[static_cast<std::size_t>(index)];
  std::span<const std::uint8_t> bytes = weight.owned.empty() ? weight.raw : weight.owned;
  Bytes outside;
  if (!weight.external_file.empty()) {
    outside = read_file_range(folder / weight.external_file, weight.offset, static_cast<std::size_t>(weight.length));
    if (outside.size() != weight.length)
      throw Error(ErrorCode::ModelInvalid, "its file of weights " + weight.external_file + " ends too early");
    bytes = outside;
  }
  if (weight.element_type == 10) {
    std::vector<std::uint16_t> halves(bytes.size() / 2);
    std::memcpy(halves.data(), bytes.data(), halves.size() * 2);
    return halves_to_floats(halves);
  }
  std::vector<float> numbers(bytes.size() / 4);
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), numbers.size() * 4);
  return numbers;
}

Graph read_graph(Bytes file, const std::filesystem::path& folder) {
  Graph graph;
  graph.file = std::move(file);
  graph.folder = folder;
  Builder(read_model(graph.file), graph).build();
  return graph;
}

Graph read_graph(const std::filesystem::path& onnx) {
  try {
    return read_graph(read_file(onnx, kFileCap), onnx.parent_path());
  } catch (Error& error) {
    throw error.file(onnx);
  }
}

}  // namespace rouage::infer::unet
