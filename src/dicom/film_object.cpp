/// A film of our own making: Computed Radiography (PS3.3 A.2) or Secondary Capture, grey, unsigned.
#include "base/error.h"

#include <optional>

#include "dicom/writing_frame.h"
#include "dicom/writing_pixels.h"

namespace rouage::dicom {
namespace {

Bytes stored_values(const FilmObject& object) {
  const bool words = object.bits_stored > 8;
  const auto highest = static_cast<std::uint16_t>((1U << object.bits_stored) - 1);
  Bytes bytes;
  bytes.reserve(object.values.size() * (words ? 2 : 1));
  for (const std::uint16_t value : object.values) {
    if (value > highest)
      throw Error(ErrorCode::WriteInvalid, "a value needs more than the stored bits").tag("(7FE0,0010) PixelData");
    bytes.push_back(static_cast<std::uint8_t>(value & 0xFF));
    if (words) bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  }
  return bytes;
}

void add_projection(Item& item, const FilmObject& object) {
  item.code_string(DCM_BodyPartExamined, clean_code_string(object.body_part));  // type 2 in a CR series
  item.code_string(DCM_ViewPosition, clean_code_string(object.view_position));
  add_spacing(item, DCM_ImagerPixelSpacing, object.imager_spacing_mm);
  // The whole range of stored values, so that a viewer shows the film as it was made.
  const double range = static_cast<double>((1U << object.bits_stored) - 1);
  item.text(DCM_WindowCenter, "DS", decimal_string((range + 1) / 2));
  item.text(DCM_WindowWidth, "DS", decimal_string(range + 1));
}

}  // namespace

Bytes write_film(const FilmObject& object) {
  const std::string_view sop_class = object.as_capture ? kSecondaryCapture : kComputedRadiography;
  std::string modality = "CR";
  if (object.as_capture) modality = clean_code_string(object.frame.source.modality);
  if (modality.empty()) modality = "OT";
  Item item = framed_item(object.frame, sop_class, modality);
  const std::size_t pixels = add_matrix(item, {object.columns, object.rows, 1, object.bits_stored});
  if (object.values.size() != pixels)
    throw Error(ErrorCode::WriteInvalid, "the pixels do not fill the matrix").tag("(7FE0,0010) PixelData");
  add_content_time(item, object.frame, DCM_ContentDate, DCM_ContentTime, false);
  item.code_string(DCM_ImageType, object.as_capture ? "DERIVED\\SECONDARY" : "ORIGINAL\\PRIMARY");
  add_patient_orientation(item, object.patient_orientation);
  add_body_part(item, object.body_part, object.laterality);
  const std::optional<bool> burned_in = object.as_capture ? object.frame.source.burned_in_annotation : false;
  if (burned_in) item.code_string(DCM_BurnedInAnnotation, *burned_in ? "YES" : "NO");
  if (object.frame.source.lossy_compressed.value_or(false)) item.code_string(DCM_LossyImageCompression, "01");
  if (object.synthetic) {
    item.text(DCM_ImageComments, "LT", "Synthetic phantom, not a patient");
    if (object.frame.series_description.empty()) item.text(DCM_SeriesDescription, "LO", "Synthetic phantom");
  }
  if (object.as_capture)
    item.code_string(DCM_ConversionType, "WSD");
  else
    add_projection(item, object);
  item.bytes(DCM_PixelData, object.bits_stored > 8 ? "OW" : "OB", stored_values(object));
  return file_bytes(item, std::string(sop_class), object.frame.sop_instance_uid);
}

}  // namespace rouage::dicom
