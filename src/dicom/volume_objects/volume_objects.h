/// Results on volumes as DICOM: segmentations (bits or label map, streamed), contours (RTSTRUCT), measurements (TID
/// 1411).
///
///   SegVolumeObject seg{frame, grid};  seg.sources = slices;  seg.segments = {{.value = 1, .label = "liver"}};
///   seg.segments[0].codes = organ_codes("liver");
///   DurableFile file(path);
///   write_seg_volume(seg, [&](std::uint32_t k) { return map.slice(k); }, [&](auto bytes) { file.write(bytes); });
///
/// Rows of a plane lie along j, columns along i: labels[j * size[0] + i]. All writers are pure (no clock, derived
/// UIDs): the same input gives the same bytes, whatever the number of threads. Formats: docs/formats/volume-results.md.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dicom/writing.h"
#include "image/volume.h"

namespace rouage::dicom {

/// The label plane of slice k, size[0] * size[1] values. Asked in any order and several times (once to plan, then once
/// a frame); with threads > 1 from several threads at once. The span must hold until the same thread asks again.
using LabelSource = std::function<std::span<const std::uint16_t>(std::uint32_t k)>;
using IntensitySource = std::function<std::span<const float>(std::uint32_t k)>;
/// Takes the file piece by piece, in order, always from the caller's thread.
using ByteSink = std::function<void(std::span<const std::uint8_t>)>;

/// How a structure is said: Segmented Property Category and Type (CID 7150, 7151), their modifier (left, right) and
/// where the type is no place of its own (a cyst, a vessel) the anatomic region with its modifier.
struct OrganCodes {
  Code category, type;
  std::optional<Code> modifier, region, region_modifier;
};
/// Codes of a structure by its name in organs_snomed.csv ("kidney_left"). A side that the name says and the table does
/// not is added; an unknown name takes a private code (99ROUAGE) with the side that its words say. Never throws.
OrganCodes organ_codes(std::string_view structure);
/// Left or right, from the modifier or the region's; nothing for what has no side or says it in its own type (left
/// atrium).
std::optional<Code> laterality_of(const OrganCodes& codes);
/// Name of AAPM TG-263 for a structure of organs_snomed.csv ("Kidney_L"), "" for those that we do not map.
std::string tg263_name(std::string_view structure);

using Rgb = std::array<std::uint8_t, 3>;
/// Recommended Display CIELab Value of an sRGB colour (PS3.3 C.10.7.1.1, D50).
std::array<std::uint16_t, 3> cielab_of(const Rgb& colour);

struct VolumeSegment {
  std::uint16_t value = 0;  ///< in the label planes, > 0; in a label map also the Segment Number
  std::string label, description, algorithm_name, algorithm_version, tracking_id, tracking_uid;
  OrganCodes codes;
  std::array<std::uint16_t, 3> cielab{};
};

enum class SegKind {
  binary,    ///< Segmentation Storage: one bit a voxel, one frame a segment and slice, empty ones left out
  label_map  ///< Label Map Segmentation Storage (Supplement 243): one frame a slice, 8 or 16 bits
};
enum class SegSyntax { explicit_little_endian, deflated };

struct SegVolumeObject {
  ObjectFrame frame;  ///< frame.source: any slice of the source (patient and study)
  image::Grid grid;
  std::string frame_of_reference_uid;  ///< "": derived from the study, said in `warnings`
  std::string position_reference;      ///< (0020,1040), may be empty
  std::vector<ImageReference>
      sources{};  ///< one a slice in k order (classic), or one frame each of an enhanced object;
                  ///< empty: the grid is not the source's (NIfTI), nothing is referenced
  std::vector<VolumeSegment> segments{};
  std::string content_label = "SEGMENTATION", content_description{};
  SegKind kind = SegKind::binary;
  SegSyntax syntax = SegSyntax::deflated;
  unsigned threads = 1;
  bool part = false;  ///< one of several objects (split_seg): labels of the others are left out; binary only
};
struct SegWritten {
  std::uint64_t frames = 0, bytes = 0;  ///< bytes of the file
  std::vector<int> segment_numbers;     ///< of segments[0..]: what a measurement refers to
  std::vector<std::uint64_t>
      frames_of;  ///< frames in which segments[0..] is present (0: an empty segment, which is kept)
  std::vector<std::string> warnings;
};
/// Memory: the planes that `labels` holds, about 40 bytes a frame, one header a slice, 4 blocks of about 4 MiB a
/// thread. Errors: WriteInvalid (no or doubled segments, a label without a segment, rows not perpendicular to columns,
/// pixel data over 4 GiB in either syntax), GridMismatch (planes or sources that do not fit the grid).
SegWritten write_seg_volume(const SegVolumeObject& object, const LabelSource& labels, const ByteSink& sink);
/// The object as one or more whose pixel data stay below `most_bytes`: segments in their order, UIDs of the parts
/// derived, instance numbers counted up. A label map is never split.  Errors: as write_seg_volume.
std::vector<SegVolumeObject> split_seg(const SegVolumeObject& object, const LabelSource& labels,
                                       std::uint64_t most_bytes = 0xFFFFFFFE);

/// A segmentation read back: binary or label map; fractional ones are refused.
struct ReadSegment {
  int number = 0;
  std::string label, description, algorithm_name, tracking_id, tracking_uid;
  OrganCodes codes;
};
struct ReadFrame {
  int segment = 0;                       ///< 0 in a label map
  image::Point3 position_mm{};           ///< centre of its first voxel, LPS
  ImageReference source;                 ///< first source image, where there is one (no series and study)
  std::uint32_t dimension_position = 0;  ///< last Dimension Index Value, from 1; 0: none
};
struct ReadSeg {
  image::Grid grid;  ///< the smallest regular grid that holds all frames, k along row x column
  std::string sop_instance_uid, frame_of_reference_uid, content_label;
  bool is_label_map = false;
  std::vector<ReadSegment> segments;
  std::vector<ReadFrame> frames;
  Bytes pixels;  ///< as in the file: bits across frames, or 8 or 16 bits little endian
  int bits_allocated = 1;
};
struct SegLimits {
  std::uint64_t bytes =
      std::uint64_t{1} << 30;  ///< of the file, and of a deflated data set when inflated (three times that in memory)
  std::size_t frames = 200'000;
};
/// Errors: FileMissing, NotDicom, HeaderInvalid, FileTooLarge, PixelDataTruncated, PixelDataUnsupported (fractional,
/// encapsulated, big endian), VolumeInvalid (frames that make no regular grid).
ReadSeg read_seg(const std::filesystem::path& file, const SegLimits& limits = {});
/// 0 or 1 on `grid`, by place.  Errors: GridMismatch when the grid does not hold every frame of the segment (0.01 mm).
image::Volume<std::uint8_t> segment_mask(const ReadSeg& seg, int number, const image::Grid& grid);

/// One planar contour in LPS mm, closed by itself (the first point is not repeated).
struct Contour {
  std::vector<image::Point3> points_mm;
  std::optional<std::uint32_t> k;                   ///< slice of the grid it was made on
  std::string type = "CLOSED_PLANAR", image_uid{};  ///< image_uid: as read
};
/// Outlines along the voxels' edges, values[n] -> result[n]: the area is exactly that of the voxels, no centre is
/// nearer to a line than half a voxel. Pieces that touch in a corner only are separate contours; a hole is joined to
/// its outline by a channel of no width (keyhole, PS3.3 C.8.8.6.3), so that readers that unite and readers that exclude
/// agree. Errors: GridMismatch, WriteInvalid (a value 0 or twice).  Linear in the voxels of the boxes.
std::vector<std::vector<Contour>> label_contours(const image::Grid& grid, const LabelSource& labels,
                                                 std::span<const std::uint16_t> values);

struct RtRoi {
  std::string name, description, algorithm_name;  ///< name: LO, e.g. tg263_name or the model's own
  std::string interpreted_type;                   ///< (3006,00A4): "ORGAN", "EXTERNAL", "GTV"... or ""
  OrganCodes codes;
  Rgb colour{};
  std::vector<Contour> contours{};
};
struct RtStructObject {
  ObjectFrame frame;
  std::string frame_of_reference_uid;     ///< "": derived
  std::vector<ImageReference> sources{};  ///< in k order; empty: no contour images
  std::string label = "AI", name{}, description{};
  std::vector<RtRoi> rois{};
};
/// UNAPPROVED, in implicit VR little endian (a contour of more than 64 KiB has no explicit VR form).  Errors:
/// WriteInvalid (no ROI, a contour of fewer than 3 points, a slice without source image).
Bytes write_rtstruct(const RtStructObject& object);

struct ReadRoi {
  int number = 0;
  std::string name, interpreted_type, generation;
  std::optional<Code> code;
  std::optional<Rgb> colour;
  std::vector<Contour> contours;
};
struct ReadRtStruct {
  std::string sop_instance_uid, frame_of_reference_uid, label;
  std::vector<ReadRoi> rois;
};
/// Errors: FileMissing, NotDicom, HeaderInvalid (no structure set, contour data that are no points), FileTooLarge.
ReadRtStruct read_rtstruct(const std::filesystem::path& file, std::uint64_t most_bytes = std::uint64_t{1} << 30);
/// 1 where a voxel's centre lies inside an odd number of contours (XOR) of its slice; a contour belongs to the nearest
/// slice. Points and open contours are left out.  Errors: GridMismatch (a contour that is not parallel to the slices,
/// or beyond half a slice outside).
image::Volume<std::uint8_t> rasterise(std::span<const Contour> contours, const image::Grid& grid);

/// Figures of one label over an image on the same grid.
struct LabelFigures {
  std::uint16_t value = 0;
  std::uint64_t voxels = 0, not_finite = 0;  ///< not_finite: counted in the volume, left out of the intensities
  double volume_ml = 0;
  std::optional<double> mean, standard_deviation, minimum, maximum, median;  ///< absent without finite voxels
};
/// standard_deviation divides by n - 1 (0 for one voxel); the median of an even number is the mean of the middle two.
/// Exact; three passes, 512 KiB a label.  Errors: GridMismatch, WriteInvalid (a value 0 or twice).
std::vector<LabelFigures> measure_labels(const image::Grid& grid, const LabelSource& labels,
                                         const IntensitySource& intensities, std::span<const std::uint16_t> values);

/// What an intensity is, by the source's modality and the image's UCUM unit: Attenuation Coefficient in Hounsfield
/// units (CT), MR signal intensity, SUVbw...; nothing for a quantity without a code.
struct IntensityMeaning {
  Code quantity, unit;
};
std::optional<IntensityMeaning> intensity_meaning(std::string_view modality, std::string_view ucum);

struct OrganMeasurement {
  std::string tracking_id, tracking_uid;
  OrganCodes codes;
  int segment = 0;  ///< Segment Number in `segmentation`
  LabelFigures figures;
  std::optional<IntensityMeaning> intensity;  ///< absent: the volume only
};
struct MeasurementContext {
  ImageReference segmentation;  ///< our SEG; segment numbers come from the measurements
  std::string source_series_uid, algorithm_name, algorithm_version;
};
/// One TID 1411 group an organ: volume in mL, and mean, standard deviation, minimum, maximum, median as derivations.
std::vector<SrItem> organ_measurements(std::span<const OrganMeasurement> organs, const MeasurementContext& context);
/// The whole TID 1500 document (Comprehensive 3D SR, PRELIMINARY). language: "en" or "fr".
SrObject organ_report(const ObjectFrame& frame, std::span<const OrganMeasurement> organs,
                      const MeasurementContext& context, std::span<const ImageReference> sources,
                      std::string_view language);

}  // namespace rouage::dicom
