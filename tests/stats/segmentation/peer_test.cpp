// scipy and scikit-image as peers of the surface metrics.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "image/volume_shapes.h"
#include "stats/segmentation.h"

namespace rouage::stats {
namespace {

namespace fs = std::filesystem;
using image::Mask;

void write_raw(const fs::path& path, const Mask& mask) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(mask.values.data()), static_cast<std::streamsize>(mask.values.size()));
}

/// Two overlapping bumpy balls.
Mask bumpy(const image::Grid& grid, image::Point3 centre, double radius, double bump) {
  Mask mask{grid, std::vector<std::uint8_t>(grid.voxels()), ""};
  for (std::uint32_t k = 0; k < grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < grid.size[0]; ++i) {
        const auto p = grid.position(i, j, k);
        const double x = p[0] - centre[0], y = p[1] - centre[1], z = p[2] - centre[2];
        mask.at(i, j, k) = std::hypot(x, y, z) <= radius + bump * std::sin(0.9 * x) * std::cos(0.7 * y + 0.5 * z);
      }
  return mask;
}

TEST(SegmentationBesideScipy, BoundaryMetricsAreMedPysAndMonaisAndAreasMarchingCubes) {
  if (std::system("/usr/bin/python3 -c 'import scipy.ndimage, skimage' 2>/dev/null") != 0)
    GTEST_SKIP() << "no python3-scipy or python3-skimage";
  const fs::path folder = fs::temp_directory_path() / "rouage_segmentation_peer";
  fs::create_directories(folder);
  for (const double slice : {1.0, 2.5}) {
    image::Grid grid;
    grid.size = {44, 40, 30};
    grid.step_mm = {image::Point3{0.9, 0, 0}, {0, 1.1, 0}, {0, 0, slice}};
    const Mask a = bumpy(grid, {16, 20, 15 * slice}, 12, 2), b = bumpy(grid, {19, 22, 14 * slice}, 13, 3);
    write_raw(folder / "a.raw", a);
    write_raw(folder / "b.raw", b);
    std::ofstream(folder / "case.json") << "{\"size\": [44, 40, 30], \"spacing\": [0.9, 1.1, " << slice << "]}";
    const std::string command = "/usr/bin/python3 " ROUAGE_SOURCE_DIR
                                "/tests/stats/segmentation/peer_segmentation.py " +
                                folder.string() + " > " + (folder / "out.json").string();
    ASSERT_EQ(std::system(command.c_str()), 0);
    const auto peer = nlohmann::json::parse(std::ifstream(folder / "out.json"));
    const auto s = compare_masks(a, b);
    EXPECT_NEAR(*s.dice, peer["dice"].get<double>(), 1e-12);
    EXPECT_NEAR(s.surface->boundary_hausdorff95_pooled_mm, peer["pooled"].get<double>(), 1e-5);  // float32 distances
    EXPECT_NEAR(s.surface->boundary_hausdorff95_largest_mm, peer["largest"].get<double>(), 1e-5);
    EXPECT_NEAR(s.surface->hausdorff_mm, peer["hausdorff"].get<double>(), 1e-5);
    // Triangulations of polygons that are not flat differ; on these bumps that is 2 % at most.
    EXPECT_NEAR(s.surface->reference_mm2, peer["area_a"].get<double>(), 0.025 * peer["area_a"].get<double>());
    EXPECT_NEAR(s.surface->test_mm2, peer["area_b"].get<double>(), 0.025 * peer["area_b"].get<double>());
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace rouage::stats
