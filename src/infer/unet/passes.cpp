#include "infer/unet/passes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "infer/unet/threads.h"

namespace rouage::infer::unet {
namespace {

constexpr std::size_t kPeriod = 256;          // floats: vector loops without a tail for each voxel
constexpr std::size_t kBlockValues = 32'768;  // 128 KiB of float32: the second pass finds them in the second cache
constexpr std::size_t kPassValues = 1 << 16;

}  // namespace

NormRoom::NormRoom(const Shape& shape, std::uint64_t slab_voxels, std::vector<float> gamma, std::vector<float> beta,
                   float epsilon)
    : voxels_(shape.voxels()),
      slab_voxels_(slab_voxels),
      channels_(shape.channels),
      gamma_(std::move(gamma)),
      beta_(std::move(beta)),
      epsilon_(epsilon) {
  period_ = std::max<std::size_t>(1, kPeriod / channels_) * channels_;
  block_voxels_ = std::max<std::size_t>(1, kBlockValues / channels_);
  slab_blocks_ = static_cast<std::size_t>((slab_voxels_ + block_voxels_ - 1) / block_voxels_);
  slabs_ = static_cast<std::size_t>((voxels_ + slab_voxels_ - 1) / slab_voxels_);
  blocks_ = slabs_ * slab_blocks_;
  block_means_.resize(blocks_ * channels_);
  block_squares_.resize(blocks_ * channels_);
  scale_.resize(period_);
  offset_.resize(period_);
}

std::uint64_t NormRoom::bytes() const {
  return sizeof(float) *
         (block_means_.size() + block_squares_.size() + scale_.size() + offset_.size() + gamma_.size() + beta_.size());
}

/// Voxels of a block; the last of a slab may be smaller, those after the end of the last slab are empty.
std::uint64_t NormRoom::block_size(std::size_t block) const {
  const std::uint64_t slab = block / slab_blocks_, within = std::uint64_t{block % slab_blocks_} * block_voxels_;
  const std::uint64_t here = std::min(slab_voxels_, voxels_ - slab * slab_voxels_);
  return within >= here ? 0 : std::min<std::uint64_t>(block_voxels_, here - within);
}

template <typename T>
void NormRoom::measure(const Kernels<T>& kernels, const T* data, std::size_t slab) {
  std::vector<float> sums(period_), mean(period_);
  for (std::size_t block = slab * slab_blocks_; block < (slab + 1) * slab_blocks_; ++block) {
    const auto here = static_cast<std::size_t>(block_size(block));
    if (here == 0) break;
    kernels.sums(data, here * channels_, period_, sums.data());
    for (std::size_t c = 0; c < channels_; ++c) {
      float total = 0;
      for (std::size_t i = c; i < period_; i += channels_) total += sums[i];
      total /= static_cast<float>(here);
      for (std::size_t i = c; i < period_; i += channels_) mean[i] = total;
      block_means_[block * channels_ + c] = total;
    }
    kernels.squares(data, here * channels_, period_, mean.data(), sums.data());
    for (std::size_t c = 0; c < channels_; ++c) {
      float total = 0;
      for (std::size_t i = c; i < period_; i += channels_) total += sums[i];
      block_squares_[block * channels_ + c] = total;
    }
    data += here * channels_;
  }
}

void NormRoom::join() {
  for (std::size_t c = 0; c < channels_; ++c) {
    double count = 0, mean = 0, squares = 0;
    for (std::size_t b = 0; b < blocks_; ++b) {
      const double more = static_cast<double>(block_size(b));
      if (more == 0) continue;
      const double apart = double{block_means_[b * channels_ + c]} - mean;
      squares += double{block_squares_[b * channels_ + c]} + apart * apart * count * more / (count + more);
      count += more;
      mean += apart * more / count;
    }
    const double inverse = 1 / std::sqrt(squares / count + double{epsilon_});
    const double by = double{gamma_[c]} * inverse, plus = double{beta_[c]} - mean * by;
    for (std::size_t i = c; i < period_; i += channels_) {
      scale_[i] = static_cast<float>(by);
      offset_[i] = static_cast<float>(plus);
    }
  }
}

template <typename T>
void NormRoom::apply(const Kernels<T>& kernels, const T* in, const T* residual, T* out, float slope, int threads) {
  join();
  const auto pieces = static_cast<std::size_t>((voxels_ + block_voxels_ - 1) / block_voxels_);
  // Backwards: what was written last is still in the cache.
  parallel_for(threads, pieces, [&](std::size_t back) {
    const std::uint64_t first = std::uint64_t{pieces - 1 - back} * block_voxels_;
    const std::uint64_t here = std::min<std::uint64_t>(block_voxels_, voxels_ - first), start = first * channels_;
    kernels.normalise(in + start, residual == nullptr ? nullptr : residual + start, out + start,
                      static_cast<std::size_t>(here * channels_), period_, scale_.data(), offset_.data(), slope);
  });
}

template <typename T>
void NormRoom::run(const Kernels<T>& kernels, const T* in, const T* residual, T* out, float slope, int threads) {
  parallel_slabs(threads, slabs_,
                 [&](std::size_t slab, std::size_t) { measure(kernels, in + slab * slab_voxels_ * channels_, slab); });
  apply(kernels, in, residual, out, slope, threads);
}

template <typename T>
void add_pass(const Kernels<T>& kernels, const T* a, const T* b, T* out, std::uint64_t count, float slope,
              int threads) {
  const std::size_t blocks = static_cast<std::size_t>((count + kPassValues - 1) / kPassValues);
  parallel_for(threads, blocks, [&](std::size_t block) {
    const std::uint64_t first = std::uint64_t{block} * kPassValues;
    const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(kPassValues, count - first));
    kernels.add(a + first, b == nullptr ? nullptr : b + first, out + first, here, slope);
  });
}

template <typename T>
void input_pass(const Kernels<T>& kernels, const float* in, T* out, const Shape& shape, int threads) {
  const std::size_t plane = static_cast<std::size_t>(shape.voxels());
  const std::size_t row = std::size_t{shape.size[1]} * shape.size[2];
  parallel_for(threads, shape.size[0], [&](std::size_t z) {
    kernels.from_planar(in + z * row, out + z * row * shape.channels, row, shape.channels, plane);
  });
}

template <typename T>
void output_pass(const Kernels<T>& kernels, const T* in, float* out, const Shape& shape, std::uint64_t plane,
                 int threads) {
  const std::size_t row = shape.size[2];
  parallel_for(threads, std::size_t{shape.size[0]} * shape.size[1], [&](std::size_t r) {
    kernels.to_planar(in + r * row * shape.channels, out + r * row, row, shape.channels,
                      static_cast<std::size_t>(plane));
  });
}

template <typename T>
void pool_pass(const Kernels<T>& kernels, const T* in, T* out, const Shape& from, const Shape& to, const Node& node,
               int threads) {
  const std::size_t channels = from.channels;
  const bool largest = node.op == Op::max_pool;
  const std::size_t count = std::size_t{node.kernel[0]} * node.kernel[1] * node.kernel[2];
  parallel_for(threads, std::size_t{to.size[0]} * to.size[1], [&](std::size_t r) {
    const std::size_t z0 = r / to.size[1] * node.stride[0], y0 = r % to.size[1] * node.stride[1];
    std::vector<const T*> taps(count);
    for (std::size_t x = 0; x < to.size[2]; ++x) {
      std::size_t filled = 0;
      for (std::size_t z = z0; z < z0 + node.kernel[0]; ++z)
        for (std::size_t y = y0; y < y0 + node.kernel[1]; ++y)
          for (std::size_t k = 0; k < node.kernel[2]; ++k)
            taps[filled++] = in + ((z * from.size[1] + y) * from.size[2] + x * node.stride[2] + k) * channels;
      kernels.pool(taps.data(), count, out + (r * to.size[2] + x) * channels, channels, largest);
    }
  });
}

template <typename T>
void interleave(const T* wide, T* out, const Shape& source, std::size_t channels, const Extent& kernel) {
  const std::size_t columns = source.size[2], run = kernel[2] * channels;
  const std::size_t planes = std::size_t{kernel[0]} * kernel[1], width = planes * run, row = columns * run;
  for (std::size_t r = 0; r < std::size_t{source.size[0]} * source.size[1]; ++r) {
    const std::size_t z = r / source.size[1], y = r % source.size[1];
    for (std::size_t p = 0; p < planes; ++p) {
      const std::size_t to_z = z * kernel[0] + p / kernel[1], to_y = y * kernel[1] + p % kernel[1];
      T* to = out + (to_z * source.size[1] * kernel[1] + to_y) * row;
      const T* from = wide + r * columns * width + p * run;
      for (std::size_t x = 0; x < columns; ++x) std::memcpy(to + x * run, from + x * width, run * sizeof(T));
    }
  }
}

#define ROUAGE_PASSES(T)                                                                                     \
  template void NormRoom::run<T>(const Kernels<T>&, const T*, const T*, T*, float, int);                     \
  template void NormRoom::apply<T>(const Kernels<T>&, const T*, const T*, T*, float, int);                   \
  template void NormRoom::measure<T>(const Kernels<T>&, const T*, std::size_t);                              \
  template void add_pass<T>(const Kernels<T>&, const T*, const T*, T*, std::uint64_t, float, int);           \
  template void input_pass<T>(const Kernels<T>&, const float*, T*, const Shape&, int);                       \
  template void output_pass<T>(const Kernels<T>&, const T*, float*, const Shape&, std::uint64_t, int);       \
  template void pool_pass<T>(const Kernels<T>&, const T*, T*, const Shape&, const Shape&, const Node&, int); \
  template void interleave<T>(const T*, T*, const Shape&, std::size_t, const Extent&);
ROUAGE_PASSES(float)
ROUAGE_PASSES(Bf16)
#undef ROUAGE_PASSES

}  // namespace rouage::infer::unet
