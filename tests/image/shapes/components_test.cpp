// Connected components and holes against a flood fill written plainly.
#include <gtest/gtest.h>

#include <queue>

#include "base/error.h"
#include "image/shapes/random_masks.h"

namespace rouage::image {
namespace {

using test::box_grid, test::empty_mask, test::random_mask;

bool neighbours(int di, int dj, int dk, Connectivity connectivity) {
  const int moved = std::abs(di) + std::abs(dj) + std::abs(dk);
  const int most = connectivity == Connectivity::faces ? 1 : connectivity == Connectivity::edges ? 2 : 3;
  return moved >= 1 && moved <= most;
}

/// Labels in the order of first voxels, by breadth-first search.
std::vector<std::uint32_t> ref_components(const Mask& mask, Connectivity connectivity) {
  std::vector<std::uint32_t> labels(mask.values.size());
  const auto n = mask.grid.size;
  std::uint32_t next = 0;
  for (std::size_t start = 0; start < labels.size(); ++start) {
    if (!mask.values[start] || labels[start]) continue;
    std::queue<std::size_t> open({start});
    labels[start] = ++next;
    while (!open.empty()) {
      const std::size_t v = open.front();
      open.pop();
      const int i = v % n[0], j = v / n[0] % n[1], k = v / (std::size_t{n[0]} * n[1]);
      for (int dk = -1; dk <= 1; ++dk)
        for (int dj = -1; dj <= 1; ++dj)
          for (int di = -1; di <= 1; ++di) {
            const int a = i + di, b = j + dj, c = k + dk;
            if (!neighbours(di, dj, dk, connectivity) || a < 0 || b < 0 || c < 0 || a >= int(n[0]) || b >= int(n[1]) ||
                c >= int(n[2]))
              continue;
            const std::size_t w = (std::size_t(c) * n[1] + b) * n[0] + a;
            if (!mask.values[w] || labels[w]) continue;
            labels[w] = next;
            open.push(w);
          }
    }
  }
  return labels;
}

TEST(ConnectedComponents, EqualAFloodFillForEveryConnectivityDensityAndShape) {
  unsigned seed = 1;
  for (const auto connectivity : {Connectivity::faces, Connectivity::edges, Connectivity::corners})
    for (const double density : {0.05, 0.2, 0.4, 0.8})
      for (const auto& size : {std::array<std::uint32_t, 3>{13, 9, 7}, {1, 17, 5}, {21, 1, 4}, {16, 8, 1}, {1, 1, 1}}) {
        const Mask mask = random_mask(box_grid(size[0], size[1], size[2]), density, ++seed);
        const Components found = connected_components(mask, connectivity, 1 + seed % 3);
        ASSERT_EQ(found.labels.values, ref_components(mask, connectivity)) << "seed " << seed;
        std::vector<std::uint64_t> sizes(found.list.size());
        for (const auto label : found.labels.values)
          if (label) ++sizes[label - 1];
        for (std::size_t c = 0; c < sizes.size(); ++c) {
          EXPECT_EQ(found.list[c].voxels, sizes[c]);
          EXPECT_EQ(found.labels.values[found.list[c].first_voxel], c + 1);
        }
      }
}

TEST(ConnectedComponents, ReportBoxAndCentroid) {
  Mask mask = empty_mask(box_grid(6, 6, 6));
  for (std::uint32_t i = 1; i <= 4; ++i) mask.at(i, 2, 3) = 7;
  mask.at(4, 3, 3) = 1;
  const auto list = component_list(mask, Connectivity::faces);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].box, (IndexBox{{1, 2, 3}, {4, 3, 3}}));
  EXPECT_EQ(list[0].box, *bounding_box(mask));
  EXPECT_DOUBLE_EQ(list[0].centroid[0], (1 + 2 + 3 + 4 + 4) / 5.0);
  EXPECT_DOUBLE_EQ(list[0].centroid[1], (2 * 4 + 3) / 5.0);
  EXPECT_DOUBLE_EQ(list[0].centroid[2], 3);
}

TEST(ConnectedComponents, LargestIsTheFirstOfEqualsAndNothingOfNothing) {
  Mask mask = empty_mask(box_grid(7, 1, 1));
  mask.values = {0, 1, 1, 0, 1, 1, 0};
  EXPECT_EQ(largest_component(mask, Connectivity::corners).values, (std::vector<std::uint8_t>{0, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(set_voxels(largest_component(empty_mask(box_grid(3, 3, 3)), Connectivity::faces)), 0u);
  const Mask kept = kept_components(mask, Connectivity::faces, [](const Component& c) { return c.first_voxel > 2; });
  EXPECT_EQ(kept.values, (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 1, 0}));
}

TEST(Reconstruction, KeepsTheComponentsThatTheMarkerTouches) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    const Mask mask = random_mask(box_grid(14, 9, 8), 0.25, seed), marker = random_mask(mask.grid, 0.05, seed + 50);
    for (const auto connectivity : {Connectivity::faces, Connectivity::corners}) {
      const Components all = connected_components(mask, connectivity);
      std::vector<bool> touched(all.list.size() + 1);
      for (std::size_t v = 0; v < mask.values.size(); ++v)
        if (marker.values[v] && all.labels.values[v]) touched[all.labels.values[v]] = true;
      const Mask result = reconstructed(marker, mask, connectivity, 2);
      for (std::size_t v = 0; v < mask.values.size(); ++v)
        EXPECT_EQ(result.values[v], all.labels.values[v] && touched[all.labels.values[v]]);
    }
  }
  EXPECT_THROW(reconstructed(empty_mask(box_grid(3, 3, 3)), empty_mask(box_grid(3, 3, 4)), Connectivity::faces), Error);
}

TEST(FillHoles, FillsWhatTheFloodFromTheBorderDoesNotReach) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const Mask mask = random_mask(box_grid(9, 11, 8), 0.55 + 0.01 * (seed % 20), seed);
    Mask inverse = mask;
    for (auto& v : inverse.values) v = v == 0;
    for (const auto connectivity : {Connectivity::faces, Connectivity::edges, Connectivity::corners}) {
      const Components outside = connected_components(inverse, connectivity);
      for (const auto open : {OpenFaces::all, OpenFaces::sides}) {
        Mask expected = mask;
        for (std::size_t v = 0; v < expected.values.size(); ++v) {
          bool hole = outside.labels.values[v] != 0;
          if (hole) {
            const IndexBox& box = outside.list[outside.labels.values[v] - 1].box;
            for (std::size_t a = 0; a < (open == OpenFaces::all ? 3u : 2u); ++a)
              if (box.first[a] == 0 || box.last[a] + 1 == mask.grid.size[a]) hole = false;
          }
          expected.values[v] = mask.values[v] != 0 || hole;
        }
        EXPECT_EQ(fill_holes(mask, {.background = connectivity, .open = open, .threads = 2}).values, expected.values)
            << seed;
      }
    }
  }
}

TEST(FillHoles, LeavesHolesAboveTheLimit) {
  Mask mask = empty_mask(box_grid(12, 12, 12, {10, 10, 10}));  // 1 ml a voxel
  for (auto& v : mask.values) v = 1;
  mask.at(2, 2, 2) = 0;
  for (std::uint32_t i = 5; i < 8; ++i) mask.at(i, 5, 5) = 0;
  const Mask filled = fill_holes(mask, {.largest_ml = 2});
  EXPECT_EQ(filled.at(2, 2, 2), 1);
  EXPECT_EQ(filled.at(6, 5, 5), 0);
  const Mask in_slices = fill_holes_by_slice(mask, 2, {.largest_mm2 = 150});  // 100 mm2 a voxel
  EXPECT_EQ(in_slices.at(2, 2, 2), 1);
  EXPECT_EQ(in_slices.at(6, 5, 5), 0);
  EXPECT_EQ(fill_holes_by_slice(mask, 0, {.largest_mm2 = 150}).at(6, 5, 5), 1);  // one voxel in that plane
}

TEST(FillHoles, BySliceFillsATubeThatIsOpenAtItsEndsAlongThatAxisOnly) {
  for (int axis = 0; axis < 3; ++axis) {
    Mask tube = empty_mask(box_grid(7, 8, 9));
    const int u = (axis + 1) % 3, v = (axis + 2) % 3;
    for (std::uint32_t k = 0; k < 9; ++k)
      for (std::uint32_t j = 0; j < 8; ++j)
        for (std::uint32_t i = 0; i < 7; ++i) {
          const std::array<std::uint32_t, 3> p{i, j, k};
          const bool wall = p[u] >= 2 && p[u] <= 4 && p[v] >= 2 && p[v] <= 4 && !(p[u] == 3 && p[v] == 3);
          tube.at(i, j, k) = wall;
        }
    for (int along = 0; along < 3; ++along) {
      const std::uint64_t filled = set_voxels(fill_holes_by_slice(tube, along)) - set_voxels(tube);
      EXPECT_EQ(filled, along == axis ? tube.grid.size[axis] : 0) << axis << " " << along;
    }
    EXPECT_EQ(set_voxels(fill_holes(tube)), set_voxels(tube));
  }
}

TEST(Shapes, RefuseAVolumeThatDoesNotHoldItsGrid) {
  Mask mask = empty_mask(box_grid(4, 4, 4));
  mask.values.pop_back();
  EXPECT_THROW(connected_components(mask, Connectivity::faces), Error);
  EXPECT_THROW(bounding_box(mask), Error);
  EXPECT_THROW(fill_holes_by_slice(mask, 2), Error);
  mask.grid.size = {4000000000u, 4000000000u, 4000000000u};
  EXPECT_THROW(fill_holes(mask), Error);
  EXPECT_THROW(fill_holes_by_slice(empty_mask(box_grid(2, 2, 2)), 3), Error);
  EXPECT_THROW(sub_grid(box_grid(4, 4, 4), {{0, 0, 0}, {4, 1, 1}}), Error);
}

}  // namespace
}  // namespace rouage::image
