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
        axis.weight.push_back(
            static_cast<float>(std::max(0.0, std::min(high, j + 1.0) - std::max(low, double{1} * j)) / step));
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

/// Rounding in a reader's windowing may pass 0 or 1 by an ulp; more is a wrong scale.
constexpr float kRangeSlack = 1e-5F;

[[noreturn]] void refuse_range(const image::Film& film) {
  float lowest = 0, highest = 0;
  for (const float value : film.values) {
    if (!std::isfinite(value)) throw Error(ErrorCode::InputRange, "a value is not a finite number");
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  throw Error(ErrorCode::InputRange, fmt::format("they span {} to {}, expected 0 to 1", lowest, highest));
}

/// target += weight * source, and whether a value lies outside 0..1 (NaN too: the comparison is negated). An OR of
/// comparisons vectorises, unlike a float minimum; one pass over a large film halves the traffic with memory.
std::uint32_t add_row(float* target, const float* source, std::uint32_t columns, float weight) {
  std::uint32_t outside = 0;
  for (std::uint32_t c = 0; c < columns; ++c) {
    const float value = source[c];
    target[c] += weight * value;
    outside |= static_cast<std::uint32_t>(!(value >= -kRangeSlack && value <= 1 + kRangeSlack));
  }
  return outside;
}

struct Squeezed {
  std::vector<float> values;
  bool in_range = true;  ///< every value of the source lies within 0..1
};

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

Squeezed squeeze(const std::vector<float>& values, std::uint32_t columns, std::uint32_t rows, std::uint32_t out_columns,
                 std::uint32_t out_rows) {
  if (columns == 0 || rows == 0 || out_columns == 0 || out_rows == 0 || values.size() != std::size_t{columns} * rows)
    throw Error(ErrorCode::Internal, fmt::format("a picture of {} x {} has {} values", columns, rows, values.size()));
  const Axis down = make_axis(rows, out_rows), across = make_axis(columns, out_columns);
  Squeezed made{std::vector<float>(std::size_t{out_columns} * out_rows), true};
  std::vector<float> line(columns);
  std::uint32_t outside = 0;
  for (std::uint32_t r = 0; r < out_rows; ++r) {
    // Whole rows are added with their weight: contiguous, so that the compiler vectorises it.
    std::fill(line.begin(), line.end(), 0.0F);
    for (std::uint32_t k = 0; k < down.count[r]; ++k) {
      const float* source = values.data() + std::size_t{down.first[r] + k} * columns;
      outside |= add_row(line.data(), source, columns, down.weight[down.start[r] + k]);
    }
    for (std::uint32_t c = 0; c < out_columns; ++c) {
      const float* source = line.data() + across.first[c];
      const float* weight = across.weight.data() + across.start[c];
      float sum = 0;
      for (std::uint32_t k = 0; k < across.count[c]; ++k) sum += weight[k] * source[k];
      made.values[std::size_t{r} * out_columns + c] = sum;
    }
  }
  made.in_range = outside == 0;
  return made;
}

}  // namespace

std::vector<float> squeeze_area(const std::vector<float>& values, std::uint32_t columns, std::uint32_t rows,
                                std::uint32_t out_columns, std::uint32_t out_rows) {
  return squeeze(values, columns, rows, out_columns, out_rows).values;
}

Tensor film_tensor(const image::Film& film, const PackageInput& input) {
  if (input.resize != "squeeze_area")
    throw Error(ErrorCode::PackageInvalid, "unknown resize " + input.resize).tag("input.resize");
  const auto size = static_cast<std::uint32_t>(input.size);
  Squeezed squeezed = squeeze(film.values, film.columns, film.rows, size, size);
  if (!squeezed.in_range) refuse_range(film);
  std::vector<float>& plane = squeezed.values;
  normalise(plane, input);
  Tensor tensor{.shape = {1, input.channels, input.size, input.size}, .values = {}};
  tensor.values.reserve(plane.size() * static_cast<std::size_t>(input.channels));
  for (int c = 0; c < input.channels; ++c) tensor.values.insert(tensor.values.end(), plane.begin(), plane.end());
  return tensor;
}

}  // namespace rouage::infer
