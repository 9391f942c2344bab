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
  NormRoom(const Shape& shape, std::vector<float> gamma, std::vector<float> beta, float epsilon);
  std::uint64_t bytes() const;

  /// Instance normalisation over the patch (population variance), then [+ residual], then the leaky ReLU.
  /// Mean and squares of each block in float32, two passes over a block that is in the cache; blocks are joined in
  /// double (Chan, Golub, LeVeque 1979). in may be out.
  template <typename T>
  void run(const Kernels<T>& kernels, const T* in, const T* residual, T* out, float slope, int threads);
  /// Scale and offset from each block's mean and sum of squared deviations (`block_means`, `block_squares`).
  void join();

  // Read by the convolution that fills them itself.
  std::uint64_t voxels = 0;
  std::size_t channels = 0, period = 0, block_voxels = 0, blocks = 0;
  std::vector<float> block_means, block_squares;  ///< blocks x channels
  std::vector<float> scale, offset;               ///< repeated to the period

 private:
  template <typename T>
  void block_moments(const Kernels<T>& kernels, const T* in, std::size_t block);
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

/// wide: [z][y][x][kz][ky][kx][c] of one slab; out: its voxels, kernel = stride.
template <typename T>
void interleave_pass(const T* wide, T* out, const Shape& source, std::size_t channels, const Extent& kernel,
                     int threads);

}  // namespace rouage::infer::unet
