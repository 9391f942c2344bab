#include <fmt/format.h>
#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dicom/writing.h"
#include "image/picture.h"

namespace rouage::dicom {
namespace {

constexpr char kSecondaryCapture[] = "1.2.840.10008.5.1.4.1.1.7";

/// Everything that a person said, as text: part of the derived UIDs, so that other facts make another instance.
std::vector<std::string> facts_text(const PictureFacts& facts) {
  return {facts.patient_id,
          facts.study_id,
          facts.sex,
          facts.view,
          facts.accession,
          facts.study_date,
          facts.age_a ? number_text(*facts.age_a) : std::string()};
}

/// "045Y", or months below two years (PS3.5 6.2, AS).
std::string age_string(double age_a) {
  if (age_a < 2) return fmt::format("{:03}M", static_cast<int>(age_a * 12));
  return fmt::format("{:03}Y", static_cast<int>(age_a));
}

void check_facts(const PictureFacts& facts, std::vector<std::string>& warnings) {
  if (facts.age_a && (*facts.age_a < 0 || *facts.age_a > 130))
    warnings.push_back(fmt::format("an age of {} years counts as unknown", number_text(*facts.age_a)));
  if (!facts.sex.empty() && facts.sex != "M" && facts.sex != "F" && facts.sex != "O")
    warnings.push_back("sex \"" + facts.sex + "\" is none of M, F, O");
}

std::vector<RawAttribute> patient_and_study(const PictureFacts& facts, const InstanceHeader& header) {
  std::vector<RawAttribute> attributes;
  const auto add = [&](std::uint16_t group, std::uint16_t element, const char* vr, const std::string& value) {
    attributes.push_back(raw_text(group, element, vr, value));
  };
  add(0x0008, 0x0005, "CS", header.character_set);
  add(0x0008, 0x0020, "DA", header.study_date);
  add(0x0008, 0x0030, "TM", "");
  add(0x0008, 0x0050, "SH", header.accession_number);
  add(0x0008, 0x0090, "PN", "");
  add(0x0010, 0x0010, "PN", header.patient_name);
  add(0x0010, 0x0020, "LO", header.patient_id);
  add(0x0010, 0x0030, "DA", "");
  add(0x0010, 0x0040, "CS", header.sex);
  if (header.age_a) add(0x0010, 0x1010, "AS", age_string(*header.age_a));
  add(0x0020, 0x000D, "UI", header.study_instance_uid);
  add(0x0020, 0x0010, "SH", facts.study_id);
  return attributes;
}

InstanceHeader picture_header(const Digest& digest, const PictureFacts& facts) {
  InstanceHeader header;
  header.made_from_picture = true;
  header.file_digest = digest;
  check_facts(facts, header.warnings);
  std::vector<std::string> parts = facts_text(facts);
  parts.push_back(digest.hex());
  const auto derived = [&](const char* what) {
    parts.push_back(what);
    std::string uid = derived_uid(parts);
    parts.pop_back();
    return uid;
  };
  header.sop_class_uid = kSecondaryCapture;
  header.sop_instance_uid = derived("picture instance");
  header.series_instance_uid = derived("picture series");
  // Films of one examination share its name, whatever else was said of them.
  header.study_instance_uid = facts.study_id.empty() ? derived("picture study")
                                                     : derived_uid({"picture study", facts.patient_id, facts.study_id});
  header.transfer_syntax_uid = "1.2.840.10008.1.2.1";
  header.modality = "OT";
  header.view_position = facts.view;
  header.image_type = "DERIVED\\SECONDARY";
  header.patient_id = facts.patient_id;
  header.accession_number = facts.accession;
  header.study_date = facts.study_date;
  header.character_set = "ISO_IR 192";
  if (facts.age_a && *facts.age_a >= 0 && *facts.age_a <= 130) header.age_a = facts.age_a;
  if (facts.sex == "M" || facts.sex == "F" || facts.sex == "O") header.sex = facts.sex;
  header.patient_and_study = patient_and_study(facts, header);
  return header;
}

/// Grey samples of a colour picture. Errors: NotGrey.
void make_grey(image::Picture& picture, std::vector<std::string>& warnings) {
  const int maximum = (1 << picture.bits) - 1;
  int widest = 0;
  std::vector<std::uint16_t> grey(picture.samples.size() / 3);
  for (std::size_t i = 0; i < grey.size(); ++i) {
    const int red = picture.samples[3 * i], green = picture.samples[3 * i + 1], blue = picture.samples[3 * i + 2];
    widest = std::max(widest, std::max({red, green, blue}) - std::min({red, green, blue}));
    grey[i] = static_cast<std::uint16_t>((red + green + blue + 1) / 3);
  }
  if (widest > maximum * 2 / 255)
    throw Error(ErrorCode::NotGrey, fmt::format("its channels differ by up to {} of {}", widest, maximum));
  if (widest > 0)
    warnings.push_back(
        fmt::format("a colour picture whose channels differ by up to {} of {}; their mean is used", widest, maximum));
  picture.samples = std::move(grey);
  picture.channels = 1;
}

}  // namespace

FilmInstance read_picture_as_film(const std::filesystem::path& file, const PictureFacts& facts,
                                  const ReadLimits& limits) {
  const Bytes bytes = read_file(file, limits.file_bytes);
  try {
    const bool png = bytes.size() > 1 && bytes[0] == 0x89;
    image::Picture picture = png ? image::read_png(bytes, limits.pixels) : image::read_jpeg(bytes, limits.pixels);
    if (picture.columns > limits.side || picture.rows > limits.side)
      throw Error(ErrorCode::ImageTooLarge,
                  fmt::format("{} x {} pixels have a side over {}", picture.columns, picture.rows, limits.side));
    FilmInstance instance;
    instance.header = picture_header(sha256(bytes), facts);
    if (picture.exif_orientation != 1)
      instance.header.warnings.push_back(
          fmt::format("the picture was turned or mirrored as its Exif orientation {} says", picture.exif_orientation));
    image::Film& film = instance.film;
    film.from_colour = picture.channels == 3;
    if (film.from_colour) make_grey(picture, instance.header.warnings);
    film.columns = instance.header.columns = picture.columns;
    film.rows = instance.header.rows = picture.rows;
    film.stored_bits = picture.bits;
    instance.header.lossy_compressed = png ? std::optional<bool>() : std::optional<bool>(true);
    const float scale = 1.0F / static_cast<float>((1 << picture.bits) - 1);
    film.values.resize(picture.samples.size());
    for (std::size_t i = 0; i < film.values.size(); ++i)
      film.values[i] = static_cast<float>(picture.samples[i]) * scale;
    return instance;
  } catch (Error& error) {
    throw error.file(file);
  }
}

}  // namespace rouage::dicom
