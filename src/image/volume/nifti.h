/// NIfTI's geometry, shared by its reader and its writer. Source: nifti1.h and nifti2.h (NIfTI Data Format Working
/// Group).
#pragma once
#include <optional>

#include "image/volume_files.h"

namespace rouage::image {

/// Rows of [R A S] = affine * [i j k 1], in the unit of the file.
using Affine = std::array<std::array<double, 4>, 3>;

Affine sform_affine(const NiftiGeometry& geometry);
/// Empty when the quaternion is longer than 1 or a value is not finite.
std::optional<Affine> qform_affine(const NiftiGeometry& geometry);
/// LPS, mm.
Grid grid_of(const Affine& affine, const std::array<std::uint32_t, 3>& size, double millimetres_a_unit);
/// The fields that say `grid` in mm: sform, and qform where it says the same within 0.001 mm. version: 1, or 2 for an
/// axis of more than 32,767 voxels.
NiftiGeometry nifti_geometry(const Grid& grid);
/// The furthest that two grids of one size place a corner apart, mm.
double furthest_corner_mm(const Grid& a, const Grid& b);

}  // namespace rouage::image
