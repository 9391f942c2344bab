#include "made_objects.h"

#include <fmt/format.h>

#include <atomic>
#include <random>

#include "base/host.h"

namespace rouage::store::testing {
namespace fs = std::filesystem;
namespace {

void put_u16(Bytes& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value));
  out.push_back(static_cast<std::uint8_t>(value >> 8));
}
void put_u32(Bytes& out, std::size_t value) {
  put_u16(out, value & 0xFFFF);
  put_u16(out, value >> 16);
}

void element(Bytes& out, std::uint32_t tag, const std::string& vr, std::string value) {
  if (value.size() % 2 != 0) value += vr == "UI" || vr == "OB" ? '\0' : ' ';
  put_u16(out, tag >> 16);
  put_u16(out, tag & 0xFFFF);
  out.insert(out.end(), vr.begin(), vr.end());
  if (vr == "OB" || vr == "OW" || vr == "UN" || vr == "SQ") {
    put_u16(out, 0);
    put_u32(out, value.size());
  } else {
    put_u16(out, value.size());
  }
  out.insert(out.end(), value.begin(), value.end());
}

std::string u16_text(unsigned value) {
  return {static_cast<char>(value), static_cast<char>(value >> 8)};
}

}  // namespace

Made ct_slice(int number, double spacing_mm) {
  Made made;
  made.modality = "CT";
  made.sop_class = "1.2.840.10008.5.1.4.1.1.2";
  made.study = "1.2.4";
  made.series = "1.2.4.1";
  made.series_description = "Thorax 2.0";
  made.sop = fmt::format("1.2.4.1.{}", number);
  made.number = std::to_string(number);
  made.position = fmt::format("0\\0\\{}", number * spacing_mm);
  made.orientation = "1\\0\\0\\0\\1\\0";
  made.seed = static_cast<unsigned>(number);
  return made;
}

Bytes bytes_of(const Made& m) {
  Bytes meta;
  element(meta, 0x00020001, "OB", std::string("\0\1", 2));
  element(meta, 0x00020002, "UI", m.sop_class);
  element(meta, 0x00020003, "UI", m.sop);
  element(meta, 0x00020010, "UI", "1.2.840.10008.1.2.1");
  element(meta, 0x00020012, "UI", "1.2.3.4");
  element(meta, 0x00020013, "SH", m.implementation);
  std::map<std::uint32_t, std::pair<std::string, std::string>> set = {
      {0x00080005, {"CS", "ISO_IR 192"}},  {0x00080016, {"UI", m.sop_class}},
      {0x00080018, {"UI", m.sop}},         {0x00080020, {"DA", m.date}},
      {0x00080030, {"TM", m.time}},        {0x00080050, {"SH", m.accession}},
      {0x00080060, {"CS", m.modality}},    {0x00080070, {"LO", m.manufacturer}},
      {0x00081030, {"LO", m.description}}, {0x0008103E, {"LO", m.series_description}},
      {0x00081090, {"LO", m.model}},       {0x00100010, {"PN", m.name}},
      {0x00100020, {"LO", m.patient}},     {0x00100030, {"DA", m.birth}},
      {0x00100040, {"CS", m.sex}},         {0x0020000D, {"UI", m.study}},
      {0x0020000E, {"UI", m.series}},      {0x00200011, {"IS", "1"}},
      {0x00200013, {"IS", m.number}},      {0x00280010, {"US", u16_text(4)}},
      {0x00280011, {"US", u16_text(8)}},   {0x00280100, {"US", u16_text(16)}}};
  if (!m.issuer.empty()) set[0x00100021] = {"LO", m.issuer};
  if (!m.position.empty()) set[0x00200032] = {"DS", m.position};
  if (!m.orientation.empty()) set[0x00200037] = {"DS", m.orientation};
  for (const auto& [tag, value] : m.more) set[tag] = value;
  std::mt19937 random(m.seed);
  std::string pixels(m.pixels, '\0');
  for (char& byte : pixels) byte = static_cast<char>(random());
  if (m.pixels > 0) set[0x7FE00010] = {"OW", pixels};
  Bytes out(128, 0);
  for (const char c : std::string("DICM")) out.push_back(static_cast<std::uint8_t>(c));
  Bytes length;
  put_u32(length, meta.size());
  element(out, 0x00020000, "UL", std::string(length.begin(), length.end()));
  out.insert(out.end(), meta.begin(), meta.end());
  for (const auto& [tag, value] : set) element(out, tag, value.first, value.second);
  return out;
}

receive::Arrival arrival(const Store& store, const Made& made, std::uint64_t association, const std::string& sender) {
  static std::atomic<int> count{0};
  const fs::path file = store.incoming() / fmt::format("{}.part", ++count);
  write_file(file, bytes_of(made));
  return receive::arrival_of(file, {.way = receive::Origin::Way::dimse,
                                    .sender = sender,
                                    .called = "ROUAGE",
                                    .address = "127.0.0.1",
                                    .association = association});
}

receive::Receipt send(Store& store, const Made& made, std::uint64_t association, const std::string& sender) {
  return store.accept({arrival(store, made, association, sender)}).at(0);
}

Made result_made(const std::string& study, const std::string& sop, unsigned seed) {
  Made made;
  made.study = study;
  made.series = sop + ".0";
  made.sop = sop;
  made.modality = "SR";
  made.sop_class = "1.2.840.10008.5.1.4.1.1.88.34";
  made.manufacturer = "Rouage";
  made.model = "Rouage chest";
  made.series_description = "AI";
  made.pixels = 0;
  made.more[0x00204000] = {"LT", fmt::format("seed {}", seed)};
  return made;
}

ResultObject made_result(const fs::path& staging, const std::string& study, const std::string& sop, unsigned seed) {
  const Bytes bytes = bytes_of(result_made(study, sop, seed));
  const fs::path file = staging / (sop + ".dcm");
  write_file(file, bytes);
  return {file, dicom::index_entry(file), bytes.size(), sha256(bytes)};
}

}  // namespace rouage::store::testing
