#include <algorithm>
#include <cmath>

#include "base/values.h"
#include "cogs/organs/steps.h"

namespace rouage::cogs::organs {
namespace {

using image::Component, image::Components, image::Connectivity, image::Mask;

constexpr double kBoneHu = 150, kSureBoneHu = 300, kCortexHu = 500;
constexpr double kNoiseMm = 1.5;  ///< finer voxels are averaged over about twice that: noise is not bone
constexpr double kLeastMl = 0.3;
constexpr double kClosingMm = 3;     ///< thin cortex, trabeculae
constexpr double kMarrowMl = 60;     ///< larger holes are no marrow: skull, orbit
constexpr double kMarrowMm2 = 1500;  ///< of a hole in a sagittal or coronal slice: a vertebra, a femur's head
constexpr double kShaftMm2 = 180;    ///< of a hole in an axial slice: a shaft's marrow, less than the spinal canal
constexpr double kMarrowHu = -250;   ///< less is air: sinuses, joints with vacuum
constexpr double kSolidMm = 4;       ///< a vessel is solid where bone is a shell
constexpr double kSolidShare = 0.3, kCortexShare = 0.005;
constexpr double kVesselMl = 1;
constexpr double kHeartMm = 5,
                 kHeartMl = 80;  ///< no bone, no prosthesis has a solid core that large: a heart full of contrast
constexpr double kHeartRimMm = 1.5;

/// Mean over an odd number of voxels along one axis, fewer at the ends.
void average(image::Volume<float>& volume, std::size_t axis, std::size_t reach) {
  const auto n = volume.grid.size;
  const std::array<std::size_t, 3> stride{1, n[0], std::size_t{n[0]} * n[1]};
  const std::size_t length = n[axis], step = stride[axis], lines = volume.values.size() / length;
  std::vector<double> sums(length + 1);
  for (std::size_t line = 0; line < lines; ++line) {
    const std::size_t start = line / step * step * length + line % step;
    for (std::size_t q = 0; q < length; ++q)
      sums[q + 1] = sums[q] + static_cast<double>(volume.values[start + q * step]);
    for (std::size_t q = 0; q < length; ++q) {
      const std::size_t from = q > reach ? q - reach : 0, to = std::min(q + reach + 1, length);
      volume.values[start + q * step] = static_cast<float>((sums[to] - sums[from]) / static_cast<double>(to - from));
    }
  }
}

image::Volume<float> less_noisy(const Scan& scan) {
  image::Volume<float> result = scan.hu;
  const image::Point3 spacing = scan.hu.grid.spacing_mm();
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (const auto reach = static_cast<std::size_t>(kNoiseMm / spacing[axis]); reach > 0) average(result, axis, reach);
  return result;
}

/// Marrow: holes of the cortex, seen in space and in slices of each direction.
Mask with_marrow(const Scan& scan, const Mask& bone) {
  Mask whole = image::closed(bone, kClosingMm, scan.threads);
  whole = image::fill_holes_by_slice(whole, 0, {.largest_mm2 = kMarrowMm2, .threads = scan.threads});
  whole = image::fill_holes_by_slice(whole, 1, {.largest_mm2 = kMarrowMm2, .threads = scan.threads});
  whole = image::fill_holes_by_slice(whole, 2, {.largest_mm2 = kShaftMm2, .threads = scan.threads});
  whole = image::fill_holes(whole, {.open = image::OpenFaces::sides, .largest_ml = kMarrowMl, .threads = scan.threads});
  for (std::size_t v = 0; v < whole.values.size(); ++v)
    whole.values[v] = bone.values[v] || (whole.values[v] && static_cast<double>(scan.hu.values[v]) > kMarrowHu);
  return whole;
}

/// Heart and great vessels full of contrast, also where they touch bone.
Mask contrast_heart(const Scan& scan, const Mask& bone) {
  const double voxel_ml = bone.grid.voxel_ml();
  const Mask core = image::kept_components(
      image::eroded(bone, kHeartMm, scan.threads), Connectivity::faces,
      [&](const Component& c) { return static_cast<double>(c.voxels) * voxel_ml >= kHeartMl; }, scan.threads);
  Mask heart = image::dilated(core, kHeartMm + kHeartRimMm, scan.threads);
  keep_common(heart, bone);
  return heart;
}

/// Pieces that are solid and have no cortex: contrast in vessels, heart and ureters, bowel contents.
Mask contrast_in(const Scan& scan, const Mask& bone) {
  const Components parts = image::connected_components(bone, Connectivity::corners, scan.threads);
  const Mask solid = image::opened(bone, kSolidMm, scan.threads);
  std::vector<std::uint64_t> cortex(parts.list.size()), core(parts.list.size());
  for (std::size_t v = 0; v < bone.values.size(); ++v) {
    if (!parts.labels.values[v]) continue;
    const std::size_t c = parts.labels.values[v] - 1;
    cortex[c] += static_cast<double>(scan.hu.values[v]) >= kCortexHu;
    core[c] += solid.values[v];
  }
  std::vector<std::uint8_t> drop(parts.list.size() + 1);
  for (std::size_t c = 0; c < parts.list.size(); ++c) {
    const auto voxels = static_cast<double>(parts.list[c].voxels);
    drop[c + 1] = voxels * bone.grid.voxel_ml() >= kVesselMl && static_cast<double>(core[c]) >= kSolidShare * voxels &&
                  static_cast<double>(cortex[c]) < kCortexShare * voxels;
  }
  Mask contrast{bone.grid, std::vector<std::uint8_t>(bone.values.size()), ""};
  for (std::size_t v = 0; v < bone.values.size(); ++v) contrast.values[v] = drop[parts.labels.values[v]];
  return contrast;
}

}  // namespace

Mask bone_of(const Scan& scan, const Mask& body, std::vector<ClassicalWarning>& warnings) {
  Mask sure = image::thresholded(scan.hu, kSureBoneHu, image::kUnlimited);
  keep_common(sure, body);
  Mask bone = image::thresholded(less_noisy(scan), kBoneHu, image::kUnlimited);
  for (std::size_t v = 0; v < bone.values.size(); ++v)  // thin cortex that the mean loses
    bone.values[v] = (bone.values[v] || sure.values[v]) && body.values[v];
  bone = image::reconstructed(sure, bone, Connectivity::corners, scan.threads);
  const double voxel_ml = bone.grid.voxel_ml();
  bone = image::kept_components(
      bone, Connectivity::corners,
      [&](const Component& c) { return static_cast<double>(c.voxels) * voxel_ml >= kLeastMl; }, scan.threads);
  std::uint64_t dropped = 0;
  for (const auto& contrast_of : {contrast_heart, contrast_in}) {
    const Mask contrast = contrast_of(scan, bone);
    dropped += image::set_voxels(contrast);
    take_away(bone, contrast);
  }
  if (dropped > 0)
    warnings.push_back({"contrast_left_out",
                        fixed_text(static_cast<double>(dropped) * voxel_ml, 1) +
                            " ml as dense as bone but solid were left out of bone; smaller vessels may be part of it"});
  bone = with_marrow(scan, bone);
  keep_common(bone, body);
  return bone;
}

}  // namespace rouage::cogs::organs
