/// Arithmetic on rows of numbers: everything that is done once a voxel and class. Lengths agree (the caller's duty);
/// pure.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rouage::infer::nnunet {

using Halves = std::span<const std::uint16_t>;  ///< IEEE binary16

void widen(Halves from, std::span<float> to);
void widen(std::span<const float> from, std::span<double> to);
void widen(Halves from, std::span<double> to);
void copy_row(std::span<const float> from, std::span<float> to);
void narrow(std::span<const float> from, std::span<std::uint16_t> to);  ///< nearest, ties to even
/// Each value rounded to binary16 once (also from double) and given back as a float.
void round_to_half(std::span<const float> from, std::span<float> to);
void round_to_half(std::span<const double> from, std::span<float> to);

/// to = a * wa + b * wb.
void mix(std::span<const float> a, std::span<const float> b, float wa, float wb, std::span<float> to);
void mix(std::span<const double> a, std::span<const double> b, double wa, double wb, std::span<double> to);

/// Two neighbours and their weights for every output sample of an axis; nearest: low == high, weights 1 and 0.
struct LinearAxis {
  std::vector<std::int32_t> low, high;
  std::vector<double> low_weight, high_weight;
  std::vector<float> low_weight_f, high_weight_f;
  bool identity = false;  ///< every sample is itself
  std::size_t size() const { return low.size(); }
};
/// to[k] = row[low[k]] * low_weight[k] + row[high[k]] * high_weight[k].
void sample(std::span<const float> row, const LinearAxis& axis, std::span<float> to);
void sample(std::span<const double> row, const LinearAxis& axis, std::span<double> to);

/// Where a value is greater than the best so far: it becomes the best and `label` the label.
void keep_best(std::span<const float> values, std::int32_t label, std::span<float> best,
               std::span<std::int32_t> labels);
/// Where sigmoid(value) > 0.5 in float32, which is value >= 2^-23: the label is written.
void write_region(std::span<const float> values, std::int32_t label, std::span<std::int32_t> labels);

/// sum = half(float(sum) + logits * weights), the product in float32: specification 6.5 and 6.6.
void add_weighted(std::span<const float> logits, std::span<const float> weights, std::span<std::uint16_t> sum);
void add_weighted(std::span<const float> logits, std::span<const float> weights, std::span<float> sum);
void add(std::span<const float> weights, std::span<std::uint16_t> sum);
void add(std::span<const float> weights, std::span<float> sum);
/// to = sum / count; false when a result is not finite.
bool divide(Halves sum, Halves count, std::span<std::uint16_t> to);
bool divide(std::span<const float> sum, std::span<const float> count, std::span<float> to);
/// Folds in float16: to = half(to + more), to = half(to / n).
void add_halves(Halves more, std::span<std::uint16_t> to);
void divide_halves(float n, std::span<std::uint16_t> to);

/// to = (min(max(from, low), high) - subtract) / divisor in float32, two roundings.
struct Scaling {
  float low = 0, high = 0, subtract = 0, divisor = 1;
};
void scale(std::span<const float> from, const Scaling& scaling, std::span<float> to);
void clip_to(std::span<const double> from, double low, double high, std::span<float> to);
void clip_to(std::span<const double> from, double low, double high, std::span<double> to);
struct Range {
  float low = 0, high = 0;
};
bool all_finite(std::span<const float> values);
/// Smallest and largest value; from is not empty.
Range range_of(std::span<const float> from);

/// B-spline coefficients of order 3 along the rows of block[rows][width], in place, whole-sample mirror at the ends
/// (specification 5.2). rows >= 25.
void spline_filter(std::span<double> block, std::size_t rows, std::size_t width);
/// to = sum of weights[j] * rows[j], four rows of `to.size()` values that follow each other with `stride`.
void mix_four(const double* rows, std::size_t stride, std::span<const double, 4> weights, std::span<double> to);

}  // namespace rouage::infer::nnunet
