// Intensity statistics and scaling. numpy adds in float32 by pairs; sums in double differ from it by about 1e-6 of the
// value.
#include "base/error.h"

#include <algorithm>
#include <cmath>
#include "base/values.h"
#include "infer/nnunet/parallel.h"
#include "infer/nnunet/preprocess.h"

namespace rouage::infer::nnunet {
namespace {

constexpr double kLeastDivisor = 1e-8;

/// A row of the channel as contiguous floats, in place where it is contiguous already.
std::span<const float> row_of(const View<float>& view, std::uint32_t a, std::uint32_t b, std::vector<float>& buffer) {
  const float* first = view.row(a, b);
  if (view.step[2] == 1) return {first, view.size[2]};
  buffer.resize(view.size[2]);
  for (std::uint32_t c = 0; c < view.size[2]; ++c) buffer[c] = first[static_cast<std::ptrdiff_t>(c) * view.step[2]];
  return buffer;
}

struct Sums {
  double sum = 0;
  std::uint64_t count = 0;
  float low = std::numeric_limits<float>::infinity(), high = -std::numeric_limits<float>::infinity();
  bool finite = true;
};

/// One pass over the channel, plane sums added in order. term: what is summed of each value.
template <class Term>
Sums sums_of(const View<float>& view, std::span<const std::uint8_t> mask, int threads, const Term& term) {
  std::vector<Sums> planes(view.size[0]);
  parallel_for(view.size[0], threads, [&](std::size_t a) {
    std::vector<float> buffer;
    Sums& plane = planes[a];
    for (std::uint32_t b = 0; b < view.size[1]; ++b) {
      const std::span<const float> row = row_of(view, static_cast<std::uint32_t>(a), b, buffer);
      const std::uint8_t* inside =
          mask.empty() ? nullptr : mask.data() + (a * view.size[1] + b) * std::size_t{view.size[2]};
      double sum = 0;
      for (std::size_t c = 0; c < row.size(); ++c) {
        if (inside != nullptr && inside[c] == 0) continue;
        sum += term(row[c]);
        ++plane.count;
        plane.low = std::min(plane.low, row[c]);
        plane.high = std::max(plane.high, row[c]);
      }
      plane.sum += sum;
    }
  });
  Sums all;
  for (const Sums& plane : planes) {
    all.sum += plane.sum;
    all.count += plane.count;
    all.low = std::min(all.low, plane.low);
    all.high = std::max(all.high, plane.high);
  }
  return all;
}

/// Smallest and largest value; refuses what is not finite, which the reference would spread over the image.
Range finite_range(const View<float>& view, int threads) {
  std::vector<Range> planes(view.size[0]);
  std::vector<std::uint8_t> broken(view.size[0], 0);
  parallel_for(view.size[0], threads, [&](std::size_t a) {
    std::vector<float> buffer;
    for (std::uint32_t b = 0; b < view.size[1]; ++b) {
      const std::span<const float> row = row_of(view, static_cast<std::uint32_t>(a), b, buffer);
      const Range range = range_of(row);
      planes[a] = b == 0 ? range : Range{std::min(planes[a].low, range.low), std::max(planes[a].high, range.high)};
      if (!all_finite(row)) broken[a] = 1;
    }
  });
  Range all = planes.front();
  for (const Range& plane : planes) all = {std::min(all.low, plane.low), std::max(all.high, plane.high)};
  if (std::find(broken.begin(), broken.end(), 1) != broken.end())
    throw Error(ErrorCode::VolumeInvalid, "a voxel is not a finite number")
        .remedy("write the volume again without NaN and infinity");
  return all;
}

void scale_by_statistics(const View<float>& channel, std::span<const std::uint8_t> mask, int threads, Scaling& s) {
  const Sums first = sums_of(channel, mask, threads, [](float v) { return static_cast<double>(v); });
  if (first.count == 0) return;
  const auto n = static_cast<double>(first.count);
  s.subtract = static_cast<float>(first.sum / n);
  const float mean = s.subtract;
  const Sums second = sums_of(channel, mask, threads, [mean](float v) {
    const double d = static_cast<double>(v - mean);
    return d * d;
  });
  s.divisor = static_cast<float>(std::max(std::sqrt(second.sum / n), kLeastDivisor));
}

}  // namespace

Normalizer normalizer_of(const View<float>& channel, const ChannelRule& rule, std::span<const std::uint8_t> mask,
                         int threads) {
  const Range values = finite_range(channel, threads);
  Normalizer out;
  out.scaling = {values.low, values.high, 0.0F, 1.0F};
  Scaling& s = out.scaling;
  switch (rule.scheme) {
    case Normalization::ct:
      s = {static_cast<float>(rule.percentile_00_5), static_cast<float>(rule.percentile_99_5),
           static_cast<float>(rule.mean), static_cast<float>(std::max(rule.std, kLeastDivisor))};
      break;
    case Normalization::z_score:
      out.inside_mask = rule.inside_mask;
      scale_by_statistics(channel, rule.inside_mask ? mask : std::span<const std::uint8_t>{}, threads, s);
      break;
    case Normalization::none:
      break;
    case Normalization::rescale_to_01:
      s.subtract = values.low;
      s.divisor = std::max(values.high - values.low, static_cast<float>(kLeastDivisor));
      break;
    case Normalization::rgb_to_01:
      if (values.low < 0.0F || values.high > 255.0F)
        throw Error(ErrorCode::InputRange, "RGB channel " + rule.name + " holds values outside 0..255");
      s.divisor = 255.0F;
      break;
  }
  // The scaling is monotonous, so the range of the results is the result of the range.
  std::array<float, 2> ends{values.low, values.high};
  scale(ends, s, ends);
  if (out.inside_mask) {
    const bool outside = std::find(mask.begin(), mask.end(), std::uint8_t{0}) != mask.end();
    const Sums inside = sums_of(channel, mask, threads, [](float) { return 0.0; });
    if (inside.count > 0) {
      ends = {inside.low, inside.high};
      scale(ends, s, ends);
      if (outside) ends = {std::min(ends[0], 0.0F), std::max(ends[1], 0.0F)};
    } else {
      ends = {values.low, values.high};
    }
  }
  out.low = static_cast<double>(ends[0]);
  out.high = static_cast<double>(ends[1]);
  return out;
}

}  // namespace rouage::infer::nnunet
