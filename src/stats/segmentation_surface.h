/// The surfaces of two masks on one small lattice.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "image/volume_shapes.h"
#include "stats/segmentation.h"

namespace rouage::stats {

/// Both on the same grid, both with a set voxel.
SurfaceScores surface_scores(const image::Mask& reference, const image::Mask& test, const SegmentationOptions& options);

}  // namespace rouage::stats
