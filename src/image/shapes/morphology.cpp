#include <cmath>

#include "image/shapes/lattice.h"

namespace rouage::image {
namespace {

void check_radius(double radius_mm) {
  if (!(radius_mm >= 0) || !std::isfinite(radius_mm))
    throw Error(ErrorCode::VolumeInvalid, "a radius is not a finite number of millimetres, 0 or more");
}

Mask normalised(const Mask& mask) {
  Mask result{mask.grid, mask.values, mask.unit};
  for (std::uint8_t& value : result.values) value = value != 0;
  return result;
}

/// Writes what of the box lies inside the volume; the rest of the volume is unset.
Mask placed(const Mask& like, const WideBox& box, const std::vector<std::uint8_t>& values) {
  Mask result{like.grid, std::vector<std::uint8_t>(like.values.size()), like.unit};
  const auto size = box.size();
  const WideBox inner = box.within(like.grid);
  for (std::int64_t k = inner.first[2]; k <= inner.last[2]; ++k)
    for (std::int64_t j = inner.first[1]; j <= inner.last[1]; ++j) {
      const std::size_t row =
          static_cast<std::size_t>(k - box.first[2]) * size[1] + static_cast<std::size_t>(j - box.first[1]);
      const std::uint8_t* source =
          values.data() + row * size[0] + static_cast<std::size_t>(inner.first[0] - box.first[0]);
      std::copy(source, source + (inner.last[0] - inner.first[0] + 1),
                &result.at(static_cast<std::uint32_t>(inner.first[0]), static_cast<std::uint32_t>(j),
                           static_cast<std::uint32_t>(k)));
    }
  return result;
}

/// 1 where a set (to_set) or no unset (else) point lies within the radius. The limit already cuts what is further.
std::vector<std::uint8_t> by_ball(const std::vector<std::uint8_t>& values, const WideBox& box, const Point3& spacing,
                                  bool to_set, double radius_mm, int threads) {
  const std::vector<float> d2 = squared_distances(values, box.size(), spacing, to_set, radius_mm, threads);
  std::vector<std::uint8_t> result(values.size());
  for (std::size_t v = 0; v < result.size(); ++v) result[v] = std::isfinite(d2[v]) == to_set;
  return result;
}

}  // namespace

Mask dilated(const Mask& mask, double radius_mm, int threads) {
  check_radius(radius_mm);
  const auto around = bounding_box(mask);
  if (!around || radius_mm == 0) return normalised(mask);
  const Point3 spacing = perpendicular_spacing(mask.grid);
  const WideBox box = wide(*around).grown_within(radius_mm, spacing, mask.grid);
  return placed(mask, box, by_ball(taken(mask, box, 0), box, spacing, true, radius_mm, threads));
}

Mask eroded(const Mask& mask, double radius_mm, int threads) {
  check_radius(radius_mm);
  const auto around = bounding_box(mask);
  if (!around || radius_mm == 0) return normalised(mask);
  const Point3 spacing = perpendicular_spacing(mask.grid);
  WideBox box = wide(*around);
  // One layer around the set voxels holds the nearest unset ones; beyond the volume nothing is unset.
  for (std::size_t a = 0; a < 3; ++a) {
    --box.first[a];
    ++box.last[a];
  }
  box = box.within(mask.grid);
  return placed(mask, box, by_ball(taken(mask, box, 1), box, spacing, false, radius_mm, threads));
}

Mask opened(const Mask& mask, double radius_mm, int threads) {
  return dilated(eroded(mask, radius_mm, threads), radius_mm, threads);
}

Mask closed(const Mask& mask, double radius_mm, int threads) {
  check_radius(radius_mm);
  const auto around = bounding_box(mask);
  if (!around || radius_mm == 0) return normalised(mask);
  const Point3 spacing = perpendicular_spacing(mask.grid);
  // One voxel more than the radius, so that the dilated mask has an unset layer all around.
  const double margin = radius_mm + *std::max_element(spacing.begin(), spacing.end());
  const WideBox box = wide(*around).grown(margin, spacing);
  const std::vector<std::uint8_t> larger = by_ball(taken(mask, box, 0), box, spacing, true, radius_mm, threads);
  return placed(mask, box, by_ball(larger, box, spacing, false, radius_mm, threads));
}

}  // namespace rouage::image
