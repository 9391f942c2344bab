/// From the input's voxels to the net's: normalised, resampled, and cut into patches. Specification sections 4, 5,
/// 8, 6.1.
#pragma once
#include "infer/nnunet/crop.h"
#include "infer/nnunet/geometry.h"
#include "infer/nnunet/rows.h"

namespace rouage::infer::nnunet {

/// What is done to each value of a channel, and the range of all results.
struct Normalizer {
  Scaling scaling;
  bool inside_mask = false;  ///< values outside the mask stay
  double low = 0, high = 0;
};

/// Statistics of a cropped channel; sums in double, in the order of the planes. mask: as filled_mask, may be empty.
/// Errors: InputRange (RGB outside 0..255), VolumeInvalid (a value that is not finite).
Normalizer normalizer_of(const View<float>& channel, const ChannelRule& rule, std::span<const std::uint8_t> mask,
                         int threads);

/// The net's input at the plan's spacing, without padding.
struct Preprocessed {
  Shape3 shape{};
  std::vector<std::vector<float>> images;     ///< one a channel, dense
  std::vector<std::int32_t> previous;         ///< labels of a cascade's first stage, or empty
  std::vector<std::uint16_t> one_hot_labels;  ///< one channel each, after the images
};

/// channels: transposed, not cropped. previous: likewise, or null. Errors: as normalizer_of.
Preprocessed preprocess(const std::vector<View<float>>& channels, const View<std::uint16_t>* previous,
                        const NnunetModel& model, const Geometry& geometry, int threads);
/// Peak of what preprocess holds beside its result, for one box of this geometry.
std::uint64_t preprocess_work_bytes(const NnunetModel& model, const Geometry& geometry, int threads);

/// patch[channels][patch shape] from `start` in padded coordinates, 0 outside; axes in `flipped` (bit a: axis a)
/// reversed.
void cut_patch(const Preprocessed& from, const Geometry& geometry, const Shape3& start, unsigned flipped,
               std::span<float> patch);

}  // namespace rouage::infer::nnunet
