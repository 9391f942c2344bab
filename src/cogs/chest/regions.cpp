#include "cogs/chest/regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace rouage::cogs::chest {
namespace {

constexpr double kMedianBand = 0.05, kBilateralReach = 0.2;  // fractions of the film's extent

struct Part {
  std::uint32_t x0 = 0, x1 = 0, y0 = 0, y1 = 0;  ///< cells, end exclusive
  std::size_t cells = 0;
  double score = 0;
};

/// Flood fill from one cell; visited cells are marked.
Part flood(const Map& map, std::vector<std::uint8_t>& seen, std::uint32_t x, std::uint32_t y) {
  Part part{x, x + 1, y, y + 1};
  std::vector<std::array<std::uint32_t, 2>> stack{{x, y}};
  seen[std::size_t{y} * map.columns + x] = 1;
  while (!stack.empty()) {
    const auto [cx, cy] = stack.back();
    stack.pop_back();
    part.x0 = std::min(part.x0, cx);
    part.x1 = std::max(part.x1, cx + 1);
    part.y0 = std::min(part.y0, cy);
    part.y1 = std::max(part.y1, cy + 1);
    ++part.cells;
    part.score = std::max(part.score, static_cast<double>(map.values[std::size_t{cy} * map.columns + cx]));
    for (std::uint32_t ny = cy == 0 ? 0 : cy - 1; ny <= std::min(cy + 1, map.rows - 1); ++ny)
      for (std::uint32_t nx = cx == 0 ? 0 : cx - 1; nx <= std::min(cx + 1, map.columns - 1); ++nx) {
        const std::size_t at = std::size_t{ny} * map.columns + nx;
        if (seen[at] != 0 || static_cast<double>(map.values[at]) < kRegionFraction) continue;
        seen[at] = 1;
        stack.push_back({nx, ny});
      }
  }
  return part;
}

/// Direction letter and position (0..1 along it) of the axis on which left and right lie; 'L' for the default film.
struct Axis {
  char towards = 'L';
  bool horizontal = true;
};
Axis lateral_axis(const std::array<std::string, 2>& orientation) {
  for (std::size_t i = 0; i < 2; ++i)
    if (!orientation[i].empty() && (orientation[i][0] == 'L' || orientation[i][0] == 'R'))
      return {orientation[i][0], i == 0};
  return {};
}

}  // namespace

std::vector<FoundRegion> find_regions(const Map& map, std::uint32_t film_columns, std::uint32_t film_rows) {
  const Relief coarse = relief(map);
  if (coarse.maximum == 0) return {{{0, 0, double{1} * film_columns, double{1} * film_rows}, 0}};
  const Map fine = enlarged(coarse.map, map.columns * kRegionEnlarging, map.rows * kRegionEnlarging);
  std::vector<std::uint8_t> seen(fine.values.size(), 0);
  std::vector<Part> parts;
  for (std::uint32_t y = 0; y < fine.rows; ++y)
    for (std::uint32_t x = 0; x < fine.columns; ++x) {
      const std::size_t at = std::size_t{y} * fine.columns + x;
      if (seen[at] == 0 && static_cast<double>(fine.values[at]) >= kRegionFraction)
        parts.push_back(flood(fine, seen, x, y));
    }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.score != b.score ? a.score > b.score : a.cells > b.cells;
  });
  if (parts.size() > kRegionLimit) parts.resize(kRegionLimit);
  std::vector<FoundRegion> regions;
  regions.reserve(parts.size());
  const double width = double{1} * film_columns / fine.columns, height = double{1} * film_rows / fine.rows;
  for (const Part& p : parts) regions.push_back({{p.x0 * width, p.y0 * height, p.x1 * width, p.y1 * height}, p.score});
  return regions;
}

std::string region_derivation(const std::string& role) {
  return fmt::format(
      "{}, enlarged {} times, at or above {} of the way from its mean to its maximum; box of a connected part", role,
      kRegionEnlarging, kRegionFraction);
}

Laterality side_of(const Box& box, std::uint32_t film_columns, std::uint32_t film_rows,
                   const std::array<std::string, 2>& patient_orientation) {
  const Axis axis = lateral_axis(patient_orientation);
  const double extent = axis.horizontal ? film_columns : film_rows;
  const double low = (axis.horizontal ? box.x0 : box.y0) / extent - 0.5,
               high = (axis.horizontal ? box.x1 : box.y1) / extent - 0.5;
  if (low < -kBilateralReach && high > kBilateralReach) return Laterality::bilateral;
  const double centre = (low + high) / 2;
  if (std::abs(centre) < kMedianBand) return Laterality::none;
  return (centre > 0) == (axis.towards == 'L') ? Laterality::left : Laterality::right;
}

Laterality joined(Laterality a, Laterality b) {
  if (a == Laterality::none) return b;
  if (b == Laterality::none || a == b) return a;
  return Laterality::bilateral;
}

bool median_label(const std::string& label) {
  return label == "Cardiomegaly" || label == "Hernia" || label == "Enlarged Cardiomediastinum";
}

}  // namespace rouage::cogs::chest
