/// The header of a volume segmentation: everything before the per-frame groups, and those groups slice by slice.
/// Internal.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom {

inline constexpr std::string_view kLabelMapSegmentation = "1.2.840.10008.5.1.4.1.1.66.7";

/// Given, or derived from study and series (then `derived`).
struct FrameOfReference {
  std::string uid;
  bool derived = false;
};
FrameOfReference frame_of_reference(const std::string& given, const ObjectFrame& frame);

/// Directions, spacings and checks.  Errors: WriteInvalid (rows not perpendicular to columns, no extent).
struct PlaneGeometry {
  std::string orientation;  ///< (0020,0037)
  std::string spacing;      ///< (0028,0030): row spacing \ column spacing
  std::string slice_mm;     ///< distance of neighbouring planes along their normal
};
PlaneGeometry plane_geometry(const image::Grid& grid);

/// Bits a voxel: 1, 8 or 16.
int seg_bits(const SegVolumeObject& object);

/// Data set elements up to (5200,9229), in explicit VR little endian.
Bytes seg_header(const SegVolumeObject& object, std::uint64_t frames);

/// One item of (5200,9230) for a slice; the segment and the dimension index of the segment are set for each frame.
struct FrameTemplate {
  Bytes item;                    ///< with its item tag
  std::size_t segment_at = 0;    ///< two bytes; 0: none (label map)
  std::size_t dimension_at = 0;  ///< four bytes; 0: none
  void append_to(Bytes& out, std::uint16_t segment) const;
};
FrameTemplate frame_template(const SegVolumeObject& object, std::uint32_t k);

}  // namespace rouage::dicom
