#include "app/load_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "app/phantom_header.h"
#include "base/host.h"
#include "dicom/writing.h"

namespace rouage::app {
namespace {

constexpr int kFilms = 4;
constexpr char kCt[] = "1.2.840.10008.5.1.4.1.1.2", kExplicit[] = "1.2.840.10008.1.2.1";
constexpr char kDate[] = "20260101", kTime[] = "120000";

/// Explicit VR little endian (PS3.5 section 7.1.2), for the plain attributes of a slice.
class Elements {
 public:
  Elements& text(std::uint16_t group, std::uint16_t element, const char* vr, std::string value) {
    if (value.size() % 2 != 0) value += vr[0] == 'U' ? '\0' : ' ';
    head(group, element, vr);
    word(static_cast<std::uint16_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  Elements& number(std::uint16_t group, std::uint16_t element, std::uint16_t value) {
    head(group, element, "US");
    word(2);
    word(value);
    return *this;
  }
  Elements& length(std::uint16_t group, std::uint32_t value) {
    head(group, 0, "UL");
    word(4);
    long_word(value);
    return *this;
  }
  /// OB or OW: a reserved word and a length of four bytes.
  Elements& other(std::uint16_t group, std::uint16_t element, const char* vr, std::span<const std::uint8_t> value) {
    head(group, element, vr);
    word(0);
    long_word(static_cast<std::uint32_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  void word(std::uint16_t value) {
    bytes_.push_back(static_cast<std::uint8_t>(value & 0xFFU));
    bytes_.push_back(static_cast<std::uint8_t>(value >> 8U));
  }
  void long_word(std::uint32_t value) {
    word(static_cast<std::uint16_t>(value & 0xFFFFU));
    word(static_cast<std::uint16_t>(value >> 16U));
  }
  void head(std::uint16_t group, std::uint16_t element, const char* vr) {
    word(group);
    word(element);
    bytes_.push_back(static_cast<std::uint8_t>(vr[0]));
    bytes_.push_back(static_cast<std::uint8_t>(vr[1]));
  }
  Bytes bytes_;
};

Bytes part10(const std::string& sop_class, const std::string& instance, const Elements& dataset) {
  const Bytes version{0, 1};
  Elements meta;
  meta.other(2, 0x0001, "OB", version).text(2, 0x0002, "UI", sop_class).text(2, 0x0003, "UI", instance);
  meta.text(2, 0x0010, "UI", kExplicit).text(2, 0x0012, "UI", derived_uid({"rouage", "simulate-load"}));
  Elements group;
  group.length(2, static_cast<std::uint32_t>(meta.bytes().size()));
  Bytes file(128, 0);
  for (const char c : {'D', 'I', 'C', 'M'}) file.push_back(static_cast<std::uint8_t>(c));
  for (const Bytes* piece : {&group.bytes(), &meta.bytes(), &dataset.bytes()})
    file.insert(file.end(), piece->begin(), piece->end());
  return file;
}

void replace_raw(dicom::InstanceHeader& header, std::uint16_t group, std::uint16_t element, const char* vr,
                 const std::string& text) {
  for (dicom::RawAttribute& attribute : header.patient_and_study)
    if (attribute.group == group && attribute.element == element) attribute = dicom::raw_text(group, element, vr, text);
}

std::string patient_id(int number) {
  return fmt::format("LOAD-{}", number);
}

}  // namespace

LoadObjects::LoadObjects(LoadShape shape) : shape_(std::move(shape)) {
  for (int i = 0; i < kFilms; ++i)
    films_.push_back(image::make_phantom_film({.columns = shape_.film_pixels,
                                               .rows = shape_.film_pixels,
                                               .seed = shape_.seed + static_cast<std::uint64_t>(i)}));
  std::mt19937_64 random(shape_.seed);
  noise_.resize(std::size_t{2} * shape_.ct_pixels * shape_.ct_pixels + 4096);
  for (std::uint8_t& value : noise_) value = static_cast<std::uint8_t>(random() & 0x03U);
}

std::string LoadObjects::study_uid(int number) const {
  return derived_uid({"simulate-load", shape_.run, std::to_string(number), "study"});
}

Bytes LoadObjects::film(int number) const {
  const image::PhantomFilm& phantom = films_[static_cast<std::size_t>(number) % films_.size()];
  dicom::InstanceHeader header = phantom_header(phantom);
  header.study_instance_uid = study_uid(number);
  header.series_instance_uid = derived_uid({study_uid(number), "series"});
  header.sop_instance_uid = derived_uid({study_uid(number), "instance"});
  header.patient_id = patient_id(number);
  replace_raw(header, 0x0010, 0x0020, "LO", header.patient_id);
  replace_raw(header, 0x0020, 0x000D, "UI", header.study_instance_uid);
  return phantom_dicom(phantom, header);
}

Bytes LoadObjects::slice(int number, int index) const {
  const std::string study = study_uid(number), series = derived_uid({study, "series"});
  const std::string instance = derived_uid({study, "instance", std::to_string(index)});
  const auto side = static_cast<std::uint16_t>(shape_.ct_pixels);
  Elements set;
  set.text(8, 0x0005, "CS", "ISO_IR 192").text(8, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
  set.text(8, 0x0016, "UI", kCt).text(8, 0x0018, "UI", instance).text(8, 0x0020, "DA", kDate);
  set.text(8, 0x0023, "DA", kDate).text(8, 0x0030, "TM", kTime).text(8, 0x0033, "TM", kTime);
  set.text(8, 0x0050, "SH", "").text(8, 0x0060, "CS", "CT").text(8, 0x0070, "LO", "Rouage");
  set.text(8, 0x0090, "PN", "").text(8, 0x1030, "LO", "Synthetic load").text(8, 0x1090, "LO", "synthetic load");
  set.text(0x10, 0x0010, "PN", "LOAD^SYNTHETIC").text(0x10, 0x0020, "LO", patient_id(number));
  set.text(0x10, 0x0030, "DA", "19760101").text(0x10, 0x0040, "CS", "O").text(0x18, 0x0015, "CS", "CHEST");
  set.text(0x18, 0x0050, "DS", "1").text(0x18, 0x0060, "DS", "120");
  set.text(0x20, 0x000D, "UI", study).text(0x20, 0x000E, "UI", series).text(0x20, 0x0010, "SH", "LOAD");
  set.text(0x20, 0x0011, "IS", "2").text(0x20, 0x0012, "IS", "1").text(0x20, 0x0013, "IS", std::to_string(index + 1));
  set.text(0x20, 0x0032, "DS", fmt::format("-180\\-180\\{}", index)).text(0x20, 0x0037, "DS", "1\\0\\0\\0\\1\\0");
  set.text(0x20, 0x0052, "UI", derived_uid({study, "frame"})).text(0x20, 0x1040, "LO", "");
  set.number(0x28, 0x0002, 1).text(0x28, 0x0004, "CS", "MONOCHROME2").number(0x28, 0x0010, side);
  set.number(0x28, 0x0011, side).text(0x28, 0x0030, "DS", "0.7\\0.7").number(0x28, 0x0100, 16);
  set.number(0x28, 0x0101, 12).number(0x28, 0x0102, 11).number(0x28, 0x0103, 0);
  set.text(0x28, 0x1052, "DS", "-1024").text(0x28, 0x1053, "DS", "1");
  const std::size_t length = std::size_t{2} * side * side, start = static_cast<std::size_t>(index) * 14 % 4096;
  set.other(0x7FE0, 0x0010, "OW", std::span(noise_).subspan(start, length));
  return part10(kCt, instance, set);
}

std::vector<std::filesystem::path> LoadObjects::write_study(int number, bool ct,
                                                            const std::filesystem::path& folder) const {
  std::filesystem::create_directories(folder);
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < (ct ? shape_.slices : 1); ++i) {
    files.push_back(folder / fmt::format("{:04}.dcm", i));
    write_file(files.back(), ct ? slice(number, i) : film(number));
  }
  return files;
}

}  // namespace rouage::app
