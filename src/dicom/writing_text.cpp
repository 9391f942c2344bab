/// Our texts in the character set of the source (PS3.3 C.12.1.1.2): convert where it can be done, else fold to ASCII.
#include <array>
#include <string>
#include <utility>

#include "dicom/writing_item.h"

namespace rouage::dicom {
namespace {

/// Next code point of valid UTF-8 (an invalid byte gives '?').
char32_t next_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80 ? 1 : (lead >> 5) == 6 ? 2 : (lead >> 4) == 14 ? 3 : (lead >> 3) == 30 ? 4 : 0;
  if (length == 0 || at + length > text.size()) {
    ++at;
    return U'?';
  }
  char32_t point = length == 1 ? lead : lead & (0xFFU >> (length + 1));
  for (std::size_t k = 1; k < length; ++k) point = (point << 6) | (static_cast<unsigned char>(text[at + k]) & 0x3FU);
  at += length;
  return point;
}

void append_utf8(std::string& out, char32_t point) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | (point >> 6));
    put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3F));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  }
}

/// ASCII that a reader of French or English understands; "?" for the rest.
std::string folded(char32_t point) {
  static constexpr std::u32string_view kLetters = U"ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåçèéêëìíîïñòóôõöøùúûüýÿ";
  static constexpr std::string_view kAscii = "AAAAAACEEEEIIIINOOOOOOUUUUYaaaaaaceeeeiiiinoooooouuuuyy";
  static_assert(kLetters.size() == kAscii.size());
  if (const auto at = kLetters.find(point); at != std::u32string_view::npos) return {kAscii[at]};
  static constexpr std::array<std::pair<char32_t, std::string_view>, 22> kOthers = {{
      {U'œ', "oe"},     {U'Œ', "OE"}, {U'æ', "ae"},  {U'Æ', "AE"},  {U'ß', "ss"}, {U'\u00A0', " "},
      {U'\u202F', " "}, {U'’', "'"},  {U'‘', "'"},   {U'«', "\""},  {U'»', "\""}, {U'“', "\""},
      {U'”', "\""},     {U'–', "-"},  {U'—', "-"},   {U'…', "..."}, {U'≥', ">="}, {U'≤', "<="},
      {U'±', "+/-"},    {U'×', "x"},  {U'°', "deg"}, {U'·', "."},
  }};
  for (const auto& [from, to] : kOthers)
    if (from == point) return std::string(to);
  return "?";
}

/// What a Latin set has at the same place as ISO 8859-1, among the letters that French and English texts use. The
/// sets' other letters are never in our texts.
std::u32string_view shared_with_latin1(std::string_view set) {
  if (set == "ISO_IR 101" || set == "ISO 2022 IR 101") return U"ÁÂÄÇÉËÍÎÓÔÖÚÜÝáâäçéëíîóôöúüý°×ß\u00A0";
  if (set == "ISO_IR 109" || set == "ISO 2022 IR 109") return U"ÀÁÂÄÇÈÉÊËÌÍÎÏÑÒÓÔÖÙÚÛÜàáâäçèéêëìíîïñòóôöùúûü°×ß·\u00A0";
  if (set == "ISO_IR 110" || set == "ISO 2022 IR 110") return U"ÁÂÃÄÅÆÉËÍÎÔÕÖØÚÛÜáâãäåæéëíîôõöøúûü°×ß\u00A0";
  return {};
}

bool latin1_like(std::string_view set, char32_t point) {
  if (set == "ISO_IR 100" || set == "ISO 2022 IR 100") return point >= 0xA0 && point <= 0xFF;
  if (set == "ISO_IR 148" || set == "ISO 2022 IR 148")  // Latin-5: six letters differ
    return point >= 0xA0 && point <= 0xFF && std::u32string_view(U"ÐÝÞðýþ").find(point) == std::u32string_view::npos;
  if (set == "ISO_IR 203" || set == "ISO 2022 IR 203")  // Latin-9: eight characters differ
    return point >= 0xA0 && point <= 0xFF && std::u32string_view(U"¤¦¨´¸¼½¾").find(point) == std::u32string_view::npos;
  return shared_with_latin1(set).find(point) != std::u32string_view::npos;
}

}  // namespace

// With code extensions the first value is in force at the start of each value, and we never switch.
Texts::Texts(std::string_view character_set) : set_(trimmed(character_set.substr(0, character_set.find('\\')))) {}

std::string Texts::value(std::string_view utf8, std::size_t longest, bool one_line) const {
  std::string out;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < utf8.size() && characters < longest; ++characters) {
    const char32_t point = next_point(utf8, at);
    if (point < 0x20 || point == 0x7F) {
      const bool kept = !one_line && (point == U'\n' || point == U'\r' || point == U'\t');
      out += kept ? static_cast<char>(point) : ' ';
    } else if (point == U'\\' && (one_line || set_ == "ISO_IR 13")) {
      out += '/';  // separates values, and is a yen sign in JIS X 0201
    } else if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (set_ == "ISO_IR 192") {
      append_utf8(out, point);
    } else if (latin1_like(set_, point)) {
      out += static_cast<char>(static_cast<unsigned char>(point));
    } else {
      const std::string ascii = folded(point);
      characters += ascii.size() - 1;
      out += ascii;
    }
  }
  if (set_ != "ISO_IR 192" && out.size() > longest) out.resize(longest);  // a folding gave more than one character
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace rouage::dicom
