#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "infer/package.h"

namespace rouage::infer {
namespace {

/// Weights of one axis: output i is the weighted sum of `count[i]` inputs that begin at `first[i]`.
struct Axis {
  std::vector<std::uint32_t> first, count;
  std::vector<std::size_t> start;  ///< into weight
  std::vector<float> weight;
};

/// n > size: exact area average over [i n/size, (i+1) n/size) with fractional edges. Else linear interpolation with
/// half-pixel centres, clamped at both ends. The same rule as training/chest/preprocess.py.
Axis make_axis(std::uint32_t n, std::uint32_t size) {
  Axis axis;
  const double step = static_cast<double>(n) / size;
  for (std::uint32_t i = 0; i < size; ++i) {
    axis.start.push_back(axis.weight.size());
    if (n > size) {
      const double low = i * step, high = (i + 1) * step;
      const auto first = static_cast<std::uint32_t>(std::floor(low));
      const auto last = std::min(static_cast<std::uint32_t>(std::ceil(high)), n);
      axis.first.push_back(first);
      axis.count.push_back(last - first);
      for (std::uint32_t j = first; j < last; ++j)
        axis.weight.push_back(static_cast<float>(std::max(0.0, std::min(high, j + 1.0) - std::max(low, double{1} * j)) / step));
    } else {
      const double x = std::clamp((i + 0.5) * step - 0.5, 0.0, n - 1.0);
      const auto first = static_cast<std::uint32_t>(std::floor(x));
      const double fraction = x - first;
      axis.first.push_back(first);
      axis.weight.push_back(static_cast<float>(1.0 - fraction));
      axis.count.push_back(fraction > 0 ? 2 : 1);
      if (fraction > 0) axis.weight.push_back(static_cast<float>(fraction));
    }
  }
  return axis;
}

void check_range(const image::Film& film) {
  // Rounding in a reader's windowing may pass 0 or 1 by an ulp; more is a wrong scale. Negated, so that NaN fails too.
  constexpr float kSlack = 1e-5F;
  std::uint32_t outside = 0;  // OR of comparisons: unlike a float minimum it vectorises without loosened float rules
  for (const float value : film.values) outside |= static_cast<std::uint32_t>(!(value >= -kSlack && value <= 1 + kSlack));
  if (outside == 0) return;
  float lowest = 0, highest = 0;
  for (const float value : film.values) {
    if (!std::isfinite(value)) throw Error(ErrorCode::InputRange, "a value is not a finite number");
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  throw Error(ErrorCode::InputRange, fmt::format("they span {} to {}, expected 0 to 1", lowest, highest));
}

void standardise(std::vector<float>& values, double clip) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v);
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const float v : values) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size())) + 1e-6;
  for (float& v : values) {
    double z = (static_cast<double>(v) - mean) / deviation;
    if (clip > 0) z = std::clamp(z, -clip, clip);
    v = static_cast<float>(z);
  }
}

void normalise(std::vector<float>& values, const PackageInput& input) {
  if (input.normalisation == "film_standardise") return standardise(values, input.clip);
  if (input.normalisation == "scale_1024") {
    for (float& v : values) v = (2 * v - 1) * 1024;
  } else if (input.normalisation == "scale_255") {
    for (float& v : values) v *= 255;
  } else if (input.normalisation != "unit") {
    throw Error(ErrorCode::PackageInvalid, "unknown normalisation " + input.normalisation).tag("input.normalisation");
  }
}

}  // namespace

std::vector<float> squeeze_area(const std::vector<float>& values, std::uint32_t columns, std::uint32_t rows,
                                std::uint32_t out_columns, std::uint32_t out_rows) {
  if (columns == 0 || rows == 0 || out_columns == 0 || out_rows == 0 || values.size() != std::size_t{columns} * rows)
    throw Error(ErrorCode::Internal, fmt::format("a picture of {} x {} has {} values", columns, rows, values.size()));
  const Axis down = make_axis(rows, out_rows), across = make_axis(columns, out_columns);
  std::vector<float> squeezed(std::size_t{out_columns} * out_rows), line(columns);
  for (std::uint32_t r = 0; r < out_rows; ++r) {
    // Whole rows are added with their weight: contiguous, so that the compiler vectorises it.
    std::fill(line.begin(), line.end(), 0.0F);
    for (std::uint32_t k = 0; k < down.count[r]; ++k) {
      const float weight = down.weight[down.start[r] + k];
      const float* source = values.data() + std::size_t{down.first[r] + k} * columns;
      float* const target = line.data();
      for (std::uint32_t c = 0; c < columns; ++c) target[c] += weight * source[c];
    }
    for (std::uint32_t c = 0; c < out_columns; ++c) {
      const float* source = line.data() + across.first[c];
      const float* weight = across.weight.data() + across.start[c];
      float sum = 0;
      for (std::uint32_t k = 0; k < across.count[c]; ++k) sum += weight[k] * source[k];
      squeezed[std::size_t{r} * out_columns + c] = sum;
    }
  }
  return squeezed;
}

Tensor film_tensor(const image::Film& film, const PackageInput& input) {
  if (input.resize != "squeeze_area")
    throw Error(ErrorCode::PackageInvalid, "unknown resize " + input.resize).tag("input.resize");
  check_range(film);
  const auto size = static_cast<std::uint32_t>(input.size);
  std::vector<float> plane = squeeze_area(film.values, film.columns, film.rows, size, size);
  normalise(plane, input);
  Tensor tensor{.shape = {1, input.channels, input.size, input.size}, .values = {}};
  tensor.values.reserve(plane.size() * static_cast<std::size_t>(input.channels));
  for (int c = 0; c < input.channels; ++c) tensor.values.insert(tensor.values.end(), plane.begin(), plane.end());
  return tensor;
}

}  // namespace rouage::infer
