/// RT Structure Set (PS3.3 A.19) in implicit VR little endian: contour data of more than 64 KiB have no explicit form,
/// and a form of VR UN is lost by readers that do not look it up.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "dicom/volume_objects/dataset_stream.h"
#include "dicom/volume_objects/seg_header.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

constexpr std::string_view kRtStructureSet = "1.2.840.10008.5.1.4.1.1.481.3";
// Detached Study Management, retired: the standard has no other class for the study that is referred to, and names this
// one.
constexpr std::string_view kStudyComponent = "1.2.840.10008.3.1.2.3.1";

/// Coordinate as DS: a tenth of a micrometre is far below any voxel, and keeps the files small.
std::string coordinate(double value) {
  if (!std::isfinite(value) || std::abs(value) > 1e7)
    throw Error(ErrorCode::WriteInvalid, "a contour point is no place").tag("(3006,0050) ContourData");
  std::string text = fixed_text(value, 4);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

/// Implicit VR elements and items with explicit lengths.
void append_element(Bytes& out, const DcmTagKey& tag, std::span<const std::uint8_t> value) {
  if (value.size() > stream::kLongestValue) throw Error(ErrorCode::WriteInvalid, "the contours exceed 4 GiB");
  stream::append_tag(out, tag);
  stream::append_u32(out, static_cast<std::uint32_t>(value.size()));
  out.insert(out.end(), value.begin(), value.end());
}
void append_text(Bytes& out, const DcmTagKey& tag, std::string text) {
  if (text.size() % 2 == 1) text += ' ';
  append_element(out, tag, Bytes(text.begin(), text.end()));
}
void append_item(Bytes& out, std::span<const std::uint8_t> content) {
  append_element(out, DcmTagKey(0xFFFE, 0xE000), content);
}

void add_image(Item& parent, const ImageReference& source) {
  Item& image = parent.add_item(DCM_ContourImageSequence);
  add_reference(image, source.sop_class_uid, source.sop_instance_uid);
  if (source.frame > 0) image.integer_string(DCM_ReferencedFrameNumber, source.frame);
}

Bytes contour_item(const Contour& contour, const std::vector<ImageReference>& sources) {
  if (contour.points_mm.size() < 3)
    throw Error(ErrorCode::WriteInvalid, "a closed contour needs three points")
        .tag("(3006,0046) NumberOfContourPoints");
  Bytes out;
  if (!sources.empty() && contour.k) {
    if (*contour.k >= sources.size())
      throw Error(ErrorCode::WriteInvalid, fmt::format("slice {} of a contour has no source image", *contour.k))
          .tag("(3006,0016) ContourImageSequence");
    Item image;
    add_image(image, sources[*contour.k]);
    Bytes bytes;
    image.append_to(bytes);
    out = stream::implicit_bytes(bytes);
  }
  append_text(out, DCM_ContourGeometricType, contour.type);
  append_text(out, DCM_NumberOfContourPoints, std::to_string(contour.points_mm.size()));
  std::string data;
  for (const image::Point3& point : contour.points_mm)
    for (const double value : point) data += (data.empty() ? "" : "\\") + coordinate(value);
  append_text(out, DCM_ContourData, std::move(data));
  return out;
}

/// (3006,0039) whole.
Bytes contour_sequence(const RtStructObject& object) {
  Bytes rois;
  for (std::size_t n = 0; n < object.rois.size(); ++n) {
    const RtRoi& roi = object.rois[n];
    Bytes item, contours;
    append_text(item, DCM_ROIDisplayColor, fmt::format("{}\\{}\\{}", roi.colour[0], roi.colour[1], roi.colour[2]));
    for (const Contour& contour : roi.contours) append_item(contours, contour_item(contour, object.sources));
    if (!roi.contours.empty()) append_element(item, DCM_ContourSequence, contours);
    append_text(item, DCM_ReferencedROINumber, std::to_string(n + 1));
    append_item(rois, item);
  }
  Bytes out;
  append_element(out, DCM_ROIContourSequence, rois);
  return out;
}

void add_references(Item& item, const RtStructObject& object, const std::string& frame_of_reference_uid) {
  Item& frame = item.add_item(DCM_ReferencedFrameOfReferenceSequence);
  frame.uid(DCM_FrameOfReferenceUID, frame_of_reference_uid);
  if (object.sources.empty()) return;
  const ImageReference& first = object.sources.front();
  Item& study = frame.add_item(DCM_RTReferencedStudySequence);
  add_reference(study, kStudyComponent,
                first.study_instance_uid.empty() ? object.frame.source.study_instance_uid : first.study_instance_uid);
  Item& series = study.add_item(DCM_RTReferencedSeriesSequence);
  series.uid(DCM_SeriesInstanceUID, first.series_instance_uid);
  for (const ImageReference& source : object.sources) add_image(series, source);
}

void add_roi(Item& item, const RtRoi& roi, std::size_t number, const std::string& frame_of_reference_uid,
             const Texts& texts) {
  Item& one = item.add_item(DCM_StructureSetROISequence);
  one.integer_string(DCM_ROINumber, static_cast<long>(number));
  one.uid(DCM_ReferencedFrameOfReferenceUID, frame_of_reference_uid);
  one.text(DCM_ROIName, "LO", texts.lo(roi.name));
  if (!roi.description.empty()) one.text(DCM_ROIDescription, "ST", texts.st(roi.description));
  one.code_string(DCM_ROIGenerationAlgorithm, "AUTOMATIC");
  if (!roi.algorithm_name.empty()) one.text(DCM_ROIGenerationDescription, "LO", texts.lo(roi.algorithm_name));
}

void add_observation(Item& item, const RtRoi& roi, std::size_t number, const Texts& texts) {
  Item& one = item.add_item(DCM_RTROIObservationsSequence);
  one.integer_string(DCM_ObservationNumber, static_cast<long>(number));
  one.integer_string(DCM_ReferencedROINumber, static_cast<long>(number));
  one.text(DCM_ROIObservationLabel, "SH", texts.sh(roi.name));
  if (!roi.codes.type.value.empty()) {
    Item& code = add_code(one, DCM_RTROIIdentificationCodeSequence, roi.codes.type, texts);
    const auto side = laterality_of(roi.codes);
    if (side) add_code(code, DCM_SegmentedPropertyTypeModifierCodeSequence, *side, texts);
  }
  one.code_string(DCM_RTROIInterpretedType, clean_code_string(roi.interpreted_type));
  one.text(DCM_ROIInterpreter, "PN", "");
}

}  // namespace

Bytes write_rtstruct(const RtStructObject& object) {
  if (object.rois.empty())
    throw Error(ErrorCode::WriteInvalid, "a structure set needs a region").tag("(3006,0020) StructureSetROISequence");
  const FrameOfReference reference = frame_of_reference(object.frame_of_reference_uid, object.frame);
  Item before = framed_item(object.frame, kRtStructureSet, "RTSTRUCT"), after;
  const Texts texts(object.frame.source.character_set);
  before.text(DCM_OperatorsName, "PN", "");
  before.uid(DCM_FrameOfReferenceUID, reference.uid);
  before.text(DCM_PositionReferenceIndicator, "LO", "");
  before.text(DCM_StructureSetLabel, "SH", texts.sh(object.label.empty() ? "AI" : object.label));
  if (!object.name.empty()) before.text(DCM_StructureSetName, "LO", texts.lo(object.name));
  if (!object.description.empty()) before.text(DCM_StructureSetDescription, "ST", texts.st(object.description));
  add_content_time(before, object.frame, DCM_StructureSetDate, DCM_StructureSetTime, true);
  add_references(before, object, reference.uid);
  for (std::size_t n = 0; n < object.rois.size(); ++n) {
    if (object.rois[n].name.empty())
      throw Error(ErrorCode::WriteInvalid, "a region without a name").tag("(3006,0026) ROIName");
    add_roi(before, object.rois[n], n + 1, reference.uid, texts);
    add_observation(after, object.rois[n], n + 1, texts);
  }
  add_coding_schemes(before);
  after.code_string(DCM_ApprovalStatus, "UNAPPROVED");

  Bytes out = file_head(std::string(kRtStructureSet), object.frame.sop_instance_uid, stream::kImplicitLittleEndian);
  const auto append = [&out](const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
  Bytes part;
  before.append_to(part);
  append(stream::implicit_bytes(part));
  append(contour_sequence(object));
  part.clear();
  after.append_to(part);
  append(stream::implicit_bytes(part));
  return out;
}

}  // namespace rouage::dicom
