#include "dicom/reading_elements.h"

#include <dcmtk/dcmdata/dctag.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/values.h"

namespace rouage::dicom::reading {
namespace {

constexpr std::size_t kDeepestNesting = 64;
constexpr std::size_t kMostElements = 100'000;
constexpr std::size_t kLongestText = 10'240;
constexpr Tag kItem = 0xFFFEE000, kItemEnd = 0xFFFEE00D, kSequenceEnd = 0xFFFEE0DD;

constexpr std::string_view kShortVrs = "AEASATCSDADSDTFLFDISLOLTPNSHSLSSSTTMUIULUS";
constexpr std::string_view kLongVrs = "OBODOFOLOVOWSQSVUCUNURUTUV";

bool listed(std::string_view list, char first, char second) {
  for (std::size_t i = 0; i + 1 < list.size(); i += 2)
    if (list[i] == first && list[i + 1] == second) return true;
  return false;
}

/// Where a value of undefined length ends: behind its sequence delimiter. Nothing when the bytes end before.
/// Walks with its own stack: a file may nest as deep as it likes without touching ours.
std::optional<std::size_t> end_of_undefined(ByteView bytes, std::size_t at, Encoding encoding, bool unknown_vr) {
  struct Level {
    Encoding encoding;
    bool in_item;
  };
  // PS3.5 6.2.2: a value of VR UN and undefined length is a sequence in implicit VR little endian.
  std::vector<Level> levels{{unknown_vr ? Encoding{false, false} : encoding, false}};
  while (!levels.empty()) {
    const Level level = levels.back();
    const auto element = read_element_header(bytes, at, level.encoding);
    if (!element) return {};
    if (element->tag == kSequenceEnd || element->tag == kItemEnd) {
      levels.pop_back();
      // A sequence delimiter also ends an item whose own delimiter is missing.
      if (element->tag == kSequenceEnd && level.in_item && !levels.empty()) levels.pop_back();
      continue;
    }
    if (element->claimed != kUndefinedLength) {
      if (element->claimed > bytes.size() - at) return {};
      at += element->claimed;
      continue;
    }
    if (levels.size() >= kDeepestNesting)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("sequences are nested deeper than {} levels", kDeepestNesting))
          .tag(tag_text(element->tag));
    const bool unknown = element->is_vr("UN");
    levels.push_back({unknown ? Encoding{false, false} : level.encoding, element->tag == kItem});
  }
  return at;
}

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // NOLINT: bytes seen as text
}

std::optional<double> number_of(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

/// Bytes that one value of a binary VR has; 0 for text.
std::size_t binary_size(const Element& element) {
  if (element.is_vr("US") || element.is_vr("SS") || element.is_vr("OW")) return 2;
  if (element.is_vr("UL") || element.is_vr("SL") || element.is_vr("FL") || element.is_vr("OL")) return 4;
  if (element.is_vr("FD") || element.is_vr("SV") || element.is_vr("UV")) return 8;
  return 0;
}

}  // namespace

std::string tag_text(Tag tag) {
  DcmTag known(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xFFFF));
  const char* name = known.getTagName();
  const std::string number = fmt::format("({:04X},{:04X})", tag >> 16, tag & 0xFFFF);
  return name == nullptr || std::string_view(name).starts_with("Unknown") ? number : number + " " + name;
}

bool known_vr(char first, char second) {
  return listed(kShortVrs, first, second) || listed(kLongVrs, first, second);
}

std::uint16_t load_u16(ByteView bytes, std::size_t at, bool big_endian) {
  const unsigned first = bytes[at], second = bytes[at + 1];
  return static_cast<std::uint16_t>(big_endian ? first << 8 | second : second << 8 | first);
}

std::uint32_t load_u32(ByteView bytes, std::size_t at, bool big_endian) {
  const std::uint32_t first = load_u16(bytes, at, big_endian), second = load_u16(bytes, at + 2, big_endian);
  return big_endian ? first << 16 | second : second << 16 | first;
}

std::optional<Element> read_element_header(ByteView bytes, std::size_t& at, Encoding encoding) {
  if (at > bytes.size() || bytes.size() - at < 8) return {};
  Element element;
  const bool big = encoding.big_endian;
  element.tag = Tag{load_u16(bytes, at, big)} << 16 | load_u16(bytes, at + 2, big);
  std::size_t next = at + 8;
  if (!encoding.explicit_vr || element.tag >> 16 == 0xFFFE) {  // item tags never carry a VR
    element.claimed = load_u32(bytes, at + 4, big);
  } else {
    const char first = static_cast<char>(bytes[at + 4]), second = static_cast<char>(bytes[at + 5]);
    element.vr = {first, second};
    const bool capitals = first >= 'A' && first <= 'Z' && second >= 'A' && second <= 'Z';
    // VRs of a later standard have the long form (PS3.5 7.1.2); what is no VR at all is taken for an old short one.
    const bool long_form = listed(kLongVrs, first, second) || (capitals && !listed(kShortVrs, first, second));
    if (!long_form) {
      element.claimed = load_u16(bytes, at + 6, big);
    } else {
      if (bytes.size() - at < 12) return {};
      element.claimed = load_u32(bytes, at + 8, big);
      next = at + 12;
    }
  }
  at = next;
  return element;
}

std::optional<Encoding> guess_encoding(ByteView bytes) {
  if (bytes.size() < 8) return {};
  for (const bool big : {false, true}) {
    const std::uint16_t group = load_u16(bytes, 0, big);
    if (group > 0x00FF || (load_u16(bytes, 2, big) > 0x5000)) continue;
    const char first = static_cast<char>(bytes[4]), second = static_cast<char>(bytes[5]);
    if (known_vr(first, second)) return Encoding{true, big};
    const std::uint32_t length = load_u32(bytes, 4, big);
    if (length == kUndefinedLength || length <= bytes.size() - 8) return Encoding{false, big};
  }
  return {};
}

ElementSet ElementSet::parse(ByteView bytes, Encoding encoding) {
  ElementSet set;
  set.encoding_ = encoding;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t next = at;
    auto element = read_element_header(bytes, next, encoding);
    if (!element) {
      set.ended_inside_ = bytes.size() - at >= 4 ? Tag{load_u16(bytes, at, encoding.big_endian)} << 16 |
                                                       load_u16(bytes, at + 2, encoding.big_endian)
                                                 : Tag{0};
      break;
    }
    at = next;
    if (element->tag >> 16 == 0xFFFE) continue;  // a stray delimiter: some writers leave one at the end of a sequence
    if (set.elements_.size() >= kMostElements)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("more than {} attributes", kMostElements))
          .tag(tag_text(element->tag));
    const ByteView rest = bytes.subspan(at);
    if (element->tag == kPixelData || element->tag == kFloatPixelData || element->tag == kDoublePixelData) {
      element->value = element->claimed < rest.size() ? rest.first(element->claimed) : rest;
      set.elements_.push_back(*element);
      break;
    }
    std::size_t length = element->claimed;
    if (element->claimed == kUndefinedLength) {
      const auto end = end_of_undefined(rest, 0, encoding, element->is_vr("UN"));
      length = end ? *end : rest.size() + 1;
    }
    if (length > rest.size()) {
      set.ended_inside_ = element->tag;
      break;
    }
    element->value = rest.first(length);
    at += length;
    set.elements_.push_back(*element);
  }
  return set;
}

const Element* ElementSet::find(Tag tag) const {
  for (const Element& element : elements_)
    if (element.tag == tag) return &element;
  return nullptr;
}

bool ElementSet::has_value(Tag tag) const {
  const Element* element = find(tag);
  return element != nullptr && !element->value.empty();
}

std::string ElementSet::text(Tag tag) const {
  const Element* element = find(tag);
  if (element == nullptr) return {};
  return std::string(trimmed(as_text(element->value.first(std::min(element->value.size(), kLongestText)))));
}

std::vector<std::string> ElementSet::texts(Tag tag) const {
  const std::string joined = text(tag);
  if (joined.empty()) return {};
  std::vector<std::string> values;
  for (const std::string& value : split(joined, '\\')) values.emplace_back(trimmed(value));
  return values;
}

std::optional<std::int64_t> ElementSet::integer(Tag tag, std::size_t index) const {
  const Element* element = find(tag);
  if (element == nullptr || element->value.empty()) return {};
  if (element->is_vr("IS") || element->is_vr("DS")) {
    const auto values = decimals(tag);
    if (index >= values.size() || std::abs(values[index]) > 9e15) return {};
    return static_cast<std::int64_t>(values[index]);
  }
  const bool big = encoding_.big_endian && !element->is_vr("UN");
  std::size_t size = binary_size(*element);
  if (size == 0) size = element->value.size() == 4 && index == 0 ? 4 : 2;
  if (size == 8 || element->value.size() / size <= index) return {};
  const std::size_t at = index * size;
  if (size == 2) {
    const std::uint16_t word = load_u16(element->value, at, big);
    return element->is_vr("SS") ? std::int64_t{static_cast<std::int16_t>(word)} : std::int64_t{word};
  }
  const std::uint32_t word = load_u32(element->value, at, big);
  return element->is_vr("SL") ? std::int64_t{static_cast<std::int32_t>(word)} : std::int64_t{word};
}

std::vector<double> ElementSet::decimals(Tag tag) const {
  const Element* element = find(tag);
  std::vector<double> values;
  if (element == nullptr) return values;
  const bool big = encoding_.big_endian;
  const std::size_t size = binary_size(*element);
  if (size == 0) {
    for (const std::string& text_value : texts(tag)) {
      const auto value = number_of(text_value);
      if (!value) break;
      values.push_back(*value);
    }
    return values;
  }
  for (std::size_t at = 0; at + size <= element->value.size() && values.size() < 64; at += size) {
    double value = 0;
    if (element->is_vr("FL")) {
      value = double{std::bit_cast<float>(load_u32(element->value, at, big))};
    } else if (element->is_vr("FD")) {
      const std::uint64_t first = load_u32(element->value, at, big), second = load_u32(element->value, at + 4, big);
      value = std::bit_cast<double>(big ? first << 32 | second : second << 32 | first);
    } else {
      value = static_cast<double>(integer(tag, at / size).value_or(0));
    }
    if (!std::isfinite(value)) break;
    values.push_back(value);
  }
  return values;
}

std::vector<std::uint16_t> ElementSet::words(Tag tag) const {
  const Element* element = find(tag);
  std::vector<std::uint16_t> values;
  if (element == nullptr || element->claimed == kUndefinedLength) return values;
  const std::size_t count = std::min<std::size_t>(element->value.size() / 2, 65'536);
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) values.push_back(load_u16(element->value, i * 2, encoding_.big_endian));
  return values;
}

std::vector<ElementSet> ElementSet::items(Tag tag, std::size_t most) const {
  std::vector<ElementSet> sets;
  const Element* element = find(tag);
  if (element == nullptr) return sets;
  Encoding encoding = encoding_;
  if (element->is_vr("UN")) encoding = {false, false};
  const ByteView value = element->value;
  for (std::size_t at = 0; at < value.size() && sets.size() < most;) {
    const auto item = read_element_header(value, at, encoding);
    if (!item || item->tag != kItem) break;
    std::size_t length = item->claimed;
    if (item->claimed == kUndefinedLength) {
      // An item ends like a sequence: behind a delimiter on its own level.
      const auto end = end_of_undefined(value, at, encoding, false);
      length = end ? *end - at : value.size() - at;
    }
    length = std::min(length, value.size() - at);
    sets.push_back(parse(value.subspan(at, length), encoding));
    at += length;
  }
  return sets;
}

}  // namespace rouage::dicom::reading
