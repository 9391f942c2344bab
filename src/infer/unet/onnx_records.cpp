#include "infer/unet/onnx_records.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <span>

#include "base/error.h"
#include "infer/onnx_file.h"
#include "infer/wire.h"

namespace rouage::infer::unet {
namespace {

constexpr std::size_t kNodes = 5'000, kTensors = 20'000, kDims = 8;  // ResEncUNet-XL has 400 nodes

[[noreturn]] void malformed(const std::string& what) {
  throw Error(ErrorCode::ModelInvalid, "not an ONNX file: " + what);
}

std::int64_t as_signed(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

float as_float(std::span<const std::uint8_t> four) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, four.data(), 4);
  return std::bit_cast<float>(bits);
}

std::uint64_t number(const std::string& digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) malformed("an external offset that is no number");
  return value;
}

void add_integers(const Field& f, std::vector<std::int64_t>& list) {
  if (f.wire == 0) list.push_back(as_signed(f.value));
  if (f.wire == 2)
    for (Message packed(f.content); !packed.empty();) list.push_back(as_signed(packed.varint()));
}

/// Field 13 of a TensorProto: key and value.
void external_entry(std::span<const std::uint8_t> bytes, Weight& made) {
  std::string key, value;
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.number == 1 && f.wire == 2) key = text(f.content);
    if (f.number == 2 && f.wire == 2) value = text(f.content);
  }
  if (key == "location") made.external_file = value;
  if (key == "offset") made.offset = number(value);
  if (key == "length") made.length = number(value);
}

/// Half numbers stand as varints in int32_data, floats as 32-bit fields, packed or one by one.
void add_typed(const Field& f, Weight& made) {
  if (f.number == 4) made.owned.insert(made.owned.end(), f.content.begin(), f.content.end());
  if (f.number != 5) return;
  std::vector<std::int64_t> halves;
  add_integers(f, halves);
  for (const std::int64_t half : halves) {
    made.owned.push_back(static_cast<std::uint8_t>(half & 0xFF));
    made.owned.push_back(static_cast<std::uint8_t>((half >> 8) & 0xFF));
  }
}

/// Every weight is as large as it says, or the file is not read on. Other types than float32 and float16 are shapes and
/// axes of operators that are refused by name.
void check_size(Weight& weight, bool external) {
  if (weight.element_type != 1 && weight.element_type != 10) return;
  std::uint64_t wanted = weight.element_type == 10 ? 2 : 4;
  for (const std::uint64_t extent : weight.dims)
    if (!multiply_checked({wanted, extent}, wanted))
      malformed("the tensor " + weight.name + " is larger than any file");
  if (external && weight.length == 0) weight.length = wanted;
  const std::uint64_t there = external ? weight.length : std::max(weight.raw.size(), weight.owned.size());
  if (there != wanted)
    malformed("the tensor " + weight.name + " needs " + std::to_string(wanted) + " bytes and has " +
              std::to_string(there));
}

Weight tensor(std::span<const std::uint8_t> bytes) {
  Weight made;
  std::vector<std::int64_t> dims;
  bool external = false;
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.number == 1) add_integers(f, dims);
    if (f.number == 2 && f.wire == 0) made.element_type = static_cast<int>(f.value & 0xFFFF);
    if (f.number == 4 || f.number == 5) add_typed(f, made);
    if (f.number == 8 && f.wire == 2) made.name = text(f.content);
    if (f.number == 9 && f.wire == 2) made.raw = f.content;
    if (f.number == 13 && f.wire == 2) external_entry(f.content, made);
    if (f.number == 14 && f.wire == 0) external = f.value == 1;
    if (dims.size() > kDims) malformed("the tensor " + made.name + " has too many dimensions");
  }
  for (const std::int64_t extent : dims) {
    if (extent < 0) malformed("the tensor " + made.name + " has a negative size");
    made.dims.push_back(static_cast<std::uint64_t>(extent));
  }
  if (!external) made.external_file.clear();
  if (external && !plain_file_name(made.external_file))
    throw Error(ErrorCode::ModelInvalid, "its weights point outside its folder: " + made.external_file);
  check_size(made, external);
  return made;
}

Attribute attribute(std::span<const std::uint8_t> bytes) {
  Attribute made;
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.number == 1 && f.wire == 2) made.name = text(f.content);
    if (f.number == 2 && f.wire == 5) made.number = as_float(f.content);
    if (f.number == 3 && f.wire == 0) made.integer = as_signed(f.value);
    if (f.number == 4 && f.wire == 2) made.string = text(f.content);
    if (f.number == 5 && f.wire == 2) made.tensors = {tensor(f.content)};
    if (f.number == 8) add_integers(f, made.integers);
    if (f.number == 6 || f.number == 7 || (f.number >= 9 && f.number <= 11)) made.other = true;
    if (made.integers.size() > 64) malformed("the attribute " + made.name + " is too long");
  }
  return made;
}

NodeRecord node(std::span<const std::uint8_t> bytes) {
  NodeRecord made;
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.wire != 2) continue;
    if (f.number == 1) made.inputs.push_back(text(f.content));
    if (f.number == 2) made.outputs.push_back(text(f.content));
    if (f.number == 3) made.name = text(f.content);
    if (f.number == 4) made.op = text(f.content);
    if (f.number == 5) made.attributes.push_back(attribute(f.content));
    if (f.number == 7) made.domain = text(f.content);
    if (made.inputs.size() > 64 || made.outputs.size() > 64 || made.attributes.size() > 64)
      malformed("a node with too many parts");
  }
  return made;
}

/// TypeProto.tensor_type = 1 {elem_type = 1, shape = 2 {dim = 1 {dim_value = 1, dim_param = 2}}}.
void tensor_type(std::span<const std::uint8_t> bytes, ValueRecord& made) {
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.number == 1 && f.wire == 0) made.element_type = static_cast<int>(f.value & 0xFFFF);
    if (f.number != 2 || f.wire != 2) continue;
    Message shape(f.content);
    for (Field dim; shape.next(dim);) {
      if (dim.number != 1 || dim.wire != 2) continue;
      made.dims.push_back(-1);
      if (made.dims.size() > kDims) malformed("the value " + made.name + " has too many dimensions");
      Message extent(dim.content);
      for (Field d; extent.next(d);)
        if (d.number == 1 && d.wire == 0) made.dims.back() = as_signed(d.value);
    }
  }
}

ValueRecord value(std::span<const std::uint8_t> bytes) {
  ValueRecord made;
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.number == 1 && f.wire == 2) made.name = text(f.content);
    if (f.number != 2 || f.wire != 2) continue;
    Message type(f.content);
    for (Field t; type.next(t);)
      if (t.number == 1 && t.wire == 2) tensor_type(t.content, made);
  }
  return made;
}

void graph(std::span<const std::uint8_t> bytes, ModelRecord& made) {
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.wire != 2) continue;
    if (f.number == 1) made.nodes.push_back(node(f.content));
    if (f.number == 5) made.initializers.push_back(tensor(f.content));
    if (f.number == 11) made.inputs.push_back(value(f.content));
    if (f.number == 12) made.outputs.push_back(value(f.content));
    if (f.number == 15) throw Error(ErrorCode::NetUnsupported, "the net holds sparse weights");
    if (made.nodes.size() > kNodes || made.initializers.size() > kTensors || made.inputs.size() > kTensors ||
        made.outputs.size() > kTensors)
      throw Error(ErrorCode::NetUnsupported, "the net has more than 5,000 nodes or 20,000 tensors");
  }
}

}  // namespace

ModelRecord read_model(std::span<const std::uint8_t> file) {
  ModelRecord made;
  bool seen = false;
  Message message(file);
  for (Field f; message.next(f);) {
    if (f.number != 7 || f.wire != 2) continue;
    if (seen) malformed("two graphs");
    graph(f.content, made);
    seen = true;
  }
  if (!seen) malformed("no graph");
  return made;
}

}  // namespace rouage::infer::unet
