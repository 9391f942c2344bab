// Overlap and surface metrics: closed forms, a twin over all pairs, empty masks, symmetry, tables of labels.
#include "stats/segmentation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "image/volume_shapes.h"

namespace rouage::stats {
namespace {

using image::Grid, image::LabelMap, image::Mask, image::Point3;

Grid box_grid(std::uint32_t ni, std::uint32_t nj, std::uint32_t nk, Point3 spacing = {1, 1, 1}) {
  Grid grid;
  grid.size = {ni, nj, nk};
  for (std::size_t a = 0; a < 3; ++a) grid.step_mm[a][a] = spacing[a];
  return grid;
}

Mask cuboid(const Grid& grid, std::array<std::uint32_t, 3> first, std::array<std::uint32_t, 3> size) {
  Mask mask{grid, std::vector<std::uint8_t>(grid.voxels()), ""};
  for (std::uint32_t k = 0; k < size[2]; ++k)
    for (std::uint32_t j = 0; j < size[1]; ++j)
      for (std::uint32_t i = 0; i < size[0]; ++i) mask.at(first[0] + i, first[1] + j, first[2] + k) = 1;
  return mask;
}

Mask ball(const Grid& grid, Point3 centre_mm, double radius_mm) {
  Mask mask{grid, std::vector<std::uint8_t>(grid.voxels()), ""};
  for (std::uint32_t k = 0; k < grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < grid.size[0]; ++i) {
        const Point3 p = grid.position(i, j, k);
        mask.at(i, j, k) = std::hypot(p[0] - centre_mm[0], p[1] - centre_mm[1], p[2] - centre_mm[2]) <= radius_mm;
      }
  return mask;
}

Mask noise(const Grid& grid, double density, unsigned seed) {
  std::mt19937 random(seed);
  Mask mask{grid, std::vector<std::uint8_t>(grid.voxels()), ""};
  for (auto& v : mask.values) v = random() % 1000 < density * 1000;
  return mask;
}

// ---- closed forms
// ------------------------------------------------------------------------------------------------------

TEST(Overlap, OfTwoShiftedCubesIsCountedByHand) {
  const Grid grid = box_grid(20, 14, 14, {0.5, 2, 3});
  const auto s = compare_masks(cuboid(grid, {2, 2, 2}, {10, 10, 10}), cuboid(grid, {5, 2, 2}, {10, 10, 10}));
  EXPECT_EQ(s.reference_voxels, 1000u);
  EXPECT_EQ(s.common_voxels, 700u);
  EXPECT_DOUBLE_EQ(*s.dice, 0.7);
  EXPECT_DOUBLE_EQ(*s.jaccard, 700.0 / 1300);
  EXPECT_DOUBLE_EQ(s.reference_ml, 3.0);
  EXPECT_DOUBLE_EQ(s.volume_difference_ml, 0);
  EXPECT_DOUBLE_EQ(*s.sensitivity, 0.7);
  // Shifted by 3 columns of 0.5 mm: the faces across the shift are 1.5 mm apart, nothing is further.
  EXPECT_NEAR(s.surface->hausdorff_mm, 1.5, 1e-6);
  EXPECT_DOUBLE_EQ(s.surface->nsd, 1.0);  // all within 2 mm
}

TEST(Overlap, OfACubeInACube) {
  const Grid grid = box_grid(24, 24, 24);
  const auto s =
      compare_masks(cuboid(grid, {2, 2, 2}, {20, 20, 20}), cuboid(grid, {7, 7, 7}, {10, 10, 10}), {.tolerance_mm = 1});
  EXPECT_DOUBLE_EQ(*s.dice, 2.0 * 1000 / 9000);
  EXPECT_DOUBLE_EQ(s.volume_difference_ml, -7.0);
  EXPECT_DOUBLE_EQ(*s.relative_volume_difference, -7.0 / 8);
  EXPECT_DOUBLE_EQ(*s.precision, 1.0);
  // The corner cubes are 5 voxels apart along each axis.
  EXPECT_NEAR(s.surface->hausdorff_mm, 5 * std::sqrt(3.0), 1e-5);
  EXPECT_DOUBLE_EQ(s.surface->nsd, 0.0);
}

/// Marching cubes on an a x b x c cuboid: six faces, twelve chamfers, eight corner triangles.
double cuboid_area(std::array<double, 3> n, Point3 s) {
  double area = 0;
  for (std::size_t x = 0; x < 3; ++x) {
    const std::size_t y = (x + 1) % 3, z = (x + 2) % 3;
    area += 2 * (n[y] - 1) * s[y] * (n[z] - 1) * s[z];
    area += 4 * (n[x] - 1) * s[x] * 0.5 * std::hypot(s[y], s[z]);
  }
  return area + 8 * 0.125 * std::hypot(s[0] * s[1], s[1] * s[2], s[2] * s[0]);
}

TEST(Surfels, OfACuboidHaveItsAreaWhereverItLies) {
  const Point3 spacing{0.7, 1.3, 2.5};
  const Grid grid = box_grid(12, 11, 10, spacing);
  const double expected = cuboid_area({5, 6, 7}, spacing);
  for (const auto& first :
       {std::array<std::uint32_t, 3>{3, 2, 1}, {0, 0, 0}, {7, 5, 3}})  // inside and at the volume's border
    EXPECT_NEAR(
        compare_masks(cuboid(grid, first, {5, 6, 7}), cuboid(grid, {3, 2, 1}, {5, 6, 7})).surface->reference_mm2,
        expected, 1e-4);
}

TEST(Surfels, AreasAreTheSameForMirroredAndTurnedCubesAndKnownForSimpleOnes) {
  const auto areas = surfel_areas({1, 1, 1});
  EXPECT_EQ(areas[0], 0);
  EXPECT_EQ(areas[255], 0);
  const double corner = std::sqrt(3.0) / 8;
  for (int c = 0; c < 8; ++c) EXPECT_NEAR(areas[1u << c], corner, 1e-12);
  EXPECT_NEAR(areas[0b00000011], std::sqrt(0.5), 1e-12);  // an edge of two: a chamfer
  EXPECT_NEAR(areas[0b00001111], 1, 1e-12);               // a face of four: a plane
  EXPECT_NEAR(areas[0b10000001], 2 * corner, 1e-12);      // opposite corners: cut off each
  EXPECT_NEAR(areas[0b01101001], 4 * corner, 1e-12);      // four corners, none adjacent
  EXPECT_NEAR(areas[0b00001001], 2 * corner, 1e-12);      // diagonal of a face: kept apart
  for (unsigned code = 1; code < 255; ++code)
    for (int bit : {1, 2, 4}) {
      unsigned mirrored = 0;
      for (unsigned c = 0; c < 8; ++c)
        if (code >> c & 1) mirrored |= 1u << (c ^ unsigned(bit));
      EXPECT_NEAR(areas[code], areas[mirrored], 1e-12) << code;
      EXPECT_EQ(areas[code], areas[255 - code]) << code;
      EXPECT_GT(areas[code], 0.2);
    }
  // As published with the construction (Nikolov et al.): three corners around one, a corner and its three neighbours, a
  // bent row of four.
  EXPECT_NEAR(areas[0b00000111], 0.5 + 6 * corner / 2, 1e-12);
  EXPECT_NEAR(areas[0b00010111], 6 * corner, 1e-12);
  EXPECT_NEAR(areas[0b00011011], 4 * corner + std::sqrt(0.5), 1e-12);
  EXPECT_THROW(surfel_areas({1, 0, 1}), Error);
}

TEST(Surfaces, OfConcentricBallsAreTheDifferenceOfTheirRadiiApart) {
  // Distances of digitised surfaces are known to half a voxel's diagonal each.
  for (const Point3& spacing : {Point3{1, 1, 1}, Point3{0.8, 0.8, 1.6}}) {
    Grid grid = box_grid(70, 70, 56, spacing);
    const Point3 centre = grid.position(34, 34, 27);
    const auto s = compare_masks(ball(grid, centre, 20), ball(grid, centre, 15), {.tolerance_mm = 3});
    const double slack = std::hypot(spacing[0], spacing[1], spacing[2]) / 2;
    EXPECT_NEAR(s.surface->assd_mm, 5, slack);  // the nearest of the cubes that straddle a surface lies before it
    EXPECT_NEAR(s.surface->hausdorff95_mm, 5, slack);
    EXPECT_NEAR(s.surface->hausdorff_mm, 5, 2 * slack);
    EXPECT_LT(s.surface->nsd, 0.02);
    EXPECT_NEAR(s.surface->reference_mm2, 4 * M_PI * 400,
                0.15 * 4 * M_PI * 400);  // marching cubes on binary voxels: a tenth more
    EXPECT_NEAR(*s.dice, 2 * 3375.0 / (8000 + 3375), 0.01);
  }
}

TEST(Surfaces, OfShiftedBallsAreTheShiftApartAtMost) {
  Grid grid = box_grid(60, 50, 30, {1, 1, 2});
  const auto s = compare_masks(ball(grid, {24, 24, 28}, 14), ball(grid, {30, 24, 28}, 14));
  EXPECT_NEAR(s.surface->hausdorff_mm, 6, 1e-5);  // a whole number of voxels: the same digitised ball
  EXPECT_GT(s.surface->assd_mm, 2.0);             // the mean of 6 |cos| over a sphere is 3; nearest points are closer
  EXPECT_LT(s.surface->assd_mm, 3.0);
}

// ---- all pairs
// ---------------------------------------------------------------------------------------------------------

/// Surfaces written plainly: every cube of both, every pair.
struct RefPiece {
  Point3 at;
  double area;
};
std::vector<RefPiece> ref_surfels(const Mask& mask) {
  const Point3 s = mask.grid.spacing_mm();
  const auto areas = surfel_areas(s);
  const auto voxel = [&](int i, int j, int k) {
    const auto n = mask.grid.size;
    return i >= 0 && j >= 0 && k >= 0 && i < int(n[0]) && j < int(n[1]) && k < int(n[2]) && mask.at(i, j, k);
  };
  std::vector<RefPiece> result;
  for (int k = -1; k < int(mask.grid.size[2]); ++k)
    for (int j = -1; j < int(mask.grid.size[1]); ++j)
      for (int i = -1; i < int(mask.grid.size[0]); ++i) {
        unsigned code = 0;
        for (int c = 0; c < 8; ++c) code |= unsigned(voxel(i + (c & 1), j + (c >> 1 & 1), k + (c >> 2))) << c;
        if (areas[code] > 0) result.push_back({{i * s[0], j * s[1], k * s[2]}, areas[code]});
      }
  return result;
}

struct RefScores {
  double hausdorff, hausdorff95, assd, nsd;
};
RefScores ref_scores(const Mask& a, const Mask& b, double tolerance) {
  std::array<std::vector<std::pair<double, double>>, 2> sides;
  const std::array<std::vector<RefPiece>, 2> surfels{ref_surfels(a), ref_surfels(b)};
  RefScores r{0, 0, 0, 0};
  double area = 0;
  for (std::size_t side = 0; side < 2; ++side) {
    double side_area = 0;
    for (const RefPiece& p : surfels[side]) {
      double best = 1e300;
      for (const RefPiece& q : surfels[1 - side])
        best = std::min(best, std::hypot(p.at[0] - q.at[0], p.at[1] - q.at[1], p.at[2] - q.at[2]));
      sides[side].emplace_back(best, p.area);
      r.hausdorff = std::max(r.hausdorff, best);
      r.assd += best * p.area;
      r.nsd += best <= tolerance ? p.area : 0;
      side_area += p.area;
    }
    area += side_area;
    std::sort(sides[side].begin(), sides[side].end());
    double sum = 0;
    for (const auto& [distance, weight] : sides[side])
      if ((sum += weight) >= 0.95 * side_area - 1e-9) {
        r.hausdorff95 = std::max(r.hausdorff95, distance);
        break;
      }
  }
  r.assd /= area;
  r.nsd /= area;
  return r;
}

TEST(Surfaces, EqualATwinOverAllPairsOnNoise) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    const Grid grid = box_grid(9, 8, 7, {0.9, 1.4, 2.2});
    const Mask a = noise(grid, 0.02 * seed, seed), b = noise(grid, 0.15, seed + 100);
    const auto s = compare_masks(a, b, {.tolerance_mm = 1.0, .threads = 2});
    const RefScores r = ref_scores(a, b, 1.0);
    EXPECT_NEAR(s.surface->hausdorff_mm, r.hausdorff, 1e-5) << "seed " << seed;  // float32 distances
    EXPECT_NEAR(s.surface->hausdorff95_mm, r.hausdorff95, 1e-5) << "seed " << seed;
    EXPECT_NEAR(s.surface->assd_mm, r.assd, 1e-5) << "seed " << seed;
    EXPECT_NEAR(s.surface->nsd, r.nsd, 1e-6) << "seed " << seed;
  }
}

TEST(Surfaces, AreSymmetricAndDoNotDependOnThreads) {
  const Grid grid = box_grid(15, 14, 13, {0.9, 1.4, 2.2});
  const Mask a = noise(grid, 0.2, 5), b = noise(grid, 0.3, 6);
  const auto ab = *compare_masks(a, b).surface, ba = *compare_masks(b, a, {.threads = 3}).surface;
  EXPECT_EQ(ab.hausdorff_mm, ba.hausdorff_mm);
  EXPECT_EQ(ab.hausdorff95_mm, ba.hausdorff95_mm);
  EXPECT_EQ(ab.assd_mm, ba.assd_mm);
  EXPECT_EQ(ab.nsd, ba.nsd);
  EXPECT_EQ(ab.boundary_hausdorff95_pooled_mm, ba.boundary_hausdorff95_pooled_mm);
  EXPECT_EQ(ab.boundary_hausdorff95_largest_mm, ba.boundary_hausdorff95_largest_mm);
  EXPECT_EQ(ab.reference_mm2, ba.test_mm2);
}

TEST(Surfaces, OfAMaskWithItselfAreNoDistanceApart) {
  const Mask a = noise(box_grid(10, 10, 10), 0.4, 9);
  const auto s = compare_masks(a, a, {.tolerance_mm = 0});
  EXPECT_EQ(*s.dice, 1);
  EXPECT_EQ(s.surface->hausdorff_mm, 0);
  EXPECT_EQ(s.surface->nsd, 1);
}

// ---- empty masks, grids, labels
// ------------------------------------------------------------------------------------------

// SEG-10
TEST(EmptyMasks, BothLeaveEveryRatioUndefinedWithAReason) {
  const Mask nothing = noise(box_grid(5, 5, 5), 0, 1);
  const auto s = compare_masks(nothing, nothing);
  EXPECT_FALSE(s.dice || s.jaccard || s.sensitivity || s.precision || s.relative_volume_difference || s.surface);
  EXPECT_EQ(s.undefined, "both masks are empty");
  EXPECT_EQ(s.volume_difference_ml, 0);
}

TEST(EmptyMasks, OneGivesNoOverlapAndInfiniteDistances) {
  const Mask nothing = noise(box_grid(5, 5, 5), 0, 1), some = noise(box_grid(5, 5, 5), 0.5, 2);
  for (const auto& [a, b] : {std::pair{&nothing, &some}, {&some, &nothing}}) {
    const auto s = compare_masks(*a, *b);
    EXPECT_EQ(*s.dice, 0);
    EXPECT_EQ(*s.jaccard, 0);
    EXPECT_EQ(s.surface->nsd, 0);
    EXPECT_TRUE(std::isinf(s.surface->hausdorff_mm) && std::isinf(s.surface->hausdorff95_mm) &&
                std::isinf(s.surface->assd_mm));
    EXPECT_TRUE(std::isinf(s.surface->boundary_hausdorff95_pooled_mm));
    EXPECT_EQ(s.undefined, "");
  }
  EXPECT_FALSE(compare_masks(nothing, some).sensitivity);
  EXPECT_EQ(*compare_masks(some, nothing).sensitivity, 0);
}

TEST(Grids, ThatDifferAreRefused) {
  const Mask a = noise(box_grid(5, 5, 5), 0.5, 1);
  Mask b = a;
  b.grid.origin_mm[0] += 0.5;
  EXPECT_THROW(compare_masks(a, b), Error);
  b = a;
  b.values.pop_back();
  EXPECT_THROW(compare_masks(a, b), Error);
  b = a;
  b.grid.step_mm[2] = {0, 0.3, 1};
  EXPECT_THROW(compare_masks(b, b), Error);
  EXPECT_EQ(*compare_masks(b, b, {.surfaces = false}).dice, 1);
  EXPECT_THROW(compare_masks(a, a, {.tolerance_mm = -1}), Error);
}

TEST(LabelTable, HasTheRowOfEachLabelAsTwoMasksWouldGiveIt) {
  const Grid grid = box_grid(14, 13, 9, {1, 1, 2});
  std::mt19937 random(3);
  LabelMap a{grid, std::vector<std::uint16_t>(grid.voxels()), ""}, b = a;
  for (std::size_t v = 0; v < a.values.size(); ++v) {
    const auto value = static_cast<std::uint16_t>((v / 60) % 5 * 1000);
    a.values[v] = random() % 10 ? value : 0;
    b.values[v] = random() % 10 ? value : 2000;
  }
  const auto rows = compare_label_maps(a, b, {}, {.threads = 2});
  ASSERT_EQ(rows.size(), 4u);
  for (const LabelScores& row : rows) {
    const auto s = compare_masks(image::mask_of(a, row.label), image::mask_of(b, row.label));
    EXPECT_EQ(row.scores.dice, s.dice);
    EXPECT_EQ(row.scores.reference_voxels, s.reference_voxels);
    EXPECT_EQ(row.scores.surface->hausdorff95_mm, s.surface->hausdorff95_mm);
    EXPECT_EQ(row.scores.surface->assd_mm, s.surface->assd_mm);
    EXPECT_EQ(row.scores.surface->boundary_hausdorff95_largest_mm, s.surface->boundary_hausdorff95_largest_mm);
  }
  const std::vector<std::uint16_t> wanted{7, 1000};
  const auto chosen = compare_label_maps(a, b, wanted);
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[0].label, 7);
  EXPECT_EQ(chosen[0].scores.undefined, "both masks are empty");
  EXPECT_EQ(chosen[1].scores.dice, rows[0].scores.dice);
}

}  // namespace
}  // namespace rouage::stats
