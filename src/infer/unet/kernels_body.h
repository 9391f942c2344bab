// Included by kernels_plain.cpp, kernels_avx2.cpp and kernels_avx512.cpp, each inside a namespace of its own and with
// ROUAGE_KERNEL saying which instructions the compiler may use.
// No include guard: it is a body, not a header of declarations.

ROUAGE_KERNEL inline void store(float* out, float x) {
  *out = x;
}
ROUAGE_KERNEL inline void store(Bf16* out, float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  out->bits = static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? 0x7FC0U : rounded);
}
ROUAGE_KERNEL inline float load(const float* in) {
  return *in;
}
ROUAGE_KERNEL inline float load(const Bf16* in) {
  return std::bit_cast<float>(std::uint32_t{in->bits} << 16);
}
ROUAGE_KERNEL inline float leaky(float x, float slope) {
  return x < 0 ? x * slope : x;
}

template <typename T>
ROUAGE_KERNEL void sums(const T* __restrict data, std::size_t count, std::size_t period, float* __restrict total) {
  for (std::size_t i = 0; i < period; ++i) total[i] = 0;
  for (std::size_t start = 0; start < count; start += period) {
    const std::size_t here = std::min(period, count - start);
    for (std::size_t i = 0; i < here; ++i) total[i] += load(data + start + i);
  }
}

template <typename T>
ROUAGE_KERNEL void squares(const T* __restrict data, std::size_t count, std::size_t period,
                           const float* __restrict mean, float* __restrict total) {
  for (std::size_t i = 0; i < period; ++i) total[i] = 0;
  for (std::size_t start = 0; start < count; start += period) {
    const std::size_t here = std::min(period, count - start);
    for (std::size_t i = 0; i < here; ++i) {
      const float centred = load(data + start + i) - mean[i];
      total[i] += centred * centred;
    }
  }
}

// in and out are one or do not overlap; so are residual and out: each value is read before its place is written.
template <typename T>
ROUAGE_KERNEL void normalise(const T* in, const T* residual, T* out, std::size_t count, std::size_t period,
                             const float* __restrict scale, const float* __restrict offset, float slope) {
  for (std::size_t start = 0; start < count; start += period) {
    const std::size_t here = std::min(period, count - start);
    const T* from = in + start;
    T* to = out + start;
    if (residual == nullptr) {
#pragma GCC ivdep
      for (std::size_t i = 0; i < here; ++i) store(to + i, leaky(load(from + i) * scale[i] + offset[i], slope));
    } else {
      const T* more = residual + start;
#pragma GCC ivdep
      for (std::size_t i = 0; i < here; ++i)
        store(to + i, leaky(load(from + i) * scale[i] + offset[i] + load(more + i), slope));
    }
  }
}

template <typename T>
ROUAGE_KERNEL void add(const T* a, const T* b, T* out, std::size_t count, float slope) {
  if (b == nullptr) {
#pragma GCC ivdep
    for (std::size_t i = 0; i < count; ++i) store(out + i, leaky(load(a + i), slope));
    return;
  }
#pragma GCC ivdep
  for (std::size_t i = 0; i < count; ++i) store(out + i, leaky(load(a + i) + load(b + i), slope));
}

// Blocks of voxels that stay in the first cache, so that each line is fetched once.
constexpr std::size_t kTile = 64;

template <typename T>
ROUAGE_KERNEL void to_planar(const T* __restrict in, float* __restrict out, std::size_t voxels, std::size_t channels,
                             std::size_t plane) {
  for (std::size_t start = 0; start < voxels; start += kTile) {
    const std::size_t end = std::min(voxels, start + kTile);
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t v = start; v < end; ++v) out[c * plane + v] = load(in + v * channels + c);
  }
}

template <typename T>
ROUAGE_KERNEL void from_planar(const float* __restrict in, T* __restrict out, std::size_t voxels, std::size_t channels,
                               std::size_t plane) {
  for (std::size_t start = 0; start < voxels; start += kTile) {
    const std::size_t end = std::min(voxels, start + kTile);
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t v = start; v < end; ++v) store(out + v * channels + c, in[c * plane + v]);
  }
}

template <typename T>
ROUAGE_KERNEL void pool(const T* const* taps, std::size_t count, T* __restrict out, std::size_t channels,
                        bool largest) {
  constexpr std::size_t kLanes = 64;
  const float share = 1.0F / static_cast<float>(count);
  for (std::size_t start = 0; start < channels; start += kLanes) {
    const std::size_t here = std::min(kLanes, channels - start);
    float kept[kLanes];
    for (std::size_t i = 0; i < here; ++i) kept[i] = load(taps[0] + start + i);
    for (std::size_t t = 1; t < count; ++t) {
      const T* tap = taps[t] + start;
      if (largest)
        for (std::size_t i = 0; i < here; ++i) kept[i] = std::max(kept[i], load(tap + i));
      else
        for (std::size_t i = 0; i < here; ++i) kept[i] += load(tap + i);
    }
    for (std::size_t i = 0; i < here; ++i) store(out + start + i, largest ? kept[i] : kept[i] * share);
  }
}

template <typename T>
constexpr Kernels<T> kTable{&sums<T>, &squares<T>, &normalise<T>, &add<T>, &to_planar<T>, &from_planar<T>, &pool<T>};
