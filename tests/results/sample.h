/// A film and a result with everything that the results room can say, made of fixed values; left is left: the effusion
/// lies on the patient's left, at the viewer's right.
#pragma once
#include <cstdint>
#include <string>
#include <variant>

#include "cogs/cog.h"
#include "dicom/writing.h"
#include "results/results.h"

namespace rouage::test {

inline dicom::InstanceHeader sample_header() {
  dicom::InstanceHeader header;
  header.sop_class_uid = "1.2.840.10008.5.1.4.1.1.1";
  header.sop_instance_uid = "1.2.3.4.1";
  header.series_instance_uid = "1.2.3.4";
  header.study_instance_uid = "1.2.3";
  header.modality = "CR";
  header.body_part = "CHEST";
  header.view_position = "PA";
  header.patient_orientation = {"L", "F"};
  header.age_a = 61;
  header.sex = "F";
  header.patient_name = "Lefèvre^Zoé";
  header.patient_id = "P-0001";
  header.accession_number = "ACC-77";
  header.study_date = "20250314";
  header.study_time = "081500";
  header.content_date = "20250314";
  header.content_time = "081733.25";
  header.study_description = "Thorax de face";
  header.character_set = "ISO_IR 100";
  header.columns = 128;
  header.rows = 96;
  header.grey = {"MONOCHROME2", 1.0, 0.0, "US", 2048.0, 4096.0, "", false};
  // "Lefèvre^Zoé" in Latin-1: the bytes of the file, not those of this source.
  header.patient_and_study = {{0x0008, 0x0005, "CS", {'I', 'S', 'O', '_', 'I', 'R', ' ', '1', '0', '0'}},
                              dicom::raw_text(0x0008, 0x0020, "DA", "20250314"),
                              dicom::raw_text(0x0008, 0x0030, "TM", "081500"),
                              dicom::raw_text(0x0008, 0x0050, "SH", "ACC-77"),
                              dicom::raw_text(0x0008, 0x1030, "LO", "Thorax de face"),
                              {0x0010, 0x0010, "PN", {'L', 'e', 'f', 0xE8, 'v', 'r', 'e', '^', 'Z', 'o', 0xE9, ' '}},
                              dicom::raw_text(0x0010, 0x0020, "LO", "P-0001"),
                              dicom::raw_text(0x0010, 0x0030, "DA", "19640102"),
                              dicom::raw_text(0x0010, 0x0040, "CS", "F"),
                              dicom::raw_text(0x0020, 0x000D, "UI", "1.2.3"),
                              dicom::raw_text(0x0020, 0x0010, "SH", "S1")};
  return header;
}

inline cogs::Picture sample_picture(std::uint32_t columns = 128, std::uint32_t rows = 96) {
  image::Film film;
  film.columns = columns;
  film.rows = rows;
  film.values.resize(std::size_t{columns} * rows);
  for (std::size_t i = 0; i < film.values.size(); ++i) film.values[i] = static_cast<float>((i * 37) % 256) / 255.0F;
  film.patient_orientation = {"L", "F"};
  film.spacing = image::PixelSpacing{0.14, 0.14, image::SpacingKind::at_detector};
  film.stored_bits = 12;
  cogs::Picture picture{film, sample_header()};
  picture.header.columns = columns;
  picture.header.rows = rows;
  return picture;
}

inline cogs::Finding sample_finding(const std::string& label, double probability, bool positive) {
  cogs::Finding finding;
  finding.id = "finding-" + label;
  finding.tracking_uid = derived_uid({"finding", label});
  finding.label = label;
  finding.code = dicom::finding_code(label);
  finding.site = dicom::finding_site(label);
  finding.probability = probability;
  finding.raw_score = probability * 4 - 2;
  finding.operating_point = cogs::OperatingPoint{"balanced", 0.5, 0.81, 0.79, "NIH validation folds"};
  finding.positive = positive;
  return finding;
}

inline cogs::Region sample_region(const std::string& label, std::variant<cogs::Box, cogs::Polygon> shape,
                                  cogs::Laterality side, double score) {
  cogs::Region region;
  region.id = "region-" + label;
  region.tracking_uid = derived_uid({"region", label});
  region.label = label;
  region.code = dicom::finding_code(label);
  region.site = dicom::finding_site(label);
  region.laterality = side;
  region.sop_instance_uid = "1.2.3.4.1";
  region.shape = std::move(shape);
  region.score = score;
  region.derivation = "activation map above half of its maximum";
  return region;
}

inline cogs::CogResult sample_result() {
  cogs::CogResult result;
  result.findings = {sample_finding("Effusion", 0.873, true), sample_finding("Nodule", 0.62, true),
                     sample_finding("Pleural_Thickening", 0.1, false), sample_finding("Cardiomegaly", 0.55, true)};
  result.findings[0].laterality = cogs::Laterality::left;
  result.regions = {
      sample_region("Effusion", cogs::Box{80.25, 60, 120, 90.5}, cogs::Laterality::left, 0.97),
      sample_region("Nodule", cogs::Polygon{{{20, 20}, {34.5, 22}, {30, 36}, {18, 30}}}, cogs::Laterality::right, 0.6)};
  result.findings[0].regions = {"region-Effusion"};
  result.findings[1].regions = {"region-Nodule"};
  result.scores = {{"remarkable", 0.9125}};
  result.score_operating_points = {{"remarkable", {"balanced", 0.4, 0.9, 0.7, "NIH validation folds"}}};
  cogs::Measurement age;
  age.id = "measurement-age";
  age.tracking_uid = derived_uid({"measurement", "age"});
  age.name = "estimated_age";
  age.value = 58.27419;
  age.unit = "a";
  age.uncertainty = 8.1;
  age.uncertainty_source = "out-of-fold residuals";
  result.measurements = {age};
  cogs::DerivedImage map;
  map.role = "activation_map";
  map.label = "Effusion";
  map.columns = 4;
  map.rows = 3;
  map.values = {0, 0, 0.1F, 0.2F, 0, 0.1F, 0.5F, 0.8F, 0, 0, 0.6F, 1};
  map.maximum = 3;
  result.derived_images = {map};
  result.warnings = {"pixel spacing is that of the detector"};
  result.provenance.cog = "chest";
  result.provenance.cog_version = "0.1.0";
  result.provenance.models = {{"chest-film", "0.1.0", std::string(64, 'a'), "Rouage"}};
  result.provenance.engine = "onnxruntime 1.30.0 cpu";
  result.provenance.precision = "fp32";
  result.provenance.language = "en";
  result.provenance.parameters = {{"operating_point", "balanced"}};
  result.provenance.input_uids = {"1.2.3.4.1"};
  return result;
}

inline cogs::CogResult ineligible_result() {
  cogs::CogResult result = sample_result();
  result.status = cogs::Status::ineligible;
  result.reasons = {{"mirrored", "the film seems mirrored: left and right are exchanged", 0.97}};
  result.findings.clear();
  result.regions.clear();
  result.scores.clear();
  result.score_operating_points.clear();
  result.measurements.clear();
  result.derived_images.clear();
  return result;
}

inline cogs::CogResult study_result() {
  cogs::CogResult result = sample_result();
  result.level = cogs::Level::study;
  result.regions.clear();
  result.derived_images.clear();
  for (cogs::Finding& finding : result.findings) {
    finding.level = cogs::Level::study;
    finding.regions.clear();
  }
  return result;
}

}  // namespace rouage::test
