// Trachea and main bronchi: a round dark spot near the middle, followed over slices, then grown under rising thresholds
// until it leaks into the lung (Mori et al. 1996, "explosion"; Hu, Hoffman and Reinhardt 2001, doi 10.1109/42.929615).
#include <algorithm>
#include <cmath>

#include "cogs/organs/steps.h"

namespace rouage::cogs::organs {
namespace {

using image::Component, image::Connectivity, image::IndexBox, image::Mask;

constexpr double kLumenHu = -900;
constexpr double kLeastMm2 = 40, kMostMm2 = 800;  ///< a trachea's cross-section, narrow child to wide adult
constexpr double kMostOffMiddleMm = 45;
constexpr double kMostElongation = 2.5, kLeastFilled = 0.5;
constexpr double kMostJumpMm = 8, kLeastChainMm = 15;
constexpr double kFirstHu = -990, kLastHu = -700, kStepHu = 29;
constexpr double kMostMl = 200, kLeakFactor = 1.6, kLeakFromMl = 25;
constexpr double kWideMm = 3;  ///< lobar bronchi are narrower and belong to the lung

struct Spot {
  Component shape;  ///< indices in the slice
  std::uint32_t k = 0;
  double x_mm = 0, y_mm = 0, area_mm2 = 0;  ///< from the first voxel of the scan
};

/// Candidates in one slice: round, of a trachea's size, near the middle of the body.
std::vector<Spot> spots_in(const Scan& scan, const Mask& body, std::uint32_t k, double middle_mm) {
  const auto n = scan.hu.grid.size;
  const image::Point3 s = scan.hu.grid.spacing_mm();
  Mask slice{scan.hu.grid, {}, ""};
  slice.grid.size[2] = 1;
  const auto hu = scan.hu.slice(k);
  const auto inside = body.slice(k);
  slice.values.reserve(hu.size());
  for (std::size_t v = 0; v < hu.size(); ++v)
    slice.values.push_back(inside[v] && static_cast<double>(hu[v]) < kLumenHu);
  std::vector<Spot> spots;
  for (const Component& c : image::component_list(slice, Connectivity::faces)) {
    Spot spot{c, k, c.centroid[0] * s[0], c.centroid[1] * s[1], static_cast<double>(c.voxels) * s[0] * s[1]};
    const double width = (c.box.last[0] - c.box.first[0] + 1) * s[0],
                 depth = (c.box.last[1] - c.box.first[1] + 1) * s[1];
    const bool at_edge =
        c.box.first[0] == 0 || c.box.first[1] == 0 || c.box.last[0] + 1 == n[0] || c.box.last[1] + 1 == n[1];
    if (at_edge || spot.area_mm2 < kLeastMm2 || spot.area_mm2 > kMostMm2) continue;
    if (std::max(width, depth) > kMostElongation * std::min(width, depth)) continue;
    if (spot.area_mm2 < kLeastFilled * width * depth || std::abs(spot.x_mm - middle_mm) > kMostOffMiddleMm) continue;
    spots.push_back(spot);
  }
  return spots;
}

/// Where the body's middle lies in the slices of the lungs, from right to left; one lung alone says nothing about it.
double middle_of(const Mask& body, const IndexBox& lungs) {
  double sum = 0, n = 0;
  for (std::uint32_t k = lungs.first[2]; k <= lungs.last[2]; ++k)
    for (std::uint32_t j = 0; j < body.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < body.grid.size[0]; ++i)
        if (body.at(i, j, k)) {
          sum += i;
          ++n;
        }
  return n > 0 ? sum / n * body.grid.spacing_mm()[0] : 0;
}

/// The longest chain of spots over consecutive slices, from the head down.
std::vector<Spot> longest_chain(const Scan& scan, const Mask& body, std::uint32_t low, double middle_mm) {
  std::vector<std::vector<Spot>> open, done;
  for (std::uint32_t k = scan.hu.grid.size[2]; k-- > low;) {
    std::vector<std::vector<Spot>> next;
    std::vector<Spot> spots = spots_in(scan, body, k, middle_mm);
    std::vector<bool> used(spots.size());
    for (auto& chain : open) {
      const Spot& last = chain.back();
      std::size_t best = spots.size();
      double best_mm = kMostJumpMm;
      for (std::size_t c = 0; c < spots.size(); ++c) {
        const double jump = std::hypot(spots[c].x_mm - last.x_mm, spots[c].y_mm - last.y_mm);
        const double growth = spots[c].area_mm2 / last.area_mm2;
        if (used[c] || jump > best_mm || growth > 2.5 || growth < 0.4) continue;
        best = c;
        best_mm = jump;
      }
      if (best == spots.size()) {
        done.push_back(std::move(chain));
        continue;
      }
      used[best] = true;
      chain.push_back(spots[best]);
      next.push_back(std::move(chain));
    }
    for (std::size_t c = 0; c < spots.size(); ++c)
      if (!used[c]) next.push_back({spots[c]});
    open = std::move(next);
  }
  done.insert(done.end(), open.begin(), open.end());
  const auto longest =
      std::max_element(done.begin(), done.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  return longest == done.end() ? std::vector<Spot>{} : *longest;
}

/// For each voxel of the box the first threshold that takes it in; kNever outside the body and above the last
/// threshold.
constexpr std::uint8_t kNever = 255;
std::vector<std::uint8_t> first_thresholds(const Scan& scan, const Mask& body, const IndexBox& box) {
  std::vector<std::uint8_t> result;
  for (std::uint32_t k = box.first[2]; k <= box.last[2]; ++k)
    for (std::uint32_t j = box.first[1]; j <= box.last[1]; ++j)
      for (std::uint32_t i = box.first[0]; i <= box.last[0]; ++i) {
        const double hu = static_cast<double>(scan.hu.at(i, j, k));
        const double steps = std::max(0.0, std::ceil((hu - kFirstHu) / kStepHu));
        result.push_back(!body.at(i, j, k) || hu > kLastHu ? kNever : static_cast<std::uint8_t>(steps));
      }
  return result;
}

/// The last growth before the leak, in the box of the seeds.
Mask grown(const Scan& scan, const Mask& body, const Mask& seeds, const IndexBox& box) {
  const std::vector<std::uint8_t> first = first_thresholds(scan, body, box);
  const double voxel_ml = seeds.grid.voxel_ml();
  Mask best{seeds.grid, std::vector<std::uint8_t>(seeds.values.size()), ""}, lumen = best;
  double before = 0;
  for (int step = 0; kFirstHu + step * kStepHu <= kLastHu; ++step) {
    for (std::size_t v = 0; v < first.size(); ++v) lumen.values[v] = first[v] <= step;
    Mask reached = image::reconstructed(seeds, lumen, Connectivity::faces, scan.threads);
    const double ml = static_cast<double>(image::set_voxels(reached)) * voxel_ml;
    if (ml > kMostMl || (before > kLeakFromMl && ml > kLeakFactor * before)) break;
    best = std::move(reached);
    before = ml;
  }
  return best;
}

}  // namespace

Mask wide_airways(const Scan& scan, const Mask& body, const Mask& air) {
  Mask airways{air.grid, std::vector<std::uint8_t>(air.values.size()), ""};
  const auto around = image::bounding_box(air);
  if (!around) return airways;
  const image::Point3 s = air.grid.spacing_mm();
  // The trachea ends (carina) in the upper half of the lungs.
  const std::uint32_t low = around->first[2] + (around->last[2] - around->first[2]) / 2;
  const std::vector<Spot> chain = longest_chain(scan, body, low, middle_of(body, *around));
  if (static_cast<double>(chain.size()) * s[2] < kLeastChainMm) return airways;
  // The trachea above the lungs is no part of their air where a wall parts them: the box reaches up to the last slice.
  IndexBox box = *around;
  box.last[2] = air.grid.size[2] - 1;
  for (const Spot& spot : chain)
    for (std::size_t a = 0; a < 2; ++a) {
      box.first[a] = std::min(box.first[a], spot.shape.box.first[a]);
      box.last[a] = std::max(box.last[a], spot.shape.box.last[a]);
    }
  Mask seeds{image::sub_grid(air.grid, box), {}, ""};
  seeds.values.assign(seeds.grid.voxels(), 0);
  for (const Spot& spot : chain) {
    const std::uint64_t at = spot.shape.first_voxel;
    const auto i = static_cast<std::uint32_t>(at % air.grid.size[0]),
               j = static_cast<std::uint32_t>(at / air.grid.size[0]);
    seeds.at(i - box.first[0], j - box.first[1], spot.k - box.first[2]) = 1;
  }
  const Mask lumen = grown(scan, body, seeds, box);
  put_back(
      airways, box,
      image::reconstructed(seeds, image::opened(lumen, kWideMm, scan.threads), Connectivity::corners, scan.threads));
  return airways;
}

}  // namespace rouage::cogs::organs
