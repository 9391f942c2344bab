/// The elements of a data set as places in the file's bytes: nothing is copied, nothing is recursive.
///
/// DCMTK 3.6.7 parses nested sequences by recursion and takes memory for every length that a file claims (2 MB of
/// nested sequences overflow its stack). So Rouage finds elements itself and leaves DCMTK what it does well: codecs,
/// dictionary, character sets, writing. tests/dicom compares both on every conformance file.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rouage::dicom::reading {

using ByteView = std::span<const std::uint8_t>;
using Tag = std::uint32_t;  ///< group << 16 | element

inline constexpr Tag kPixelData = 0x7FE00010;
inline constexpr Tag kFloatPixelData = 0x7FE00008;
inline constexpr Tag kDoublePixelData = 0x7FE00009;
inline constexpr std::uint32_t kUndefinedLength = 0xFFFFFFFF;

/// "(0028,0010) Rows", the name from DCMTK's dictionary.
std::string tag_text(Tag tag);

struct Encoding {
  bool explicit_vr = true;
  bool big_endian = false;
};

struct Element {
  Tag tag = 0;
  std::array<char, 2> vr{};   ///< {0, 0} under implicit VR
  std::uint32_t claimed = 0;  ///< length as the file says, kUndefinedLength for delimited values
  ByteView value;             ///< what is there of it; with delimiters when the length is undefined
  bool is_vr(std::string_view name) const { return vr[0] == name[0] && vr[1] == name[1]; }
};

/// Top level of one data set or item. Values stay in the bytes that were parsed, which must outlive this.
class ElementSet {
 public:
  ElementSet() = default;

  /// Elements up to and with pixel data, or to the end. Errors: HeaderInvalid (nesting deeper than 64, more than
  /// 100,000 elements). A set that ends inside an element is not an error here: see ended_inside().
  static ElementSet parse(ByteView bytes, Encoding encoding);

  const std::vector<Element>& elements() const { return elements_; }
  Encoding encoding() const { return encoding_; }
  /// The element in which the bytes ended, if they did.
  std::optional<Tag> ended_inside() const { return ended_inside_; }

  /// First element of that tag, or nullptr.
  const Element* find(Tag tag) const;
  bool has_value(Tag tag) const;
  /// Value as bytes of text without the padding around, cut after 10,240 bytes; empty when absent. Not yet UTF-8.
  std::string text(Tag tag) const;
  /// Values between backslashes, each trimmed. Empty when absent or empty.
  std::vector<std::string> texts(Tag tag) const;
  /// US, SS, UL, SL or IS, whichever the element has (US under implicit VR by its length); value `index`.
  /// Absent, empty or not a number: nothing.
  std::optional<std::int64_t> integer(Tag tag, std::size_t index = 0) const;
  /// DS, IS, FD, FL or an integer VR. A value that is no finite number ends the list.
  std::vector<double> decimals(Tag tag) const;
  /// 16-bit words of a table (LUT data, descriptors).
  std::vector<std::uint16_t> words(Tag tag) const;
  /// Items of a sequence, at most `most` of them. Errors: as parse.
  std::vector<ElementSet> items(Tag tag, std::size_t most = 64) const;

 private:
  Encoding encoding_;
  std::vector<Element> elements_;
  std::optional<Tag> ended_inside_;
};

/// Reads one element header at `at` and moves `at` behind it. Nothing when the bytes end inside it.
std::optional<Element> read_element_header(ByteView bytes, std::size_t& at, Encoding encoding);
/// The encoding that the first element of `bytes` shows, or nothing when it looks like no element.
std::optional<Encoding> guess_encoding(ByteView bytes);
bool known_vr(char first, char second);

std::uint16_t load_u16(ByteView bytes, std::size_t at, bool big_endian);
std::uint32_t load_u32(ByteView bytes, std::size_t at, bool big_endian);

}  // namespace rouage::dicom::reading
