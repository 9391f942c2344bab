#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/volume.h"

namespace rouage::image {
namespace {

double dot(const Point3& a, const Point3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
Point3 cross(const Point3& a, const Point3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double determinant(const std::array<Point3, 3>& step) {
  return dot(step[0], cross(step[1], step[2]));
}

/// For each index axis the patient axis (0 x, 1 y, 2 z) that it follows most closely, no patient axis twice: of the six
/// pairings, the one with the largest sum of |direction cosines|.
std::array<int, 3> nearest_axes(const Grid& grid) {
  std::array<int, 3> order{0, 1, 2}, best = order;
  const Point3 spacing = grid.spacing_mm();
  double best_sum = -1;
  do {
    double sum = 0;
    for (std::size_t a = 0; a < 3; ++a)
      sum += std::abs(grid.step_mm[a][static_cast<std::size_t>(order[a])]) / std::max(spacing[a], 1e-300);
    if (sum > best_sum + 1e-9) {
      best_sum = sum;
      best = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

constexpr char kPositive[] = "LPS", kNegative[] = "RAI";

}  // namespace

Point3 Grid::position(double i, double j, double k) const {
  Point3 p = origin_mm;
  for (std::size_t x = 0; x < 3; ++x) p[x] += i * step_mm[0][x] + j * step_mm[1][x] + k * step_mm[2][x];
  return p;
}

Point3 Grid::index_of(const Point3& position_mm) const {
  const double det = determinant(step_mm);
  if (!(std::abs(det) > 1e-12)) throw Error(ErrorCode::VolumeInvalid, "the axes of the grid do not span space");
  const Point3 d{position_mm[0] - origin_mm[0], position_mm[1] - origin_mm[1], position_mm[2] - origin_mm[2]};
  return {dot(d, cross(step_mm[1], step_mm[2])) / det, dot(d, cross(step_mm[2], step_mm[0])) / det,
          dot(d, cross(step_mm[0], step_mm[1])) / det};
}

Point3 Grid::spacing_mm() const {
  Point3 spacing{};
  for (std::size_t a = 0; a < 3; ++a) spacing[a] = std::sqrt(dot(step_mm[a], step_mm[a]));
  return spacing;
}

double Grid::voxel_ml() const {
  return std::abs(determinant(step_mm)) / 1000;
}

double Grid::shear() const {
  const Point3 spacing = spacing_mm();
  double largest = 0;
  for (const auto& [a, b] : {std::pair<std::size_t, std::size_t>{0, 1}, {0, 2}, {1, 2}})
    largest = std::max(largest, std::abs(dot(step_mm[a], step_mm[b])) / std::max(spacing[a] * spacing[b], 1e-300));
  return largest;
}

std::string Grid::orientation() const {
  const auto axes = nearest_axes(*this);
  std::string letters;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto axis = static_cast<std::size_t>(axes[a]);
    letters += step_mm[a][axis] < 0 ? kNegative[axis] : kPositive[axis];
  }
  return letters;
}

bool same_grid(const Grid& a, const Grid& b, double tolerance_mm) {
  if (a.size != b.size) return false;
  for (int corner = 0; corner < 8; ++corner) {
    const double i = (corner & 1) ? a.size[0] : 0, j = (corner & 2) ? a.size[1] : 0, k = (corner & 4) ? a.size[2] : 0;
    const Point3 p = a.position(i, j, k), q = b.position(i, j, k);
    const Point3 d{p[0] - q[0], p[1] - q[1], p[2] - q[2]};
    if (!(std::sqrt(dot(d, d)) <= tolerance_mm)) return false;
  }
  return true;
}

}  // namespace rouage::image
