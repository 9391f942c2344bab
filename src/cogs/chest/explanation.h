/// Where in the film an output comes from.
///
/// For a linear head on global average pooling, logit[k] = bias[k] + mean over cells of CAM_k, with
/// CAM_k(y,x) = sum_c W[k,c] F[c,y,x]: an exact decomposition, equal to Grad-CAM up to a factor (Zhou et al. 2016,
/// arXiv:1512.04150; Selvaraju et al. 2017, arXiv:1610.02391). It holds for any output, the estimated age included.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "cogs/cog.h"
#include "infer/package.h"

namespace rouage::cogs::chest {

/// Values in the output's own unit (logits) on a matrix that covers the whole film; row-major.
struct Map {
  std::uint32_t columns = 0, rows = 0;
  std::vector<float> values;
};

/// features [1,C,h,w], head_weight [K,C], 0 <= output < K.  Errors: ModelInvalid for other shapes.
Map activation_map(const infer::Tensor& features, const infer::Tensor& head_weight, int output);

/// Bilinear with half-pixel centres, clamped at the edges.
Map enlarged(const Map& map, std::uint32_t columns, std::uint32_t rows);

/// The map above its own mean, divided so that its maximum is 1; below the mean 0. A constant map gives zeros.
/// The mean is the natural zero: cells above it argue more than the average cell for a higher output.
/// `maximum`: largest value minus mean, in logits.
struct Relief {
  Map map;
  double maximum = 0;
};
Relief relief(const Map& map);

/// Guided Grad-CAM: guided backpropagation of the output (Springenberg et al. 2015, arXiv:1412.6806) x the enlarged
/// relief of its activation map, negative values set to 0; on the net's input matrix.
/// Errors: ModelInvalid when the package has no guided graph.
Map guided_map(const infer::LoadedModel& model, const infer::Tensor& input, int output, const Map& activation);

/// For nets without a feature map: how much each logit falls when a square is covered with the picture's mean. One map
/// an output, kOcclusionCells x kOcclusionCells cells, squares of 2 x 2 cells. Takes that many runs of the net.
/// Errors: Cancelled.
inline constexpr int kOcclusionCells = 8;
std::vector<Map> occlusion_maps(const infer::LoadedModel& model, const infer::Tensor& input,
                                const std::atomic<bool>* cancel);

/// As a cog's result: the relief of `map`, with its role, label and film.
DerivedImage derived_image(const Map& map, const std::string& role, const std::string& label,
                           const std::string& sop_instance_uid);

}  // namespace rouage::cogs::chest
