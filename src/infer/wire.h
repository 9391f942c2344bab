/// The protobuf wire format, walked in place: fields of one message after another, nothing copied, nothing believed.
///
///   Message message(bytes);
///   for (Field f; message.next(f);) if (f.number == 7 && f.wire == 2) graph(f.content);
///
/// Source: protobuf encoding (varint, 64-bit, length-delimited, 32-bit). Errors: ModelInvalid (cut short, no such
/// type).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rouage::infer {

struct Field {
  std::uint32_t number = 0;
  int wire = 0;
  std::uint64_t value = 0;                ///< wire type 0
  std::span<const std::uint8_t> content;  ///< wire types 1, 2 and 5
};

class Message {
 public:
  explicit Message(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  /// False at the end.
  bool next(Field& field);
  std::uint64_t varint();
  bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::uint8_t> take(std::uint64_t count);
  std::span<const std::uint8_t> rest_;
};

std::string text(std::span<const std::uint8_t> content);

/// A key with its wire type, and a length-delimited field, appended to bytes.
void append_varint(std::string& bytes, std::uint64_t value);
void append_field(std::string& bytes, std::uint32_t number, std::string_view content);

}  // namespace rouage::infer
