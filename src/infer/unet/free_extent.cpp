// A model whose declared sizes are removed, so that ONNX Runtime takes a patch of another size: the self-check's small
// one.
#include <span>
#include <string_view>

#include "base/error.h"
#include "infer/unet/graph.h"
#include "infer/wire.h"

namespace rouage::infer::unet {
namespace {

std::string_view view(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A message again, with `change` asked for each length-delimited field: what it returns is written in its place.
template <typename Change>
std::string rewritten(std::span<const std::uint8_t> bytes, const Change& change) {
  std::string made;
  Message message(bytes);
  for (Field f; message.next(f);) {
    if (f.wire == 2) {
      change(f, made);
      continue;
    }
    append_varint(made, (std::uint64_t{f.number} << 3) | static_cast<std::uint64_t>(f.wire));
    if (f.wire == 0)
      append_varint(made, f.value);
    else
      made.append(view(f.content));
  }
  return made;
}

void keep(const Field& f, std::string& made) {
  append_field(made, f.number, view(f.content));
}

/// TensorShapeProto: the first two sizes (n, c) stay, the others become names.
std::string free_shape(std::span<const std::uint8_t> bytes) {
  int axis = 0;
  return rewritten(bytes, [&axis](const Field& f, std::string& made) {
    if (f.number != 1 || axis++ < 2) return keep(f, made);
    std::string name;
    append_field(name, 2, "extent_" + std::to_string(axis));
    append_field(made, 1, name);
  });
}

/// ValueInfoProto.type = 2 -> TypeProto.tensor_type = 1 -> shape = 2.
std::string free_value(std::span<const std::uint8_t> bytes) {
  return rewritten(bytes, [](const Field& f, std::string& made) {
    if (f.number != 2) return keep(f, made);
    append_field(made, 2, rewritten(f.content, [](const Field& type, std::string& inner) {
                   if (type.number != 1) return keep(type, inner);
                   append_field(inner, 1, rewritten(type.content, [](const Field& shape, std::string& innermost) {
                                  if (shape.number != 2) return keep(shape, innermost);
                                  append_field(innermost, 2, free_shape(shape.content));
                                }));
                 }));
  });
}

std::string free_graph(std::span<const std::uint8_t> bytes) {
  return rewritten(bytes, [](const Field& f, std::string& made) {
    if (f.number == 13) return;  // value_info: sizes of inner values, which the runtime infers itself
    if (f.number == 11 || f.number == 12)
      append_field(made, f.number, free_value(f.content));
    else
      keep(f, made);
  });
}

}  // namespace

Bytes with_free_extent(std::span<const std::uint8_t> file) {
  const std::string made = rewritten(file, [](const Field& f, std::string& out) {
    if (f.number == 7)
      append_field(out, 7, free_graph(f.content));
    else
      keep(f, out);
  });
  return {made.begin(), made.end()};
}

}  // namespace rouage::infer::unet
