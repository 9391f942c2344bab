/// Secondary Capture Image Storage (PS3.3 A.8.1): a picture that any viewer shows.
#include "base/error.h"
#include "dicom/writing_frame.h"
#include "dicom/writing_pixels.h"

namespace rouage::dicom {

Bytes write_capture(const CaptureObject& object) {
  Item item = framed_item(object.frame, kSecondaryCapture, "OT");
  const Texts texts(object.frame.source.character_set);
  const std::uint32_t samples = object.rgb ? 3 : 1;
  const std::size_t bytes = add_matrix(item, {object.columns, object.rows, samples, 8});
  if (object.pixels.size() != bytes)
    throw Error(ErrorCode::WriteInvalid, "the pixels do not fill the matrix").tag("(7FE0,0010) PixelData");
  add_content_time(item, object.frame, DCM_ContentDate, DCM_ContentTime, false);
  std::string image_type = "DERIVED\\SECONDARY";
  if (!object.image_type_value_3.empty()) image_type += "\\" + object.image_type_value_3;
  item.code_string(DCM_ImageType, image_type);
  item.code_string(DCM_ConversionType, "WSD");
  item.text(DCM_PatientOrientation, "CS", "");
  add_body_part(item, object.frame.source.body_part, object.frame.source.image_laterality);
  item.code_string(DCM_BurnedInAnnotation, object.burned_in ? "YES" : "NO");
  if (object.frame.source.lossy_compressed.value_or(false)) item.code_string(DCM_LossyImageCompression, "01");
  if (!object.derivation_description.empty())
    item.text(DCM_DerivationDescription, "ST", texts.st(object.derivation_description));
  if (!object.frame.source.sop_instance_uid.empty()) {
    Item& source = add_source(item, DCM_SourceImageSequence, object.frame);
    add_code(source, DCM_PurposeOfReferenceCodeSequence, concept_code("source_image"), texts);
  }
  add_spacing(item, DCM_PixelSpacing, object.spacing_mm);
  item.bytes(DCM_PixelData, "OB", object.pixels);
  return file_bytes(item, std::string(kSecondaryCapture), object.frame.sop_instance_uid);
}

}  // namespace rouage::dicom
