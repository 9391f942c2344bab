/// All objects of one film, in a fixed order.
#include <algorithm>
#include <cmath>

#include "results/documents.h"

namespace rouage::results {
namespace {

/// The picture that was taken in as a film, as a secondary capture of the identifiers that every result refers to.
ResultFile source_file(const cogs::Picture& picture) {
  const image::Film& film = *picture.film();
  const dicom::InstanceHeader& header = picture.header;
  dicom::FilmObject object;
  object.frame.source = header;
  object.frame.sop_instance_uid = header.sop_instance_uid;
  object.frame.series_instance_uid = header.series_instance_uid;
  object.frame.series_description = header.series_description;
  object.frame.series_number = 1;
  std::tie(object.frame.content_date, object.frame.content_time) = content_moment(header);
  object.frame.equipment = {"Rouage", "Rouage --as-film", "1", derived_uid({"rouage", "as film"})};
  object.as_capture = true;
  object.columns = film.columns;
  object.rows = film.rows;
  object.bits_stored = std::clamp(film.stored_bits, 8, 16);
  object.patient_orientation = film.patient_orientation;
  object.body_part = header.body_part;
  object.laterality = header.image_laterality;
  const auto highest = static_cast<float>((1U << object.bits_stored) - 1);
  object.values.reserve(film.values.size());
  for (const float value : film.values)
    object.values.push_back(static_cast<std::uint16_t>(std::lround(std::clamp(value, 0.0F, 1.0F) * highest)));
  return {"source.dcm",
          "source",
          dicom::write_film(object),
          std::string(kSecondaryCapture),
          header.sop_instance_uid,
          header.series_instance_uid};
}

}  // namespace

std::vector<ResultFile> film_results(const cogs::Picture& picture, const cogs::CogResult& result,
                                     const ResultOptions& options) {
  std::vector<ResultFile> files;
  if (picture.header.made_from_picture && picture.film()) files.push_back(source_file(picture));
  const dicom::SrObject report = measurement_report(picture, result, options.language);
  files.push_back(dicom_file(kReport, report.frame, dicom::write_sr(report)));
  if (const auto cad = chest_cad(picture, result, options.language))
    files.push_back(dicom_file(kCad, cad->frame, dicom::write_sr(*cad)));
  if (const auto segments = region_segments(picture, result, options.language))
    files.push_back(dicom_file(kSegments, segments->frame, dicom::write_seg(*segments)));
  if (const auto outlines = region_outlines(picture, result, options.language))
    files.push_back(dicom_file(kOutlines, outlines->frame, dicom::write_presentation_state(*outlines)));
  if (options.pictures)
    for (ResultFile& file : picture_files(picture, result, options.language)) files.push_back(std::move(file));
  const std::string bundle = fhir_bundle({&picture.header}, result, files, options.language);
  files.push_back({"fhir.json", "fhir", Bytes(bundle.begin(), bundle.end()), "", "", ""});
  return files;
}

}  // namespace rouage::results
