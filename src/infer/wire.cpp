#include "infer/wire.h"

#include <span>
#include <string_view>

#include "base/error.h"

namespace rouage::infer {
namespace {

[[noreturn]] void malformed(const char* what) {
  throw Error(ErrorCode::ModelInvalid, std::string("not an ONNX file: ") + what);
}

}  // namespace

bool Message::next(Field& field) {
  if (rest_.empty()) return false;
  const std::uint64_t key = varint();
  if ((key >> 3) == 0 || (key >> 3) > 0x1FFFFFFF) malformed("a field number out of range");
  field = Field{};
  field.number = static_cast<std::uint32_t>(key >> 3);
  field.wire = static_cast<int>(key & 7);
  if (field.wire == 0)
    field.value = varint();
  else if (field.wire == 1)
    field.content = take(8);
  else if (field.wire == 2)
    field.content = take(varint());
  else if (field.wire == 5)
    field.content = take(4);
  else
    malformed("an unknown wire type");
  return true;
}

std::uint64_t Message::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = take(1)[0];
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  malformed("a number of more than 64 bits");
}

std::span<const std::uint8_t> Message::take(std::uint64_t count) {
  if (count > rest_.size()) malformed("it ends too early");
  const auto taken = rest_.first(static_cast<std::size_t>(count));
  rest_ = rest_.subspan(static_cast<std::size_t>(count));
  return taken;
}

std::string text(std::span<const std::uint8_t> content) {
  return {content.begin(), content.end()};
}

void append_varint(std::string& bytes, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>((value & 0x7F) | 0x80));
  bytes.push_back(static_cast<char>(value));
}

void append_field(std::string& bytes, std::uint32_t number, std::string_view content) {
  append_varint(bytes, (std::uint64_t{number} << 3) | 2);
  append_varint(bytes, content.size());
  bytes.append(content);
}

}  // namespace rouage::infer
