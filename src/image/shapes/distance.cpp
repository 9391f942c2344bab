#include <cmath>

#include "image/shapes/lattice.h"

namespace rouage::image {
namespace {

constexpr float kFar = std::numeric_limits<float>::infinity();
constexpr std::size_t kBlock = 16;  ///< neighbouring lines handled together: one cache line of floats

/// Along i the sites are the voxels themselves: the nearest before and after.
void scan_row(const std::uint8_t* values, float* row, std::size_t n, double step, bool to_set, double limit) {
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t last = kNone;
  const auto squared = [&](std::size_t steps) {
    const double d = static_cast<double>(steps) * step;
    return d <= limit ? static_cast<float>(d * d) : kFar;
  };
  for (std::size_t i = 0; i < n; ++i) {
    if ((values[i] != 0) == to_set) last = i;
    row[i] = last == kNone ? kFar : squared(i - last);
  }
  last = kNone;
  for (std::size_t i = n; i-- > 0;) {
    if ((values[i] != 0) == to_set) last = i;
    if (last != kNone) row[i] = std::min(row[i], squared(last - i));
  }
}

/// One line's lower envelope of parabolas; buffers live as long as a thread's part.
class Envelope {
 public:
  explicit Envelope(std::size_t n) : site_(n), height_(n), from_(n + 1) {}
  /// line: squared distances so far, replaced by the minimum over the line.
  void run(float* line, std::size_t n, double step2, double limit2) {
    std::size_t count = 0;
    for (std::size_t q = 0; q < n; ++q) {
      if (line[q] == kFar) continue;
      const double h = static_cast<double>(line[q]);
      double from = -std::numeric_limits<double>::infinity();
      while (count > 0) {
        const std::size_t p = site_[count - 1];
        const double apart = static_cast<double>(q - p);
        from = 0.5 * static_cast<double>(q + p) + (h - height_[count - 1]) / (2 * step2 * apart);
        if (from > from_[count - 1]) break;
        --count;
      }
      if (count == 0) from = -std::numeric_limits<double>::infinity();
      site_[count] = q;
      height_[count] = h;
      from_[count++] = from;
    }
    if (count == 0) return;
    std::size_t s = 0;
    for (std::size_t q = 0; q < n; ++q) {
      while (s + 1 < count && from_[s + 1] < static_cast<double>(q)) ++s;
      const double apart = static_cast<double>(q) - static_cast<double>(site_[s]);
      const double d2 = height_[s] + step2 * apart * apart;
      line[q] = d2 <= limit2 ? static_cast<float>(d2) : kFar;
    }
  }

 private:
  std::vector<std::size_t> site_;
  std::vector<double> height_, from_;
};

/// `count` neighbouring lines from `start`, each of n values `stride` apart.
void run_block(Envelope& envelope, std::vector<float>& buffer, float* start, std::size_t count, std::size_t n,
               std::size_t stride, double step2, double limit2) {
  for (std::size_t q = 0; q < n; ++q)
    for (std::size_t c = 0; c < count; ++c) buffer[c * n + q] = start[q * stride + c];
  for (std::size_t c = 0; c < count; ++c) {
    float* line = buffer.data() + c * n;
    const float first = line[0];
    const bool trivial =
        (first == 0 || first == kFar) && std::all_of(line, line + n, [first](float v) { return v == first; });
    if (!trivial) envelope.run(line, n, step2, limit2);
  }
  for (std::size_t q = 0; q < n; ++q)
    for (std::size_t c = 0; c < count; ++c) start[q * stride + c] = buffer[c * n + q];
}

}  // namespace

std::vector<float> squared_distances(std::span<const std::uint8_t> values, const std::array<std::uint32_t, 3>& size,
                                     const Point3& spacing_mm, bool to_set, double limit_mm, int threads) {
  const std::size_t ni = size[0], nj = size[1], nk = size[2], plane = ni * nj;
  std::vector<float> d2(plane * nk);
  const double limit = limit_mm * (1 + 1e-6), limit2 = limit * limit;
  const double step_j2 = spacing_mm[1] * spacing_mm[1], step_k2 = spacing_mm[2] * spacing_mm[2];
  in_parts(nk, threads, [&](std::size_t begin, std::size_t end) {
    Envelope envelope(nj);
    std::vector<float> buffer(kBlock * nj);
    for (std::size_t k = begin; k < end; ++k) {
      float* slice = d2.data() + k * plane;
      for (std::size_t j = 0; j < nj; ++j)
        scan_row(values.data() + k * plane + j * ni, slice + j * ni, ni, spacing_mm[0], to_set, limit);
      for (std::size_t i = 0; i < ni; i += kBlock)
        run_block(envelope, buffer, slice + i, std::min(kBlock, ni - i), nj, ni, step_j2, limit2);
    }
  });
  in_parts(nj, threads, [&](std::size_t begin, std::size_t end) {
    Envelope envelope(nk);
    std::vector<float> buffer(kBlock * nk);
    for (std::size_t j = begin; j < end; ++j)
      for (std::size_t i = 0; i < ni; i += kBlock)
        run_block(envelope, buffer, d2.data() + j * ni + i, std::min(kBlock, ni - i), nk, plane, step_k2, limit2);
  });
  return d2;
}

Volume<float> distance_to(const Mask& mask, double limit_mm, int threads) {
  check_volume(mask);
  const Point3 spacing = perpendicular_spacing(mask.grid);
  Volume<float> result{mask.grid, squared_distances(mask.values, mask.grid.size, spacing, true, limit_mm, threads),
                       "mm"};
  for (float& value : result.values) value = std::sqrt(value);
  return result;
}

Volume<float> signed_distance(const Mask& mask, int threads) {
  Volume<float> result = distance_to(mask, kUnlimited, threads);
  const std::vector<float> inside =
      squared_distances(mask.values, mask.grid.size, mask.grid.spacing_mm(), false, kUnlimited, threads);
  for (std::size_t v = 0; v < inside.size(); ++v)
    if (mask.values[v]) result.values[v] = -std::sqrt(inside[v]);
  return result;
}

}  // namespace rouage::image
