/// Volumes: voxels with their place in the patient.
///
///   Volume<float> ct = read_volume("ct.nii.gz");             // image/volume_files.h
///   ct.at(i, j, k);                                            // column, row, slice; i is the fastest in memory
///   Point3 p = ct.grid.position(i, j, k);                      // centre of the voxel, LPS, mm
///
/// Voxel indices are (i, j, k) = (column, row, slice), from 0. Patient space is LPS in mm (x to the left, y to the
/// back, z to the head); files in RAS (NIfTI) are converted at the edge. A grid holds the full affine: axes may be
/// oblique, flipped, in any order and (gantry tilt) not perpendicular. Nothing is reoriented unless asked.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rouage::image {

using Point3 = std::array<double, 3>;  ///< LPS, mm, or (i, j, k)

struct Grid {
  std::array<std::uint32_t, 3> size{};  ///< voxels along i, j, k
  Point3 origin_mm{};                   ///< centre of voxel (0, 0, 0)
  std::array<Point3, 3> step_mm{};      ///< displacement for one step along i, j, k
  std::uint64_t voxels() const { return std::uint64_t{size[0]} * size[1] * size[2]; }
  Point3 position(double i, double j, double k) const;
  /// Continuous index of a point (inverse affine). Errors: VolumeInvalid when the steps do not span space.
  Point3 index_of(const Point3& position_mm) const;
  Point3 spacing_mm() const;  ///< length of each step
  double voxel_ml() const;    ///< |determinant| / 1000
  /// Largest |cosine| between two steps; 0 when perpendicular (a tilted gantry: sin of the angle).
  double shear() const;
  /// The patient axis nearest to each step, e.g. "LPS", "RAS", "PIR": letters say where the index increases to.
  std::string orientation() const;
  friend bool operator==(const Grid&, const Grid&) = default;
};

/// Same size, and no corner further than tolerance_mm apart.
bool same_grid(const Grid& a, const Grid& b, double tolerance_mm = 0.01);

/// Dense voxels, i fastest: values[(k * size[1] + j) * size[0] + i].
template <class T>
struct Volume {
  Grid grid;
  std::vector<T> values;
  std::string unit;  ///< UCUM where known: "[hnsf'U]" (Hounsfield), "Bq/mL", "g/mL{SUVbw}", ""
  T& at(std::uint32_t i, std::uint32_t j, std::uint32_t k) {
    return values[(std::size_t{k} * grid.size[1] + j) * grid.size[0] + i];
  }
  const T& at(std::uint32_t i, std::uint32_t j, std::uint32_t k) const {
    return values[(std::size_t{k} * grid.size[1] + j) * grid.size[0] + i];
  }
  std::span<const T> slice(std::uint32_t k) const {
    const std::size_t plane = std::size_t{grid.size[0]} * grid.size[1];
    return std::span<const T>(values).subspan(k * plane, plane);
  }
};

/// 0 is background; what the others mean stands beside (Label list of the writer or of the package).
using LabelMap = Volume<std::uint16_t>;

/// Axes permuted and flipped so that orientation() is the wanted one (e.g. "LPS"): no voxel value changes, every voxel
/// keeps its position. Errors: VolumeInvalid (not three different axes).
Grid reoriented(const Grid& grid, const std::string& orientation);
Volume<float> reoriented(const Volume<float>& volume, const std::string& orientation);
LabelMap reoriented(const LabelMap& volume, const std::string& orientation);

}  // namespace rouage::image
