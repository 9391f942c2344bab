#include "stats/segmentation_surface.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rouage::stats {
namespace {

using image::Grid, image::IndexBox, image::Mask, image::Point3;

/// A piece of one surface and how far the other surface is.
struct Piece {
  double distance_mm, weight;
  friend auto operator<=>(const Piece&,
                          const Piece&) = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 misreads it
};

/// The cubes between voxel centres: cube (i, j, k) has the voxels i-1..i, j-1..j, k-1..k; one more than voxels on each
/// axis.
struct Surfels {
  Mask cubes;               ///< set where the surface passes
  std::vector<float> area;  ///< mm2, of every cube
};

Grid cube_grid(const Grid& voxels) {
  const Point3 spacing = voxels.spacing_mm();
  Grid grid;
  for (std::size_t a = 0; a < 3; ++a) {
    grid.size[a] = voxels.size[a] + 1;
    grid.step_mm[a][a] = spacing[a];
  }
  return grid;
}

Surfels surfels_of(const Mask& mask) {
  const Grid grid = cube_grid(mask.grid);
  const std::vector<double> areas = surfel_areas(mask.grid.spacing_mm());
  Surfels result{{grid, std::vector<std::uint8_t>(grid.voxels()), ""}, std::vector<float>(grid.voxels())};
  const std::size_t ni = mask.grid.size[0], nj = mask.grid.size[1], nk = mask.grid.size[2];
  const std::vector<std::uint8_t> nothing(ni);
  std::size_t cube = 0;
  for (std::size_t k = 0; k <= nk; ++k)
    for (std::size_t j = 0; j <= nj; ++j) {
      std::array<const std::uint8_t*, 4> rows{};
      for (std::size_t r = 0; r < 4; ++r) {
        const std::size_t y = j + (r & 1), z = k + (r >> 1);  // one above the voxel's index
        const bool inside = y >= 1 && y <= nj && z >= 1 && z <= nk;
        rows[r] = inside ? mask.values.data() + ((z - 1) * nj + (y - 1)) * ni : nothing.data();
      }
      unsigned code = 0;
      for (std::size_t i = 0; i <= ni; ++i, ++cube) {
        code = code >> 1 & 0x55u;  // what was at dx = 1 is now at dx = 0
        for (std::size_t r = 0; r < 4 && i < ni; ++r) code |= (rows[r][i] != 0 ? 2u : 0u) << (2 * r);
        if (code == 0 || code == 255) continue;
        result.cubes.values[cube] = 1;
        result.area[cube] = static_cast<float>(areas[code]);
      }
    }
  return result;
}

std::vector<Piece> pieces(const Mask& where, const std::vector<float>& weight, const image::Volume<float>& distance) {
  std::vector<Piece> result;
  for (std::size_t v = 0; v < where.values.size(); ++v)
    if (where.values[v])
      result.push_back(
          {static_cast<double>(distance.values[v]), weight.empty() ? 1.0 : static_cast<double>(weight[v])});
  std::sort(result.begin(), result.end());
  return result;
}

double total_weight(const std::vector<Piece>& sorted) {
  double sum = 0;
  for (const Piece& piece : sorted) sum += piece.weight;
  return sum;
}

/// The smallest distance within which lies that share of the area.
double percentile_by_area(const std::vector<Piece>& sorted, double share) {
  const double wanted = share * total_weight(sorted) * (1 - 1e-12);
  double sum = 0;
  for (const Piece& piece : sorted) {
    sum += piece.weight;
    if (sum >= wanted) return piece.distance_mm;
  }
  return sorted.back().distance_mm;
}

/// Linear between order statistics (numpy's default; type 7 of Hyndman and Fan 1996).
double percentile_of(const std::vector<Piece>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low].distance_mm +
         (at - static_cast<double>(low)) * (sorted[high].distance_mm - sorted[low].distance_mm);
}

Mask boundary_voxels(const Mask& mask) {
  Mask result{mask.grid, std::vector<std::uint8_t>(mask.values.size()), ""};
  const auto n = mask.grid.size;
  const std::array<std::size_t, 3> stride{1, n[0], std::size_t{n[0]} * n[1]};
  std::size_t v = 0;
  for (std::uint32_t k = 0; k < n[2]; ++k)
    for (std::uint32_t j = 0; j < n[1]; ++j)
      for (std::uint32_t i = 0; i < n[0]; ++i, ++v) {
        if (!mask.values[v]) continue;
        const std::array<std::uint32_t, 3> at{i, j, k};
        for (std::size_t a = 0; a < 3; ++a)
          if (at[a] == 0 || at[a] + 1 == n[a] || !mask.values[v - stride[a]] || !mask.values[v + stride[a]])
            result.values[v] = 1;
      }
  return result;
}

void add_surfels(const Mask& reference, const Mask& test, const SegmentationOptions& options, SurfaceScores& scores) {
  const Surfels a = surfels_of(reference), b = surfels_of(test);
  const std::vector<Piece> from_a =
      pieces(a.cubes, a.area, image::distance_to(b.cubes, image::kUnlimited, options.threads));
  const std::vector<Piece> from_b =
      pieces(b.cubes, b.area, image::distance_to(a.cubes, image::kUnlimited, options.threads));
  scores.reference_mm2 = total_weight(from_a);
  scores.test_mm2 = total_weight(from_b);
  scores.hausdorff_mm = std::max(from_a.back().distance_mm, from_b.back().distance_mm);
  scores.hausdorff95_mm = std::max(percentile_by_area(from_a, 0.95), percentile_by_area(from_b, 0.95));
  double within = 0, sum = 0;
  for (const auto* side : {&from_a, &from_b}) {
    double side_sum = 0, side_within = 0;  // one sum a side: exchanging the masks gives the same bits
    for (const Piece& piece : *side) {
      side_sum += piece.distance_mm * piece.weight;
      if (piece.distance_mm <= options.tolerance_mm * (1 + 1e-6)) side_within += piece.weight;
    }
    sum += side_sum;
    within += side_within;
  }
  const double area = scores.reference_mm2 + scores.test_mm2;
  scores.assd_mm = sum / area;
  scores.nsd = within / area;
}

void add_boundaries(const Mask& reference, const Mask& test, const SegmentationOptions& options,
                    SurfaceScores& scores) {
  const Mask a = boundary_voxels(reference), b = boundary_voxels(test);
  const std::vector<Piece> from_a = pieces(a, {}, image::distance_to(b, image::kUnlimited, options.threads));
  const std::vector<Piece> from_b = pieces(b, {}, image::distance_to(a, image::kUnlimited, options.threads));
  std::vector<Piece> pooled = from_a;
  pooled.insert(pooled.end(), from_b.begin(), from_b.end());
  std::sort(pooled.begin(), pooled.end());
  scores.boundary_hausdorff95_pooled_mm = percentile_of(pooled, 0.95);
  scores.boundary_hausdorff95_largest_mm = std::max(percentile_of(from_a, 0.95), percentile_of(from_b, 0.95));
}

}  // namespace

SurfaceScores surface_scores(const Mask& reference, const Mask& test, const SegmentationOptions& options) {
  SurfaceScores scores;
  add_surfels(reference, test, options, scores);
  add_boundaries(reference, test, options, scores);
  return scores;
}

}  // namespace rouage::stats
