// Boxes: from cells of the map to pixels of the film, and the patient's side.
#include "cogs/chest/regions.h"

#include <array>

#include <gtest/gtest.h>

namespace rouage::cogs::chest {
namespace {

Map map_of(std::uint32_t columns, std::uint32_t rows, std::initializer_list<std::array<double, 3>> cells) {
  Map map{columns, rows, std::vector<float>(std::size_t{columns} * rows, 0.0F)};
  for (const auto& [x, y, value] : cells)
    map.values[std::size_t(y) * columns + std::size_t(x)] = static_cast<float>(value);
  return map;
}

TEST(Regions, ALoneCellGivesExactlyItsOwnBox) {
  // 8 x 8 cells on a film of 1000 x 400: a cell is 125 x 50 pixels. The mean of the map lies a little above 0, so the
  // half height is reached a little inside the cell: at most one fine cell (1/9 of the cell) on each side.
  const auto found = find_regions(map_of(8, 8, {{5, 2, 4.0}}), 1000, 400);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NEAR(found[0].box.x0, 625, 125.0 / 9);
  EXPECT_NEAR(found[0].box.x1, 750, 125.0 / 9);
  EXPECT_NEAR(found[0].box.y0, 100, 50.0 / 9);
  EXPECT_NEAR(found[0].box.y1, 150, 50.0 / 9);
  EXPECT_NEAR(found[0].score, 1, 1e-6);
}

TEST(Regions, ReachTheOuterCornerAndNoFurther) {
  const auto found = find_regions(map_of(8, 8, {{0, 0, 1}, {7, 7, 1}}), 512, 480);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].box.x0, 0);
  EXPECT_EQ(found[0].box.y0, 0);
  EXPECT_EQ(found[1].box.x1, 512);
  EXPECT_EQ(found[1].box.y1, 480);
}

TEST(Regions, NeighboursAreOnePartTheStrongestComesFirst) {
  const auto found = find_regions(map_of(10, 10, {{1, 1, 3.9}, {2, 1, 3.9}, {7, 7, 4}}), 100, 100);
  ASSERT_EQ(found.size(), 2U) << "neighbouring cells belong together";
  EXPECT_GT(found[0].box.x0, 60);
  EXPECT_NEAR(found[1].box.x1 - found[1].box.x0, 20, 2.5);  // a ninth of a cell at each side, as above
  EXPECT_LT(found[1].score, found[0].score);
}

// COG-3
TEST(Regions, AreAtMostThreeAndNeverNone) {
  const auto many = find_regions(map_of(12, 12, {{1, 1, 5}, {5, 1, 5}, {9, 1, 5}, {1, 6, 5}, {5, 6, 5}}), 120, 120);
  EXPECT_EQ(many.size(), kRegionLimit);
  const auto flat = find_regions(map_of(8, 8, {}), 300, 200);
  ASSERT_EQ(flat.size(), 1U) << "a claim has a region even when the map prefers no place";
  EXPECT_EQ(flat[0].box.x1, 300);
  EXPECT_EQ(flat[0].box.y1, 200);
  EXPECT_EQ(flat[0].score, 0);
}

TEST(Regions, DoNotDependOnTheMapsScaleAndOffset) {
  Map map = map_of(8, 8, {{2, 3, 1}, {3, 3, 0.8}, {6, 6, 0.9}});
  const auto before = find_regions(map, 800, 800);
  for (float& v : map.values) v = v * 4 - 7;  // a map that is negative everywhere still points somewhere
  const auto after = find_regions(map, 800, 800);
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_DOUBLE_EQ(before[i].box.x0, after[i].box.x0);
    EXPECT_NEAR(before[i].score, after[i].score, 1e-5);
  }
}

Laterality side(double x0, double x1, std::array<std::string, 2> orientation = {"L", "F"}) {
  return side_of({x0, 100, x1, 200}, 1000, 1000, orientation);
}

// RES-3
TEST(Side, ThePatientsLeftIsAtThePicturesRight) {
  EXPECT_EQ(side(700, 800), Laterality::left);
  EXPECT_EQ(side(200, 300), Laterality::right);
  EXPECT_EQ(side(700, 800, {"", ""}), Laterality::left) << "not said: an upright film that is not mirrored";
  EXPECT_EQ(side(700, 800, {"R", "F"}), Laterality::right);
  EXPECT_EQ(side(480, 540), Laterality::none);
  EXPECT_EQ(side(250, 800), Laterality::bilateral);
}

TEST(Side, FollowsTheColumnOfAFilmThatLiesOnItsSide) {
  const Box low{100, 700, 200, 800};
  EXPECT_EQ(side_of(low, 1000, 1000, {"H", "L"}), Laterality::left);
  EXPECT_EQ(side_of(low, 1000, 1000, {"F", "R"}), Laterality::right);
}

TEST(Side, SidesJoin) {
  EXPECT_EQ(joined(Laterality::left, Laterality::right), Laterality::bilateral);
  EXPECT_EQ(joined(Laterality::none, Laterality::right), Laterality::right);
  EXPECT_EQ(joined(Laterality::left, Laterality::left), Laterality::left);
  EXPECT_TRUE(median_label("Cardiomegaly"));
  EXPECT_FALSE(median_label("Effusion"));
}

}  // namespace
}  // namespace rouage::cogs::chest
