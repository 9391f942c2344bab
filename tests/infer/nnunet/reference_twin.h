// nnU-Net's inference written a second time, plainly: whole arrays, one loop a rule, the specification's order of sums.
#pragma once
#include "infer/nnunet/nnunet.h"

namespace rouage::testing {

/// Dense double array, axis 2 fastest.
struct Array {
  infer::Shape3 shape{};
  std::vector<double> values;
  double& at(std::size_t a, std::size_t b, std::size_t c) { return values[(a * shape[1] + b) * shape[2] + c]; }
  double at(std::size_t a, std::size_t b, std::size_t c) const { return values[(a * shape[1] + b) * shape[2] + c]; }
};
inline Array array_of(const infer::Shape3& shape) {
  return {shape, std::vector<double>(std::size_t{shape[0]} * shape[1] * shape[2])};
}

/// scikit-image's resize of section 5.2: tensor sums, padded volume, clipped.
Array ref_resize(const Array& in, const infer::Shape3& to, int order);
/// resample_data_or_seg_to_shape, is_seg false, kept in double.
Array ref_resample(const Array& in, const infer::Shape3& to, const infer::ResampleRule& rule,
                   const infer::Spacing3& current, const infer::Spacing3& wanted);
std::vector<std::uint8_t> ref_filled_mask(const std::vector<Array>& channels);

struct RefResult {
  infer::Shape3 box_first{}, cropped{};
  std::vector<Array> preprocessed;
  std::vector<Array> logits;          ///< after folds, unpadded
  std::vector<std::uint16_t> labels;  ///< on the input's grid, i fastest
};
/// previous: labels on the input's grid or nullptr. float16: the accumulators of sections 6.6 to 6.9 and 7.1.
RefResult ref_segment(const std::vector<image::Volume<float>>& channels, const image::LabelMap* previous,
                      const infer::NnunetModel& model, double step, bool mirroring, bool float16,
                      const infer::NetFactory& nets);

}  // namespace rouage::testing
