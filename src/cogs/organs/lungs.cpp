#include <algorithm>
#include <cmath>

#include "base/values.h"
#include "cogs/organs/steps.h"

namespace rouage::cogs::organs {
namespace {

using image::Component, image::Components, image::Connectivity, image::IndexBox, image::Mask;

constexpr double kLungHu = -400;  ///< halfway between parenchyma (-850) and soft tissue (40)
constexpr double kSkinMm = 4;     ///< the skin's half-filled voxels are no air inside
constexpr double kParenchymaLowHu = -940, kParenchymaHighHu = -600;
constexpr double kParenchymaShare = 0.35;  ///< gas of bowel and pharynx has its voxels below, and at its walls
constexpr double kLeastMl = 10, kWholeMl = 300;
constexpr double kWallMm = 1.5;     ///< of the main bronchi
constexpr double kSmallPart = 0.1;  ///< of the larger lung
constexpr double kBothSides = 0.5;  ///< of the body's width: both lungs in one piece
constexpr double kClosingMm = 8;    ///< pleural nodules, vessels at the hilum
constexpr double kPartMm = 1.5, kMostPartMm = 12;

bool cut_at_ends(const Component& c, const image::Grid& grid) {
  return c.box.first[2] == 0 || c.box.last[2] + 1 == grid.size[2];
}

/// Sizes of the two largest components, as positions in the list; the second is list.size() when there is one only.
std::pair<std::size_t, std::size_t> two_largest(const std::vector<Component>& list) {
  std::size_t first = list.size(), second = list.size();
  for (std::size_t c = 0; c < list.size(); ++c) {
    if (first == list.size() || list[c].voxels > list[first].voxels) {
      second = first;
      first = c;
    } else if (second == list.size() || list[c].voxels > list[second].voxels) {
      second = c;
    }
  }
  return {first, second};
}

/// The body from right to left.
struct Across {
  double width_mm = 0;
  double middle_i = 0;  ///< voxels from the start of the lungs' box
};

/// One seed region a side. Nothing in `right` when only one lung is there, whose side is still to be told.
struct Sides {
  Mask left, right;
  bool both = false, at_midline = false;
};

Mask component_mask(const Mask& mask, const Component& wanted, int threads) {
  return image::kept_components(
      mask, Connectivity::faces, [&](const Component& c) { return c.first_voxel == wanted.first_voxel; }, threads);
}

/// Two large pieces on different sides.
bool parted(const std::vector<Component>& list, const image::Grid& grid, double body_mm) {
  const auto [a, b] = two_largest(list);
  if (b == list.size()) return false;
  if (static_cast<double>(list[b].voxels) < kSmallPart * static_cast<double>(list[a].voxels)) return false;
  const double apart = std::abs(list[a].centroid[0] - list[b].centroid[0]) * grid.spacing_mm()[0];
  return apart > 0.2 * body_mm;
}

Sides sides_of_pieces(const Mask& mask, const std::vector<Component>& list, int threads) {
  const auto [a, b] = two_largest(list);
  const bool a_left = list[a].centroid[0] > list[b].centroid[0];  // L: i grows to the patient's left
  return {component_mask(mask, list[a_left ? a : b], threads), component_mask(mask, list[a_left ? b : a], threads),
          true, false};
}

Sides halves(const Mask& mask, double middle_i) {
  Sides sides{mask, mask, true, true};
  const std::size_t ni = mask.grid.size[0];
  for (std::size_t v = 0; v < mask.values.size(); ++v)
    (static_cast<double>(v % ni) > middle_i ? sides.right : sides.left).values[v] = 0;
  return sides;
}

/// Left and right where they are parted already, or after eroding what joins them (the junction lines are thin).
Sides find_sides(const Mask& lungs, const Across& body, int threads) {
  const std::vector<Component> list = image::component_list(lungs, Connectivity::faces, threads);
  if (parted(list, lungs.grid, body.width_mm)) return sides_of_pieces(lungs, list, threads);
  const Component& all = list[two_largest(list).first];
  const double width = (all.box.last[0] - all.box.first[0] + 1) * lungs.grid.spacing_mm()[0];
  if (width < kBothSides * body.width_mm) {
    Sides one{component_mask(lungs, all, threads),
              {lungs.grid, std::vector<std::uint8_t>(lungs.values.size()), ""},
              false,
              false};
    if (all.centroid[0] < body.middle_i) std::swap(one.left, one.right);
    return one;
  }
  for (double radius = kPartMm; radius <= kMostPartMm; radius += kPartMm) {
    const Mask smaller = image::eroded(lungs, radius, threads);
    const std::vector<Component> pieces = image::component_list(smaller, Connectivity::faces, threads);
    if (parted(pieces, lungs.grid, body.width_mm)) return sides_of_pieces(smaller, pieces, threads);
  }
  return halves(lungs, 0.5 * (all.box.first[0] + all.box.last[0]));
}

/// Every voxel of the lungs goes to the nearer seed.
void share_out(const Mask& lungs, Sides& sides, int threads) {
  const auto to_left = image::distance_to(sides.left, image::kUnlimited, threads);
  const auto to_right = image::distance_to(sides.right, image::kUnlimited, threads);
  for (std::size_t v = 0; v < lungs.values.size(); ++v) {
    const bool nearer_left = to_left.values[v] <= to_right.values[v];
    sides.left.values[v] = lungs.values[v] && nearer_left;
    sides.right.values[v] = lungs.values[v] && !nearer_left;
  }
}

/// Vessels and nodules at the pleura and at the hilum join the lung.
Mask smoothed(const Mask& lung, const Mask& allowed, int threads) {
  Mask result = image::closed(lung, kClosingMm, threads);
  for (std::size_t v = 0; v < result.values.size(); ++v)
    result.values[v] = lung.values[v] || (result.values[v] && allowed.values[v]);
  return image::fill_holes(result, {.open = image::OpenFaces::sides, .threads = threads});
}

void split_and_smooth(const Scan& scan, const Mask& body, const Mask& air, Lungs& lungs,
                      std::vector<ClassicalWarning>& warnings) {
  const IndexBox skin = *image::bounding_box(body);
  IndexBox box = *image::bounding_box(air);
  const image::Point3 s = air.grid.spacing_mm();
  for (std::size_t a = 0; a < 3; ++a) {
    const auto margin = static_cast<std::uint32_t>(std::ceil(kClosingMm / s[a])) + 1;
    box.first[a] = box.first[a] > margin ? box.first[a] - margin : 0;
    box.last[a] = std::min(box.last[a] + margin, air.grid.size[a] - 1);
  }
  const Mask small = image::cropped(air, box);
  const Across across{(skin.last[0] - skin.first[0] + 1) * s[0],
                      0.5 * (static_cast<double>(skin.first[0]) + skin.last[0]) - box.first[0]};
  Sides sides = find_sides(small, across, scan.threads);
  if (sides.at_midline)
    warnings.push_back(
        {"lungs_split_at_midline", "the lungs hang together too widely to be parted; they were cut in the middle"});
  if (sides.both) share_out(small, sides, scan.threads);
  Mask allowed = image::cropped(body, box);
  take_away(allowed, image::dilated(image::cropped(lungs.airways, box), kWallMm, scan.threads));
  Mask left = smoothed(sides.left, allowed, scan.threads), right = smoothed(sides.right, allowed, scan.threads);
  for (std::size_t v = 0; v < left.values.size(); ++v) {
    if (!left.values[v] || !right.values[v]) continue;  // both closings claim it: who had it before keeps it
    left.values[v] = !sides.right.values[v];
    right.values[v] = sides.right.values[v];
  }
  put_back(lungs.left, box, left);
  put_back(lungs.right, box, right);
}

}  // namespace

Mask lung_air(const Scan& scan, const Mask& body) {
  Mask air = image::thresholded(scan.hu, -image::kUnlimited, kLungHu);
  keep_common(air, image::eroded(body, kSkinMm, scan.threads));
  const Components parts = image::connected_components(air, Connectivity::faces, scan.threads);
  std::vector<std::uint64_t> parenchyma(parts.list.size());
  for (std::size_t v = 0; v < air.values.size(); ++v) {
    const auto hu = static_cast<double>(scan.hu.values[v]);
    if (parts.labels.values[v] && hu >= kParenchymaLowHu && hu <= kParenchymaHighHu)
      ++parenchyma[parts.labels.values[v] - 1];
  }
  const double voxel_ml = air.grid.voxel_ml();
  std::vector<std::uint8_t> keep(parts.list.size() + 1);
  bool whole = false;
  for (std::size_t c = 0; c < parts.list.size(); ++c) {
    const auto voxels = static_cast<double>(parts.list[c].voxels);
    keep[c + 1] = voxels * voxel_ml >= kLeastMl && static_cast<double>(parenchyma[c]) >= kParenchymaShare * voxels;
    whole = whole || (keep[c + 1] && voxels * voxel_ml >= kWholeMl);
  }
  // A small piece alone is lung only where the scan cuts it off; sinuses and pharynx lie within.
  for (std::size_t c = 0; c < parts.list.size(); ++c)
    keep[c + 1] = keep[c + 1] && (whole || cut_at_ends(parts.list[c], air.grid));
  for (std::size_t v = 0; v < air.values.size(); ++v) air.values[v] = keep[parts.labels.values[v]];
  return air;
}

Lungs lungs_of(const Scan& scan, const Mask& body, std::vector<ClassicalWarning>& warnings) {
  const Mask nothing{body.grid, std::vector<std::uint8_t>(body.values.size()), ""};
  Lungs lungs{nothing, nothing, nothing, "no_lung", "no_lung", "no_trachea"};
  Mask air = lung_air(scan, body);
  if (image::set_voxels(air) == 0) return lungs;
  lungs.airways = wide_airways(scan, body, air);
  if (image::set_voxels(lungs.airways) > 0) {
    lungs.absent_airways.clear();
    take_away(air, image::dilated(lungs.airways, kWallMm, scan.threads));
    // Pieces of airways above and beside the lumen that was found.
    const double voxel_ml = air.grid.voxel_ml();
    air = image::kept_components(
        air, Connectivity::faces,
        [&](const Component& c) { return static_cast<double>(c.voxels) * voxel_ml >= kLeastMl; }, scan.threads);
  } else {
    warnings.push_back({"no_trachea", "no trachea was seen: airways may be part of the lungs"});
  }
  if (image::set_voxels(air) == 0) return lungs;
  split_and_smooth(scan, body, air, lungs, warnings);
  const auto left = image::bounding_box(lungs.left), right = image::bounding_box(lungs.right);
  lungs.absent_left = left ? "" : "one_lung";
  lungs.absent_right = right ? "" : "one_lung";
  if (!left || !right) warnings.push_back({"one_lung", "air of a lung was found on one side only"});
  for (const auto& box : {left, right})
    if (box && (box->first[2] == 0 || box->last[2] + 1 == body.grid.size[2])) {
      warnings.push_back(
          {"lungs_cut", "a lung reaches the first or the last slice: its volume is not that of the whole lung"});
      break;
    }
  return lungs;
}

}  // namespace rouage::cogs::organs
