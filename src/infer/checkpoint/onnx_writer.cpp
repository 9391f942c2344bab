#include "infer/checkpoint/onnx_writer.h"

#include <bit>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"

namespace rouage::infer::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little,
              "raw_data is little-endian; so is every machine that is supported");

constexpr std::uint64_t kFileCap = 1024 * kMebibyte;
constexpr std::int64_t kIrVersion = 7, kOpset = 13;
constexpr int kFloat = 1;  // TensorProto.DataType
enum AttributeType { kAttributeFloat = 1, kAttributeInt = 2, kAttributeInts = 7 };

/// A protobuf message that grows.
class Message {
 public:
  void number(std::uint32_t field, std::uint64_t value) {
    varint(std::uint64_t{field} << 3);
    varint(value);
  }
  void real(std::uint32_t field, float value) {
    varint(std::uint64_t{field} << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<std::uint8_t>(bits >> shift));
  }
  void text(std::uint32_t field, std::string_view value) {
    head(field, value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void message(std::uint32_t field, const Message& value) {
    head(field, value.bytes_.size());
    bytes_.insert(bytes_.end(), value.bytes_.begin(), value.bytes_.end());
  }
  /// Tag and length of a field whose content follows elsewhere.
  void head(std::uint32_t field, std::uint64_t length) {
    varint(std::uint64_t{field} << 3 | 2);
    varint(length);
  }
  std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<std::uint8_t>(value | 0x80));
    bytes_.push_back(static_cast<std::uint8_t>(value));
  }
  Bytes bytes_;
};

Message attribute(const OnnxAttribute& a) {
  Message made;
  made.text(1, a.name);
  if (const auto* real = std::get_if<float>(&a.value)) {
    made.real(2, *real);
    made.number(20, kAttributeFloat);
  } else if (const auto* whole = std::get_if<std::int64_t>(&a.value)) {
    made.number(3, static_cast<std::uint64_t>(*whole));
    made.number(20, kAttributeInt);
  } else {
    for (const std::int64_t value : std::get<std::vector<std::int64_t>>(a.value))
      made.number(8, static_cast<std::uint64_t>(value));
    made.number(20, kAttributeInts);
  }
  return made;
}

Message node(const OnnxNode& n) {
  Message made;
  for (const std::string& input : n.inputs) made.text(1, input);
  made.text(2, n.output);
  made.text(3, n.name);
  made.text(4, n.op);
  for (const OnnxAttribute& a : n.attributes) made.message(5, attribute(a));
  return made;
}

Message port(const OnnxPort& p) {
  Message shape, dimension;
  dimension.text(2, "n");
  shape.message(1, dimension);
  for (const std::int64_t extent : p.dims) {
    Message fixed;
    fixed.number(1, static_cast<std::uint64_t>(extent));
    shape.message(1, fixed);
  }
  Message tensor, type, made;
  tensor.number(1, kFloat);
  tensor.message(2, shape);
  type.message(1, tensor);
  made.text(1, p.name);
  made.message(2, type);
  return made;
}

std::uint64_t values_of(const OnnxWeight& weight) {
  std::uint64_t count = 1;
  for (const std::int64_t extent : weight.dims)
    if (extent <= 0 || !multiply_checked({count, static_cast<std::uint64_t>(extent)}, count) ||
        count > kFileCap / sizeof(float))
      throw Error(ErrorCode::ModelInvalid, "the weight " + weight.name + " is too large for an ONNX file of 1 GiB");
  return count;
}

/// A TensorProto up to its raw bytes.
Message weight_head(const OnnxWeight& weight) {
  Message made;
  for (const std::int64_t extent : weight.dims) made.number(1, static_cast<std::uint64_t>(extent));
  made.number(2, kFloat);
  made.text(8, weight.name);
  made.head(9, values_of(weight) * sizeof(float));
  return made;
}

}  // namespace

std::uint64_t OnnxGraph::weight_values() const {
  std::uint64_t sum = 0;
  for (const OnnxWeight& weight : weights) sum += values_of(weight);
  return sum;
}

void write_onnx(const OnnxGraph& graph, const WeightSource& source, const ByteSink& sink) {
  Message before, after;
  for (const OnnxNode& n : graph.nodes) before.message(1, node(n));
  before.text(2, graph.name);
  after.message(11, port(graph.input));
  after.message(12, port(graph.output));

  std::vector<Message> heads;  // with tag and length of the initializer
  std::uint64_t length = before.bytes().size() + after.bytes().size();
  for (const OnnxWeight& weight : graph.weights) {
    const Message inner = weight_head(weight);
    const std::uint64_t raw = values_of(weight) * sizeof(float);
    Message outer;
    outer.head(5, inner.bytes().size() + raw);
    length += outer.bytes().size() + inner.bytes().size() + raw;
    heads.push_back(outer);
    heads.push_back(inner);
    if (length > kFileCap) throw Error(ErrorCode::ModelInvalid, "the net is too large for an ONNX file of 1 GiB");
  }

  Message model, opset;
  opset.text(1, "");
  opset.number(2, kOpset);
  model.number(1, kIrVersion);
  model.text(2, "rouage");
  model.message(8, opset);
  model.head(7, length);
  sink(model.bytes());
  sink(before.bytes());
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    const std::vector<float> values = source(graph.weights[i]);
    if (values.size() != values_of(graph.weights[i]))
      throw Error(ErrorCode::CheckpointInvalid,
                  "the weight " + graph.weights[i].name + " has not as many values as its shape says");
    sink(heads[2 * i].bytes());
    sink(heads[2 * i + 1].bytes());
    sink({reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)});
  }
  sink(after.bytes());
}

}  // namespace rouage::infer::checkpoint
