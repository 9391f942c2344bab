#include "image/volume/nifti.h"

#include <algorithm>
#include <cmath>

namespace rouage::image {
namespace {

constexpr std::int32_t kScannerAnatomy = 1;  // NIFTI_XFORM_SCANNER_ANAT
constexpr std::uint8_t kMillimetres = 2;     // NIFTI_UNITS_MM

double rounded(double value) {
  return static_cast<double>(static_cast<float>(value));
}

/// The rotation's quaternion (a, b, c, d) with a >= 0: the largest of its four squares is computed by a root, the
/// others by division, so that no case divides by little.
std::array<double, 4> quaternion_of(const std::array<Point3, 3>& column) {
  const auto r = [&](std::size_t row, std::size_t col) { return column[col][row]; };
  const std::array<double, 4> square{1 + r(0, 0) + r(1, 1) + r(2, 2), 1 + r(0, 0) - r(1, 1) - r(2, 2),
                                     1 - r(0, 0) + r(1, 1) - r(2, 2), 1 - r(0, 0) - r(1, 1) + r(2, 2)};
  const auto largest = static_cast<std::size_t>(std::max_element(square.begin(), square.end()) - square.begin());
  const double half = std::sqrt(std::max(square[largest], 0.0)) / 2, quarter = 1 / (4 * half);
  const double ab = (r(2, 1) - r(1, 2)) * quarter, ac = (r(0, 2) - r(2, 0)) * quarter,
               ad = (r(1, 0) - r(0, 1)) * quarter, bc = (r(0, 1) + r(1, 0)) * quarter,
               bd = (r(0, 2) + r(2, 0)) * quarter, cd = (r(1, 2) + r(2, 1)) * quarter;
  std::array<double, 4> q{};
  if (largest == 0) q = {half, ab, ac, ad};
  if (largest == 1) q = {ab, half, bc, bd};
  if (largest == 2) q = {ac, bc, half, cd};
  if (largest == 3) q = {ad, bd, cd, half};
  if (q[0] < 0)
    for (double& part : q) part = -part;
  return q;
}

Affine rounded_affine(const Grid& grid) {
  Affine affine{};
  for (std::size_t row = 0; row < 3; ++row) {
    const double sign = row < 2 ? -1 : 1;  // LPS to RAS
    for (std::size_t a = 0; a < 3; ++a) affine[row][a] = sign * grid.step_mm[a][row] + 0.0;
    affine[row][3] = sign * grid.origin_mm[row] + 0.0;
  }
  return affine;
}

}  // namespace

Affine sform_affine(const NiftiGeometry& geometry) {
  return geometry.srow;
}

std::optional<Affine> qform_affine(const NiftiGeometry& geometry) {
  const auto& q = geometry.quatern;
  const double vector_square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2];
  constexpr double kLongerThanOne = 1e-3;  // floats of a unit quaternion miss 1 by 1e-7; more is no rotation
  if (!(vector_square <= 1 + kLongerThanOne)) return std::nullopt;
  const double a = std::sqrt(std::max(1 - vector_square, 0.0)), b = q[0], c = q[1], d = q[2];
  const double s = 2 / (a * a + vector_square);
  const std::array<std::array<double, 3>, 3> rotation{{
      {1 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)},
      {s * (b * c + a * d), 1 - s * (b * b + d * d), s * (c * d - a * b)},
      {s * (b * d - a * c), s * (c * d + a * b), 1 - s * (b * b + c * c)},
  }};
  const double qfac = geometry.pixdim[0] < 0 ? -1 : 1;
  Affine affine{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t col = 0; col < 3; ++col)
      affine[row][col] = rotation[row][col] * std::abs(geometry.pixdim[col + 1]) * (col == 2 ? qfac : 1);
    affine[row][3] = geometry.qoffset[row];
  }
  return affine;
}

Grid grid_of(const Affine& affine, const std::array<std::uint32_t, 3>& size, double millimetres_a_unit) {
  Grid grid;
  grid.size = size;
  for (std::size_t row = 0; row < 3; ++row) {
    const double factor = (row < 2 ? -1 : 1) * millimetres_a_unit;  // RAS to LPS
    for (std::size_t a = 0; a < 3; ++a) grid.step_mm[a][row] = factor * affine[row][a] + 0.0;
    grid.origin_mm[row] = factor * affine[row][3] + 0.0;
  }
  return grid;
}

double furthest_corner_mm(const Grid& a, const Grid& b) {
  double furthest = 0;
  for (unsigned corner = 0; corner < 8; ++corner) {
    const double i = (corner & 1) ? a.size[0] : 0, j = (corner & 2) ? a.size[1] : 0, k = (corner & 4) ? a.size[2] : 0;
    const Point3 p = a.position(i, j, k), q = b.position(i, j, k);
    const double apart = std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
    if (!(apart <= furthest)) furthest = apart;  // NaN passes through
  }
  return furthest;
}

NiftiGeometry nifti_geometry(const Grid& grid) {
  NiftiGeometry out;
  constexpr std::uint32_t kLongestAxis = 32767;
  if (*std::max_element(grid.size.begin(), grid.size.end()) > kLongestAxis) out.version = 2;
  const auto stored = [&](double value) { return out.version == 1 ? rounded(value) : value; };
  out.xyzt_units = kMillimetres;
  out.sform_code = kScannerAnatomy;
  const Affine affine = rounded_affine(grid);
  const Point3 spacing = grid.spacing_mm();
  std::array<Point3, 3> column{};
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t a = 0; a < 4; ++a) {
      out.srow[row][a] = stored(affine[row][a]);
      if (a < 3) column[a][row] = affine[row][a] / spacing[a];
    }
  const double determinant = column[0][0] * (column[1][1] * column[2][2] - column[1][2] * column[2][1]) -
                             column[1][0] * (column[0][1] * column[2][2] - column[0][2] * column[2][1]) +
                             column[2][0] * (column[0][1] * column[1][2] - column[0][2] * column[1][1]);
  out.pixdim = {determinant < 0 ? -1.0 : 1.0, stored(spacing[0]), stored(spacing[1]), stored(spacing[2])};
  if (determinant < 0)
    for (double& part : column[2]) part = -part;
  const auto q = quaternion_of(column);
  NiftiGeometry with_qform = out;
  with_qform.qform_code = kScannerAnatomy;
  for (std::size_t n = 0; n < 3; ++n) {
    with_qform.quatern[n] = stored(q[n + 1]);
    with_qform.qoffset[n] = stored(affine[n][3]);
  }
  const auto said = qform_affine(with_qform);
  constexpr double kSameMm = 1e-3;
  return said && furthest_corner_mm(grid, grid_of(*said, grid.size, 1)) <= kSameMm ? with_qform : out;
}

}  // namespace rouage::image
