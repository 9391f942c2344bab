/// Sums of weighted logits for the planes that open windows still reach: a ring of patch depth. Specification
/// section 6.5-6.9.
#pragma once
#include <vector>

#include "infer/nnunet/geometry.h"

namespace rouage::infer::nnunet {

/// Accumulators of all folds: in exact mode float16 and one set a fold, in float32 mode one set.
class Slab {
 public:
  Slab(const Geometry& geometry, std::uint32_t classes, std::size_t folds, Accumulation accumulation, int threads);

  /// logits: [classes][patch]; weights: [patch], widened; start: in padded coordinates.
  void add(std::size_t fold, const Shape3& start, std::span<const float> logits, std::span<const float> weights);

  /// Divides, averages the folds and clears plane z (padded coordinates); gives the unpadded part,
  /// [classes][target[1]][target[2]]. Exact: float16 values. Errors: InferenceFailed when a logit is not finite.
  void finish(std::uint32_t z, std::span<std::uint16_t> halves);
  void finish(std::uint32_t z, std::span<float> logits);
  /// Clears a plane that is padding only.
  void discard(std::uint32_t z);

 private:
  template <class Value>
  struct Sums {
    std::vector<Value> logits, counts;  ///< [patch[0]][classes][padded[1]][padded[2]], [patch[0]][padded[1]][padded[2]]
  };
  template <class Value>
  void add_to(Sums<Value>& sums, const Shape3& start, std::span<const float> logits, std::span<const float> weights);
  template <class Value>
  void clear(Sums<Value>& sums, std::size_t slot);
  std::size_t plane() const { return std::size_t{geometry_.padded[1]} * geometry_.padded[2]; }

  Geometry geometry_;
  std::uint32_t classes_;
  int threads_;
  std::vector<Sums<std::uint16_t>> exact_;
  std::vector<Sums<float>> float32_;  ///< one or none
};

std::uint64_t slab_bytes(const Geometry& geometry, std::uint32_t classes, std::size_t folds, Accumulation accumulation);

}  // namespace rouage::infer::nnunet
