/// Seeded masks and grids for the tests of shapes.
#pragma once
#include <cmath>
#include <random>

#include "image/volume_shapes.h"

namespace rouage::image::test {

inline Grid box_grid(std::uint32_t ni, std::uint32_t nj, std::uint32_t nk, Point3 spacing = {1, 1, 1}) {
  Grid grid;
  grid.size = {ni, nj, nk};
  grid.step_mm = {Point3{spacing[0], 0, 0}, Point3{0, spacing[1], 0}, Point3{0, 0, spacing[2]}};
  return grid;
}

inline Mask empty_mask(const Grid& grid) {
  return {grid, std::vector<std::uint8_t>(grid.voxels()), ""};
}

inline Mask random_mask(const Grid& grid, double density, unsigned seed) {
  Mask mask = empty_mask(grid);
  std::mt19937 random(seed);
  for (auto& value : mask.values)
    value = (random() % 10000) < density * 10000 ? static_cast<std::uint8_t>(1 + random() % 255) : 0;
  return mask;
}

/// Smooth blobs: a few balls.
inline Mask random_blobs(const Grid& grid, int balls, unsigned seed) {
  Mask mask = empty_mask(grid);
  std::mt19937 random(seed);
  const Point3 spacing = grid.spacing_mm();
  for (int b = 0; b < balls; ++b) {
    Point3 centre{};
    for (std::size_t a = 0; a < 3; ++a) centre[a] = (random() % 1000) / 1000.0 * grid.size[a] * spacing[a];
    const double radius = 2.0 + (random() % 1000) / 200.0;
    for (std::uint32_t k = 0; k < grid.size[2]; ++k)
      for (std::uint32_t j = 0; j < grid.size[1]; ++j)
        for (std::uint32_t i = 0; i < grid.size[0]; ++i)
          if (std::hypot(i * spacing[0] - centre[0], j * spacing[1] - centre[1], k * spacing[2] - centre[2]) <= radius)
            mask.at(i, j, k) = 1;
  }
  return mask;
}

}  // namespace rouage::image::test
