#include "cogs/chest/sharpness.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "infer/package.h"

namespace rouage::cogs::chest {
namespace {

constexpr int kFine = 1, kCoarse = 4, kBlocks = 8, kLeastBlocks = 8;
constexpr double kFlat = 0.01, kEpsilon = 1e-4;  // standard deviations of the film

struct Grid {
  int columns = 0, rows = 0;
  std::vector<double> values;
  double at(int x, int y) const {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(x)];
  }
};

Grid shrunk(const image::Film& film) {
  const std::uint32_t longest = std::max(film.columns, film.rows);
  const auto side = [longest](std::uint32_t n) {
    const double scaled = std::floor(n * double{kSharpnessSide} / longest + 0.5);
    return longest > kSharpnessSide ? std::max(1U, static_cast<std::uint32_t>(scaled)) : n;
  };
  const std::uint32_t columns = side(film.columns), rows = side(film.rows);
  const bool same = columns == film.columns && rows == film.rows;
  const std::vector<float> small =
      same ? film.values : infer::squeeze_area(film.values, film.columns, film.rows, columns, rows);
  return {static_cast<int>(columns), static_cast<int>(rows), {small.begin(), small.end()}};
}

void divide_by_deviation(Grid& grid) {
  double sum = 0, squares = 0;
  for (const double v : grid.values) sum += v;
  const double mean = sum / static_cast<double>(grid.values.size());
  for (const double v : grid.values) squares += (v - mean) * (v - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(grid.values.size())) + 1e-6;
  for (double& v : grid.values) v /= deviation;
}

/// Bounds of the 8 blocks of one axis of a field of `extent`: its inner 80 %.
std::array<int, kBlocks + 1> bounds(int extent) {
  const int margin = extent / 10;
  std::array<int, kBlocks + 1> made{};
  for (int i = 0; i <= kBlocks; ++i) made[static_cast<std::size_t>(i)] = margin + (extent - 2 * margin) * i / kBlocks;
  return made;
}

using BlockMeans = std::array<double, kBlocks * kBlocks>;

/// Means over the blocks of |2 g(p) - g(p - lag d) - g(p + lag d)|, for points at least kCoarse from the border.
BlockMeans block_means(const Grid& g, int dy, int dx, int lag) {
  const auto ys = bounds(g.rows - 2 * kCoarse), xs = bounds(g.columns - 2 * kCoarse);
  BlockMeans means{};
  for (std::size_t by = 0; by < kBlocks; ++by)
    for (std::size_t bx = 0; bx < kBlocks; ++bx) {
      double sum = 0;
      for (int y = ys[by] + kCoarse; y < ys[by + 1] + kCoarse; ++y)
        for (int x = xs[bx] + kCoarse; x < xs[bx + 1] + kCoarse; ++x)
          sum += std::abs(2 * g.at(x, y) - g.at(x - lag * dx, y - lag * dy) - g.at(x + lag * dx, y + lag * dy));
      means[by * kBlocks + bx] = sum / ((ys[by + 1] - ys[by]) * double{1} * (xs[bx + 1] - xs[bx]));
    }
  return means;
}

double median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace

double sharpness(const image::Film& film) {
  if (std::min(film.columns, film.rows) < kSharpnessLeastSide)
    throw Error(ErrorCode::Internal, "the film is too small for the measure of sharpness");
  Grid grid = shrunk(film);
  // A strip of 2000 x 40 shrinks below the least side; it has no sharpness and its shape refuses it.
  if (std::min(grid.columns, grid.rows) < static_cast<int>(kSharpnessLeastSide)) return 0;
  divide_by_deviation(grid);
  constexpr std::array<std::array<int, 2>, 4> kDirections{{{0, 1}, {1, 0}, {1, 1}, {1, -1}}};
  double smallest = 0;
  for (std::size_t d = 0; d < kDirections.size(); ++d) {
    const auto [dy, dx] = kDirections[d];
    const BlockMeans fine = block_means(grid, dy, dx, kFine), coarse = block_means(grid, dy, dx, kCoarse);
    std::vector<double> ratios;
    for (std::size_t i = 0; i < fine.size(); ++i)
      if (coarse[i] >= kFlat) ratios.push_back((fine[i] + kEpsilon) / (coarse[i] + kEpsilon));
    const double found = ratios.size() >= kLeastBlocks ? std::log(median(ratios)) : 0.0;
    smallest = d == 0 ? found : std::min(smallest, found);
  }
  return smallest;
}

}  // namespace rouage::cogs::chest
