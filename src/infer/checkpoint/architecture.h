/// The net that plans.json and dataset.json describe, as numbers: what the graph is built from and what weights must
/// fit.
///
/// Known: PlainConvUNet and ResidualEncoderUNet of dynamic-network-architectures, 2D and 3D, from an `architecture`
/// block or from plans without one. Everything that would change the arithmetic and is not known is refused, never
/// guessed. Source: specification sections 1, 9 and 10.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rouage::infer::checkpoint {

using Extents = std::vector<std::uint32_t>;  ///< one entry an axis, z first

struct UNetPlan {
  std::string configuration;
  std::string class_name;  ///< PlainConvUNet, ResidualEncoderUNet
  bool residual = false;
  int dimensions = 3;
  Extents patch;
  std::vector<std::uint32_t> features;  ///< one a stage
  std::vector<Extents> kernels, strides;
  std::vector<std::uint32_t> encoder_blocks;  ///< convolutions, or residual blocks, a stage
  std::vector<std::uint32_t> decoder_convs;   ///< deepest first, one fewer than stages
  bool conv_bias = true;
  bool norm_affine = true;
  float norm_epsilon = 1e-5F;
  float negative_slope = 0.01F;  ///< 0: ReLU
  std::uint32_t channels = 1;    ///< images, and one a foreground label in a cascade's second stage
  std::uint32_t classes = 2;     ///< labels without `ignore`, or regions

  std::size_t stages() const { return features.size(); }
};

/// Configuration names in plans.json, in order of the alphabet. Errors: CheckpointInvalid.
std::vector<std::string> configuration_names(const std::string& plans_json);

/// Errors: CheckpointInvalid (the tag names the key).
UNetPlan read_unet_plan(const std::string& plans_json, const std::string& dataset_json,
                        const std::string& configuration);

/// What dataset.json says about inputs and outputs.
struct DatasetLabel {
  std::string name;
  std::vector<int> values;  ///< several: a region
};
struct DatasetFacts {
  std::string name;  ///< "name", or ""
  std::vector<std::string> channels;
  std::vector<DatasetLabel> labels;  ///< in order of their first value, then of the name
  bool regions = false;
  std::uint32_t outputs = 0;     ///< channels of the logits
  std::uint32_t foreground = 0;  ///< labels but background and ignore
};
/// Errors: CheckpointInvalid.
DatasetFacts read_dataset_facts(const std::string& dataset_json);

}  // namespace rouage::infer::checkpoint
