#include <cmath>

#include "image/shapes/lattice.h"

namespace rouage::image {
namespace {

constexpr double kSlack = 1e-6;  ///< voxels: rounding of the two affines

/// Index of the source as an affine function of the target's index.
struct IndexMap {
  Point3 start{};
  std::array<Point3, 3> step{};
};

IndexMap index_map(const Grid& source, const Grid& target) {
  IndexMap map;
  map.start = source.index_of(target.origin_mm);
  for (std::size_t a = 0; a < 3; ++a) {
    Point3 moved = target.origin_mm;
    for (std::size_t x = 0; x < 3; ++x) moved[x] += target.step_mm[a][x];
    const Point3 index = source.index_of(moved);
    for (std::size_t x = 0; x < 3; ++x) map.step[a][x] = index[x] - map.start[x];
  }
  for (const Point3& p : {map.start, map.step[0], map.step[1], map.step[2]})
    for (const double v : p)
      if (!std::isfinite(v)) throw Error(ErrorCode::VolumeInvalid, "the two grids cannot be mapped onto each other");
  return map;
}

/// The source index at (i, j, k), or false outside the source's voxels.
bool source_index(const IndexMap& map, const std::array<std::uint32_t, 3>& size, const Point3& row, double i,
                  Point3& at) {
  for (std::size_t x = 0; x < 3; ++x) {
    at[x] = row[x] + i * map.step[0][x];
    if (!(at[x] >= -0.5 - kSlack && at[x] <= static_cast<double>(size[x]) - 0.5 + kSlack)) return false;
  }
  return true;
}

template <class T>
T nearest_value(const Volume<T>& source, const Point3& at) {
  std::array<std::uint32_t, 3> n{};
  for (std::size_t x = 0; x < 3; ++x)
    n[x] = static_cast<std::uint32_t>(
        std::clamp(std::floor(at[x] + 0.5 + kSlack), 0.0, static_cast<double>(source.grid.size[x] - 1)));
  return source.at(n[0], n[1], n[2]);
}

float linear_value(const Volume<float>& source, const Point3& at) {
  std::array<std::uint32_t, 3> low{}, high{};
  Point3 part{};
  for (std::size_t x = 0; x < 3; ++x) {
    const double clamped = std::clamp(at[x], 0.0, static_cast<double>(source.grid.size[x] - 1));
    low[x] = static_cast<std::uint32_t>(clamped);
    high[x] = std::min(low[x] + 1, source.grid.size[x] - 1);
    part[x] = clamped - low[x];
  }
  const auto line = [&](std::uint32_t j, std::uint32_t k) {
    const double a = static_cast<double>(source.at(low[0], j, k)), b = static_cast<double>(source.at(high[0], j, k));
    return part[0] == 0 ? a : a + part[0] * (b - a);
  };
  const auto plane = [&](std::uint32_t k) {
    const double a = line(low[1], k);
    return part[1] == 0 ? a : a + part[1] * (line(high[1], k) - a);
  };
  const double a = plane(low[2]);
  return static_cast<float>(part[2] == 0 ? a : a + part[2] * (plane(high[2]) - a));
}

template <class T, class Value>
Volume<T> filled(const Volume<T>& source, const Grid& target, T outside, int threads, const Value& value) {
  check_volume(source);
  check_grid(target);
  Volume<T> result{target, std::vector<T>(target.voxels(), outside), source.unit};
  if (source.values.empty()) return result;
  const IndexMap map = index_map(source.grid, target);
  in_parts(target.size[2], threads, [&](std::size_t begin, std::size_t end) {
    Point3 row{}, at{};
    for (std::size_t k = begin; k < end; ++k)
      for (std::uint32_t j = 0; j < target.size[1]; ++j) {
        for (std::size_t x = 0; x < 3; ++x)
          row[x] = map.start[x] + j * map.step[1][x] + static_cast<double>(k) * map.step[2][x];
        T* out = result.values.data() + (k * target.size[1] + j) * target.size[0];
        for (std::uint32_t i = 0; i < target.size[0]; ++i)
          if (source_index(map, source.grid.size, row, i, at)) out[i] = value(at);
      }
  });
  return result;
}

}  // namespace

Volume<float> resampled(const Volume<float>& volume, const Grid& target, Interpolation interpolation, float outside,
                        int threads) {
  if (interpolation == Interpolation::nearest)
    return filled(volume, target, outside, threads, [&](const Point3& at) { return nearest_value(volume, at); });
  return filled(volume, target, outside, threads, [&](const Point3& at) { return linear_value(volume, at); });
}

LabelMap resampled(const LabelMap& labels, const Grid& target, int threads) {
  return filled(labels, target, std::uint16_t{0}, threads, [&](const Point3& at) { return nearest_value(labels, at); });
}

Mask resampled(const Mask& mask, const Grid& target, int threads) {
  return filled(mask, target, std::uint8_t{0}, threads,
                [&](const Point3& at) -> std::uint8_t { return nearest_value(mask, at) != 0; });
}

}  // namespace rouage::image
