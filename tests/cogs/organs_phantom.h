/// A digital trunk with known organs, analytic and synthetic: for organs that are found without a net.
#pragma once
#include <cmath>
#include <random>

#include "cogs/organs/classical.h"

namespace rouage::cogs::organs::test {

struct Trunk {
  image::Volume<float> ct;
  image::LabelMap truth;  ///< ClassicalLabel; the walls of airways belong to other_body
};

struct TrunkOptions {
  double voxel_mm = 4;
  bool lungs = true, right_lung = true, left_lung = true;
  bool table = true, arms = true, bridge = false, nodule = false, trachea = true, contrast = false;
  double noise_hu = 15;
};

namespace detail {
inline bool in_ellipsoid(double x, double y, double z, std::array<double, 3> c, std::array<double, 3> r) {
  return std::pow((x - c[0]) / r[0], 2) + std::pow((y - c[1]) / r[1], 2) + std::pow((z - c[2]) / r[2], 2) <= 1;
}
inline bool in_tube(double x, double y, double z, std::array<double, 3> a, std::array<double, 3> b, double r) {
  const double dx = b[0] - a[0], dy = b[1] - a[1], dz = b[2] - a[2];
  double t = ((x - a[0]) * dx + (y - a[1]) * dy + (z - a[2]) * dz) / (dx * dx + dy * dy + dz * dz);
  t = std::min(1.0, std::max(0.0, t));
  return std::hypot(x - a[0] - t * dx, y - a[1] - t * dy, z - a[2] - t * dz) <= r;
}

inline constexpr std::array<double, 3> kNodule{123, 0, 30};
inline constexpr double kNoduleMm = 5;

struct Point {
  double hu = -1000;
  ClassicalLabel label = ClassicalLabel::other_body;
  bool body = false;
};

/// x left, y back, z head, mm; the trunk's middle is (0, 0), z from -160 to 160. The left lung is smaller than the
/// right.
inline Point at(double x, double y, double z, const TrunkOptions& o) {
  Point p;
  const double reach = std::hypot(x / 165, y / 110);
  if (o.table && y > 116 && y < 121 && std::abs(x) < 230) p.hu = -150;   // thin shell under the back
  if (o.table && y >= 121 && y < 150 && std::abs(x) < 230) p.hu = -940;  // foam
  const bool arm = o.arms && in_tube(x, y, z, {205, 10, -200}, {205, 10, 200}, 32);
  if (reach <= 1 || arm) p = {reach > 0.93 || arm ? -90.0 : 40.0, ClassicalLabel::other_body, true};
  if (arm && in_tube(x, y, z, {205, 10, -200}, {205, 10, 200}, 11)) p = {700, ClassicalLabel::bone, true};
  if (!p.body) return p;
  const bool left = in_ellipsoid(x, y, z, {72, 0, 30}, {52, 78, 110}) && o.left_lung && o.lungs;
  const bool right = in_ellipsoid(x, y, z, {-76, 0, 20}, {60, 80, 120}) && o.right_lung && o.lungs;
  const bool nodule = o.nodule && in_ellipsoid(x, y, z, kNodule, {kNoduleMm, kNoduleMm, kNoduleMm});
  if (left && !nodule) p = {-850, ClassicalLabel::lung_left, true};
  if (left && nodule) p = {40, ClassicalLabel::lung_left, true};
  if (right) p = {-850, ClassicalLabel::lung_right, true};
  // Both lungs touch in front of the heart: a sheet 5 mm thick.
  if (o.bridge && std::abs(x) < 30 && y > -50 && y < -45 && z > 0 && z < 80)
    p = {-850, x > 0 ? ClassicalLabel::lung_left : ClassicalLabel::lung_right, true};
  if (o.trachea && o.lungs) {
    const bool lumen = in_tube(x, y, z, {0, 20, 200}, {0, 20, 60}, 9) ||
                       in_tube(x, y, z, {0, 20, 60}, {40, 15, 25}, 7) ||
                       in_tube(x, y, z, {0, 20, 60}, {-40, 15, 25}, 7);
    const bool wall = in_tube(x, y, z, {0, 20, 200}, {0, 20, 60}, 12) ||
                      in_tube(x, y, z, {0, 20, 60}, {40, 15, 25}, 9.5) ||
                      in_tube(x, y, z, {0, 20, 60}, {-40, 15, 25}, 9.5);
    if (wall && !left && !right) p = {20, ClassicalLabel::other_body, true};
    if (lumen) p = {-995, ClassicalLabel::airways, true};
  }
  if (in_ellipsoid(x, y, z, {-50, -40, -135}, {22, 20, 18}))
    p = {-990, ClassicalLabel::other_body, true};  // gas in the bowel
  // A heart full of contrast that touches the spine, and an aorta below it that does not.
  if (o.contrast &&
      (in_ellipsoid(x, y, z, {0, 10, -40}, {38, 48, 45}) || in_tube(x, y, z, {-28, 40, -160}, {-28, 40, -110}, 11)))
    p = {380, ClassicalLabel::other_body, true};
  const double spine = std::hypot(x, y - 75);
  if (spine <= 20) {  // vertebrae: cortex and end plates 6 mm thick, marrow, discs of 8 mm
    const double along = std::fmod(z + 320, 40);
    const bool shell = spine > 14 || along < 14 || along > 34;
    p = along < 8 ? Point{80, ClassicalLabel::other_body, true}
                  : Point{shell ? 600.0 : 100.0, ClassicalLabel::bone, true};
  }
  if (std::hypot(x, y - 103) <= 5) p = {10, ClassicalLabel::other_body, true};
  // The marker: a bone in the patient's left upper front, nowhere else.
  if (in_ellipsoid(x, y, z, {95, -72, 120}, {16, 12, 12})) p = {700, ClassicalLabel::bone, true};
  return p;
}
}  // namespace detail

/// Axes L, P, S.
inline Trunk trunk(const TrunkOptions& o = {}) {
  Trunk t;
  image::Grid grid;
  const double h = o.voxel_mm;
  grid.size = {static_cast<std::uint32_t>(520 / h), static_cast<std::uint32_t>(310 / h),
               static_cast<std::uint32_t>(320 / h)};
  grid.origin_mm = {-255 + 0.3 * h, -140, -160 + h / 2};
  grid.step_mm = {image::Point3{h, 0, 0}, {0, h, 0}, {0, 0, h}};
  t.ct = {grid, std::vector<float>(grid.voxels()), "[hnsf'U]"};
  t.truth = {grid, std::vector<std::uint16_t>(grid.voxels()), ""};
  std::mt19937 random(1);
  for (std::uint32_t k = 0; k < grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < grid.size[0]; ++i) {
        const auto p = grid.position(i, j, k);
        const auto point = detail::at(p[0], p[1], p[2], o);
        const double noise = ((random() % 2000) / 1000.0 - 1) * o.noise_hu * std::sqrt(3.0);
        t.ct.at(i, j, k) = static_cast<float>(std::max(-1024.0, point.hu + noise));
        t.truth.at(i, j, k) = point.body ? static_cast<std::uint16_t>(point.label) : 0;
      }
  return t;
}

/// L/R, P/A, S/I in every order: 48.
inline std::vector<std::string> all_orientations() {
  std::vector<std::string> result;
  for (std::string order : {"LPS", "LSP", "PLS", "PSL", "SLP", "SPL"})
    for (int flips = 0; flips < 8; ++flips) {
      std::string letters;
      for (const char c : order) {
        const bool flip = c == 'L' ? (flips & 1) : c == 'P' ? (flips & 2) : (flips & 4);
        letters += !flip ? c : c == 'L' ? 'R' : c == 'P' ? 'A' : 'I';
      }
      result.push_back(letters);
    }
  return result;
}

}  // namespace rouage::cogs::organs::test
