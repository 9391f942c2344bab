#include "cogs/chest/explanation_checks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace rouage::cogs::chest {
namespace {

std::vector<double> mean_ranks(const std::vector<float>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i + 1;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (std::size_t j = i; j < end; ++j) ranks[order[j]] = (static_cast<double>(i) + static_cast<double>(end) - 1) / 2;
    i = end;
  }
  return ranks;
}

}  // namespace

std::array<double, 2> pointed_at(const Map& map, std::uint32_t film_columns, std::uint32_t film_rows) {
  const auto highest =
      static_cast<std::size_t>(std::max_element(map.values.begin(), map.values.end()) - map.values.begin());
  const std::size_t row = highest / map.columns, column = highest % map.columns;
  const double x = static_cast<double>(column) + 0.5, y = static_cast<double>(row) + 0.5;
  return {x * film_columns / map.columns, y * film_rows / map.rows};
}

bool pointing_hit(const Map& map, const Box& box, std::uint32_t film_columns, std::uint32_t film_rows) {
  const auto [x, y] = pointed_at(map, film_columns, film_rows);
  return x >= box.x0 && x < box.x1 && y >= box.y0 && y < box.y1;
}

Estimate hit_rate(int hits, int n) {
  if (n <= 0) return {0, 0, 1};
  constexpr double z = 1.959963984540054;  // 97.5 % point of the normal distribution
  const double p = static_cast<double>(hits) / n, z2 = z * z;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z * std::sqrt(p * (1 - p) / n + z2 / (4.0 * n * n)) / (1 + z2 / n);
  return {p, std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

double rank_correlation(const Map& a, const Map& b) {
  if (a.values.size() != b.values.size() || a.values.empty())
    throw Error(ErrorCode::Internal, "maps of different sizes");
  const std::vector<double> x = mean_ranks(a.values), y = mean_ranks(b.values);
  const double middle = (static_cast<double>(x.size()) - 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

LungCentres lung_centres(std::uint32_t film_columns, std::uint32_t film_rows) {
  // Middles of the lung fields of an adult's frontal film, as fractions of its extent, by anatomy.
  constexpr double kOut = 0.22, kDown = 0.48;
  return {{(0.5 - kOut) * film_columns, kDown * film_rows}, {(0.5 + kOut) * film_columns, kDown * film_rows}};
}

}  // namespace rouage::cogs::chest
