// Distances and balls against every pair of voxels, and balls whose size is known.
#include <gtest/gtest.h>

#include "base/error.h"
#include "image/shapes/random_masks.h"

namespace rouage::image {
namespace {

using test::box_grid, test::empty_mask, test::random_blobs, test::random_mask;

double apart(const Grid& grid, std::size_t v, std::size_t w) {
  const auto at = [&](std::size_t x) {
    return grid.position(x % grid.size[0], x / grid.size[0] % grid.size[1],
                         x / (std::size_t{grid.size[0]} * grid.size[1]));
  };
  const Point3 p = at(v), q = at(w);
  return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

double ref_distance(const Mask& mask, std::size_t v, bool to_set) {
  double best = kUnlimited;
  for (std::size_t w = 0; w < mask.values.size(); ++w)
    if ((mask.values[w] != 0) == to_set) best = std::min(best, apart(mask.grid, v, w));
  return best;
}

/// Oblique but perpendicular axes, unequal spacing.
Grid turned_grid() {
  Grid grid = box_grid(9, 7, 8);
  const double c = std::cos(0.4), s = std::sin(0.4);
  grid.step_mm = {Point3{0.7 * c, 0.7 * s, 0}, Point3{-1.3 * s, 1.3 * c, 0}, Point3{0, 0, -2.9}};
  return grid;
}

// float32 squares: relative 1e-6 of the distance.
void expect_near(double value, double expected) {
  if (std::isinf(expected))
    EXPECT_TRUE(std::isinf(value));
  else
    EXPECT_NEAR(value, expected, 1e-6 * (1 + std::abs(expected)));
}

TEST(DistanceTransform, IsTheNearestOfAllPairsForAnyDensitySpacingAndThreads) {
  unsigned seed = 0;
  for (const Grid& grid : {box_grid(11, 6, 9), box_grid(8, 9, 7, {0.9765625, 0.9765625, 3}), turned_grid(),
                           box_grid(1, 1, 12), box_grid(19, 1, 3, {2.5, 1, 0.4})})
    for (const double density : {0.0, 0.01, 0.1, 0.5, 1.0}) {
      const Mask mask = random_mask(grid, density, ++seed);
      const Volume<float> distance = distance_to(mask, kUnlimited, 2), signs = signed_distance(mask, 1);
      for (std::size_t v = 0; v < mask.values.size(); ++v) {
        expect_near(distance.values[v], ref_distance(mask, v, true));
        expect_near(signs.values[v], mask.values[v] ? -ref_distance(mask, v, false) : ref_distance(mask, v, true));
      }
      EXPECT_EQ(distance.values, distance_to(mask, kUnlimited, 1).values);
      EXPECT_EQ(distance.unit, "mm");
    }
}

TEST(DistanceTransform, BeyondTheLimitIsInfinity) {
  const Mask mask = random_mask(box_grid(15, 12, 10, {1, 0.8, 2}), 0.004, 7);
  const Volume<float> full = distance_to(mask), limited = distance_to(mask, 4.0);
  ASSERT_GT(set_voxels(mask), 0u);
  for (std::size_t v = 0; v < full.values.size(); ++v)
    if (full.values[v] <= 4.0)
      EXPECT_EQ(limited.values[v], full.values[v]);
    else
      EXPECT_TRUE(std::isinf(limited.values[v]));
}

TEST(Morphology, DilationAndErosionAreBallsInMillimetres) {
  for (const Grid& grid : {box_grid(9, 8, 7), box_grid(9, 7, 6, {0.8, 1.1, 2.5}), turned_grid()})
    for (const double radius : {0.0, 0.5, 1.0, 1.7, 3.0}) {
      const Mask mask = random_mask(grid, 0.3, static_cast<unsigned>(radius * 10) + 3);
      const Mask larger = dilated(mask, radius, 2), smaller = eroded(mask, radius, 2);
      for (std::size_t v = 0; v < mask.values.size(); ++v) {
        EXPECT_EQ(larger.values[v], ref_distance(mask, v, true) <= radius * (1 + 1e-6));
        EXPECT_EQ(smaller.values[v], mask.values[v] && !(ref_distance(mask, v, false) <= radius * (1 + 1e-6)));
      }
    }
}

TEST(Morphology, ABallHasTheVolumeOfABall) {
  Mask mask = empty_mask(box_grid(81, 81, 41, {0.5, 0.5, 1}));
  mask.at(40, 40, 20) = 1;
  const double ml = static_cast<double>(set_voxels(dilated(mask, 15))) * mask.grid.voxel_ml();
  EXPECT_NEAR(ml, 4.0 / 3 * M_PI * 15 * 15 * 15 / 1000, 0.1);  // 14.1 ml; half a voxel of surface in random directions
}

TEST(Morphology, OpeningShrinksClosingGrowsAndBothAreIdempotent) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    const Mask mask = random_blobs(box_grid(24, 22, 14, {1, 1, 2}), 9, seed);
    const Mask once_opened = opened(mask, 3), once_closed = closed(mask, 3);
    for (std::size_t v = 0; v < mask.values.size(); ++v) {
      EXPECT_LE(once_opened.values[v], mask.values[v]);
      EXPECT_GE(once_closed.values[v], mask.values[v]);
    }
    EXPECT_EQ(opened(once_opened, 3).values, once_opened.values);
  }
}

TEST(Morphology, ClosingDoesNotStickToTheBorderOfTheVolume) {
  Mask mask = empty_mask(box_grid(20, 20, 20));
  for (std::uint32_t k = 8; k < 12; ++k)
    for (std::uint32_t j = 8; j < 12; ++j)
      for (std::uint32_t i = 2; i < 6; ++i) mask.at(i, j, k) = 1;  // convex, two voxels from the border
  EXPECT_EQ(closed(mask, 4).values, mask.values);
  Mask gap = empty_mask(box_grid(20, 9, 9));
  for (std::uint32_t i = 0; i < 20; ++i)
    for (std::uint32_t k = 0; k < 9; ++k)
      for (std::uint32_t j = 0; j < 9; ++j) gap.at(i, j, k) = i < 8 || i > 10;
  EXPECT_EQ(set_voxels(closed(gap, 2)) > set_voxels(gap), true);  // a crack of 3 mm closes for a ball of 4 mm across
}

TEST(Morphology, RefusesTiltedGridsAndAbsurdRadii) {
  Mask mask = random_mask(box_grid(5, 5, 5), 0.5, 3);
  EXPECT_THROW(dilated(mask, -1), Error);
  EXPECT_THROW(closed(mask, std::nan("")), Error);
  EXPECT_THROW(closed(mask, 1e300), Error);
  EXPECT_EQ(set_voxels(dilated(mask, 1e300)), mask.values.size());
  mask.grid.step_mm[2] = {0, 0.2, 1};
  EXPECT_THROW(dilated(mask, 1), Error);
  EXPECT_THROW(distance_to(mask), Error);
}

}  // namespace
}  // namespace rouage::image
