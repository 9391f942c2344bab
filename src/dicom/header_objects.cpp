#include <fmt/format.h>

#include "dicom/header.h"

namespace rouage::dicom::reading {
namespace {

struct ObjectKind {
  std::string_view prefix, name, remedy;
};

/// SOP classes without a picture of their own (PS3.4 B.5), the longer prefix first.
constexpr ObjectKind kKinds[] = {
    {"1.2.840.10008.1.3.10", "a DICOMDIR, the list of a medium's files", "give the folder whose files it lists"},
    {"1.2.840.10008.5.1.4.1.1.88.59", "a key object selection", "give the images that it selects"},
    {"1.2.840.10008.5.1.4.1.1.88.", "a structured report", "give the images that the report is about"},
    {"1.2.840.10008.5.1.4.1.1.11.", "a presentation state", "give the image that it shows"},
    {"1.2.840.10008.5.1.4.1.1.66.4", "a segmentation", "give the segmented image"},
    {"1.2.840.10008.5.1.4.1.1.67", "a real world value map", "give the image that it maps"},
    {"1.2.840.10008.5.1.4.1.1.66", "spatial data without a picture", "give the images that it belongs to"},
    {"1.2.840.10008.5.1.4.1.1.104.", "an encapsulated document", "give the images themselves"},
    {"1.2.840.10008.5.1.4.1.1.481.", "a radiotherapy object", "give the images that it belongs to"},
    {"1.2.840.10008.5.1.4.1.1.9.", "a waveform", "give the images of the examination"},
    {"1.2.840.10008.5.1.4.31", "a worklist entry", "give the images of the examination"},
};

}  // namespace

Error no_pixels(const ParsedFile& file) {
  std::string uid = file.dataset.text(0x00080016);
  if (uid.empty()) uid = file.meta.text(0x00020002);
  if (file.dataset.find(kFloatPixelData) != nullptr || file.dataset.find(kDoublePixelData) != nullptr) {
    Error error(ErrorCode::PixelDataUnsupported, "floating point pixel data; films have 8 or 16 bits");
    error.tag(tag_text(kFloatPixelData)).remedy("give the original film, not a derived map");
    return error;
  }
  for (const ObjectKind& kind : kKinds) {
    if (!uid.starts_with(kind.prefix)) continue;
    Error error(ErrorCode::NoPixelData, fmt::format("it is {}", kind.name));
    error.tag(tag_text(kPixelData)).remedy(kind.remedy);
    return error;
  }
  if (const auto tag = file.dataset.ended_inside()) {
    Error error(ErrorCode::HeaderInvalid, "the file ends inside this attribute");
    error.tag(tag_text(*tag)).remedy("copy the file again from its source");
    return error;
  }
  Error error(ErrorCode::NoPixelData, "the attribute is missing");
  error.tag(tag_text(kPixelData));
  return error;
}

}  // namespace rouage::dicom::reading
