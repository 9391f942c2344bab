/// Body, lungs and bone in a CT by classical image processing: no net, no weights, the same bytes on every machine.
///
///   ClassicalOrgans found = classical_organs(ct, {.threads = 2});
///   if (!found.refusal.empty()) ...                 // a reason code: the volume is no CT in Hounsfield units, ...
///   for (const ClassicalOrgan& organ : found.organs) ...  // absent organs say why
///
/// What it is good for, and how it was measured case by case: docs/model-cards/classical-organs.md. Left is the
/// patient's left (LPS), whatever the order and direction of the axes. Pure; the same bytes with any number of threads.
/// Memory: about 20 bytes a voxel at its peak. Errors: VolumeInvalid (not one value a voxel; 2^32 voxels or more).
#pragma once
#include <string>
#include <vector>

#include "image/volume.h"

namespace rouage::cogs::organs {

struct ClassicalOptions {
  /// Take values without a unit (NIfTI) as Hounsfield units; they must still look like it. A unit that is another one
  /// is refused.
  bool assume_hounsfield = false;
  int threads = 1;
};

/// Labels of the map: each voxel has one; the body is all of them together.
enum class ClassicalLabel : std::uint16_t { other_body = 1, lung_left = 2, lung_right = 3, bone = 4, airways = 5 };

struct ClassicalOrgan {
  std::uint16_t label = 0;
  std::string name;  ///< other_body, lung_left, lung_right, bone, airways
  double ml = 0;
  double mean_hu = 0;
  std::string absent;  ///< why nothing was found: no_lung, one_lung, no_trachea, no_bone; "" when it was
};

/// Stable codes with what was seen, in English.
struct ClassicalWarning {
  std::string code;  ///< lungs_cut, lungs_split_at_midline, one_lung, no_trachea, contrast_left_out, coarse, body_cut
  std::string detail;
};

struct ClassicalOrgans {
  image::LabelMap labels;              ///< on the grid of the CT; all 0 when refused
  std::vector<ClassicalOrgan> organs;  ///< the five, in the order of their labels; empty when refused
  std::vector<ClassicalWarning> warnings;
  /// "", or: unit_missing, not_hounsfield, not_finite, no_air, no_soft_tissue, tilted, too_coarse, too_few_slices,
  /// no_body.
  std::string refusal, refusal_detail;
};

/// ct_hu: axes (i, j, k), any orientation; unit "[hnsf'U]".
ClassicalOrgans classical_organs(const image::Volume<float>& ct_hu, const ClassicalOptions& options = {});

}  // namespace rouage::cogs::organs
