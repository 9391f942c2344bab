// scipy.ndimage as peer: the same masks, the same answers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "image/shapes/random_masks.h"

namespace rouage::image {
namespace {

namespace fs = std::filesystem;

template <class T>
std::vector<T> raw(const fs::path& path, std::size_t count) {
  std::vector<T> values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
  EXPECT_EQ(file.gcount(), static_cast<std::streamsize>(count * sizeof(T))) << path;
  return values;
}

/// scipy numbers components in its own order.
std::vector<std::uint32_t> renumbered(const std::vector<std::uint32_t>& labels) {
  std::vector<std::uint32_t> result, number(labels.size() + 1);
  std::uint32_t next = 0;
  for (const auto label : labels) {
    if (label && !number[label]) number[label] = ++next;
    result.push_back(label ? number[label] : 0);
  }
  return result;
}

void write_case(const fs::path& folder, const Mask& mask, double radius) {
  fs::create_directories(folder);
  std::ofstream(folder / "mask.raw", std::ios::binary)
      .write(reinterpret_cast<const char*>(mask.values.data()), static_cast<std::streamsize>(mask.values.size()));
  const auto n = mask.grid.size;
  const Point3 s = mask.grid.spacing_mm();
  std::ofstream(folder / "case.json") << "{\"size\": [" << n[0] << "," << n[1] << "," << n[2] << "], \"spacing\": ["
                                      << s[0] << "," << s[1] << "," << s[2] << "], \"radius\": " << radius << "}";
}

void compare(const Mask& mask, double radius, const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("rouage_shapes_" + name);
  write_case(folder, mask, radius);
  ASSERT_EQ(
      std::system(
          ("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/image/shapes/peer_shapes.py " + folder.string()).c_str()),
      0);
  const std::size_t n = mask.values.size();
  for (const auto connectivity : {Connectivity::faces, Connectivity::edges, Connectivity::corners})
    EXPECT_EQ(connected_components(mask, connectivity, 2).labels.values,
              renumbered(raw<std::uint32_t>(folder / ("labels" + std::to_string(int(connectivity)) + ".raw"), n)));
  EXPECT_EQ(fill_holes(mask).values, raw<std::uint8_t>(folder / "filled.raw", n));
  EXPECT_EQ(fill_holes_by_slice(mask, 2).values, raw<std::uint8_t>(folder / "filled_k.raw", n));
  EXPECT_EQ(fill_holes_by_slice(mask, 0).values, raw<std::uint8_t>(folder / "filled_i.raw", n));
  EXPECT_EQ(dilated(mask, radius).values, raw<std::uint8_t>(folder / "dilated.raw", n));
  EXPECT_EQ(eroded(mask, radius).values, raw<std::uint8_t>(folder / "eroded.raw", n));
  EXPECT_EQ(closed(mask, radius).values, raw<std::uint8_t>(folder / "closed.raw", n));
  const auto peer = raw<float>(folder / "distance.raw", n);
  const auto ours = distance_to(mask, kUnlimited, 2);
  for (std::size_t v = 0; v < n; ++v) ASSERT_NEAR(ours.values[v], peer[v], 1e-5 * (1 + peer[v]));  // both float32
  fs::remove_all(folder);
}

TEST(ShapesBesideScipy, AgreeOnNoiseAndBlobs) {
  if (std::system("/usr/bin/python3 -c 'import scipy.ndimage' 2>/dev/null") != 0) GTEST_SKIP() << "no python3-scipy";
  compare(test::random_mask(test::box_grid(31, 26, 18), 0.3, 11), 2.0, "noise");
  compare(test::random_mask(test::box_grid(25, 21, 17, {0.8, 0.8, 2.5}), 0.7, 12), 2.6, "dense");
  compare(test::random_blobs(test::box_grid(40, 36, 22, {1, 1.5, 2}), 12, 13), 3.5, "blobs");
}

}  // namespace
}  // namespace rouage::image
