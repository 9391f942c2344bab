/// Uneven and tilted stacks onto even and straight grids, on request only.
#pragma once
#include "dicom/series/stacks.h"

namespace rouage::dicom::series {

/// Slices at `geometry.along_mm` onto an even step near the median one, first and last slice kept in place, linear
/// along the stack. The slices' sideways shift is taken as proportional to their place (stack_geometry has checked it).
image::Volume<float> resampled_evenly(const image::Volume<float>& slices, const StackGeometry& geometry);

}  // namespace rouage::dicom::series
