#include "infer/nnunet/slab.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "infer/nnunet/parallel.h"
#include "infer/nnunet/rows.h"

namespace rouage::infer::nnunet {
namespace {

[[noreturn]] void refuse_infinite() {
  throw Error(ErrorCode::InferenceFailed, "the net's logits are infinite or not numbers after the sliding window")
      .remedy("the net or its input is outside what the model was made for; in exact mode float16 ends at 65504");
}

}  // namespace

Slab::Slab(const Geometry& geometry, std::uint32_t classes, std::size_t folds, Accumulation accumulation, int threads)
    : geometry_(geometry), classes_(classes), threads_(threads) {
  const std::size_t counts = geometry.patch[0] * plane();
  if (accumulation == Accumulation::exact) {
    exact_.resize(folds);
    for (Sums<std::uint16_t>& sums : exact_) {
      sums.logits.assign(counts * classes, 0);
      sums.counts.assign(counts, 0);
    }
  } else {
    Sums<float>& sums = float32_.emplace_back();
    sums.logits.assign(counts * classes, 0.0F);
    sums.counts.assign(counts, 0.0F);
  }
}

template <class Value>
void Slab::add_to(Sums<Value>& sums, const Shape3& start, std::span<const float> logits,
                  std::span<const float> weights) {
  const Shape3& patch = geometry_.patch;
  const std::size_t columns = patch[2], per_class = geometry_.patch_voxels();
  parallel_for(patch[0], threads_, [&](std::size_t a) {
    const std::size_t slot = (start[0] + a) % patch[0];
    for (std::size_t b = 0; b < patch[1]; ++b) {
      const std::size_t in_patch = (a * patch[1] + b) * columns;
      const std::size_t in_plane = (start[1] + b) * geometry_.padded[2] + start[2];
      const std::span<const float> weight = weights.subspan(in_patch, columns);
      nnunet::add(weight, std::span<Value>(sums.counts).subspan(slot * plane() + in_plane, columns));
      for (std::size_t c = 0; c < classes_; ++c)
        add_weighted(logits.subspan(c * per_class + in_patch, columns), weight,
                     std::span<Value>(sums.logits).subspan((slot * classes_ + c) * plane() + in_plane, columns));
    }
  });
}

template <class Value>
void Slab::clear(Sums<Value>& sums, std::size_t slot) {
  std::fill_n(sums.logits.begin() + static_cast<std::ptrdiff_t>(slot * classes_ * plane()), classes_ * plane(),
              Value{0});
  std::fill_n(sums.counts.begin() + static_cast<std::ptrdiff_t>(slot * plane()), plane(), Value{0});
}

void Slab::add(std::size_t fold, const Shape3& start, std::span<const float> logits, std::span<const float> weights) {
  if (float32_.empty())
    add_to(exact_[fold], start, logits, weights);
  else
    add_to(float32_.front(), start, logits, weights);
}

void Slab::finish(std::uint32_t z, std::span<std::uint16_t> halves) {
  const std::size_t slot = z % geometry_.patch[0], rows = geometry_.target[1], columns = geometry_.target[2];
  std::atomic<bool> finite{true};
  parallel_for(classes_, threads_, [&](std::size_t c) {
    std::vector<std::uint16_t> of_fold(columns);
    for (std::size_t b = 0; b < rows; ++b) {
      const std::size_t in_plane = (geometry_.pad_low[1] + b) * geometry_.padded[2] + geometry_.pad_low[2];
      const std::span<std::uint16_t> out = halves.subspan((c * rows + b) * columns, columns);
      for (std::size_t f = 0; f < exact_.size(); ++f) {
        const Halves sum = Halves(exact_[f].logits).subspan((slot * classes_ + c) * plane() + in_plane, columns);
        const Halves count = Halves(exact_[f].counts).subspan(slot * plane() + in_plane, columns);
        if (!divide(sum, count, f == 0 ? out : std::span(of_fold))) finite = false;
        if (f > 0) add_halves(of_fold, out);
      }
      if (exact_.size() > 1) divide_halves(static_cast<float>(exact_.size()), out);
    }
  });
  if (!finite) refuse_infinite();
  for (Sums<std::uint16_t>& sums : exact_) clear(sums, slot);
}

void Slab::finish(std::uint32_t z, std::span<float> logits) {
  const std::size_t slot = z % geometry_.patch[0], rows = geometry_.target[1], columns = geometry_.target[2];
  Sums<float>& sums = float32_.front();
  std::atomic<bool> finite{true};
  parallel_for(classes_, threads_, [&](std::size_t c) {
    for (std::size_t b = 0; b < rows; ++b) {
      const std::size_t in_plane = (geometry_.pad_low[1] + b) * geometry_.padded[2] + geometry_.pad_low[2];
      const std::span<const float> sum(sums.logits), count(sums.counts);
      if (!divide(sum.subspan((slot * classes_ + c) * plane() + in_plane, columns),
                  count.subspan(slot * plane() + in_plane, columns), logits.subspan((c * rows + b) * columns, columns)))
        finite = false;
    }
  });
  if (!finite) refuse_infinite();
  clear(sums, slot);
}

void Slab::discard(std::uint32_t z) {
  const std::size_t slot = z % geometry_.patch[0];
  for (Sums<std::uint16_t>& sums : exact_) clear(sums, slot);
  for (Sums<float>& sums : float32_) clear(sums, slot);
}

std::uint64_t slab_bytes(const Geometry& geometry, std::uint32_t classes, std::size_t folds,
                         Accumulation accumulation) {
  const std::uint64_t values =
      std::uint64_t{geometry.patch[0]} * geometry.padded[1] * geometry.padded[2] * (classes + 1);
  return accumulation == Accumulation::exact ? values * 2 * folds : values * 4;
}

}  // namespace rouage::infer::nnunet
