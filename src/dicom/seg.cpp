/// Segmentation Storage (PS3.3 A.51), binary, of one source image: segment n is frame n.
#include <cstring>

#include "base/error.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

void add_segment(Item& parent, const Segment& segment, std::uint16_t number, const Texts& texts) {
  Item& item = parent.add_item(DCM_SegmentSequence);
  item.unsigned_shorts(DCM_SegmentNumber, {number});
  item.text(DCM_SegmentLabel, "LO", texts.lo(segment.label));
  if (!segment.description.empty()) item.text(DCM_SegmentDescription, "ST", texts.st(segment.description));
  item.code_string(DCM_SegmentAlgorithmType, "AUTOMATIC");
  item.text(DCM_SegmentAlgorithmName, "LO", texts.lo(segment.algorithm_name));
  Item& algorithm = item.add_item(DCM_SegmentationAlgorithmIdentificationSequence);
  add_code(algorithm, DCM_AlgorithmFamilyCodeSequence, concept_code("artificial_intelligence"), texts);
  algorithm.text(DCM_AlgorithmName, "LO", texts.lo(segment.algorithm_name));
  algorithm.text(DCM_AlgorithmVersion, "LO", texts.lo(segment.algorithm_version));
  add_code(item, DCM_SegmentedPropertyCategoryCodeSequence, segment.category, texts);
  Item& type = add_code(item, DCM_SegmentedPropertyTypeCodeSequence, segment.type, texts);
  if (segment.laterality) add_code(type, DCM_SegmentedPropertyTypeModifierCodeSequence, *segment.laterality, texts);
  if (segment.anatomic_region) {
    Item& region = add_code(item, DCM_AnatomicRegionSequence, *segment.anatomic_region, texts);
    if (segment.laterality) add_code(region, DCM_AnatomicRegionModifierSequence, *segment.laterality, texts);
  }
  if (!segment.tracking_id.empty() && !segment.tracking_uid.empty()) {
    item.text(DCM_TrackingID, "UT", texts.ut(segment.tracking_id));
    item.uid(DCM_TrackingUID, segment.tracking_uid);
  }
  item.unsigned_shorts(DCM_RecommendedDisplayCIELabValue, {segment.cielab[0], segment.cielab[1], segment.cielab[2]});
}

std::uint8_t eight_bits(const std::uint8_t* values) {
  std::uint64_t all = 0;
  std::memcpy(&all, values, sizeof all);
  if (all == 0) return 0;  // most of a mask is empty
  unsigned byte = 0;
  for (unsigned i = 0; i < 8; ++i) byte |= (values[i] != 0 ? 1U : 0U) << i;
  return static_cast<std::uint8_t>(byte);
}

/// Frames one after the other, bit by bit, the first pixel in the lowest bit (PS3.5 8.1.1).
Bytes packed_bits(const SegObject& object, std::size_t pixels) {
  Bytes bits((object.segments.size() * pixels + 7) / 8, 0);
  std::size_t start = 0;
  for (const Segment& segment : object.segments) {
    if (segment.mask.size() != pixels)
      throw Error(ErrorCode::WriteInvalid, "a segment's mask has not the size of its image")
          .tag("(7FE0,0010) PixelData");
    std::size_t i = 0;
    if (start % 8 == 0)
      for (; i + 8 <= pixels; i += 8) bits[(start + i) / 8] = eight_bits(&segment.mask[i]);
    for (; i < pixels; ++i) {
      std::uint8_t& byte = bits[(start + i) / 8];
      byte = static_cast<std::uint8_t>(byte | ((segment.mask[i] != 0 ? 1U : 0U) << ((start + i) % 8)));
    }
    start += pixels;
  }
  return bits;
}

void add_dimensions(Item& item, const std::string& organization_uid) {
  item.add_item(DCM_DimensionOrganizationSequence).uid(DCM_DimensionOrganizationUID, organization_uid);
  Item& index = item.add_item(DCM_DimensionIndexSequence);
  index.uid(DCM_DimensionOrganizationUID, organization_uid);
  index.tag_pointer(DCM_DimensionIndexPointer, DCM_ReferencedSegmentNumber);
  index.tag_pointer(DCM_FunctionalGroupPointer, DCM_SegmentIdentificationSequence);
  index.text(DCM_DimensionDescriptionLabel, "LO", "Segment Number");
}

void add_functional_groups(Item& item, const SegObject& object, const Texts& texts) {
  Item& derivation = item.add_item(DCM_SharedFunctionalGroupsSequence).add_item(DCM_DerivationImageSequence);
  add_code(derivation, DCM_DerivationCodeSequence, concept_code("segmentation"), texts);
  Item& source = add_source(derivation, DCM_SourceImageSequence, object.frame);
  add_code(source, DCM_PurposeOfReferenceCodeSequence, concept_code("source_image"), texts);
  source.code_string(DCM_SpatialLocationsPreserved, "YES");
  for (std::size_t i = 0; i < object.segments.size(); ++i) {
    Item& frame = item.add_item(DCM_PerFrameFunctionalGroupsSequence);
    frame.add_item(DCM_FrameContentSequence)
        .unsigned_longs(DCM_DimensionIndexValues, {static_cast<std::uint32_t>(i + 1)});
    frame.add_item(DCM_SegmentIdentificationSequence)
        .unsigned_shorts(DCM_ReferencedSegmentNumber, {static_cast<std::uint16_t>(i + 1)});
  }
}

void add_pixels(Item& item, const SegObject& object) {
  std::uint64_t pixels = 0;
  const bool fits = multiply_checked({object.columns, object.rows}, pixels);
  if (!fits || pixels == 0 || object.columns > 0xFFFF || object.rows > 0xFFFF)
    throw Error(ErrorCode::WriteInvalid, "the matrix has no size that DICOM can hold").tag("(0028,0010) Rows");
  item.unsigned_shorts(DCM_SamplesPerPixel, {1});
  item.code_string(DCM_PhotometricInterpretation, "MONOCHROME2");
  item.integer_string(DCM_NumberOfFrames, static_cast<long>(object.segments.size()));
  item.unsigned_shorts(DCM_Rows, {static_cast<std::uint16_t>(object.rows)});
  item.unsigned_shorts(DCM_Columns, {static_cast<std::uint16_t>(object.columns)});
  item.unsigned_shorts(DCM_BitsAllocated, {1});
  item.unsigned_shorts(DCM_BitsStored, {1});
  item.unsigned_shorts(DCM_HighBit, {0});
  item.unsigned_shorts(DCM_PixelRepresentation, {0});
  item.bytes(DCM_PixelData, "OB", packed_bits(object, pixels));
}

}  // namespace

Bytes write_seg(const SegObject& object) {
  if (object.segments.empty() || object.segments.size() > 0xFFFF)
    throw Error(ErrorCode::WriteInvalid, "a segmentation needs 1 to 65535 segments").tag("(0062,0002) SegmentSequence");
  Item item = framed_item(object.frame, kSegmentation, "SEG");
  const Texts texts(object.frame.source.character_set);
  add_content_time(item, object.frame, DCM_ContentDate, DCM_ContentTime, true);
  item.code_string(DCM_ImageType, "DERIVED\\PRIMARY");
  add_patient_orientation(item, object.frame.source.patient_orientation);
  item.code_string(DCM_LossyImageCompression, object.frame.source.lossy_compressed.value_or(false) ? "01" : "00");
  item.code_string(DCM_ContentLabel, object.content_label);
  item.text(DCM_ContentDescription, "LO", texts.lo(object.content_description));
  item.text(DCM_ContentCreatorName, "PN", "");
  item.code_string(DCM_SegmentationType, "BINARY");
  for (std::size_t i = 0; i < object.segments.size(); ++i)
    add_segment(item, object.segments[i], static_cast<std::uint16_t>(i + 1), texts);
  add_coding_schemes(item);
  add_dimensions(item, derived_uid({object.frame.sop_instance_uid, "dimension organization"}));
  add_functional_groups(item, object, texts);
  Item& series = item.add_item(DCM_ReferencedSeriesSequence);
  series.uid(DCM_SeriesInstanceUID, object.frame.source.series_instance_uid);
  add_source(series, DCM_ReferencedInstanceSequence, object.frame);
  add_pixels(item, object);
  return file_bytes(item, std::string(kSegmentation), object.frame.sop_instance_uid);
}

}  // namespace rouage::dicom
