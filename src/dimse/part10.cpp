#include "dimse/part10.h"

#include <string_view>

#include "base/error.h"
#include "base/host.h"
#include "dimse/transport.h"

namespace rouage::dimse {
namespace {

constexpr std::size_t kPreamble = 128, kMagic = 132;
constexpr std::size_t kMostMetaBytes = 64 * 1024;

void put(Bytes& out, std::uint16_t element, std::string_view vr, std::string_view value, char padding) {
  const std::size_t length = value.size() + value.size() % 2;
  for (const std::uint8_t byte : {std::uint8_t{0x02}, std::uint8_t{0x00}}) out.push_back(byte);
  out.push_back(static_cast<std::uint8_t>(element & 0xFF));
  out.push_back(static_cast<std::uint8_t>(element >> 8));
  out.insert(out.end(), vr.begin(), vr.end());
  if (vr == "OB") {
    out.insert(out.end(), {0, 0});
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::uint8_t>((length >> shift) & 0xFF));
  } else {
    out.push_back(static_cast<std::uint8_t>(length & 0xFF));
    out.push_back(static_cast<std::uint8_t>(length >> 8));
  }
  out.insert(out.end(), value.begin(), value.end());
  if (value.size() % 2 != 0) out.push_back(static_cast<std::uint8_t>(padding));
}

std::uint64_t little(const Bytes& bytes, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = (value << 8) | bytes[at + static_cast<std::size_t>(i)];
  return value;
}

}  // namespace

Bytes file_meta_bytes(const FileMeta& meta, const std::string& source_ae) {
  Bytes group;
  put(group, 0x0001, "OB", std::string_view("\0\1", 2), '\0');
  put(group, 0x0002, "UI", meta.sop_class, '\0');
  put(group, 0x0003, "UI", meta.sop_instance, '\0');
  put(group, 0x0010, "UI", meta.transfer_syntax, '\0');
  put(group, 0x0012, "UI", implementation_class_uid(), '\0');
  put(group, 0x0013, "SH", kImplementationVersionName, ' ');
  if (!source_ae.empty()) put(group, 0x0016, "AE", source_ae, ' ');
  const auto length = static_cast<std::uint32_t>(group.size());
  std::string length_value;
  for (int shift = 0; shift < 32; shift += 8) length_value.push_back(static_cast<char>((length >> shift) & 0xFF));

  Bytes out(kPreamble, 0);
  for (const char c : std::string_view("DICM")) out.push_back(static_cast<std::uint8_t>(c));
  put(out, 0x0000, "UL", length_value, '\0');
  out.insert(out.end(), group.begin(), group.end());
  return out;
}

FileMeta read_file_meta(const std::filesystem::path& file) {
  const Bytes bytes = read_file_start(file, kMostMetaBytes);
  if (bytes.size() < kMagic || std::string_view(reinterpret_cast<const char*>(bytes.data()) + kPreamble, 4) != "DICM")
    throw Error(ErrorCode::NotDicom, "no DICM after the preamble").file(file);
  FileMeta meta;
  std::size_t at = kMagic;
  while (at + 8 <= bytes.size() && little(bytes, at, 2) == 0x0002) {
    const auto element = static_cast<std::uint16_t>(little(bytes, at + 2, 2));
    const std::string_view vr(reinterpret_cast<const char*>(bytes.data()) + at + 4, 2);
    const bool wide = vr == "OB" || vr == "UN" || vr == "OW" || vr == "UT";
    const std::size_t head = wide ? 12 : 8;
    if (at + head > bytes.size()) break;
    const std::uint64_t length = wide ? little(bytes, at + 8, 4) : little(bytes, at + 6, 2);
    if (length > bytes.size() - at - head) throw Error(ErrorCode::NotDicom, "group 0002 is cut short").file(file);
    const std::string value(trimmed(std::string_view(reinterpret_cast<const char*>(bytes.data()) + at + head, length)));
    if (element == 0x0002) meta.sop_class = value;
    if (element == 0x0003) meta.sop_instance = value;
    if (element == 0x0010) meta.transfer_syntax = value;
    at += head + length;
  }
  meta.data_set_at = at;
  if (meta.sop_class.empty() || meta.sop_instance.empty() || meta.transfer_syntax.empty())
    throw Error(ErrorCode::NotDicom, "group 0002 names no SOP class, instance or transfer syntax").file(file);
  return meta;
}

}  // namespace rouage::dimse
