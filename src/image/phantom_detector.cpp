#include "image/phantom_detector.h"

#include <algorithm>
#include <cmath>

namespace rouage::image::phantom {
namespace {

constexpr double kScatterFraction = 0.17;  ///< of the mean primary around, behind a grid
constexpr double kScatterSigmaMm = 38;
constexpr double kOpenCap = 0.30;         ///< the open beam is collimated: it scatters no more than this
constexpr double kLungPrimary = 0.11;     ///< primary behind the lungs, which the dose refers to
constexpr double kPhotonsPerMm2 = 49000;  ///< absorbed at 2.5 microgray: 30,000 /mm2/microgray, efficiency 0.65
constexpr double kBlurSigmaMm = 0.13;
constexpr double kDetailMm = 11, kDetailGain = 1.9;  ///< local contrast, as digital systems process a chest
constexpr double kCurveCentre = 2.62, kCurveSlope = 0.95;
constexpr double kSteps = 4095;

/// Sliding mean over 2*radius+1 values along one line, edges repeated.
void box_line(const float* in, float* out, int count, std::ptrdiff_t stride, int radius) {
  double sum = 0;
  const auto value = [&](int i) { return static_cast<double>(in[std::clamp(i, 0, count - 1) * stride]); };
  for (int i = -radius; i <= radius; ++i) sum += value(i);
  const double scale = 1.0 / (2 * radius + 1);
  for (int i = 0; i < count; ++i) {
    out[i * stride] = static_cast<float>(sum * scale);
    sum += value(i + radius + 1) - value(i - radius);
  }
}

/// Three box means in each direction: close to a Gaussian of the given sigma (pixels).
std::vector<float> blurred(std::vector<float> values, int columns, int rows, double sigma) {
  const int radius = static_cast<int>(std::lround(sigma));  // variance of three boxes: radius (radius + 1)
  if (radius < 1) return values;
  std::vector<float> other(values.size());
  for (int pass = 0; pass < 3; ++pass) {
    for (int r = 0; r < rows; ++r)
      box_line(&values[static_cast<std::size_t>(r) * columns], &other[static_cast<std::size_t>(r) * columns], columns,
               1, radius);
    // Columns: all sums of one row advance together, in the order in which memory lies.
    std::vector<double> sums(static_cast<std::size_t>(columns), 0.0);
    const auto row = [&](int r) { return &other[static_cast<std::size_t>(std::clamp(r, 0, rows - 1)) * columns]; };
    for (int r = -radius; r <= radius; ++r)
      for (int c = 0; c < columns; ++c) sums[c] += static_cast<double>(row(r)[c]);
    const double scale = 1.0 / (2 * radius + 1);
    for (int r = 0; r < rows; ++r) {
      const float *enter = row(r + radius + 1), *leave = row(r - radius);
      float* out = &values[static_cast<std::size_t>(r) * columns];
      for (int c = 0; c < columns; ++c) {
        out[c] = static_cast<float>(sums[c] * scale);
        sums[c] += static_cast<double>(enter[c]) - static_cast<double>(leave[c]);
      }
    }
  }
  return values;
}

/// Scattered radiation at each pixel, from block means of the primary (scatter is smooth: 8 mm blocks lose nothing).
std::vector<float> scatter(const std::vector<float>& primary, const Grid& grid) {
  const int block = std::max(1, static_cast<int>(8 / grid.mm));
  const int columns = static_cast<int>(grid.columns), rows = static_cast<int>(grid.rows);
  const int bc = (columns + block - 1) / block, br = (rows + block - 1) / block;
  std::vector<float> coarse(static_cast<std::size_t>(bc) * br);
  for (int y = 0; y < br; ++y)
    for (int x = 0; x < bc; ++x) {
      double sum = 0;
      int n = 0;
      for (int r = y * block; r < std::min(rows, (y + 1) * block); ++r)
        for (int c = x * block; c < std::min(columns, (x + 1) * block); ++c, ++n)
          sum += std::min(kOpenCap, static_cast<double>(primary[static_cast<std::size_t>(r) * columns + c]));
      coarse[static_cast<std::size_t>(y) * bc + x] = static_cast<float>(kScatterFraction * sum / n);
    }
  coarse = blurred(std::move(coarse), bc, br, kScatterSigmaMm / (block * grid.mm));
  std::vector<float> fine(primary.size());
  const auto place = [block](int i, int count, int& first, float& share) {
    const double at = std::clamp((i + 0.5) / block - 0.5, 0.0, count - 1.0);
    first = std::min(static_cast<int>(at), std::max(0, count - 2));
    share = static_cast<float>(at - first);
  };
  for (int r = 0; r < rows; ++r) {
    int y = 0;
    float fy = 0;
    place(r, br, y, fy);
    const float *top = &coarse[static_cast<std::size_t>(y) * bc], *bottom = br > 1 ? top + bc : top;
    for (int c = 0; c < columns; ++c) {
      int x = 0;
      float fx = 0;
      place(c, bc, x, fx);
      const int next = bc > 1 ? x + 1 : x;
      const float a = top[x] + fx * (top[next] - top[x]), b = bottom[x] + fx * (bottom[next] - bottom[x]);
      fine[static_cast<std::size_t>(r) * columns + c] = a + fy * (b - a);
    }
  }
  return fine;
}

/// Quantum noise, then the spread of light in the scintillator, on the signal (1: open beam).
std::vector<float> detect(const std::vector<float>& signal, const Exposure& exposure) {
  const Grid& grid = exposure.grid;
  std::vector<float> counted = signal;
  if (exposure.noise > 0) {
    const double photons = kPhotonsPerMm2 * grid.mm * grid.mm / kLungPrimary / (exposure.noise * exposure.noise);
    const std::uint64_t key = mix(exposure.seed ^ mix(7));
    for (std::size_t i = 0; i < counted.size(); ++i)
      counted[i] = static_cast<float>(poisson(static_cast<double>(signal[i]) * photons, key, i) / photons);
  }
  const double side = std::min(0.25, 0.5 * kBlurSigmaMm * kBlurSigmaMm / (grid.mm * grid.mm));
  const auto w = static_cast<float>(side), m = static_cast<float>(1 - 2 * side);
  const std::uint32_t columns = grid.columns, rows = grid.rows;
  std::vector<float> across(counted.size()), out(counted.size());
  for (std::uint32_t r = 0; r < rows; ++r)
    for (std::uint32_t c = 0; c < columns; ++c) {
      const float* line = &counted[std::size_t{r} * columns];
      across[std::size_t{r} * columns + c] =
          w * (line[c > 0 ? c - 1 : 0] + line[std::min(c + 1, columns - 1)]) + m * line[c];
    }
  for (std::uint32_t r = 0; r < rows; ++r) {
    const float *up = &across[std::size_t{r > 0 ? r - 1 : 0} * columns], *here = &across[std::size_t{r} * columns];
    const float* down = &across[std::size_t{std::min(r + 1, rows - 1)} * columns];
    for (std::uint32_t c = 0; c < columns; ++c) out[std::size_t{r} * columns + c] = w * (up[c] + down[c]) + m * here[c];
  }
  return out;
}

}  // namespace

std::vector<float> expose(const std::vector<float>& anatomy, const std::vector<float>& added,
                          const Exposure& exposure) {
  const Grid& grid = exposure.grid;
  const std::size_t count = grid.size();
  std::vector<float> primary(count), signal(count), base(count);
  for (std::size_t i = 0; i < count; ++i)
    primary[i] = static_cast<float>(exponential(-static_cast<double>(anatomy[i])));
  const std::vector<float> scattered = scatter(primary, grid);
  for (std::size_t i = 0; i < count; ++i) {
    const double plain = static_cast<double>(primary[i]) + static_cast<double>(scattered[i]);
    base[i] = static_cast<float>(-logarithm(plain));
    const double now = added[i] == 0 ? static_cast<double>(primary[i])
                                     : exponential(-static_cast<double>(anatomy[i]) - static_cast<double>(added[i]));
    signal[i] = static_cast<float>(now + static_cast<double>(scattered[i]));
  }
  std::vector<float> inserted(count);  // change of density by the insertion
  for (std::size_t i = 0; i < count; ++i)
    if (added[i] != 0) inserted[i] = static_cast<float>(-logarithm(static_cast<double>(signal[i]))) - base[i];
  base = blurred(std::move(base), static_cast<int>(grid.columns), static_cast<int>(grid.rows), kDetailMm / grid.mm);
  std::vector<float> film = detect(signal, exposure);
  for (std::size_t i = 0; i < count; ++i) {
    const double density = -logarithm(std::max(static_cast<double>(film[i]), 1e-5)),
                 b = static_cast<double>(base[i] + 0.5F * inserted[i]);
    const double shown = b + kDetailGain * (density - b);
    const double value = 1 / (1 + exponential(-std::clamp(kCurveSlope * (shown - kCurveCentre), -40.0, 40.0)));
    const double stretched = std::clamp((value - 0.02) / 0.95, 0.0, 1.0);
    film[i] = static_cast<float>(std::floor(stretched * kSteps + 0.5) / kSteps);
  }
  return film;
}

}  // namespace rouage::image::phantom
