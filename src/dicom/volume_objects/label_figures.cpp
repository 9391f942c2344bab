/// Volume and intensities of labels, slice by slice, the median exactly by two histograms of the values' bits.
#include <fmt/format.h>
#include <algorithm>

#include <bit>
#include <cmath>

#include "base/error.h"
#include "dicom/volume_objects/label_boxes.h"

namespace rouage::dicom {
namespace {

/// Order-preserving: a < b as floats when ordered(a) < ordered(b). No NaN.
std::uint32_t ordered(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value == 0 ? 0.0F : value);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

float unordered(std::uint32_t key) {
  return std::bit_cast<float>((key & 0x80000000U) != 0 ? key & 0x7FFFFFFFU : ~key);
}

struct Sums {
  std::uint64_t finite = 0, not_finite = 0;
  double shift = 0, sum = 0, squares = 0;  ///< of value - shift, the first value, so that large offsets cost no digits
  float least = 0, most = 0;
  void add(float value) {
    if (!std::isfinite(value)) {
      ++not_finite;
      return;
    }
    if (finite++ == 0) {
      shift = double{value};
      least = most = value;
    }
    least = std::min(least, value);
    most = std::max(most, value);
    const double d = double{value} - shift;
    sum += d;
    squares += d * d;
  }
};

/// Finds the two middle values of one label: first their upper 16 bits, then the lower 16 of each.
class MiddleSearch {
 public:
  explicit MiddleSearch(std::uint64_t count) : ranks_{(count - 1) / 2, count / 2}, counts_(65'536, 0) {}
  void count_upper(std::uint32_t key) { ++counts_[key >> 16]; }
  void to_lower() {
    for (std::size_t m = 0; m < 2; ++m) narrow(ranks_[m], upper_[m]);
    counts_.assign(65'536, 0);
    if (upper_[1] != upper_[0]) second_.assign(65'536, 0);
  }
  void count_lower(std::uint32_t key) {
    if (key >> 16 == upper_[0]) ++counts_[key & 0xFFFF];
    if (!second_.empty() && key >> 16 == upper_[1]) ++second_[key & 0xFFFF];
  }
  double median() {
    double sum = 0;
    for (std::size_t m = 0; m < 2; ++m) {
      if (m == 1 && !second_.empty()) counts_ = second_;
      std::uint32_t lower = 0;
      std::uint64_t rank = ranks_[m];
      narrow(rank, lower);
      sum += double{unordered(upper_[m] << 16 | lower)};
    }
    return sum / 2;
  }

 private:
  void narrow(std::uint64_t& rank, std::uint32_t& bin) const {
    bin = 0;
    while (rank >= counts_[bin]) rank -= counts_[bin++];
  }
  std::array<std::uint64_t, 2> ranks_;
  std::array<std::uint32_t, 2> upper_{};
  std::vector<std::uint64_t> counts_, second_;
};

/// visit(n, value) for every voxel of values[n].
template <class Visit>
void for_each_voxel(const image::Grid& grid, const LabelSource& labels, const IntensitySource& intensities,
                    const std::vector<std::vector<LabelBox>>& boxes, std::span<const std::uint16_t> values,
                    const Visit& visit) {
  std::vector<std::size_t> next(values.size(), 0);
  const std::size_t columns = grid.size[0];
  for (std::uint32_t k = 0; k < grid.size[2]; ++k) {
    const auto plane = plane_of(labels, grid, k);
    const auto image = intensities(k);
    if (image.size() != plane.size())
      throw Error(ErrorCode::GridMismatch, fmt::format("image plane {} has not the size of its label plane", k));
    for (std::size_t n = 0; n < values.size(); ++n) {
      if (next[n] >= boxes[n].size() || boxes[n][next[n]].k != k) continue;
      const LabelBox& box = boxes[n][next[n]++];
      for (std::size_t row = box.row_first; row <= box.row_last; ++row)
        for (std::size_t at = row * columns + box.column_first; at <= row * columns + box.column_last; ++at)
          if (plane[at] == values[n]) visit(n, image[at]);
    }
  }
}

LabelFigures figures_of(std::uint16_t value, const Sums& sums, double voxel_ml) {
  LabelFigures figures;
  figures.value = value;
  figures.voxels = sums.finite + sums.not_finite;
  figures.not_finite = sums.not_finite;
  figures.volume_ml = static_cast<double>(figures.voxels) * voxel_ml;
  if (sums.finite == 0) return figures;
  const auto n = static_cast<double>(sums.finite);
  figures.mean = sums.shift + sums.sum / n;
  const double spread = std::max(0.0, sums.squares - sums.sum * sums.sum / n);
  figures.standard_deviation = sums.finite > 1 ? std::sqrt(spread / (n - 1)) : 0.0;
  figures.minimum = double{sums.least};
  figures.maximum = double{sums.most};
  return figures;
}

}  // namespace

std::vector<LabelFigures> measure_labels(const image::Grid& grid, const LabelSource& labels,
                                         const IntensitySource& intensities, std::span<const std::uint16_t> values) {
  const auto boxes = label_boxes(grid, labels, values, false);
  std::vector<Sums> sums(values.size());
  for_each_voxel(grid, labels, intensities, boxes, values, [&](std::size_t n, float value) { sums[n].add(value); });
  std::vector<LabelFigures> figures;
  std::vector<MiddleSearch> middles;
  for (std::size_t n = 0; n < values.size(); ++n) {
    figures.push_back(figures_of(values[n], sums[n], grid.voxel_ml()));
    middles.emplace_back(std::max<std::uint64_t>(1, sums[n].finite));
  }
  for_each_voxel(grid, labels, intensities, boxes, values, [&](std::size_t n, float value) {
    if (std::isfinite(value)) middles[n].count_upper(ordered(value));
  });
  for (std::size_t n = 0; n < values.size(); ++n)
    if (sums[n].finite > 0) middles[n].to_lower();
  for_each_voxel(grid, labels, intensities, boxes, values, [&](std::size_t n, float value) {
    if (std::isfinite(value)) middles[n].count_lower(ordered(value));
  });
  for (std::size_t n = 0; n < values.size(); ++n)
    if (sums[n].finite > 0) figures[n].median = middles[n].median();
  return figures;
}

}  // namespace rouage::dicom
