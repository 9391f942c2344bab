#include "store/name_key.h"

#include <cstdint>

namespace rouage::store {
namespace {

/// Bases of U+00C0..U+017F, one letter each; '.' keeps the character. Two-letter bases are in `pair_of`.
constexpr std::string_view kBases =
    "aaaaaa.ceeeeiiiidnooooo.ouuuuy..aaaaaa.ceeeeiiiidnooooo.ouuuuy.y"          // C0..FF
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkkk"                 // 100..138
    "llllllllllnnnnnnnnnoooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";  // 139..17F

std::string_view pair_of(std::uint32_t code) {
  switch (code) {
    case 0xC6:
    case 0xE6:
      return "ae";
    case 0xDE:
    case 0xFE:
      return "th";
    case 0xDF:
      return "ss";
    case 0x132:
    case 0x133:
      return "ij";
    case 0x152:
    case 0x153:
      return "oe";
    default:
      return {};
  }
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

void append_folded(std::string& out, std::uint32_t code) {
  if (const std::string_view pair = pair_of(code); !pair.empty()) {
    out += pair;
  } else if (code >= 0xC0 && code < 0xC0 + kBases.size() && kBases[code - 0xC0] != '.') {
    out += kBases[code - 0xC0];
  } else if (code >= 0x300 && code < 0x370) {  // a combining accent
  } else if ((code >= 0x391 && code <= 0x3A9) || (code >= 0x410 && code <= 0x42F)) {
    append_utf8(out, code + 0x20);
  } else {
    append_utf8(out, code);
  }
}

}  // namespace

std::string name_key(std::string_view utf8) {
  std::string key;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte >= 'A' && byte <= 'Z') {
      key += static_cast<char>(byte + 0x20);
    } else if (byte < 0x80) {
      const bool doubled = byte == ' ' && (key.empty() || key.back() == ' ' || key.back() == '^');
      if (byte == '^' || byte == '=')
        while (!key.empty() && key.back() == ' ') key.pop_back();
      if (!doubled) key += static_cast<char>(byte);
    } else if (byte >= 0xC0 && byte < 0xE0 && i + 1 < utf8.size()) {
      append_folded(key, static_cast<std::uint32_t>(byte & 0x1F) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3F));
    } else {
      key += static_cast<char>(byte);
    }
  }
  while (!key.empty() && (key.back() == '^' || key.back() == ' ' || key.back() == '=')) key.pop_back();
  return key;
}

}  // namespace rouage::store
