#include "dicom/writing_item.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace rouage::dicom {
namespace {

constexpr std::string_view kExplicitLittleEndian = "1.2.840.10008.1.2.1";
constexpr std::string_view kImplementationVersion = "ROUAGE_0_1";

template <class Number>
void append_number(Bytes& out, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) out.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}

void patch_length(Bytes& out, std::size_t at, std::size_t length) {
  for (std::size_t i = 0; i < 4; ++i) out[at + i] = static_cast<std::uint8_t>(length >> (8 * i));
}

bool long_form(std::string_view vr) {
  static constexpr std::array<std::string_view, 12> kLong = {"OB", "OD", "OF", "OL", "OV", "OW",
                                                             "SQ", "UC", "UN", "UR", "UT", "SV"};
  return std::find(kLong.begin(), kLong.end(), vr) != kLong.end() || vr == "UV";
}

std::uint32_t number_of(const DcmTagKey& tag) {
  return (std::uint32_t{tag.getGroup()} << 16) | tag.getElement();
}

std::string tag_text(std::uint32_t tag) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text = "(0000,0000)";
  for (int i = 0; i < 8; ++i)
    text[static_cast<std::size_t>(i < 4 ? 1 + i : 2 + i)] = kDigits[(tag >> (28 - 4 * i)) & 15];
  return text;
}

bool valid_uid(std::string_view uid) {
  return !uid.empty() && uid.size() <= 64 && uid.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Item::Element& Item::element(const DcmTagKey& tag, std::string_view vr) {
  Element& e = elements_[number_of(tag)];
  e.vr = vr;
  return e;
}

void Item::text(const DcmTagKey& tag, std::string_view vr, std::string_view bytes) {
  Bytes& value = element(tag, vr).value;
  value.assign(bytes.begin(), bytes.end());
  if (value.size() % 2 == 1) value.push_back(vr == "UI" ? 0 : ' ');
}

void Item::unsigned_shorts(const DcmTagKey& tag, const std::vector<std::uint16_t>& values) {
  Bytes& out = element(tag, "US").value;
  out.clear();
  for (const std::uint16_t value : values) append_number(out, value);
}

void Item::unsigned_longs(const DcmTagKey& tag, const std::vector<std::uint32_t>& values) {
  Bytes& out = element(tag, "UL").value;
  out.clear();
  for (const std::uint32_t value : values) append_number(out, value);
}

void Item::signed_longs(const DcmTagKey& tag, const std::vector<std::int32_t>& values) {
  Bytes& out = element(tag, "SL").value;
  out.clear();
  for (const std::int32_t value : values) append_number(out, static_cast<std::uint32_t>(value));
}

void Item::floats(const DcmTagKey& tag, const std::vector<float>& values) {
  Bytes& out = element(tag, "FL").value;
  out.clear();
  for (const float value : values) append_number(out, std::bit_cast<std::uint32_t>(value));
}

void Item::float64(const DcmTagKey& tag, double value) {
  Bytes& out = element(tag, "FD").value;
  out.clear();
  append_number(out, std::bit_cast<std::uint64_t>(value));
}

void Item::tag_pointer(const DcmTagKey& tag, const DcmTagKey& value) {
  Bytes& out = element(tag, "AT").value;
  out.clear();
  append_number(out, value.getGroup());
  append_number(out, value.getElement());
}

void Item::bytes(const DcmTagKey& tag, std::string_view vr, Bytes value) {
  if (value.size() % 2 == 1) value.push_back(0);
  element(tag, vr).value = std::move(value);
}

void Item::raw(const RawAttribute& attribute) {
  const bool known = attribute.vr.size() == 2 && attribute.vr[0] >= 'A' && attribute.vr[0] <= 'Z' &&
                     attribute.vr[1] >= 'A' && attribute.vr[1] <= 'Z' && attribute.vr != "SQ";
  const DcmTagKey tag(attribute.group, attribute.element);
  Element& e = element(tag, known ? attribute.vr : "UN");
  e.value = attribute.value;
  if (e.value.size() % 2 == 1) e.value.push_back(e.vr == "UI" || e.vr == "OB" || e.vr == "UN" ? 0 : ' ');
}

Item& Item::add_item(const DcmTagKey& tag) {
  return element(tag, "SQ").items.emplace_back();
}

bool Item::has(const DcmTagKey& tag) const {
  return elements_.contains(number_of(tag));
}

void Item::append_to(Bytes& out) const {
  for (const auto& [tag, e] : elements_) {
    append_number(out, static_cast<std::uint16_t>(tag >> 16));
    append_number(out, static_cast<std::uint16_t>(tag & 0xFFFF));
    out.insert(out.end(), e.vr.begin(), e.vr.end());
    if (e.vr != "SQ" && !long_form(e.vr)) {
      if (e.value.size() > 0xFFFE)
        throw Error(ErrorCode::WriteInvalid, "a value is longer than its VR allows").tag(tag_text(tag));
      append_number(out, static_cast<std::uint16_t>(e.value.size()));
      out.insert(out.end(), e.value.begin(), e.value.end());
      continue;
    }
    append_number(out, std::uint16_t{0});
    const std::size_t length_at = out.size();
    append_number(out, std::uint32_t{0});
    for (const Item& item : e.items) {
      append_number(out, std::uint32_t{0xE000FFFE});
      const std::size_t item_length_at = out.size();
      append_number(out, std::uint32_t{0});
      item.append_to(out);
      patch_length(out, item_length_at, out.size() - item_length_at - 4);
    }
    out.insert(out.end(), e.value.begin(), e.value.end());
    const std::size_t length = out.size() - length_at - 4;
    if (length > 0xFFFFFFFEULL) throw Error(ErrorCode::WriteInvalid, "a value exceeds 4 GiB").tag(tag_text(tag));
    patch_length(out, length_at, length);
  }
}

Bytes file_head(const std::string& sop_class_uid, const std::string& sop_instance_uid,
                std::string_view transfer_syntax) {
  if (!valid_uid(sop_class_uid))
    throw Error(ErrorCode::WriteInvalid, "no SOP Class UID").tag("(0008,0016) SOPClassUID");
  if (!valid_uid(sop_instance_uid))
    throw Error(ErrorCode::WriteInvalid, "no SOP Instance UID").tag("(0008,0018) SOPInstanceUID");
  // Derived, not registered: 2.25 needs no registration (PS3.5 B.2).
  static const std::string implementation = derived_uid({"rouage", "implementation class"});
  Item meta;
  meta.bytes(DcmTagKey(0x0002, 0x0001), "OB", {0, 1});
  meta.uid(DcmTagKey(0x0002, 0x0002), sop_class_uid);
  meta.uid(DcmTagKey(0x0002, 0x0003), sop_instance_uid);
  meta.uid(DcmTagKey(0x0002, 0x0010), transfer_syntax);
  meta.uid(DcmTagKey(0x0002, 0x0012), implementation);
  meta.text(DcmTagKey(0x0002, 0x0013), "SH", kImplementationVersion);
  Bytes group;
  meta.append_to(group);
  Item length;
  length.unsigned_longs(DcmTagKey(0x0002, 0x0000), {static_cast<std::uint32_t>(group.size())});

  Bytes out(128, 0);
  for (const char c : std::string_view("DICM")) out.push_back(static_cast<std::uint8_t>(c));
  length.append_to(out);
  out.insert(out.end(), group.begin(), group.end());
  return out;
}

Bytes file_bytes(const Item& dataset, const std::string& sop_class_uid, const std::string& sop_instance_uid) {
  Bytes out = file_head(sop_class_uid, sop_instance_uid, kExplicitLittleEndian);
  dataset.append_to(out);
  return out;
}

Item& add_code(Item& parent, const DcmTagKey& sequence, const Code& code, const Texts& texts) {
  Item& item = parent.add_item(sequence);
  const std::string value = texts.ut(code.value);
  if (value.size() <= 16)
    item.text(DCM_CodeValue, "SH", value);
  else
    item.text(DCM_LongCodeValue, "UC", value);
  item.text(DCM_CodingSchemeDesignator, "SH", texts.sh(code.scheme));
  item.text(DCM_CodeMeaning, "LO", texts.lo(code.meaning));
  return item;
}

std::string decimal_string(double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::WriteInvalid, "a decimal string must be a finite number");
  std::array<char, 40> buffer{};
  char* const end = buffer.data() + buffer.size();
  std::string text(buffer.data(), std::to_chars(buffer.data(), end, value).ptr);
  for (int precision = 16; text.size() > 16 && precision > 0; --precision)
    text.assign(buffer.data(), std::to_chars(buffer.data(), end, value, std::chars_format::general, precision).ptr);
  return text;
}

}  // namespace rouage::dicom
