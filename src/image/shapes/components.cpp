#include "image/shapes/lattice.h"
#include "image/shapes/runs.h"

namespace rouage::image {
namespace {

Mask unset_like(const Mask& mask) {
  return {mask.grid, std::vector<std::uint8_t>(mask.values.size()), mask.unit};
}

Mask all_set(const Mask& mask) {
  Mask result = unset_like(mask);
  for (std::size_t v = 0; v < mask.values.size(); ++v) result.values[v] = mask.values[v] != 0;
  return result;
}

bool reaches(const Component& c, const std::array<std::uint32_t, 3>& size, bool ends) {
  for (std::size_t a = 0; a < (ends ? 3u : 2u); ++a)
    if (c.box.first[a] == 0 || c.box.last[a] + 1 == size[a]) return true;
  return false;
}

/// i and k exchanged: slices along i become slices along k.
Mask exchanged(const Mask& mask) {
  Mask result = unset_like(mask);
  std::swap(result.grid.size[0], result.grid.size[2]);
  std::swap(result.grid.step_mm[0], result.grid.step_mm[2]);
  for (std::uint32_t k = 0; k < mask.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < mask.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < mask.grid.size[0]; ++i) result.at(k, j, i) = mask.at(i, j, k);
  return result;
}

/// j and k exchanged.
Mask turned(const Mask& mask) {
  Mask result = unset_like(mask);
  std::swap(result.grid.size[1], result.grid.size[2]);
  std::swap(result.grid.step_mm[1], result.grid.step_mm[2]);
  const std::size_t ni = mask.grid.size[0];
  for (std::uint32_t k = 0; k < mask.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < mask.grid.size[1] && ni > 0; ++j)
      std::copy_n(&mask.at(0, j, k), ni, &result.at(0, k, j));
  return result;
}

}  // namespace

Components connected_components(const Mask& mask, Connectivity connectivity, int threads) {
  const RunMap map = labelled_runs(mask, Voxels::set, connectivity, true, threads);
  Components result{{mask.grid, std::vector<std::uint32_t>(mask.values.size()), ""}, measured(map)};
  const std::size_t ni = map.size[0];
  for (std::size_t row = 0; row + 1 < map.row_start.size(); ++row)
    for (std::size_t r = map.row_start[row]; r < map.row_start[row + 1]; ++r)
      std::fill_n(result.labels.values.data() + row * ni + map.runs[r].begin, map.runs[r].end - map.runs[r].begin,
                  map.component[r] + 1);
  return result;
}

std::vector<Component> component_list(const Mask& mask, Connectivity connectivity, int threads) {
  return measured(labelled_runs(mask, Voxels::set, connectivity, true, threads));
}

Mask kept_components(const Mask& mask, Connectivity connectivity, const std::function<bool(const Component&)>& keep,
                     int threads) {
  const RunMap map = labelled_runs(mask, Voxels::set, connectivity, true, threads);
  std::vector<bool> chosen;
  for (const Component& c : measured(map)) chosen.push_back(keep(c));
  Mask result = unset_like(mask);
  paint(map, chosen, 1, result.values);
  return result;
}

Mask reconstructed(const Mask& marker, const Mask& mask, Connectivity connectivity, int threads) {
  check_volume(marker);
  if (marker.grid.size != mask.grid.size)
    throw Error(ErrorCode::GridMismatch, "the marker does not have the size of the mask");
  const RunMap map = labelled_runs(mask, Voxels::set, connectivity, true, threads);
  std::vector<bool> chosen(map.components);
  const std::size_t ni = map.size[0];
  for (std::size_t row = 0; row + 1 < map.row_start.size(); ++row)
    for (std::size_t r = map.row_start[row]; r < map.row_start[row + 1]; ++r) {
      if (chosen[map.component[r]]) continue;
      const std::uint8_t* values = marker.values.data() + row * ni;
      chosen[map.component[r]] = std::any_of(values + map.runs[r].begin, values + map.runs[r].end,
                                             [](std::uint8_t value) { return value != 0; });
    }
  Mask result = unset_like(mask);
  paint(map, chosen, 1, result.values);
  return result;
}

Mask largest_component(const Mask& mask, Connectivity connectivity, int threads) {
  const RunMap map = labelled_runs(mask, Voxels::set, connectivity, true, threads);
  const std::vector<Component> list = measured(map);
  Mask result = unset_like(mask);
  const auto largest = std::max_element(list.begin(), list.end(),
                                        [](const Component& a, const Component& b) { return a.voxels < b.voxels; });
  if (largest == list.end()) return result;
  std::vector<bool> chosen(list.size());
  chosen[static_cast<std::size_t>(largest - list.begin())] = true;
  paint(map, chosen, 1, result.values);
  return result;
}

Mask fill_holes(const Mask& mask, const HoleOptions& options) {
  const RunMap map = labelled_runs(mask, Voxels::unset, options.background, true, options.threads);
  const double voxel_ml = mask.grid.voxel_ml();
  std::vector<bool> chosen;
  for (const Component& c : measured(map))
    chosen.push_back(!reaches(c, map.size, options.open == OpenFaces::all) &&
                     static_cast<double>(c.voxels) * voxel_ml <= options.largest_ml);
  Mask result = all_set(mask);
  paint(map, chosen, 1, result.values);
  return result;
}

Mask fill_holes_by_slice(const Mask& mask, int axis, const SliceHoleOptions& options) {
  check_volume(mask);
  if (axis < 0 || axis > 2) throw Error(ErrorCode::VolumeInvalid, "a slice axis is 0, 1 or 2");
  if (axis == 0) {
    Mask filled = exchanged(fill_holes_by_slice(exchanged(mask), 2, options));
    filled.grid = mask.grid;
    return filled;
  }
  if (axis == 1) {
    Mask filled = turned(fill_holes_by_slice(turned(mask), 2, options));
    filled.grid = mask.grid;
    return filled;
  }
  const RunMap map = labelled_runs(mask, Voxels::unset, Connectivity::faces, false, options.threads);
  const Point3 spacing = mask.grid.spacing_mm();
  std::vector<bool> chosen;
  for (const Component& c : measured(map))
    chosen.push_back(!reaches(c, map.size, false) &&
                     static_cast<double>(c.voxels) * spacing[0] * spacing[1] <= options.largest_mm2);
  Mask result = all_set(mask);
  paint(map, chosen, 1, result.values);
  return result;
}

}  // namespace rouage::image
