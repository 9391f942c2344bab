#include "infer/nnunet/rows.h"

#include <algorithm>
#include <array>
#include <bit>

#include "infer/float16.h"
#include "infer/nnunet/wide.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rouage::infer::nnunet {
namespace {

constexpr std::size_t kChunk = 256;  ///< values that stay in registers' reach between two steps

#if defined(__x86_64__)
__attribute__((target("avx2,f16c"))) void widen_wide(const std::uint16_t* from, float* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  for (; i < count; ++i) to[i] = half_to_float(from[i]);
}

__attribute__((target("avx2,f16c"))) void narrow_wide(const float* from, std::uint16_t* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < count; ++i) to[i] = float_to_half(from[i]);
}

__attribute__((target("avx2,f16c"))) void round_wide(const float* from, float* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT)));
  for (; i < count; ++i) to[i] = half_to_float(float_to_half(from[i]));
}
#endif

template <class Real>
void mix_any(const Real* a, const Real* b, Real wa, Real wb, Real* to, std::size_t count) {
  on_this_cpu([=]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < count; ++i) to[i] = a[i] * wa + b[i] * wb;
  });
}

template <class Real>
void sample_any(const Real* row, const std::int32_t* low, const std::int32_t* high, const Real* low_weight,
                const Real* high_weight, Real* to, std::size_t count) {
  on_this_cpu([=]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < count; ++i) to[i] = row[low[i]] * low_weight[i] + row[high[i]] * high_weight[i];
  });
}

/// op(sum as float, index) -> float for chunks of a row of halves in place.
template <class Op>
void update_halves(std::span<std::uint16_t> sum, const Op& op) {
  std::array<float, kChunk> buffer{};
  for (std::size_t first = 0; first < sum.size(); first += kChunk) {
    const std::span<std::uint16_t> part = sum.subspan(first, std::min(kChunk, sum.size() - first));
    widen(part, std::span(buffer).first(part.size()));
    op(first, std::span(buffer).first(part.size()));
    narrow(std::span<const float>(buffer).first(part.size()), part);
  }
}

}  // namespace

bool all_finite(std::span<const float> values) {
  std::uint32_t bad = 0;
  on_this_cpu([v = values.data(), n = values.size(), &bad]() ROUAGE_INLINE {
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < n; ++i)
      found |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(v[i]) & 0x7F800000U) == 0x7F800000U);
    bad = found;
  });
  return bad == 0;
}

void widen(Halves from, std::span<float> to) {
#if defined(__x86_64__)
  if (cpu_is_wide()) return widen_wide(from.data(), to.data(), from.size());
#endif
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = half_to_float(from[i]);
}

void widen(std::span<const float> from, std::span<double> to) {
  on_this_cpu([f = from.data(), t = to.data(), n = from.size()]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) t[i] = static_cast<double>(f[i]);
  });
}

void widen(Halves from, std::span<double> to) {
  std::array<float, kChunk> buffer{};
  for (std::size_t first = 0; first < from.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, from.size() - first);
    widen(from.subspan(first, count), std::span(buffer).first(count));
    widen(std::span<const float>(buffer).first(count), to.subspan(first, count));
  }
}

void copy_row(std::span<const float> from, std::span<float> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

void narrow(std::span<const float> from, std::span<std::uint16_t> to) {
#if defined(__x86_64__)
  if (cpu_is_wide()) return narrow_wide(from.data(), to.data(), from.size());
#endif
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = float_to_half(from[i]);
}

void round_to_half(std::span<const float> from, std::span<float> to) {
#if defined(__x86_64__)
  if (cpu_is_wide()) return round_wide(from.data(), to.data(), from.size());
#endif
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = half_to_float(float_to_half(from[i]));
}

void round_to_half(std::span<const double> from, std::span<float> to) {
  // Rounded to float with the lost bits kept as a sticky last bit, so that the second rounding is the only one that
  // counts.
  on_this_cpu([f = from.data(), t = to.data(), n = from.size()]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) {
      const auto bits = std::bit_cast<std::uint64_t>(f[i]);
      const std::uint64_t sticky = (bits & 0x1FFFFFFFU) != 0 ? 0x20000000U : 0U;
      t[i] = static_cast<float>(std::bit_cast<double>((bits & ~std::uint64_t{0x1FFFFFFFU}) | sticky));
    }
  });
  round_to_half(std::span<const float>(to), to);
}

void mix(std::span<const float> a, std::span<const float> b, float wa, float wb, std::span<float> to) {
  mix_any(a.data(), b.data(), wa, wb, to.data(), to.size());
}
void mix(std::span<const double> a, std::span<const double> b, double wa, double wb, std::span<double> to) {
  mix_any(a.data(), b.data(), wa, wb, to.data(), to.size());
}

void sample(std::span<const float> row, const LinearAxis& axis, std::span<float> to) {
  sample_any(row.data(), axis.low.data(), axis.high.data(), axis.low_weight_f.data(), axis.high_weight_f.data(),
             to.data(), to.size());
}
void sample(std::span<const double> row, const LinearAxis& axis, std::span<double> to) {
  sample_any(row.data(), axis.low.data(), axis.high.data(), axis.low_weight.data(), axis.high_weight.data(), to.data(),
             to.size());
}

void keep_best(std::span<const float> values, std::int32_t label, std::span<float> best,
               std::span<std::int32_t> labels) {
  on_this_cpu([v = values.data(), b = best.data(), l = labels.data(), n = values.size(), label]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) {
      const bool better = v[i] > b[i];
      l[i] = better ? label : l[i];
      b[i] = better ? v[i] : b[i];
    }
  });
}

void write_region(std::span<const float> values, std::int32_t label, std::span<std::int32_t> labels) {
  on_this_cpu([v = values.data(), l = labels.data(), n = values.size(), label]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) l[i] = v[i] >= 0x1p-23F ? label : l[i];
  });
}

void add_weighted(std::span<const float> logits, std::span<const float> weights, std::span<std::uint16_t> sum) {
  update_halves(sum, [&](std::size_t first, std::span<float> part) {
    on_this_cpu([v = logits.data() + first, w = weights.data() + first, p = part.data(), n = part.size()]()
                    ROUAGE_INLINE {
                      for (std::size_t i = 0; i < n; ++i) p[i] += v[i] * w[i];
                    });
  });
}

void add_weighted(std::span<const float> logits, std::span<const float> weights, std::span<float> sum) {
  on_this_cpu([v = logits.data(), w = weights.data(), s = sum.data(), n = sum.size()]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) s[i] += v[i] * w[i];
  });
}

void add(std::span<const float> weights, std::span<std::uint16_t> sum) {
  update_halves(sum, [&](std::size_t first, std::span<float> part) {
    for (std::size_t i = 0; i < part.size(); ++i) part[i] += weights[first + i];
  });
}

void add(std::span<const float> weights, std::span<float> sum) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weights[i];
}

bool divide(Halves sum, Halves count, std::span<std::uint16_t> to) {
  std::array<float, kChunk> buffer{}, divisor{};
  bool finite = true;
  for (std::size_t first = 0; first < sum.size(); first += kChunk) {
    const std::size_t n = std::min(kChunk, sum.size() - first);
    const std::span<float> part = std::span(buffer).first(n), by = std::span(divisor).first(n);
    widen(sum.subspan(first, n), part);
    widen(count.subspan(first, n), by);
    finite = divide(std::span<const float>(part), std::span<const float>(by), part) && finite;
    round_to_half(std::span<const float>(part), part);
    finite = finite && all_finite(part);
    narrow(part, to.subspan(first, n));
  }
  return finite;
}

bool divide(std::span<const float> sum, std::span<const float> count, std::span<float> to) {
  on_this_cpu([s = sum.data(), c = count.data(), t = to.data(), n = to.size()]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) t[i] = s[i] / c[i];
  });
  return all_finite(to);
}

void add_halves(Halves more, std::span<std::uint16_t> to) {
  std::array<float, kChunk> other{};
  update_halves(to, [&](std::size_t first, std::span<float> part) {
    widen(more.subspan(first, part.size()), std::span(other).first(part.size()));
    for (std::size_t i = 0; i < part.size(); ++i) part[i] += other[i];
  });
}

void divide_halves(float n, std::span<std::uint16_t> to) {
  update_halves(to, [&](std::size_t, std::span<float> part) {
    for (float& value : part) value /= n;
  });
}

void scale(std::span<const float> from, const Scaling& scaling, std::span<float> to) {
  on_this_cpu([f = from.data(), t = to.data(), n = to.size(), s = scaling]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) {
      const float above = f[i] < s.low ? s.low : f[i];
      const float inside = above > s.high ? s.high : above;
      t[i] = (inside - s.subtract) / s.divisor;
    }
  });
}

void clip_to(std::span<const double> from, double low, double high, std::span<float> to) {
  on_this_cpu([f = from.data(), t = to.data(), n = to.size(), low, high]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < n; ++i) {
      const double above = f[i] < low ? low : f[i];
      t[i] = static_cast<float>(above > high ? high : above);
    }
  });
}

void clip_to(std::span<const double> from, double low, double high, std::span<double> to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = std::min(std::max(from[i], low), high);
}

Range range_of(std::span<const float> from) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> low{}, high{};
  low.fill(from[0]);
  high.fill(from[0]);
  const std::size_t whole = from.size() / kLanes * kLanes;
  on_this_cpu([f = from.data(), whole, &low, &high]() ROUAGE_INLINE {
    std::array<float, kLanes> l = low, h = high;
    for (std::size_t i = 0; i < whole; i += kLanes) {
      for (std::size_t k = 0; k < kLanes; ++k) l[k] = f[i + k] < l[k] ? f[i + k] : l[k];
      for (std::size_t k = 0; k < kLanes; ++k) h[k] = f[i + k] > h[k] ? f[i + k] : h[k];
    }
    low = l;
    high = h;
  });
  Range range{*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
  for (const float value : from.subspan(whole)) range = {std::min(range.low, value), std::max(range.high, value)};
  return range;
}

}  // namespace rouage::infer::nnunet
