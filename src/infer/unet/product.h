/// One convolution by oneDNN on channels-last activations, its weights packed once, computed slab by slab.
///
/// A slab is some slices (z) of the result. Each slab is one call on one thread, whatever the number of threads, so
/// that the bits do not depend on it: oneDNN's own blocking does. Slabs of one Product may run on several threads at
/// once. The only file that knows oneDNN's header, with product.cpp. Source: oneDNN 2.6 developer guide, convolution,
/// post-ops.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "infer/unet/plan.h"

namespace rouage::infer::unet {

struct ProductSpec {
  Shape in, out;
  Extent kernel{1, 1, 1}, stride{1, 1, 1}, before{}, after{};
  std::uint32_t slices = 1;  ///< of the result in a slab
  bool half = false;         ///< bf16 weights and activations, sums in float32
  bool float_out = false;    ///< half: the result stays float32
  bool sum = false;          ///< added to what stands in the target
};

class Product {
 public:
  /// weights: [out][in][z][y][x]; bias: as many as channels out, or empty.
  /// Errors: NetUnsupported (no implementation but the reference).
  Product(const ProductSpec& spec, const std::vector<float>& weights, const std::vector<float>& bias);
  ~Product();
  Product(Product&&) noexcept;
  Product& operator=(Product&&) noexcept;

  std::uint64_t weight_bytes() const;
  std::uint64_t scratch_bytes() const;  ///< of one thread
  std::string implementation() const;
  std::size_t slabs() const;
  /// in: the whole input; out: where this slab's result goes; scratch: scratch_bytes(), aligned to 64.
  /// Errors: InferenceFailed.
  void run(std::size_t slab, const void* in, void* out, void* scratch) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "2.6.3"
std::string product_library_version();

}  // namespace rouage::infer::unet
