/// Runs of equal voxels along i, joined into components: what connected components and holes are made of.
#pragma once
#include <cstdint>
#include <vector>

#include "image/volume_shapes.h"

namespace rouage::image {

struct Run {
  std::uint32_t begin = 0, end = 0;  ///< columns [begin, end)
};
struct RunMap {
  std::array<std::uint32_t, 3> size{};
  std::vector<Run> runs;                 ///< in memory order
  std::vector<std::size_t> row_start;    ///< rows + 1; row = k * nj + j
  std::vector<std::uint32_t> component;  ///< of each run, from 0, numbered by their first voxels
  std::uint32_t components = 0;
};
enum class Voxels { set, unset };

/// across_slices false: components of each slice alone (no neighbours along k).
RunMap labelled_runs(const Mask& mask, Voxels which, Connectivity connectivity, bool across_slices, int threads);

std::vector<Component> measured(const RunMap& map);

/// Writes `value` on the runs of the components that are `chosen`.
void paint(const RunMap& map, const std::vector<bool>& chosen, std::uint8_t value, std::vector<std::uint8_t>& voxels);

}  // namespace rouage::image
