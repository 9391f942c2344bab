#include <algorithm>

#include "cogs/organs/steps.h"

namespace rouage::cogs::organs {
namespace {

using image::Component, image::Connectivity, image::Mask, image::Volume;

constexpr double kSkinHu = -400;  ///< about halfway between air and skin
constexpr double kTableMm = 4;    ///< half the thickness of what is taken for table, sheet, tube
constexpr double kTrimMm = 3;
constexpr double kBodyMl = 200;  ///< less is no patient
constexpr double kLimbMl = 100;  ///< an arm beside the trunk
constexpr double kBoneHu = 200;
constexpr double kLimbBone = 0.01;  ///< share of bone that makes a second piece a limb, not a cushion

/// The trunk, and limbs beside it: pieces with bone inside.
Mask trunk_and_limbs(const Scan& scan, const Mask& pieces) {
  const auto parts = image::connected_components(pieces, Connectivity::faces, scan.threads);
  std::vector<std::uint64_t> bone(parts.list.size());
  std::size_t trunk = 0;
  for (std::size_t v = 0; v < pieces.values.size(); ++v)
    if (parts.labels.values[v] && static_cast<double>(scan.hu.values[v]) >= kBoneHu) ++bone[parts.labels.values[v] - 1];
  for (std::size_t c = 0; c < parts.list.size(); ++c)
    if (parts.list[c].voxels > parts.list[trunk].voxels) trunk = c;
  const double voxel_ml = pieces.grid.voxel_ml();
  Mask result{pieces.grid, std::vector<std::uint8_t>(pieces.values.size()), ""};
  if (parts.list.empty() || static_cast<double>(parts.list[trunk].voxels) * voxel_ml < kBodyMl) return result;
  std::vector<std::uint8_t> keep(parts.list.size() + 1);
  for (std::size_t c = 0; c < parts.list.size(); ++c) {
    const auto voxels = static_cast<double>(parts.list[c].voxels);
    keep[c + 1] = c == trunk || (voxels * voxel_ml >= kLimbMl && static_cast<double>(bone[c]) >= kLimbBone * voxels);
  }
  for (std::size_t v = 0; v < result.values.size(); ++v) result.values[v] = keep[parts.labels.values[v]];
  return result;
}

}  // namespace

void keep_common(Mask& mask, const Mask& with) {
  for (std::size_t v = 0; v < mask.values.size(); ++v) mask.values[v] = mask.values[v] && with.values[v];
}
void take_away(Mask& mask, const Mask& what) {
  for (std::size_t v = 0; v < mask.values.size(); ++v) mask.values[v] = mask.values[v] && !what.values[v];
}

void put_back(Mask& whole, const image::IndexBox& box, const Mask& part) {
  for (std::uint32_t k = 0; k < part.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < part.grid.size[1]; ++j)
      std::copy_n(&part.at(0, j, k), part.grid.size[0], &whole.at(box.first[0], box.first[1] + j, box.first[2] + k));
}

Mask body_of(const Scan& scan) {
  const Mask tissue = image::thresholded(scan.hu, kSkinHu, image::kUnlimited);
  // The table's shell is thin, the chest wall is not: opening parts them before anything is filled.
  Mask core = trunk_and_limbs(scan, image::opened(tissue, kTableMm, scan.threads));
  core = image::fill_holes_by_slice(core, 2, {.threads = scan.threads});
  // What the opening rounded off comes back where it is tissue.
  Mask body = image::dilated(core, kTableMm, scan.threads);
  keep_common(body, tissue);
  for (std::size_t v = 0; v < body.values.size(); ++v) body.values[v] = body.values[v] || core.values[v];
  body = image::fill_holes_by_slice(body, 2, {.threads = scan.threads});
  return trunk_and_limbs(scan, image::opened(body, kTrimMm, scan.threads));
}

}  // namespace rouage::cogs::organs
