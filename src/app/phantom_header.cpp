#include "app/phantom_header.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "dicom/writing.h"

namespace rouage::app {
namespace {

constexpr char kPhantomDate[] = "20260101";
constexpr char kPhantomTime[] = "120000";
constexpr char kComputedRadiography[] = "1.2.840.10008.5.1.4.1.1.1";
constexpr int kBits = 12;

std::vector<std::uint16_t> stored_values(const image::Film& film) {
  constexpr float kMaximum = (1 << kBits) - 1;
  std::vector<std::uint16_t> values(film.values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::uint16_t>(std::lround(film.values[i] * kMaximum));
  return values;
}

std::string pixel_digest(const image::PhantomFilm& phantom) {
  const auto values = stored_values(phantom.film);
  return sha256({reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(std::uint16_t)}).hex();
}

}  // namespace

dicom::InstanceHeader phantom_header(const image::PhantomFilm& phantom) {
  const std::string digest = pixel_digest(phantom);
  dicom::InstanceHeader header;
  header.sop_class_uid = kComputedRadiography;
  header.sop_instance_uid = derived_uid({digest, "phantom film", "instance"});
  header.series_instance_uid = derived_uid({digest, "phantom film", "series"});
  header.study_instance_uid = derived_uid({digest, "phantom film", "study"});
  header.modality = "CR";
  header.body_part = "CHEST";
  header.view_position = "PA";
  header.patient_orientation = phantom.film.patient_orientation;
  header.age_a = 50;
  header.patient_name = "PHANTOM^FILM";
  header.patient_id = "ROUAGE-PHANTOM";
  header.study_date = header.series_date = header.content_date = kPhantomDate;
  header.study_time = header.series_time = header.content_time = kPhantomTime;
  header.columns = phantom.film.columns;
  header.rows = phantom.film.rows;
  header.patient_and_study = {dicom::raw_text(0x0008, 0x0005, "CS", "ISO_IR 192"),
                              dicom::raw_text(0x0008, 0x0020, "DA", kPhantomDate),
                              dicom::raw_text(0x0008, 0x0030, "TM", kPhantomTime),
                              dicom::raw_text(0x0008, 0x0050, "SH", ""),
                              dicom::raw_text(0x0008, 0x0090, "PN", ""),
                              dicom::raw_text(0x0008, 0x1030, "LO", "Synthetic phantom"),
                              dicom::raw_text(0x0010, 0x0010, "PN", header.patient_name),
                              dicom::raw_text(0x0010, 0x0020, "LO", header.patient_id),
                              dicom::raw_text(0x0010, 0x0030, "DA", "19760101"),
                              dicom::raw_text(0x0010, 0x0040, "CS", "O"),
                              dicom::raw_text(0x0010, 0x1010, "AS", "050Y"),
                              dicom::raw_text(0x0020, 0x000D, "UI", header.study_instance_uid),
                              dicom::raw_text(0x0020, 0x0010, "SH", "PHANTOM")};
  header.character_set = "ISO_IR 192";
  return header;
}

Bytes phantom_dicom(const image::PhantomFilm& phantom) {
  return phantom_dicom(phantom, phantom_header(phantom));
}

Bytes phantom_dicom(const image::PhantomFilm& phantom, const dicom::InstanceHeader& header) {
  dicom::FilmObject object;
  object.frame.source = header;
  object.frame.sop_instance_uid = object.frame.source.sop_instance_uid;
  object.frame.series_instance_uid = object.frame.source.series_instance_uid;
  object.frame.series_description = "Synthetic phantom film";
  object.frame.series_number = 1;
  object.frame.content_date = kPhantomDate;
  object.frame.content_time = kPhantomTime;
  object.frame.equipment = {"Rouage", "phantom film", "1", derived_uid({"rouage", "phantom film"})};
  object.columns = phantom.film.columns;
  object.rows = phantom.film.rows;
  object.bits_stored = kBits;
  object.values = stored_values(phantom.film);
  object.patient_orientation = phantom.film.patient_orientation;
  object.view_position = "PA";
  object.body_part = "CHEST";
  if (phantom.film.spacing) object.imager_spacing_mm = {phantom.film.spacing->row_mm, phantom.film.spacing->column_mm};
  object.synthetic = true;
  return dicom::write_film(object);
}

std::string phantom_truth_json(const image::PhantomFilm& phantom, const std::string& file) {
  using Json = nlohmann::ordered_json;
  Json truth = Json::array();
  for (const image::PhantomTruth& row : phantom.truth) {
    Json json{{"label", row.label}, {"box", {row.x0, row.y0, row.x1, row.y1}}};
    if (row.side) json["side"] = *row.side == image::Side::left ? "left" : "right";
    truth.push_back(json);
  }
  return Json{{"file", file},
              {"synthetic", true},
              {"columns", phantom.film.columns},
              {"rows", phantom.film.rows},
              {"cardiothoracic_ratio", phantom.cardiothoracic_ratio},
              {"truth", truth}}
      .dump();
}

}  // namespace rouage::app
