#include "dicom/series/resampling.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "dicom/series/series.h"

namespace rouage::dicom {
namespace {

using image::Grid;
using image::Point3;
using image::Volume;

Point3 plus(const Point3& a, const Point3& b, double by) {
  return {a[0] + by * b[0], a[1] + by * b[1], a[2] + by * b[2]};
}

Point3 cross(const Point3& a, const Point3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

/// Value of one plane at (x, y) in pixels; `outside` where a neighbour with weight is missing.
float bilinear(std::span<const float> plane, std::uint32_t columns, std::uint32_t rows, double x, double y,
               float outside) {
  const double fx = std::floor(x), fy = std::floor(y), wx = x - fx, wy = y - fy;
  double sum = 0;
  for (int corner = 0; corner < 4; ++corner) {
    const int right = corner & 1, below = corner >> 1;
    const double weight = (right ? wx : 1 - wx) * (below ? wy : 1 - wy);
    if (weight <= 0) continue;
    const double i = fx + right, j = fy + below;
    const bool inside = i >= 0 && j >= 0 && i < columns && j < rows;
    sum +=
        weight * double{inside ? plane[static_cast<std::size_t>(j) * columns + static_cast<std::size_t>(i)] : outside};
  }
  return static_cast<float>(sum);
}

/// How far one step along k runs along the unit steps of i and j (in voxels).
std::array<double, 2> sideways(const Grid& grid, Point3& straight_step) {
  const Point3 normal = cross(grid.step_mm[0], grid.step_mm[1]);
  const double area = std::sqrt(series::dot(normal, normal));
  if (!(area > 1e-12)) throw Error(ErrorCode::VolumeInvalid, "rows and columns do not span a plane");
  const double along = series::dot(grid.step_mm[2], normal) / area;
  straight_step = {normal[0] / area * along, normal[1] / area * along, normal[2] / area * along};
  const Point3 shift = plus(grid.step_mm[2], straight_step, -1);
  Grid flat = grid;
  flat.origin_mm = {};
  flat.step_mm[2] = {normal[0] / area, normal[1] / area, normal[2] / area};
  const Point3 index = flat.index_of(shift);
  return {index[0], index[1]};
}

}  // namespace

Volume<float> untilted(const Volume<float>& volume, float outside) {
  const Grid& from = volume.grid;
  Point3 straight{};
  const auto shift = sideways(from, straight);
  const double last = from.size[2] < 1 ? 0 : from.size[2] - 1.0;
  // Less than a hundredth of a voxel over the whole stack is rounding, not a tilt.
  if (std::abs(shift[0]) * last < 0.01 && std::abs(shift[1]) * last < 0.01) return volume;
  Volume<float> out;
  out.unit = volume.unit;
  out.grid = from;
  out.grid.step_mm[2] = straight;
  std::array<double, 2> start{};
  for (std::size_t a = 0; a < 2; ++a) {
    const double end = shift[a] * last;
    const double low = std::floor(std::min(0.0, end)), high = std::ceil(std::max(0.0, end));
    start[a] = low;
    const double wide = from.size[a] + (high - low);
    if (wide > 65'535) throw Error(ErrorCode::VolumeInvalid, "the straightened matrix is wider than 65535 voxels");
    out.grid.size[a] = static_cast<std::uint32_t>(wide);
    out.grid.origin_mm = plus(out.grid.origin_mm, from.step_mm[a], low);
  }
  out.values.resize(static_cast<std::size_t>(out.grid.voxels()));
  std::size_t at = 0;
  for (std::uint32_t k = 0; k < from.size[2]; ++k) {
    const auto plane = volume.slice(k);
    for (std::uint32_t j = 0; j < out.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < out.grid.size[0]; ++i)
        out.values[at++] = bilinear(plane, from.size[0], from.size[1], i + start[0] - shift[0] * k,
                                    j + start[1] - shift[1] * k, outside);
  }
  return out;
}

namespace series {

Volume<float> resampled_evenly(const Volume<float>& slices, const StackGeometry& geometry) {
  const auto& along = geometry.along_mm;
  const double span = along.back();
  const double steps = std::max(1.0, std::round(span / geometry.step_mm));
  Volume<float> out;
  out.unit = slices.unit;
  out.grid = slices.grid;
  out.grid.size[2] = static_cast<std::uint32_t>(steps) + 1;
  const double factor = span / steps / geometry.step_mm;
  for (double& x : out.grid.step_mm[2]) x *= factor;
  out.values.resize(static_cast<std::size_t>(out.grid.voxels()));
  const std::size_t plane = std::size_t{out.grid.size[0]} * out.grid.size[1];
  std::size_t lower = 0;
  for (std::uint32_t k = 0; k < out.grid.size[2]; ++k) {
    const double place = span * k / steps;
    while (lower + 2 < along.size() && along[lower + 1] <= place) ++lower;
    const double weight = std::clamp((place - along[lower]) / (along[lower + 1] - along[lower]), 0.0, 1.0);
    const float* a = slices.values.data() + lower * plane;
    const float* b = a + plane;
    float* to = out.values.data() + k * plane;
    for (std::size_t i = 0; i < plane; ++i)
      to[i] = static_cast<float>((1 - weight) * double{a[i]} + weight * double{b[i]});
  }
  return out;
}

}  // namespace series
}  // namespace rouage::dicom
