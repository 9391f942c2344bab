/// What a run holds, by the formula of docs/formats/nnunet.md.
#pragma once
#include "infer/nnunet/geometry.h"

namespace rouage::infer::nnunet {

/// voxels: of the input's grid. Errors: MemoryBudget.
MemoryPlan memory_of(const NnunetModel& model, const Geometry& geometry, const SegmentOptions& options);
/// Whether the input must be copied to be turned to RAS.
bool reorients(const NnunetModel& model, const image::Grid& grid);

}  // namespace rouage::infer::nnunet
