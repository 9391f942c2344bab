/// Segmentation and Label Map Segmentation IOD (PS3.3 A.51): modules around the pixel data.
#include "dicom/volume_objects/seg_header.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "dicom/volume_objects/dataset_stream.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

using image::Point3;

const DcmTagKey kSegmentsOverlap(0x0062, 0x0013);

double dot(const Point3& a, const Point3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

std::string decimals(std::initializer_list<double> values) {
  std::string text;
  for (const double value : values) {
    if (!text.empty()) text += '\\';
    text += decimal_string(value == 0 ? 0.0 : value);  // no "-0"
  }
  return text;
}

void add_algorithm(Item& item, const VolumeSegment& segment, const Texts& texts) {
  item.code_string(DCM_SegmentAlgorithmType, "AUTOMATIC");
  item.text(DCM_SegmentAlgorithmName, "LO", texts.lo(segment.algorithm_name));
  Item& algorithm = item.add_item(DCM_SegmentationAlgorithmIdentificationSequence);
  add_code(algorithm, DCM_AlgorithmFamilyCodeSequence, concept_code("artificial_intelligence"), texts);
  algorithm.text(DCM_AlgorithmName, "LO", texts.lo(segment.algorithm_name));
  algorithm.text(DCM_AlgorithmVersion, "LO", texts.lo(segment.algorithm_version));
}

void add_segment(Item& parent, const VolumeSegment& segment, std::uint16_t number, const Texts& texts) {
  Item& item = parent.add_item(DCM_SegmentSequence);
  item.unsigned_shorts(DCM_SegmentNumber, {number});
  item.text(DCM_SegmentLabel, "LO", texts.lo(segment.label));
  if (!segment.description.empty()) item.text(DCM_SegmentDescription, "ST", texts.st(segment.description));
  add_algorithm(item, segment, texts);
  const OrganCodes& codes = segment.codes;
  add_code(item, DCM_SegmentedPropertyCategoryCodeSequence, codes.category, texts);
  Item& type = add_code(item, DCM_SegmentedPropertyTypeCodeSequence, codes.type, texts);
  if (codes.modifier) add_code(type, DCM_SegmentedPropertyTypeModifierCodeSequence, *codes.modifier, texts);
  if (codes.region) {
    Item& region = add_code(item, DCM_AnatomicRegionSequence, *codes.region, texts);
    if (codes.region_modifier) add_code(region, DCM_AnatomicRegionModifierSequence, *codes.region_modifier, texts);
  }
  if (!segment.tracking_id.empty() && !segment.tracking_uid.empty()) {
    item.text(DCM_TrackingID, "UT", texts.ut(segment.tracking_id));
    item.uid(DCM_TrackingUID, segment.tracking_uid);
  }
  item.unsigned_shorts(DCM_RecommendedDisplayCIELabValue, {segment.cielab[0], segment.cielab[1], segment.cielab[2]});
}

void add_dimension(Item& item, const std::string& organization, const DcmTagKey& pointer, const DcmTagKey& group,
                   std::string_view label) {
  Item& index = item.add_item(DCM_DimensionIndexSequence);
  index.uid(DCM_DimensionOrganizationUID, organization);
  index.tag_pointer(DCM_DimensionIndexPointer, pointer);
  index.tag_pointer(DCM_FunctionalGroupPointer, group);
  index.text(DCM_DimensionDescriptionLabel, "LO", label);
}

void add_dimensions(Item& item, const SegVolumeObject& object) {
  const std::string organization = derived_uid({object.frame.sop_instance_uid, "dimension organization"});
  item.add_item(DCM_DimensionOrganizationSequence).uid(DCM_DimensionOrganizationUID, organization);
  item.code_string(DCM_DimensionOrganizationType, "3D");
  if (object.kind == SegKind::binary)
    add_dimension(item, organization, DCM_ReferencedSegmentNumber, DCM_SegmentIdentificationSequence, "Segment Number");
  add_dimension(item, organization, DCM_ImagePositionPatient, DCM_PlanePositionSequence, "Slice Position");
}

/// Series -> instances, each once, in the order in which they come.
void add_referenced_series(Item& item, const SegVolumeObject& object) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<const ImageReference*>> series;
  std::map<std::string, bool> seen;
  for (const ImageReference& source : object.sources) {
    if (!seen.emplace(source.sop_instance_uid, true).second) continue;
    if (!series.contains(source.series_instance_uid)) order.push_back(source.series_instance_uid);
    series[source.series_instance_uid].push_back(&source);
  }
  for (const std::string& uid : order) {
    Item& one = item.add_item(DCM_ReferencedSeriesSequence);
    one.uid(DCM_SeriesInstanceUID, uid);
    for (const ImageReference* source : series[uid])
      add_reference(one.add_item(DCM_ReferencedInstanceSequence), source->sop_class_uid, source->sop_instance_uid);
  }
}

void add_pixel_module(Item& item, const SegVolumeObject& object, std::uint64_t frames) {
  const auto bits = static_cast<std::uint16_t>(seg_bits(object));
  item.unsigned_shorts(DCM_SamplesPerPixel, {1});
  item.code_string(DCM_PhotometricInterpretation, "MONOCHROME2");
  item.integer_string(DCM_NumberOfFrames, static_cast<long>(frames));
  item.unsigned_shorts(DCM_Rows, {static_cast<std::uint16_t>(object.grid.size[1])});
  item.unsigned_shorts(DCM_Columns, {static_cast<std::uint16_t>(object.grid.size[0])});
  item.unsigned_shorts(DCM_BitsAllocated, {bits});
  item.unsigned_shorts(DCM_BitsStored, {bits});
  item.unsigned_shorts(DCM_HighBit, {static_cast<std::uint16_t>(bits - 1)});
  item.unsigned_shorts(DCM_PixelRepresentation, {0});
  if (object.kind == SegKind::label_map) item.unsigned_shorts(DCM_PixelPaddingValue, {0});  // the background
}

void add_shared_groups(Item& item, const PlaneGeometry& geometry) {
  Item& shared = item.add_item(DCM_SharedFunctionalGroupsSequence);
  Item& measures = shared.add_item(DCM_PixelMeasuresSequence);
  measures.text(DCM_SliceThickness, "DS", geometry.slice_mm);
  measures.text(DCM_SpacingBetweenSlices, "DS", geometry.slice_mm);
  measures.text(DCM_PixelSpacing, "DS", geometry.spacing);
  shared.add_item(DCM_PlaneOrientationSequence).text(DCM_ImageOrientationPatient, "DS", geometry.orientation);
}

/// Where the value of the first element `tag` of that length starts in an encoded item.
std::size_t value_offset(const Bytes& item, const DcmTagKey& tag, std::string_view vr, std::uint16_t length) {
  Bytes wanted;
  stream::append_tag(wanted, tag);
  wanted.insert(wanted.end(), vr.begin(), vr.end());
  stream::append_u16(wanted, length);
  const auto found = std::search(item.begin(), item.end(), wanted.begin(), wanted.end());
  if (found == item.end()) throw Error(ErrorCode::Internal, "a frame's item lacks what it was given");
  return static_cast<std::size_t>(found - item.begin()) + wanted.size();
}

}  // namespace

FrameOfReference frame_of_reference(const std::string& given, const ObjectFrame& frame) {
  if (!given.empty()) return {given, false};
  return {derived_uid({"frame of reference", frame.source.study_instance_uid, frame.source.series_instance_uid,
                       frame.source.sop_instance_uid}),
          true};
}

PlaneGeometry plane_geometry(const image::Grid& grid) {
  const Point3 spacing = grid.spacing_mm();
  const Point3 &along_i = grid.step_mm[0], &along_j = grid.step_mm[1], &along_k = grid.step_mm[2];
  const auto usable = [](double v) { return std::isfinite(v) && v > 0; };
  if (!usable(spacing[0]) || !usable(spacing[1]) || !usable(spacing[2]))
    throw Error(ErrorCode::WriteInvalid, "a step of the grid has no length").tag("(0028,0030) PixelSpacing");
  // PS3.3 C.7.6.2.1.1: orthogonal and of unit length; a thousandth is a rounded header, more is another picture.
  if (std::abs(dot(along_i, along_j)) > 1e-3 * spacing[0] * spacing[1])
    throw Error(ErrorCode::WriteInvalid, "rows and columns of the grid are not perpendicular")
        .tag("(0020,0037) ImageOrientationPatient")
        .remedy("resample the volume to a grid with perpendicular rows and columns");
  const Point3 normal{along_i[1] * along_j[2] - along_i[2] * along_j[1],
                      along_i[2] * along_j[0] - along_i[0] * along_j[2],
                      along_i[0] * along_j[1] - along_i[1] * along_j[0]};
  const double distance = std::abs(dot(along_k, normal)) / std::sqrt(dot(normal, normal));
  if (!usable(distance))
    throw Error(ErrorCode::WriteInvalid, "the slices of the grid lie in one plane").tag("(0018,0088)");
  PlaneGeometry geometry;
  geometry.orientation = decimals({along_i[0] / spacing[0], along_i[1] / spacing[0], along_i[2] / spacing[0],
                                   along_j[0] / spacing[1], along_j[1] / spacing[1], along_j[2] / spacing[1]});
  geometry.spacing = decimals({spacing[1], spacing[0]});
  geometry.slice_mm = decimals({distance});
  return geometry;
}

int seg_bits(const SegVolumeObject& object) {
  if (object.kind == SegKind::binary) return 1;
  const bool small = std::all_of(object.segments.begin(), object.segments.end(),
                                 [](const VolumeSegment& segment) { return segment.value <= 0xFF; });
  return small ? 8 : 16;
}

Bytes seg_header(const SegVolumeObject& object, std::uint64_t frames) {
  const bool binary = object.kind == SegKind::binary;
  Item item = framed_item(object.frame, binary ? kSegmentation : kLabelMapSegmentation, "SEG");
  const Texts texts(object.frame.source.character_set);
  add_content_time(item, object.frame, DCM_ContentDate, DCM_ContentTime, true);
  item.code_string(DCM_ImageType, "DERIVED\\PRIMARY");
  item.uid(DCM_FrameOfReferenceUID, frame_of_reference(object.frame_of_reference_uid, object.frame).uid);
  item.text(DCM_PositionReferenceIndicator, "LO", texts.lo(object.position_reference));
  item.code_string(DCM_LossyImageCompression, object.frame.source.lossy_compressed.value_or(false) ? "01" : "00");
  const std::string label = clean_code_string(object.content_label);
  item.code_string(DCM_ContentLabel, label.empty() ? "SEGMENTATION" : label);
  item.text(DCM_ContentDescription, "LO", texts.lo(object.content_description));
  item.text(DCM_ContentCreatorName, "PN", "");
  item.code_string(DCM_SegmentationType, binary ? "BINARY" : "LABELMAP");
  item.code_string(kSegmentsOverlap, "NO");
  for (std::size_t n = 0; n < object.segments.size(); ++n)
    add_segment(item, object.segments[n], binary ? static_cast<std::uint16_t>(n + 1) : object.segments[n].value, texts);
  add_coding_schemes(item);
  add_dimensions(item, object);
  if (!object.sources.empty()) add_referenced_series(item, object);
  add_pixel_module(item, object, frames);
  add_shared_groups(item, plane_geometry(object.grid));
  Bytes out;
  item.append_to(out);
  return out;
}

void FrameTemplate::append_to(Bytes& out, std::uint16_t segment) const {
  const std::size_t start = out.size();
  out.insert(out.end(), item.begin(), item.end());
  for (const std::size_t at : {segment_at, dimension_at}) {
    if (at == 0) continue;
    out[start + at] = static_cast<std::uint8_t>(segment & 0xFF);
    out[start + at + 1] = static_cast<std::uint8_t>(segment >> 8);
  }
}

FrameTemplate frame_template(const SegVolumeObject& object, std::uint32_t k) {
  const Texts texts(object.frame.source.character_set);
  const bool binary = object.kind == SegKind::binary;
  Item groups;
  if (!object.sources.empty()) {
    const ImageReference& reference = object.sources[k];
    Item& derivation = groups.add_item(DCM_DerivationImageSequence);
    Item& source = derivation.add_item(DCM_SourceImageSequence);
    add_reference(source, reference.sop_class_uid, reference.sop_instance_uid);
    if (reference.frame > 0) source.integer_string(DCM_ReferencedFrameNumber, reference.frame);
    add_code(source, DCM_PurposeOfReferenceCodeSequence, concept_code("source_image"), texts);
    source.code_string(DCM_SpatialLocationsPreserved, "YES");
    add_code(derivation, DCM_DerivationCodeSequence, concept_code("segmentation"), texts);
  }
  Item& content = groups.add_item(DCM_FrameContentSequence);
  // The position's index is that of the slice in the whole grid, so that a left-out slice shifts none behind it.
  if (binary)
    content.unsigned_longs(DCM_DimensionIndexValues, {1, k + 1});
  else
    content.unsigned_longs(DCM_DimensionIndexValues, {k + 1});
  const Point3 position = object.grid.position(0, 0, k);
  groups.add_item(DCM_PlanePositionSequence)
      .text(DCM_ImagePositionPatient, "DS", decimals({position[0], position[1], position[2]}));
  if (binary) groups.add_item(DCM_SegmentIdentificationSequence).unsigned_shorts(DCM_ReferencedSegmentNumber, {1});

  Bytes body;
  groups.append_to(body);
  FrameTemplate made;
  stream::append_tag(made.item, DcmTagKey(0xFFFE, 0xE000));
  stream::append_u32(made.item, static_cast<std::uint32_t>(body.size()));
  made.item.insert(made.item.end(), body.begin(), body.end());
  if (binary) {
    made.segment_at = value_offset(made.item, DCM_ReferencedSegmentNumber, "US", 2);
    made.dimension_at = value_offset(made.item, DCM_DimensionIndexValues, "UL", 8);
  }
  return made;
}

}  // namespace rouage::dicom
