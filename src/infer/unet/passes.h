/// Whole-activation passes over all threads. Blocks have fixed sizes, so the bits do not depend on the number of
/// threads.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "infer/unet/kernels.h"
#include "infer/unet/plan.h"

namespace rouage::infer::unet {

/// Scale and offset of each channel, and the room in which they are computed; made once a step.
class NormRoom {
 public:
  /// slab_voxels: what measure() is given at a time; only the last slab may be smaller.
  NormRoom(const Shape& shape, std::uint64_t slab_voxels, std::vector<float> gamma, std::vector<float> beta,
           float epsilon);
  std::uint64_t bytes() const;
  std::size_t slabs() const { return slabs_; }

  /// Mean and squared deviations of one slab's blocks; slabs may be measured by several threads at once, in any order.
  /// data: where the slab begins.
  template <typename T>
  void measure(const Kernels<T>& kernels, const T* data, std::size_t slab);
  /// After all slabs: instance normalisation over the patch (population variance), then [+ residual], then the leaky
  /// ReLU. Blocks are measured in float32, in two passes over what is in the cache, and joined in double (Chan, Golub,
  /// LeVeque 1979). in may be out.
  template <typename T>
  void apply(const Kernels<T>& kernels, const T* in, const T* residual, T* out, float slope, int threads);
  /// All slabs, then apply().
  template <typename T>
  void run(const Kernels<T>& kernels, const T* in, const T* residual, T* out, float slope, int threads);

 private:
  std::uint64_t block_size(std::size_t block) const;
  void join();

  std::uint64_t voxels_, slab_voxels_;
  std::size_t channels_, period_, block_voxels_, blocks_, slab_blocks_, slabs_;
  std::vector<float> block_means_, block_squares_;  ///< blocks x channels
  std::vector<float> scale_, offset_;               ///< repeated to the period
  std::vector<float> gamma_, beta_;
  float epsilon_;
};

template <typename T>
void add_pass(const Kernels<T>& kernels, const T* a, const T* b, T* out, std::uint64_t count, float slope, int threads);

/// The caller's [c][z][y][x] to channels last.
template <typename T>
void input_pass(const Kernels<T>& kernels, const float* in, T* out, const Shape& shape, int threads);
/// Channels last to [c] planes of `plane` values.
template <typename T>
void output_pass(const Kernels<T>& kernels, const T* in, float* out, const Shape& shape, std::uint64_t plane,
                 int threads);

template <typename T>
void pool_pass(const Kernels<T>& kernels, const T* in, T* out, const Shape& from, const Shape& to, const Node& node,
               int threads);

/// One thread. wide: [z][y][x][kz][ky][kx][c] of one slab; out: its voxels, kernel = stride.
template <typename T>
void interleave(const T* wide, T* out, const Shape& source, std::size_t channels, const Extent& kernel);

}  // namespace rouage::infer::unet
