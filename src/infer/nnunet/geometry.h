/// Sizes of everything, before a voxel is touched: target shapes, which axis is resampled on its own, padding, windows.
/// All in transposed order. Specification sections 5, 5.1, 6.1, 6.2.
#pragma once
#include <optional>

#include "infer/nnunet/nnunet.h"

namespace rouage::infer::nnunet {

struct Box {
  Shape3 first{}, end{};  ///< half-open
  Shape3 size() const { return {end[0] - first[0], end[1] - first[1], end[2] - first[2]}; }
};

/// round-half-even(current / wanted * size) per axis. Errors: VolumeInvalid (0 or more than 65,535 voxels along an
/// axis).
Shape3 resampled_shape(const Shape3& size, const Spacing3& current, const Spacing3& wanted);

/// The axis that is resampled on its own, or nothing: section 5.1.
std::optional<int> separate_axis(const std::optional<bool>& force, const Spacing3& current, const Spacing3& wanted);

/// Starts of windows along one axis. size >= patch; step in patches.
std::vector<std::uint32_t> window_starts(std::uint32_t size, std::uint32_t patch, double step);

struct Geometry {
  Shape3 full{}, cropped{}, target{}, padded{}, pad_low{}, patch{};
  Box box;
  Spacing3 current{}, plan{};
  std::array<std::vector<std::uint32_t>, 3> starts;
  std::uint64_t windows() const { return std::uint64_t{starts[0].size()} * starts[1].size() * starts[2].size(); }
  std::uint64_t patch_voxels() const { return std::uint64_t{patch[0]} * patch[1] * patch[2]; }
};
/// full, box, spacing: transposed. Errors: VolumeInvalid.
Geometry geometry_of(const NnunetModel& model, const Shape3& full, const Box& box, const Spacing3& spacing,
                     double step);

std::uint64_t voxels(const Shape3& shape);
Shape3 transposed(const Shape3& zyx, const std::array<int, 3>& forward);
Spacing3 transposed(const Spacing3& zyx, const std::array<int, 3>& forward);
/// (z, y, x) of a grid.
Shape3 shape_of(const image::Grid& grid);
Spacing3 spacing_of(const image::Grid& grid);

}  // namespace rouage::infer::nnunet
