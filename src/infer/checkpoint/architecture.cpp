#include "infer/checkpoint/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace rouage::infer::checkpoint {
namespace {

using Json = nlohmann::json;
constexpr std::uint32_t kStagesCap = 16, kFeaturesCap = 8192, kKernelCap = 15, kStrideCap = 8, kBlocksCap = 64,
                        kPatchCap = 4096;

[[noreturn]] void refuse(const std::string& key, const std::string& what) {
  throw Error(ErrorCode::CheckpointInvalid, what).tag(key);
}

Json parsed(const std::string& text, const char* file) {
  try {
    Json made = Json::parse(text);
    if (!made.is_object()) refuse(file, "a JSON object is expected");
    return made;
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::CheckpointInvalid, std::string("no JSON: ") + e.what()).tag(file);
  }
}

std::uint32_t whole(const Json& value, const std::string& key, std::uint32_t lowest, std::uint32_t highest) {
  const double number = value.is_number() ? value.get<double>() : -1;
  if (number != std::floor(number) || number < lowest || number > highest)
    refuse(key, fmt::format("a whole number from {} to {} is expected", lowest, highest));
  return static_cast<std::uint32_t>(number);
}

std::vector<std::uint32_t> wholes(const Json& list, const std::string& key, std::uint32_t lowest,
                                  std::uint32_t highest) {
  if (!list.is_array()) refuse(key, "a list is expected");
  std::vector<std::uint32_t> made;
  for (const Json& item : list) made.push_back(whole(item, key, lowest, highest));
  return made;
}

/// One number for all stages, or one a stage.
std::vector<std::uint32_t> per_stage(const Json& value, const std::string& key, std::size_t stages,
                                     std::uint32_t highest) {
  if (value.is_number()) return std::vector<std::uint32_t>(stages, whole(value, key, 1, highest));
  std::vector<std::uint32_t> made = wholes(value, key, 1, highest);
  if (made.size() != stages) refuse(key, fmt::format("{} entries are expected, there are {}", stages, made.size()));
  return made;
}

/// A list of lists; a bare number stands for the same on every axis.
std::vector<Extents> extents(const Json& value, const std::string& key, std::size_t stages, int dimensions,
                             std::uint32_t highest) {
  if (!value.is_array() || value.size() != stages) refuse(key, fmt::format("a list of {} entries is expected", stages));
  std::vector<Extents> made;
  for (const Json& item : value) {
    made.push_back(item.is_number() ? Extents(static_cast<std::size_t>(dimensions), whole(item, key, 1, highest))
                                    : wholes(item, key, 1, highest));
    if (made.back().size() != static_cast<std::size_t>(dimensions))
      refuse(key, fmt::format("{} numbers a stage are expected", dimensions));
  }
  return made;
}

const Json& need(const Json& object, const std::string& key, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) refuse(path + key, "this key is missing");
  return *found;
}

std::string word(const Json& value, const std::string& key) {
  if (!value.is_string()) refuse(key, "a word is expected");
  return value.get<std::string>();
}

std::string last_part(const std::string& dotted) {
  return dotted.substr(dotted.rfind('.') + 1);
}

/// Parent's entries, overwritten by the child's.
Json resolved(const Json& configurations, const std::string& name, std::set<std::string>& seen) {
  const std::string path = "configurations." + name;
  if (!seen.insert(name).second) refuse(path + ".inherits_from", "configurations inherit from each other in a circle");
  if (!configurations.contains(name) || !configurations.at(name).is_object())
    refuse(path, "there is no such configuration");
  const Json& own = configurations.at(name);
  if (!own.contains("inherits_from")) return own;
  Json made = resolved(configurations, word(own.at("inherits_from"), path + ".inherits_from"), seen);
  for (const auto& [key, value] : own.items())
    if (key != "inherits_from") made[key] = value;
  return made;
}

void read_class(UNetPlan& plan, const std::string& dotted, const std::string& key) {
  plan.class_name = last_part(dotted);
  plan.residual = plan.class_name == "ResidualEncoderUNet";
  if (!plan.residual && plan.class_name != "PlainConvUNet")
    refuse(key, "the net " + dotted + " is not built here: only PlainConvUNet and ResidualEncoderUNet are");
}

/// Keys that change the arithmetic must say what is built here; the others are known to change nothing at inference.
void check_arguments(const Json& arguments, const std::string& path) {
  static const std::set<std::string> kRead{"n_stages",
                                           "features_per_stage",
                                           "conv_op",
                                           "kernel_sizes",
                                           "strides",
                                           "n_conv_per_stage",
                                           "n_blocks_per_stage",
                                           "n_conv_per_stage_decoder",
                                           "conv_bias",
                                           "norm_op",
                                           "norm_op_kwargs",
                                           "nonlin",
                                           "nonlin_kwargs"};
  // Dropout and stochastic depth are identities at inference; deep supervision heads are not evaluated.
  static const std::set<std::string> kNoEffect{"dropout_op", "dropout_op_kwargs", "deep_supervision",
                                               "stochastic_depth_p", "squeeze_excitation_reduction_ratio"};
  for (const auto& [key, value] : arguments.items()) {
    if (kRead.contains(key) || kNoEffect.contains(key) || value.is_null() || value == Json(false)) continue;
    if ((key == "pool" || key == "pool_type") && value == Json("conv")) continue;
    if (key == "block" && value.is_string() && last_part(value.get<std::string>()) == "BasicBlockD") continue;
    refuse(path + key, "this setting, " + value.dump().substr(0, 60) + ", is not built here");
  }
}

void read_norm(UNetPlan& plan, const Json& arguments, const std::string& path) {
  const std::string norm = last_part(word(need(arguments, "norm_op", path), path + "norm_op"));
  if (norm != fmt::format("InstanceNorm{}d", plan.dimensions))
    refuse(path + "norm_op", "only instance norm is built here, not " + norm);
  // torch's own defaults where the plan says nothing: eps 1e-5, not affine.
  plan.norm_affine = false;
  const auto settings = arguments.find("norm_op_kwargs");
  if (settings == arguments.end() || settings->is_null()) return;
  if (!settings->is_object()) refuse(path + "norm_op_kwargs", "a group of keys is expected");
  for (const auto& [key, value] : settings->items()) {
    if (key == "affine" && value.is_boolean())
      plan.norm_affine = value.get<bool>();
    else if (key == "eps" && value.is_number() && value.get<double>() >= 0 && value.get<double>() <= 1)
      plan.norm_epsilon = static_cast<float>(value.get<double>());
    else if (!(key == "momentum" || (key == "track_running_stats" && value == Json(false))))
      refuse(fmt::format("{}norm_op_kwargs.{}", path, key), "this setting is not built here");
  }
}

void read_nonlinearity(UNetPlan& plan, const Json& arguments, const std::string& path) {
  const std::string name = last_part(word(need(arguments, "nonlin", path), path + "nonlin"));
  if (name != "LeakyReLU" && name != "ReLU")
    refuse(path + "nonlin", "only LeakyReLU and ReLU are built here, not " + name);
  plan.negative_slope = name == "ReLU" ? 0.0F : 0.01F;
  const auto settings = arguments.find("nonlin_kwargs");
  if (settings == arguments.end() || settings->is_null()) return;
  if (!settings->is_object()) refuse(path + "nonlin_kwargs", "a group of keys is expected");
  for (const auto& [key, value] : settings->items()) {
    if (key == "negative_slope" && name == "LeakyReLU" && value.is_number() && std::abs(value.get<double>()) <= 1)
      plan.negative_slope = static_cast<float>(value.get<double>());
    else if (key != "inplace")
      refuse(fmt::format("{}nonlin_kwargs.{}", path, key), "this setting is not built here");
  }
}

void read_arguments(UNetPlan& plan, const Json& arguments, const std::string& path) {
  if (!arguments.is_object()) refuse(path, "a group of keys is expected");
  check_arguments(arguments, path);
  const std::string convolution = last_part(word(need(arguments, "conv_op", path), path + "conv_op"));
  if (convolution != "Conv2d" && convolution != "Conv3d")
    refuse(path + "conv_op", "only Conv2d and Conv3d are built here, not " + convolution);
  plan.dimensions = convolution == "Conv2d" ? 2 : 3;
  const std::size_t stages = whole(need(arguments, "n_stages", path), path + "n_stages", 2, kStagesCap);
  plan.features =
      per_stage(need(arguments, "features_per_stage", path), path + "features_per_stage", stages, kFeaturesCap);
  plan.kernels =
      extents(need(arguments, "kernel_sizes", path), path + "kernel_sizes", stages, plan.dimensions, kKernelCap);
  plan.strides = extents(need(arguments, "strides", path), path + "strides", stages, plan.dimensions, kStrideCap);
  const std::string blocks = plan.residual ? "n_blocks_per_stage" : "n_conv_per_stage";
  plan.encoder_blocks = per_stage(need(arguments, blocks, path), path + blocks, stages, kBlocksCap);
  plan.decoder_convs = per_stage(need(arguments, "n_conv_per_stage_decoder", path), path + "n_conv_per_stage_decoder",
                                 stages - 1, kBlocksCap);
  const auto bias = arguments.find("conv_bias");
  plan.conv_bias = bias != arguments.end() && bias->is_boolean() && bias->get<bool>();
  read_norm(plan, arguments, path);
  read_nonlinearity(plan, arguments, path);
}

/// Plans from before 2.5: the settings that the planner always used are not written down.
void read_old(UNetPlan& plan, const Json& own, const std::string& path) {
  read_class(plan, word(need(own, "UNet_class_name", path), path + "UNet_class_name"), path + "UNet_class_name");
  const Json& kernels = need(own, "conv_kernel_sizes", path);
  if (!kernels.is_array() || kernels.size() < 2 || kernels.size() > kStagesCap || !kernels.front().is_array())
    refuse(path + "conv_kernel_sizes", "a list of lists is expected");
  const std::size_t stages = kernels.size();
  plan.dimensions = kernels.front().size() == 2 ? 2 : 3;
  const std::uint64_t base =
      whole(need(own, "UNet_base_num_features", path), path + "UNet_base_num_features", 1, kFeaturesCap);
  const std::uint64_t most =
      whole(need(own, "unet_max_num_features", path), path + "unet_max_num_features", 1, kFeaturesCap);
  for (std::size_t i = 0; i < stages; ++i)
    plan.features.push_back(static_cast<std::uint32_t>(std::min(base << i, most)));
  plan.kernels = extents(kernels, path + "conv_kernel_sizes", stages, plan.dimensions, kKernelCap);
  plan.strides = extents(need(own, "pool_op_kernel_sizes", path), path + "pool_op_kernel_sizes", stages,
                         plan.dimensions, kStrideCap);
  plan.encoder_blocks =
      per_stage(need(own, "n_conv_per_stage_encoder", path), path + "n_conv_per_stage_encoder", stages, kBlocksCap);
  plan.decoder_convs =
      per_stage(need(own, "n_conv_per_stage_decoder", path), path + "n_conv_per_stage_decoder", stages - 1, kBlocksCap);
}

void check_geometry(const UNetPlan& plan, const std::string& path) {
  for (const Extents& kernel : plan.kernels)
    for (const std::uint32_t k : kernel)
      if (k % 2 == 0) refuse(path + "kernel_sizes", "even kernels are not built here");
  if (std::any_of(plan.strides.front().begin(), plan.strides.front().end(), [](std::uint32_t s) { return s != 1; }))
    refuse(path + "strides", "a first stage with a stride is not built here");
  if (plan.patch.size() != static_cast<std::size_t>(plan.dimensions))
    refuse(path + "patch_size", "it has not as many axes as the net");
  for (std::size_t axis = 0; axis < plan.patch.size(); ++axis) {
    std::uint64_t factor = 1;
    for (const Extents& stride : plan.strides) factor *= stride[axis];
    if (plan.patch[axis] % factor != 0)
      refuse(path + "patch_size",
             fmt::format("axis {}: {} cannot be halved as often as the strides do", axis, plan.patch[axis]));
  }
}

}  // namespace

std::vector<std::string> configuration_names(const std::string& plans_json) {
  const Json plans = parsed(plans_json, "plans.json");
  const Json& configurations = need(plans, "configurations", "");
  if (!configurations.is_object()) refuse("configurations", "a group of keys is expected");
  std::vector<std::string> names;
  for (const auto& [name, value] : configurations.items()) names.push_back(name);
  return names;
}

UNetPlan read_unet_plan(const std::string& plans_json, const std::string& dataset_json,
                        const std::string& configuration) {
  const Json plans = parsed(plans_json, "plans.json");
  std::set<std::string> seen;
  const Json own = resolved(need(plans, "configurations", ""), configuration, seen);
  const std::string path = "configurations." + configuration + ".";
  UNetPlan plan;
  plan.configuration = configuration;
  if (own.contains("architecture")) {
    const Json& block = own.at("architecture");
    const std::string below = path + "architecture.";
    if (!block.is_object()) refuse(below, "a group of keys is expected");
    read_class(plan, word(need(block, "network_class_name", below), below + "network_class_name"),
               below + "network_class_name");
    read_arguments(plan, need(block, "arch_kwargs", below), below + "arch_kwargs.");
  } else {
    read_old(plan, own, path);
  }
  plan.patch = wholes(need(own, "patch_size", path), path + "patch_size", 1, kPatchCap);
  check_geometry(plan, path);
  const DatasetFacts facts = read_dataset_facts(dataset_json);
  plan.channels = static_cast<std::uint32_t>(facts.channels.size());
  if (own.contains("previous_stage") && !own.at("previous_stage").is_null()) plan.channels += facts.foreground;
  plan.classes = facts.outputs;
  return plan;
}

}  // namespace rouage::infer::checkpoint
