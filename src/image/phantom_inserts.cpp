#include "image/phantom_inserts.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/values.h"

namespace rouage::image::phantom {

PhantomTruth Extent::truth(std::string label, std::optional<Side> side) const {
  return {std::move(label),       side, static_cast<double>(c0), static_cast<double>(r0), static_cast<double>(c1),
          static_cast<double>(r1)};
}

PhantomTruth add_nodule(const PhantomNodule& nodule, const Grid& grid, const std::vector<LungPixel>& lung,
                        std::vector<float>& added) {
  const double c = std::floor(grid.column(nodule.x_mm)), r = std::floor(grid.row(nodule.y_mm));
  const bool on_film = c >= 0 && r >= 0 && c < grid.columns && r < grid.rows;
  const std::size_t at = on_film ? static_cast<std::size_t>(r) * grid.columns + static_cast<std::size_t>(c) : 0;
  if (!on_film || !(lung[at].first < lung[at].last))
    throw Error(ErrorCode::Usage, "the nodule at " + fixed_text(nodule.x_mm, 0) + ", " + fixed_text(nodule.y_mm, 0) +
                                      " mm lies outside the lungs")
        .remedy("give x to the patient's left and y to the feet in mm from the film's centre, e.g. 75 -20");
  const double z = (static_cast<double>(lung[at].first) + static_cast<double>(lung[at].last)) / 2;
  const double shrink = 1 - z / kSourceMm, radius = nodule.diameter_mm / 2;
  const Ellipsoid sphere{{nodule.x_mm * shrink, nodule.y_mm * shrink, z}, radius, radius, radius};
  Extent extent;
  for (std::uint32_t row = 0; row < grid.rows; ++row) {
    if (std::abs(grid.y(row) - nodule.y_mm) > 2 * radius) continue;
    for (std::uint32_t column = 0; column < grid.columns; ++column) {
      const Ray ray{grid.x(column), grid.y(row)};
      const Span chord = cut(sphere, ray);
      if (chord.empty()) continue;
      added[std::size_t{row} * grid.columns + column] +=
          static_cast<float>(chord.length() * ray.stretch() * (kMuSoft - kMuLung));
      extent.add(column, row);
    }
  }
  return extent.truth("Nodule", nodule.x_mm > 0 ? Side::left : Side::right);
}

PhantomTruth add_skin_fold(Side side, const Grid& grid, const Variation& variation, std::vector<float>& added) {
  constexpr double kLengthMm = 190, kWidthMm = 34, kThicknessMm = 18;
  const double sign = side == Side::left ? 1 : -1;
  // The edge runs from the upper lung outwards and down, across the lateral ribs.
  const double x0 = sign * 92 * variation.width, y0 = -78, degrees = 68;
  const double ux = sign * cosine(degrees * kPi / 180), uy = sine(degrees * kPi / 180);
  Extent extent;
  for (std::uint32_t row = 0; row < grid.rows; ++row)
    for (std::uint32_t column = 0; column < grid.columns; ++column) {
      const double dx = grid.x(column) - x0, dy = grid.y(row) - y0;
      const double along = dx * ux + dy * uy;
      // Distance from the edge towards the midline; the edge is slightly bent.
      const double bow = 5 * sine(along / kLengthMm * kPi);
      const double inward = (-dx * uy + dy * ux) * sign + bow;
      if (along <= 0 || along >= kLengthMm || inward <= 0 || inward >= kWidthMm) continue;
      const double ends = smooth_step(0, 35, along) * smooth_step(0, 35, kLengthMm - along);
      const double fade = 1 - inward / kWidthMm;
      const double thickness = kThicknessMm * ends * fade * fade;
      if (thickness < 0.05) continue;
      added[std::size_t{row} * grid.columns + column] += static_cast<float>(thickness * kMuSoft);
      extent.add(column, row);
    }
  return extent.truth("Skin_Fold", side);
}

std::optional<PhantomTruth> add_marker(const Grid& grid, std::vector<float>& added) {
  constexpr double kHeightMm = 13, kWidthMm = 8.5, kStrokeMm = 2.4, kLead = 8;  ///< mu times thickness
  const double left = std::min(158.0, grid.columns * grid.mm / 2 - 22),
               top = std::max(-178.0, 10 - grid.rows * grid.mm / 2);
  Extent extent;
  // Share of a pixel between two coordinates, so that strokes have smooth edges on any grid.
  const auto share = [&](double centre, double low, double high) {
    return std::clamp((std::min(centre + grid.mm / 2, high) - std::max(centre - grid.mm / 2, low)) / grid.mm, 0.0, 1.0);
  };
  for (std::uint32_t row = 0; row < grid.rows; ++row)
    for (std::uint32_t column = 0; column < grid.columns; ++column) {
      const double x = grid.x(column), y = grid.y(row);
      const double stem = share(x, left, left + kStrokeMm) * share(y, top, top + kHeightMm);
      const double foot = share(x, left, left + kWidthMm) * share(y, top + kHeightMm - kStrokeMm, top + kHeightMm);
      const double cover = std::max(stem, foot);
      if (cover <= 0) continue;
      added[std::size_t{row} * grid.columns + column] += static_cast<float>(kLead * cover);
      extent.add(column, row);
    }
  if (extent.empty()) return std::nullopt;
  return extent.truth("Marker_L", Side::left);
}

}  // namespace rouage::image::phantom
