// Resampling between grids, by values whose place is known.
#include <gtest/gtest.h>

#include "base/error.h"
#include "image/shapes/random_masks.h"

namespace rouage::image {
namespace {

using test::box_grid;

Grid oblique_grid() {
  Grid grid = box_grid(17, 15, 12);
  const double c = std::cos(0.3), s = std::sin(0.3);
  grid.origin_mm = {-4, 11, 7};
  grid.step_mm = {Point3{1.1 * c, 1.1 * s, 0}, Point3{-0.9 * s, 0.9 * c, 0.2}, Point3{0.1, 0, -1.4}};  // sheared too
  return grid;
}

/// An affine function of position: linear interpolation must give it back exactly inside.
double ramp(const Point3& p) {
  return 3 + 0.5 * p[0] - 1.25 * p[1] + 2 * p[2];
}

Volume<float> ramp_on(const Grid& grid) {
  Volume<float> volume{grid, std::vector<float>(grid.voxels()), "HU"};
  for (std::uint32_t k = 0; k < grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < grid.size[0]; ++i)
        volume.at(i, j, k) = static_cast<float>(ramp(grid.position(i, j, k)));
  return volume;
}

TEST(Resampling, LinearGivesAnAffineFunctionBackOnAnyGrid) {
  const Grid source = oblique_grid();
  Grid target = box_grid(20, 20, 20, {0.7, 0.6, 0.8});
  target.origin_mm = {-5, 8, -5};
  const Volume<float> result = resampled(ramp_on(source), target, Interpolation::linear, -7777.0f, 2);
  std::size_t inside = 0;
  for (std::uint32_t k = 0; k < 20; ++k)
    for (std::uint32_t j = 0; j < 20; ++j)
      for (std::uint32_t i = 0; i < 20; ++i) {
        const Point3 at = source.index_of(target.position(i, j, k));
        bool within = true, reached = true;
        for (std::size_t x = 0; x < 3; ++x) {
          within = within && at[x] >= 0 && at[x] <= source.size[x] - 1.0;
          reached = reached && at[x] > -0.5 && at[x] < source.size[x] - 0.5;
        }
        if (within) {
          EXPECT_NEAR(result.at(i, j, k), ramp(target.position(i, j, k)), 1e-4);  // float32 of values below 100
          ++inside;
        } else {
          EXPECT_EQ(result.at(i, j, k) == -7777.0f, !reached);
        }
      }
  EXPECT_GT(inside, 300u);
  EXPECT_EQ(result.values, resampled(ramp_on(source), target, Interpolation::linear, -7777.0f, 1).values);
  EXPECT_EQ(result.unit, "HU");
}

TEST(Resampling, NearestTakesTheVoxelThatHoldsThePoint) {
  const Grid source = oblique_grid();
  LabelMap labels{source, std::vector<std::uint16_t>(source.voxels()), ""};
  for (std::size_t v = 0; v < labels.values.size(); ++v) labels.values[v] = static_cast<std::uint16_t>(v + 1);
  Grid target = box_grid(25, 25, 25, {0.7, 0.7, 0.7});
  target.origin_mm = {-6, 8, -8};
  const LabelMap result = resampled(labels, target, 2);
  for (std::uint32_t k = 0; k < 25; ++k)
    for (std::uint32_t j = 0; j < 25; ++j)
      for (std::uint32_t i = 0; i < 25; ++i) {
        const Point3 at = source.index_of(target.position(i, j, k));
        std::uint16_t expected = 0;
        if (at[0] >= -0.5 && at[1] >= -0.5 && at[2] >= -0.5 && at[0] < source.size[0] - 0.5 &&
            at[1] < source.size[1] - 0.5 && at[2] < source.size[2] - 0.5)
          expected = labels.at(std::uint32_t(std::floor(at[0] + 0.5)), std::uint32_t(std::floor(at[1] + 0.5)),
                               std::uint32_t(std::floor(at[2] + 0.5)));
        EXPECT_EQ(result.at(i, j, k), expected);
      }
}

TEST(Resampling, ToTheSameOrAFlippedGridMovesNoValue) {
  const Volume<float> source = ramp_on(oblique_grid());
  EXPECT_EQ(resampled(source, source.grid, Interpolation::linear, 0).values, source.values);
  for (const char* orientation : {"LPS", "RAI", "SPL", "AIR"}) {
    const Volume<float> turned = reoriented(source, orientation);
    EXPECT_EQ(resampled(source, turned.grid, Interpolation::nearest, 0).values, turned.values);
    EXPECT_EQ(resampled(turned, source.grid, Interpolation::nearest, 0).values, source.values);
  }
}

TEST(Resampling, RefusesASingularAffine) {
  Volume<float> source = ramp_on(oblique_grid());
  source.grid.step_mm[2] = source.grid.step_mm[0];
  EXPECT_THROW(resampled(source, box_grid(3, 3, 3), Interpolation::linear, 0), Error);
}

TEST(Thresholding, IsInclusiveAndLeavesNaNOut) {
  Volume<float> volume{box_grid(5, 1, 1), {-1, 0, 1, 2, std::nanf("")}, ""};
  EXPECT_EQ(thresholded(volume, 0, 1).values, (std::vector<std::uint8_t>{0, 1, 1, 0, 0}));
}

}  // namespace
}  // namespace rouage::image
