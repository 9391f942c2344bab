/// Shapes in volumes: components, holes, morphology by a ball in millimetres, distances, resampling.
///
///   Mask lung = largest_component(thresholded(ct, -1100, -400), Connectivity::faces);
///   lung = fill_holes(closed(lung, 8.0));                       // a ball of 8 mm, whatever the spacing
///   Volume<float> d = signed_distance(lung);                    // mm, negative inside
///
/// A mask is 0 (unset) or anything else (set); results hold 0 and 1 on the same grid. All functions are pure and give
/// the same bytes with any number of threads. Errors of all: VolumeInvalid when the number of values is not that of the
/// grid, or when the grid has 2^32 voxels or more. What works in millimetres needs perpendicular axes (VolumeInvalid
/// when the shear is more than kMostShear: resample a tilted gantry first); oblique, flipped and permuted axes are
/// fine.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "image/volume.h"

namespace rouage::image {

using Mask = Volume<std::uint8_t>;

inline constexpr double kMostShear = 0.005;  ///< |cosine| between two axes: half a degree of tilt is 0.0087
inline constexpr double kUnlimited = std::numeric_limits<double>::infinity();

/// Voxels first..last along i, j, k, both included.
struct IndexBox {
  std::array<std::uint32_t, 3> first{}, last{};
  friend bool operator==(const IndexBox&, const IndexBox&) = default;
};
/// The grid of the box alone. Errors: VolumeInvalid when the box is not inside the grid.
Grid sub_grid(const Grid& grid, const IndexBox& box);
/// Empty when no voxel is set.
std::optional<IndexBox> bounding_box(const Mask& mask);
/// The box alone, on its sub_grid.
Mask cropped(const Mask& mask, const IndexBox& box);

/// Set where lower <= value <= upper (NaN: unset).
Mask thresholded(const Volume<float>& volume, double lower, double upper);
/// Set where the label is this one.
Mask mask_of(const LabelMap& labels, std::uint16_t label);
std::uint64_t set_voxels(const Mask& mask);

// ---- components -----------------------------------------------------------------------------------------------------

/// Neighbours that share a face (6), also an edge (18), also a corner (26).
enum class Connectivity { faces = 6, edges = 18, corners = 26 };

struct Component {
  std::uint64_t voxels = 0;
  std::uint64_t first_voxel = 0;  ///< index into Volume::values
  IndexBox box;
  Point3 centroid{};  ///< continuous (i, j, k)
};
struct Components {
  Volume<std::uint32_t> labels;  ///< 0 unset, else 1 + index into `list`
  std::vector<Component> list;   ///< in the order of their first voxels in memory
};
/// Runs of set voxels joined by union-find: O(voxels), memory 4 bytes a voxel (the labels) and 12 a run.
/// Source: Rosenfeld and Pfaltz 1966 (doi 10.1145/321356.321357), on runs.
Components connected_components(const Mask& mask, Connectivity connectivity, int threads = 1);
/// Without the volume of labels.
std::vector<Component> component_list(const Mask& mask, Connectivity connectivity, int threads = 1);
/// The components for which `keep` says true.
Mask kept_components(const Mask& mask, Connectivity connectivity, const std::function<bool(const Component&)>& keep,
                     int threads = 1);
/// The components of the mask that hold a set voxel of the marker (reconstruction; hysteresis). Errors: GridMismatch
/// when the sizes differ.
Mask reconstructed(const Mask& marker, const Mask& mask, Connectivity connectivity, int threads = 1);
/// The one with most voxels; the first of equals; nothing when the mask is empty.
Mask largest_component(const Mask& mask, Connectivity connectivity, int threads = 1);

/// Where unset voxels are open to the world.
enum class OpenFaces { all, sides };  ///< sides: not through the first and the last slice (k)
struct HoleOptions {
  Connectivity background = Connectivity::faces;  ///< of unset voxels; faces suits masks whose walls join by corners
  OpenFaces open = OpenFaces::all;
  double largest_ml = kUnlimited;  ///< larger holes stay
  int threads = 1;
};
/// Unset components that do not reach an open face become set.
Mask fill_holes(const Mask& mask, const HoleOptions& options = {});
struct SliceHoleOptions {
  double largest_mm2 = kUnlimited;  ///< larger holes stay
  int threads = 1;
};
/// The same in every slice alone, slices being perpendicular to index axis `axis` (0 i, 1 j, 2 k); background by faces.
/// Errors: VolumeInvalid for another axis.
Mask fill_holes_by_slice(const Mask& mask, int axis, const SliceHoleOptions& options = {});

// ---- distances and morphology
// ----------------------------------------------------------------------------------------

/// Distance (mm) from each voxel's centre to the nearest centre of a set voxel: 0 on set voxels, infinity beyond
/// limit_mm and where nothing is set. Exact up to float32 rounding (relative 1e-6), not a chamfer. Source: Felzenszwalb
/// and Huttenlocher 2012 (doi 10.4086/toc.2012.v008a019), lower envelopes along each axis.
Volume<float> distance_to(const Mask& mask, double limit_mm = kUnlimited, int threads = 1);
/// Outside: distance to the nearest set centre (> 0). Inside: minus the distance to the nearest unset centre (< 0).
/// What lies beyond the volume is unknown, hence neither.
Volume<float> signed_distance(const Mask& mask, int threads = 1);

/// By a ball {|x| <= radius_mm} between voxel centres (radius enlarged by one millionth, so that rounding of the
/// spacing does not matter); radius 0 changes nothing. Errors: VolumeInvalid for a negative or non-finite radius.
Mask dilated(const Mask& mask, double radius_mm, int threads = 1);
/// Nothing is eroded from the volume's own border: what lies beyond is taken as set.
Mask eroded(const Mask& mask, double radius_mm, int threads = 1);
/// dilated(eroded(mask)).
Mask opened(const Mask& mask, double radius_mm, int threads = 1);
/// Dilated on an unlimited canvas, then eroded: always contains the mask, and does not stick to the volume's border.
Mask closed(const Mask& mask, double radius_mm, int threads = 1);

// ---- resampling
// ------------------------------------------------------------------------------------------------------

enum class Interpolation { nearest, linear };
/// Values at the target's voxel centres, through both full affines (sheared ones too). A source voxel reaches half a
/// step around its centre: there the outermost values go on; beyond stands `outside`. Nearest: halves go to the higher
/// index. No smoothing: to a coarser grid, linear skips voxels. Errors: VolumeInvalid (also for a singular affine).
Volume<float> resampled(const Volume<float>& volume, const Grid& target, Interpolation interpolation, float outside,
                        int threads = 1);
/// Nearest; outside 0.
LabelMap resampled(const LabelMap& labels, const Grid& target, int threads = 1);
Mask resampled(const Mask& mask, const Grid& target, int threads = 1);

}  // namespace rouage::image
