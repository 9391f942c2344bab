/// Left stays left: the phantom as a CT series in all 48 axis orders, read back; and what our CT series are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/host.h"
#include "dicom/series/made_series.h"
#include "image/phantom_ct.h"

namespace {

using namespace rouage;
using namespace rouage::dicom::made_series;
using image::Point3;

const std::vector<std::string>& all_orders() {
  static const std::vector<std::string> orders = [] {
    std::vector<std::string> made;
    std::array<int, 3> axes{0, 1, 2};
    do
      for (int flips = 0; flips < 8; ++flips) {
        std::string letters;
        for (std::size_t a = 0; a < 3; ++a) letters += (flips >> a & 1 ? "RAI" : "LPS")[axes[a]];
        made.push_back(letters);
      }
    while (std::next_permutation(axes.begin(), axes.end()));
    return made;
  }();
  return orders;
}

/// Centre of all voxels over 1500 HU: the marker alone is that dense.
Point3 marker_centre(const image::Volume<float>& hu) {
  Point3 sum{};
  double count = 0;
  for (std::uint32_t k = 0; k < hu.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < hu.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < hu.grid.size[0]; ++i) {
        if (hu.at(i, j, k) < 1500) continue;
        const Point3 p = hu.grid.position(i, j, k);
        for (std::size_t x = 0; x < 3; ++x) sum[x] += p[x];
        ++count;
      }
  for (double& x : sum) x /= count;
  return sum;
}

const image::PhantomCtOptions kSmall{.size = {40, 36, 32}, .spacing_mm = {8, 8.5, 11}, .orientation = "LPS"};

// GEO-1
TEST(CtSeries, TheMarkerStaysAtItsPlaceInAll48AxisOrders) {
  ASSERT_EQ(all_orders().size(), 48u);
  const auto original = image::phantom_ct(kSmall);
  const Point3 expected = marker_centre(original.hu);
  // Within half a voxel of where the phantom says it is: at the left (+x), in front (-y), to the head (+z).
  for (std::size_t x = 0; x < 3; ++x) EXPECT_NEAR(expected[x], image::kPhantomMarker[x], kSmall.spacing_mm[x] / 2);
  for (const std::string& order : all_orders()) {
    const auto turned = image::reoriented(original.hu, order);
    ASSERT_EQ(turned.grid.orientation(), order);
    const auto folder = fresh_folder("order");
    dicom::write_ct_series(turned, {}, folder);
    const Outcome outcome = read(folder);
    ASSERT_FALSE(outcome.error) << order << ": " << outcome.error->what();
    const auto& back = outcome.reading.volumes.at(0).volume;
    const Point3 found = marker_centre(back);
    for (std::size_t x = 0; x < 3; ++x) EXPECT_NEAR(found[x], expected[x], 1e-6) << order;
    // Rows and columns are kept; slices rise along row x column, so a left-handed order comes back with k turned.
    for (std::size_t x = 0; x < 2; ++x)
      for (std::size_t y = 0; y < 3; ++y)
        EXPECT_NEAR(back.grid.step_mm[x][y], turned.grid.step_mm[x][y], 1e-9) << order;
    const auto same = image::reoriented(back, order);
    EXPECT_TRUE(same_grid(same.grid, turned.grid, 1e-6)) << order;
    EXPECT_EQ(same.values, turned.values) << order;
  }
}

TEST(CtSeries, ObliqueAndTiltedGridsComeBackWhereTheyWere) {
  image::Volume<float> volume = image::phantom_ct(kSmall).hu;
  const double c = std::cos(0.3), s = std::sin(0.3);
  volume.grid.step_mm = {Point3{8 * c, 8 * s, 0}, Point3{-8.5 * s, 8.5 * c, 0}, Point3{1, 2.5, 11}};
  volume.grid.origin_mm = {-133.125, 17.0625, -3.7};
  const auto folder = fresh_folder("oblique");
  dicom::write_ct_series(volume, {}, folder);
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  // DS holds sixteen characters: 1e-9 mm a step over 36 steps.
  EXPECT_TRUE(same_grid(outcome.reading.volumes.at(0).volume.grid, volume.grid, 1e-6));
  EXPECT_EQ(outcome.reading.volumes[0].volume.values, volume.values);
}

TEST(CtSeries, TheSameVolumeGivesTheSameBytesAndAnotherAnotherUid) {
  const auto phantom = image::phantom_ct({.size = {24, 20, 4}, .spacing_mm = {16, 16, 40}});
  const auto first = fresh_folder("first"), second = fresh_folder("second"), third = fresh_folder("third");
  const auto a = dicom::write_ct_series(phantom.hu, {}, first), b = dicom::write_ct_series(phantom.hu, {}, second);
  ASSERT_EQ(a.size(), 4u);
  for (std::size_t k = 0; k < a.size(); ++k) EXPECT_EQ(read_file(a[k], kMebibyte), read_file(b[k], kMebibyte));
  auto changed = phantom.hu;
  changed.values[5] += 1;
  dicom::write_ct_series(changed, {}, third);
  EXPECT_NE(read(third).reading.volumes.at(0).series_instance_uid,
            read(first).reading.volumes.at(0).series_instance_uid);
}

TEST(CtSeries, DciodvfyFindsNoError) {
  if (std::system("which dciodvfy >/dev/null 2>&1") != 0) GTEST_SKIP() << "no dicom3tools";
  const auto folder = fresh_folder("dciodvfy");
  const auto phantom = image::phantom_ct({.size = {24, 20, 3}, .spacing_mm = {16, 16, 60}});
  for (const auto& path : dicom::write_ct_series(phantom.hu, {.study_date = "20261124"}, folder)) {
    const std::string log = (folder / "log").string();
    EXPECT_EQ(
        std::system(("dciodvfy " + path.string() + " 2>" + log + " >/dev/null; ! grep -i '^error' " + log).c_str()), 0)
        << read_text(log);
  }
}

TEST(CtSeries, WhatCannotBeWrittenIsRefused) {
  auto phantom = image::phantom_ct({.size = {8, 8, 3}, .spacing_mm = {40, 40, 60}});
  const auto folder = fresh_folder("refused");
  const auto code_of = [&](const image::Volume<float>& volume) {
    try {
      dicom::write_ct_series(volume, {}, folder);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  auto broken = phantom.hu;
  broken.values[3] = std::nanf("");
  EXPECT_EQ(code_of(broken), ErrorCode::WriteInvalid);
  broken.values[3] = 40'000;
  EXPECT_EQ(code_of(broken), ErrorCode::WriteInvalid);
  broken = phantom.hu;
  broken.grid.step_mm[1][0] = 10;
  EXPECT_EQ(code_of(broken), ErrorCode::VolumeInvalid);
  broken = phantom.hu;
  broken.grid.step_mm[2] = broken.grid.step_mm[0];
  EXPECT_EQ(code_of(broken), ErrorCode::VolumeInvalid);
  broken = phantom.hu;
  broken.values.pop_back();
  EXPECT_EQ(code_of(broken), ErrorCode::VolumeInvalid);
}

TEST(CtSeries, UntiltedLeavesAStraightVolumeAlone) {
  const auto phantom = image::phantom_ct({.size = {16, 16, 5}, .spacing_mm = {20, 20, 60}});
  const auto straight = dicom::untilted(phantom.hu, -1024);
  EXPECT_EQ(straight.values, phantom.hu.values);
  EXPECT_EQ(straight.grid, phantom.hu.grid);
}

// The phantom itself.

std::size_t voxels_of(const image::PhantomCt& phantom, const std::string& name) {
  const auto label = std::find(phantom.names.begin(), phantom.names.end(), name) - phantom.names.begin();
  return static_cast<std::size_t>(
      std::count(phantom.truth.values.begin(), phantom.truth.values.end(), static_cast<std::uint16_t>(label)));
}

TEST(PhantomCt, HoldsEveryLabelWithLeftOnTheLeft) {
  const auto phantom = image::phantom_ct({});
  for (std::size_t n = 1; n < phantom.names.size(); ++n) EXPECT_GT(voxels_of(phantom, phantom.names[n]), 100u) << n;
  for (const auto& [name, sign] : {std::pair{"lung_left", 1},
                                   {"lung_right", -1},
                                   {"kidney_left", 1},
                                   {"kidney_right", -1},
                                   {"liver", -1},
                                   {"spleen", 1}}) {
    const auto label = std::find(phantom.names.begin(), phantom.names.end(), name) - phantom.names.begin();
    double x = 0;
    for (std::uint32_t k = 0; k < phantom.truth.grid.size[2]; ++k)
      for (std::uint32_t j = 0; j < phantom.truth.grid.size[1]; ++j)
        for (std::uint32_t i = 0; i < phantom.truth.grid.size[0]; ++i)
          if (phantom.truth.at(i, j, k) == label) x += phantom.truth.grid.position(i, j, k)[0];
    EXPECT_GT(x * sign, 0) << name;
  }
}

TEST(PhantomCt, KidneyAndMarkerHaveTheVolumesOfTheirShapes) {
  const auto phantom = image::phantom_ct({});
  const double ml = phantom.truth.grid.voxel_ml();
  // Ellipsoid 24 x 22 x 52 mm (half axes); counted by voxel centres of 2 x 2 x 3.5 mm: within 1 %.
  const double kidney = 4.0 / 3 * 3.14159265358979 * 24 * 22 * 52 / 1000;
  EXPECT_NEAR(static_cast<double>(voxels_of(phantom, "kidney_left")) * ml, kidney, 0.01 * kidney);
  // A block of 36 x 24 x 48 mm: each side within one voxel.
  const double marker = static_cast<double>(voxels_of(phantom, "marker")) * ml;
  EXPECT_GT(marker, 34.0 * 22 * 44.5 / 1000);
  EXPECT_LT(marker, 38.0 * 26 * 51.5 / 1000);
}

TEST(PhantomCt, NoiseHasItsDeviationAndFollowsItsSeed) {
  image::PhantomCtOptions options{.size = {96, 80, 40}, .spacing_mm = {4, 4, 10}};
  const auto one = image::phantom_ct(options), same = image::phantom_ct(options);
  EXPECT_EQ(one.hu.values, same.hu.values);
  options.seed = 2;
  EXPECT_NE(image::phantom_ct(options).hu.values, one.hu.values);
  options.noise_hu = 0;
  const auto clean = image::phantom_ct(options);
  double sum = 0, squares = 0, n = 0;
  for (std::size_t v = 0; v < clean.hu.values.size(); ++v) {
    if (clean.hu.values[v] < -900) continue;  // air is cut off at -1024
    const double d = double{one.hu.values[v]} - clean.hu.values[v];
    sum += d;
    squares += d * d;
    ++n;
  }
  // Whole HU add 1/12 to the variance; over some 100,000 voxels the deviation is known to 0.3 %.
  EXPECT_NEAR(std::sqrt(squares / n), std::sqrt(100 + 1.0 / 12), 0.1);
  EXPECT_NEAR(sum / n, 0, 0.1);
}

TEST(PhantomCt, AnImpossibleGridIsRefused) {
  EXPECT_THROW(image::phantom_ct({.size = {0, 8, 8}}), Error);
  EXPECT_THROW(image::phantom_ct({.spacing_mm = {1, -1, 1}}), Error);
  EXPECT_THROW(image::phantom_ct({.size = {8, 8, 8}, .orientation = "LLS"}), Error);
}

}  // namespace
