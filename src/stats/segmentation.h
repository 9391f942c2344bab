/// How well one segmentation agrees with another: overlap, distances of surfaces, with spacing.
///
///   SegmentationScores s = compare_masks(expert, ours, {.tolerance_mm = 2});
///   if (s.dice) ...                                  // empty when it is undefined; s.undefined says why
///   for (const LabelScores& row : compare_label_maps(expert, ours)) ...
///
/// Definitions, sources and the treatment of empty masks: docs/formats/segmentation-metrics.md. Pure; the same bytes
/// with any number of threads. Errors: GridMismatch (other size, or corners further apart than 0.01 mm), VolumeInvalid
/// (values are not one a voxel; axes not perpendicular, when surfaces are asked for).
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/volume.h"

namespace rouage::stats {

struct SegmentationOptions {
  double tolerance_mm = 2;  ///< of the normalised surface distance; it belongs to the task, so say it beside the figure
  bool surfaces = true;     ///< false: overlap and volumes only
  int threads = 1;
};

/// What the surfaces say. Surfels: the pieces of surface inside each cube of eight voxel centres, weighted by their
/// area (mm2), placed at the cube's centre; what lies beyond the volume is unset. Source: Nikolov et al. 2021
/// (doi 10.2196/26151). Boundary voxels: set voxels with an unset neighbour by face, or at the border of the volume,
/// each counting one.
struct SurfaceScores {
  double hausdorff_mm = 0;    ///< surfels; largest distance, both directions
  double hausdorff95_mm = 0;  ///< surfels; larger of the two directions' 95th percentiles by area
  double assd_mm = 0;         ///< surfels; mean over both surfaces together, by area
  double nsd = 0;  ///< surfels; share of both surfaces' area that lies within tolerance_mm of the other (surface Dice)
  double reference_mm2 = 0, test_mm2 = 0;
  double boundary_hausdorff95_pooled_mm =
      0;  ///< boundary voxels; percentile of both directions together, as MedPy's hd95
  double boundary_hausdorff95_largest_mm = 0;  ///< boundary voxels; larger of the two percentiles, as MONAI
};

struct SegmentationScores {
  std::uint64_t reference_voxels = 0, test_voxels = 0, common_voxels = 0;
  double reference_ml = 0, test_ml = 0;
  /// 2|A and B| / (|A| + |B|) and |A and B| / |A or B|. Empty when both masks are; 0 when one is.
  std::optional<double> dice, jaccard;
  std::optional<double> sensitivity, precision;      ///< common / reference, common / test; empty when the divisor is 0
  double volume_difference_ml = 0;                   ///< test minus reference
  std::optional<double> relative_volume_difference;  ///< over the reference; empty when it is empty
  /// Empty when both masks are, or when not asked for. One empty: distances infinite, nsd 0.
  std::optional<SurfaceScores> surface;
  std::string undefined;  ///< why figures are missing: "both masks are empty", or ""
};

/// Voxels that are not 0 are set.
SegmentationScores compare_masks(const image::Volume<std::uint8_t>& reference, const image::Volume<std::uint8_t>& test,
                                 const SegmentationOptions& options = {});

struct LabelScores {
  std::uint16_t label = 0;
  SegmentationScores scores;
};
/// One row a label, ascending. labels empty: all that occur in either map, but 0. A label that is asked for and occurs
/// in neither has a row whose figures are undefined.
std::vector<LabelScores> compare_label_maps(const image::LabelMap& reference, const image::LabelMap& test,
                                            std::span<const std::uint16_t> labels = {},
                                            const SegmentationOptions& options = {});

/// Area (mm2) of the surface that marching cubes put between the set and the unset of eight voxel centres; code: bit
/// dx + 2 dy + 4 dz is the voxel at that corner. On a face with two diagonal set corners these are kept apart; a code
/// with more than four set corners has the area of its complement; polygons that are not flat are triangulated for the
/// largest area. Errors: VolumeInvalid (a spacing is not above 0).
std::vector<double> surfel_areas(const image::Point3& spacing_mm);

}  // namespace rouage::stats
