// Any object in the DICOM JSON model (PS3.18 annex F) and its bulk data. Written straight into one text: a metadata
// answer may hold thousands of headers.
#include <dcmtk/dcmdata/dctag.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/host.h"
#include "dicom/charset.h"
#include "dicom/json_text.h"
#include "dicom/object.h"
#include "dicom/object_file.h"
#include "dicom/pixels.h"

namespace rouage::dicom {
namespace {

using namespace reading;

constexpr std::size_t kDeepest = 32, kMostItems = 1'000'000;
constexpr std::size_t kLongestJson = 512 * kMebibyte;
constexpr Tag kCharacterSet = 0x00080005, kAvailableSyntax = 0x00083002;

bool is_binary(std::string_view vr) {
  return vr == "OB" || vr == "OW" || vr == "OD" || vr == "OF" || vr == "OL" || vr == "OV" || vr == "UN";
}

/// What a data set's elements need to be understood.
struct Surroundings {
  std::string character_set;
  bool signed_pixels = false;
};

Surroundings surroundings_of(const ElementSet& set, const Surroundings& outer) {
  Surroundings inner = outer;
  if (set.find(kCharacterSet) != nullptr) inner.character_set = set.text(kCharacterSet);
  if (const auto representation = set.integer(kPixelRepresentation)) inner.signed_pixels = *representation == 1;
  return inner;
}

/// The dictionary's VR where it depends on the image (PS3.6: "US or SS", "OB or OW", "US or OW").
std::string dictionary_vr(Tag tag, bool signed_pixels) {
  const DcmTag known(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xFFFF));
  switch (known.getEVR()) {
    case EVR_xs:
      return signed_pixels ? "SS" : "US";
    case EVR_lt:
    case EVR_ox:
    case EVR_px:
      return "OW";
    default:
      return vr_of(tag);
  }
}

std::string vr_for(const Element& element, const Surroundings& around) {
  const bool undefined = element.claimed == kUndefinedLength;
  const bool pixels = element.tag == kPixelData;
  if (element.vr[0] != 0 && known_vr(element.vr[0], element.vr[1])) {
    const std::string vr{element.vr[0], element.vr[1]};
    return vr == "UN" && undefined ? "SQ" : vr;
  }
  if (element.vr[0] != 0) return undefined ? "SQ" : "UN";  // a VR of a later standard
  if (undefined && !pixels) return "SQ";
  if (element.tag >> 16 & 1) {
    const std::uint32_t number = element.tag & 0xFFFF;
    return number >= 0x10 && number <= 0xFF ? "LO" : "UN";  // PS3.5 7.8.1: private creators
  }
  return dictionary_vr(element.tag, around.signed_pixels);
}

std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // NOLINT: bytes seen as text
}

std::string_view without_padding(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) text.remove_suffix(1);
  return text;
}

std::size_t word_of(std::string_view vr) {
  if (vr == "OW" || vr == "US" || vr == "SS" || vr == "AT") return 2;
  if (vr == "OF" || vr == "OL" || vr == "FL" || vr == "UL" || vr == "SL") return 4;
  if (vr == "OD" || vr == "OV" || vr == "FD" || vr == "UV" || vr == "SV") return 8;
  return 1;
}

/// A binary value as the JSON model and bulk data have it: little endian.
Bytes little_endian(ByteView value, std::string_view vr, bool big_endian) {
  Bytes bytes(value.begin(), value.end());
  const std::size_t word = word_of(vr);
  if (big_endian && word > 1)
    for (std::size_t at = 0; at + word <= bytes.size(); at += word)
      std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                   bytes.begin() + static_cast<std::ptrdiff_t>(at + word));
  return bytes;
}

std::uint64_t load_u64(ByteView bytes, std::size_t at, bool big) {
  const std::uint64_t first = load_u32(bytes, at, big), second = load_u32(bytes, at + 4, big);
  return big ? first << 32 | second : second << 32 | first;
}

/// One number of a binary VR as JSON: F.2.3.
std::string number_json(ByteView value, std::size_t at, std::string_view vr, bool big) {
  if (vr == "US") return fmt::format("{}", load_u16(value, at, big));
  if (vr == "SS") return fmt::format("{}", static_cast<std::int16_t>(load_u16(value, at, big)));
  if (vr == "UL") return fmt::format("{}", load_u32(value, at, big));
  if (vr == "SL") return fmt::format("{}", static_cast<std::int32_t>(load_u32(value, at, big)));
  // Beyond 2^53 a reader that keeps numbers as doubles would change them: as text, which F.2.3.1 allows.
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  if (vr == "UV") {
    const std::uint64_t number = load_u64(value, at, big);
    return number <= static_cast<std::uint64_t>(kExact) ? fmt::format("{}", number) : fmt::format("\"{}\"", number);
  }
  if (vr == "SV") {
    const auto number = static_cast<std::int64_t>(load_u64(value, at, big));
    return number <= kExact && number >= -kExact ? fmt::format("{}", number) : fmt::format("\"{}\"", number);
  }
  if (vr == "FL") {
    const float number = std::bit_cast<float>(load_u32(value, at, big));
    return std::isfinite(number) ? fmt::format("{}", number) : json::non_finite(static_cast<double>(number));
  }
  const double number = std::bit_cast<double>(load_u64(value, at, big));
  return std::isfinite(number) ? fmt::format("{}", number) : json::non_finite(number);
}

class Writer {
 public:
  explicit Writer(const JsonOptions& options) : options_(options) {}

  std::string object(const ParsedFile& file) {
    if (!options_.bulk_data_url.empty()) syntax_ = file.syntax.uid;
    set(file.dataset, {}, "", 0);
    return std::move(out_);
  }

 private:
  void set(const ElementSet& elements, const Surroundings& outer, const std::string& path, std::size_t depth) {
    if (depth > kDeepest)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("sequences are nested deeper than {} levels", kDeepest));
    const Surroundings around = surroundings_of(elements, outer);
    const bool big = elements.encoding().big_endian;
    bool first = true;
    Tag last = 0;
    out_ += '{';
    const auto key = [&](Tag tag) {
      if (!first) out_ += ',';
      first = false;
      out_ += fmt::format("\"{:08X}\":{{\"vr\":\"", tag);
    };
    // Where the object can be had as it is, its metadata say in which syntax (PS3.18 10.4.4): a viewer needs it to
    // read the frames.
    bool syntax_due = depth == 0 && !syntax_.empty();
    const auto write_syntax = [&](Tag before) {
      if (!syntax_due || before < kAvailableSyntax) return;
      syntax_due = false;
      if (before == kAvailableSyntax) return;
      key(kAvailableSyntax);
      out_ += "UI\",\"Value\":[\"" + syntax_ + "\"]}";
    };
    for (const Element& element : elements.elements()) {
      const std::uint32_t group = element.tag >> 16;
      if ((element.tag & 0xFFFF) == 0 || group == 0x0002 || group == 0xFFFE) continue;
      if (element.tag <= last && elements.find(element.tag) != &element) continue;  // a tag that comes twice
      last = std::max(last, element.tag);
      write_syntax(element.tag);
      const std::string vr = vr_for(element, around);
      const std::string here = path + fmt::format("{:08X}", element.tag);
      if (vr != "SQ" && is_bulk(element, vr)) {
        if (options_.bulk_data_url.empty()) continue;
        key(element.tag);
        out_ += vr + "\",\"BulkDataURI\":" + json::quoted(options_.bulk_data_url + "/" + here) + "}";
        continue;
      }
      key(element.tag);
      out_ += vr + "\"";
      value(elements, element, vr, around, here, depth, big);
      out_ += '}';
      if (out_.size() > kLongestJson) throw Error(ErrorCode::FileTooLarge, "its header is too large for an answer");
    }
    write_syntax(UINT32_MAX);
    out_ += '}';
  }

  bool is_bulk(const Element& element, std::string_view vr) const {
    if (element.claimed == kUndefinedLength) return true;  // encapsulated pixels
    return is_binary(vr) && element.value.size() > options_.inline_bytes;
  }

  void value(const ElementSet& elements, const Element& element, const std::string& vr, const Surroundings& around,
             const std::string& path, std::size_t depth, bool big) {
    if (vr == "SQ") return items(elements, element, around, path, depth);
    if (element.value.empty()) return;
    if (element.tag == kCharacterSet) {
      out_ += ",\"Value\":[\"ISO_IR 192\"]";  // F.2: JSON is UTF-8, and this says so
      return;
    }
    if (is_binary(vr)) {
      out_ += ",\"InlineBinary\":\"" + json::base64(little_endian(element.value, vr, big)) + "\"";
      return;
    }
    std::vector<std::string> values;
    const std::size_t word = word_of(vr);
    if (vr == "AT") {
      for (std::size_t at = 0; at + 4 <= element.value.size(); at += 4)
        values.push_back(
            fmt::format("\"{:04X}{:04X}\"", load_u16(element.value, at, big), load_u16(element.value, at + 2, big)));
    } else if (word > 1) {
      for (std::size_t at = 0; at + word <= element.value.size(); at += word)
        values.push_back(number_json(element.value, at, vr, big));
    } else {
      values = json::text_values(to_utf8(without_padding(text_of(element.value)), around.character_set, warnings_), vr);
    }
    json::append_values(out_, values);
  }

  void items(const ElementSet& elements, const Element& element, const Surroundings& around, const std::string& path,
             std::size_t depth) {
    // Item by item, by a set that holds this element only where a tag comes twice.
    const std::vector<ElementSet> found = elements.items(element.tag, kMostItems);
    if (found.empty()) return;
    out_ += ",\"Value\":[";
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i > 0) out_ += ',';
      set(found[i], around, path + "/" + std::to_string(i + 1) + "/", depth + 1);
    }
    out_ += ']';
  }

  const JsonOptions& options_;
  std::string out_, syntax_;
  std::vector<std::string> warnings_;
};

std::uint32_t hexadecimal(const std::string& text) {
  std::uint32_t tag = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), tag, 16);
  if (text.size() != 8 || problem != std::errc() || end != text.data() + text.size())
    throw Error(ErrorCode::NotFound, "no such bulk data");
  return tag;
}

std::size_t item_number(const std::string& text) {
  std::size_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < 1 || number > kMostItems)
    throw Error(ErrorCode::NotFound, "no such bulk data");
  return number;
}

/// The fragments of encapsulated pixels one behind the other, the offset table left out.
Bytes joined_fragments(ByteView value) {
  Bytes all;
  bool table = true;
  for (std::size_t at = 0; at < value.size();) {
    const auto item = read_element_header(value, at, {false, false});
    if (!item || item->tag != 0xFFFEE000 || item->claimed > value.size() - at) break;
    if (!table)
      all.insert(all.end(), value.begin() + static_cast<std::ptrdiff_t>(at),
                 value.begin() + static_cast<std::ptrdiff_t>(at + item->claimed));
    table = false;
    at += item->claimed;
  }
  return all;
}

}  // namespace

std::string dicom_json(const std::filesystem::path& file, const JsonOptions& options) {
  const auto object = open_object(file);
  try {
    return Writer(options).object(object->parsed);
  } catch (Error& error) {
    throw error.file(file);
  }
}

Bytes bulk_data(const std::filesystem::path& file, std::string_view path) {
  const auto object = open_object(file);
  const std::vector<std::string> steps = split(path, '/');
  if (steps.size() % 2 == 0 || steps.size() > 2 * kDeepest) throw Error(ErrorCode::NotFound, "no such bulk data");
  ElementSet set = object->parsed.dataset;
  Surroundings around = surroundings_of(set, {});
  for (std::size_t i = 0; i + 1 < steps.size(); i += 2) {
    const std::size_t number = item_number(steps[i + 1]);
    const auto items = set.items(hexadecimal(steps[i]), number);
    if (items.size() < number) throw Error(ErrorCode::NotFound, "no such bulk data");
    set = items[number - 1];
    around = surroundings_of(set, around);
  }
  const Element* element = set.find(hexadecimal(steps.back()));
  if (element == nullptr) throw Error(ErrorCode::NotFound, "no such bulk data");
  const std::string vr = vr_for(*element, around);
  if (!is_binary(vr)) throw Error(ErrorCode::NotFound, "no such bulk data");
  if (element->claimed == kUndefinedLength) return joined_fragments(element->value);
  const bool big = element->tag == kPixelData ? object->parsed.syntax.pixels_big_endian : set.encoding().big_endian;
  return little_endian(element->value, vr, big);
}

}  // namespace rouage::dicom
