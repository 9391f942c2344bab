// plans.json and inference.json. What is not known is refused: a silent default would change every voxel.
#include "infer/nnunet/plans.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/values.h"

namespace rouage::infer {
namespace nnunet {
namespace {

using nlohmann::json;

Error invalid(const std::string& file, const std::string& what) {
  return Error(ErrorCode::PackageInvalid, what).file(file);
}
Error plans_error(const std::string& what) {
  return invalid("plans.json", what);
}

const json& member(const json& object, const std::string& key, const std::string& where) {
  const auto it = object.find(key);
  if (it == object.end()) throw plans_error(where + " has no \"" + key + "\"");
  return *it;
}

std::string text_of(const json& object, const std::string& key, const std::string& where) {
  const json& value = member(object, key, where);
  if (!value.is_string()) throw plans_error("\"" + key + "\" in " + where + " is not a text");
  return value.get<std::string>();
}

double number_of(const json& value, const std::string& what) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) throw plans_error(what + " is not a number");
  return value.get<double>();
}

std::array<int, 3> permutation(const json& plans, const std::string& key) {
  const json& value = member(plans, key, "the file");
  std::array<int, 3> axes{};
  std::set<int> seen;
  if (value.is_array() && value.size() == 3)
    for (std::size_t a = 0; a < 3; ++a)
      if (value[a].is_number_integer() && value[a].get<int>() >= 0 && value[a].get<int>() < 3)
        seen.insert(axes[a] = value[a].get<int>());
  if (seen.size() != 3) throw plans_error("\"" + key + "\" is not a permutation of 0, 1, 2");
  return axes;
}

Normalization normalization(const std::string& name) {
  if (name == "CTNormalization") return Normalization::ct;
  if (name == "ZScoreNormalization") return Normalization::z_score;
  if (name == "NoNormalization") return Normalization::none;
  if (name == "RescaleTo01Normalization") return Normalization::rescale_to_01;
  if (name == "RGBTo01Normalization") return Normalization::rgb_to_01;
  throw plans_error("normalisation \"" + name + "\" is not known");
}

void refuse_unknown_keys(const json& kwargs, const std::set<std::string>& known, const std::string& what) {
  for (const auto& [key, value] : kwargs.items())
    if (!known.contains(key)) throw plans_error(fmt::format("\"{}\" in {}_kwargs is not known", key, what));
}

int order_of(const json& kwargs, const std::string& key, const std::set<int>& allowed, const std::string& what) {
  const json& value = member(kwargs, key, what + "_kwargs");
  if (!value.is_number_integer() || !allowed.contains(value.get<int>()))
    throw plans_error("\"" + key + "\" " + value.dump() + " in " + what + "_kwargs is not computed");
  return value.get<int>();
}

std::optional<bool> separate_of(const json& kwargs, const std::string& what) {
  const json& value = member(kwargs, "force_separate_z", what + "_kwargs");
  if (value.is_null()) return std::nullopt;
  if (!value.is_boolean()) throw plans_error("\"force_separate_z\" in " + what + "_kwargs is not true, false or null");
  return value.get<bool>();
}

void expect(const json& kwargs, const std::string& key, const json& wanted, const std::string& what) {
  if (kwargs.contains(key) && kwargs[key] != wanted)
    throw plans_error("\"" + key + "\" " + kwargs[key].dump() + " in " + what + "_kwargs is not computed, only " +
                      wanted.dump());
}

/// what: "resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities".
ResampleRule resampling(const json& configuration, const std::string& what, const std::set<int>& orders, bool is_seg) {
  const std::string name = text_of(configuration, what, "the configuration");
  const json kwargs = configuration.value(what + "_kwargs", json::object());
  if (!kwargs.is_object()) throw plans_error("\"" + what + "_kwargs\" is not an object");
  ResampleRule rule;
  if (name == "resample_data_or_seg_to_shape") {
    refuse_unknown_keys(kwargs, {"is_seg", "order", "order_z", "force_separate_z", "separate_z_anisotropy_threshold"},
                        what);
    rule.order = order_of(kwargs, "order", orders, what);
    rule.order_z = order_of(kwargs, "order_z", is_seg ? std::set{0} : std::set{0, 1}, what);
    rule.force_separate_z = separate_of(kwargs, what);
    expect(kwargs, "separate_z_anisotropy_threshold", 3, what);
  } else if (name == "resample_torch_fornnunet") {
    rule.function = Resampling::torch;
    rule.order = 1;
    refuse_unknown_keys(kwargs,
                        {"is_seg", "force_separate_z", "memefficient_seg_resampling", "mode", "aniso_axis_mode",
                         "num_threads", "device"},
                        what);
    rule.force_separate_z = separate_of(kwargs, what);
    expect(kwargs, "mode", "linear", what);
    expect(kwargs, "aniso_axis_mode", "nearest-exact", what);
    if (is_seg) expect(kwargs, "memefficient_seg_resampling", false, what);
  } else if (name == "no_resampling_hack") {
    rule.function = Resampling::no_resampling;
  } else {
    throw plans_error("resampling \"" + name + "\" (" + what + ") is not known");
  }
  expect(kwargs, "is_seg", is_seg, what);
  return rule;
}

void read_top(const json& plans, NnunetModel& model) {
  model.dataset = plans.value("dataset_name", "");
  model.plans = plans.value("plans_name", "");
  model.transpose_forward = permutation(plans, "transpose_forward");
  model.transpose_backward = permutation(plans, "transpose_backward");
  for (std::size_t a = 0; a < 3; ++a)
    if (model.transpose_backward[static_cast<std::size_t>(model.transpose_forward[a])] != static_cast<int>(a))
      throw plans_error("\"transpose_backward\" does not undo \"transpose_forward\"");
  const std::string reader = text_of(plans, "image_reader_writer", "the file");
  if (reader == "SimpleITKIOWithReorient" || reader == "NibabelIOWithReorient")
    model.reorient_to_ras = true;
  else if (reader != "SimpleITKIO" && reader != "NibabelIO")
    throw plans_error("reader \"" + reader + "\" is not known or not for volumes");
  const std::string manager = plans.value("label_manager", "LabelManager");
  if (manager != "LabelManager") throw plans_error("label manager \"" + manager + "\" is not known");
}

void read_sizes(const json& configuration, NnunetModel& model) {
  const json& patch = member(configuration, "patch_size", "the configuration");
  const json& spacing = member(configuration, "spacing", "the configuration");
  if (!patch.is_array() || !spacing.is_array() || patch.size() != spacing.size() ||
      (patch.size() != 2 && patch.size() != 3))
    throw plans_error("\"patch_size\" and \"spacing\" do not both have 2 or 3 numbers");
  model.two_dimensional = patch.size() == 2;
  const std::size_t skip = 3 - patch.size();
  model.patch[0] = 1;
  model.spacing_mm[0] = 1;
  std::uint64_t product = 1;
  for (std::size_t a = 0; a < patch.size(); ++a) {
    const double voxels = number_of(patch[a], "\"patch_size\""), mm = number_of(spacing[a], "\"spacing\"");
    if (voxels < 1 || voxels > 4096 || voxels != std::floor(voxels)) throw plans_error("\"patch_size\" is not a size");
    if (mm <= 0) throw plans_error("\"spacing\" is not above 0");
    model.patch[a + skip] = static_cast<std::uint32_t>(voxels);
    model.spacing_mm[a + skip] = mm;
    product *= static_cast<std::uint64_t>(voxels);
  }
  if (product > std::uint64_t{1} << 30) throw plans_error("\"patch_size\" is larger than 2^30 voxels");
}

void read_intensities(const json& plans, std::size_t index, ChannelRule& rule) {
  const std::string key = plans.contains("foreground_intensity_properties_per_channel")
                              ? "foreground_intensity_properties_per_channel"
                              : "foreground_intensity_properties_by_modality";
  const std::string channel = std::to_string(index), where = "\"" + key + "\" of channel " + channel;
  const json& found = member(member(plans, key, "the file"), channel, "\"" + key + "\"");
  rule.mean = number_of(member(found, "mean", where), where + " mean");
  rule.std = number_of(member(found, "std", where), where + " std");
  rule.percentile_00_5 = number_of(member(found, "percentile_00_5", where), where + " percentile_00_5");
  rule.percentile_99_5 = number_of(member(found, "percentile_99_5", where), where + " percentile_99_5");
  if (rule.percentile_00_5 > rule.percentile_99_5) throw plans_error(where + ": the percentiles are reversed");
}

void read_channels(const json& plans, const json& configuration, NnunetModel& model) {
  const json& schemes = member(configuration, "normalization_schemes", "the configuration");
  const json& masks = member(configuration, "use_mask_for_norm", "the configuration");
  if (!schemes.is_array() || !masks.is_array() || schemes.size() != model.channels.size() ||
      masks.size() != schemes.size())
    throw plans_error("\"normalization_schemes\" and \"use_mask_for_norm\" do not have one entry a channel (" +
                      std::to_string(model.channels.size()) + ")");
  for (std::size_t c = 0; c < schemes.size(); ++c) {
    if (!schemes[c].is_string() || !masks[c].is_boolean())
      throw plans_error("\"normalization_schemes\" or \"use_mask_for_norm\" holds another type");
    ChannelRule& rule = model.channels[c];
    rule.scheme = normalization(schemes[c].get<std::string>());
    rule.inside_mask = rule.scheme == Normalization::z_score && masks[c].get<bool>();
    if (rule.scheme == Normalization::ct) read_intensities(plans, c, rule);
  }
}

void read_channel_names(const json& dataset, NnunetModel& model) {
  const std::string key = dataset.contains("channel_names") ? "channel_names" : "modality";
  const json names = dataset.value(key, json());
  if (!names.is_object() || names.empty() || names.size() > 64)
    throw invalid("dataset.json", "\"channel_names\" does not name 1 to 64 channels");
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto it = names.find(std::to_string(c));
    if (it == names.end() || !it->is_string())
      throw invalid("dataset.json", "\"" + key + "\" has no name for channel " + std::to_string(c));
    model.channels.push_back({it->get<std::string>()});
  }
}

std::string chosen_configuration(const json& configurations, const json& inference, const std::string& wanted,
                                 NnunetModel& model) {
  if (!wanted.empty()) return wanted;
  if (inference.contains("configuration")) {
    if (!inference["configuration"].is_string()) throw invalid("inference.json", "\"configuration\" is not a text");
    return inference["configuration"].get<std::string>();
  }
  std::string names;
  for (const auto& [name, value] : configurations.items()) names += (names.empty() ? "" : ", ") + name;
  if (configurations.size() != 1)
    throw invalid("inference.json", "no configuration is named, and plans.json has several: " + names);
  model.warnings.push_back("inference.json names no configuration: the only one, " + names + ", is taken");
  return names;
}

void read_mirroring(const json& inference, NnunetModel& model) {
  const std::string key = "inference_allowed_mirroring_axes";
  if (!inference.contains(key)) {
    model.warnings.push_back("inference.json does not say which axes may be mirrored: none is");
    return;
  }
  const json& axes = inference[key];
  if (axes.is_null()) return;
  std::set<int> seen;
  const int dimensions = model.two_dimensional ? 2 : 3;
  if (!axes.is_array()) throw invalid("inference.json", "\"" + key + "\" is not a list or null");
  for (const json& axis : axes) {
    if (!axis.is_number_integer() || axis.get<int>() < 0 || axis.get<int>() >= dimensions ||
        !seen.insert(axis.get<int>()).second)
      throw invalid("inference.json", "\"" + key + "\" holds " + axis.dump() + ", which is no axis or there twice");
    model.mirror_axes.push_back(axis.get<int>());
  }
}

json parsed(const std::string& text, const std::string& file) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object()) throw invalid(file, "not a JSON object");
  return value;
}

NnunetModel composed(const std::string& plans_json, const std::string& dataset_json, const std::string& inference_json,
                     const std::string& wanted) {
  const json plans = parsed(plans_json, "plans.json");
  const json dataset = parsed(dataset_json, "dataset.json");
  const json inference = inference_json.empty() ? json::object() : parsed(inference_json, "inference.json");
  NnunetModel model;
  read_top(plans, model);
  const json& configurations = member(plans, "configurations", "the file");
  if (!configurations.is_object()) throw plans_error("\"configurations\" is not an object");
  model.configuration = chosen_configuration(configurations, inference, wanted, model);
  const json configuration = resolved_configuration(configurations, model.configuration);
  const std::string preprocessor = configuration.value("preprocessor_name", "DefaultPreprocessor");
  if (preprocessor != "DefaultPreprocessor") throw plans_error("preprocessor \"" + preprocessor + "\" is not known");
  read_sizes(configuration, model);
  read_channel_names(dataset, model);
  read_channels(plans, configuration, model);
  read_labels(nlohmann::ordered_json::parse(dataset_json), model);
  model.file_ending = dataset.value("file_ending", "");
  if (configuration.contains("previous_stage") && !configuration["previous_stage"].is_null())
    model.previous_stage = text_of(configuration, "previous_stage", "the configuration");
  model.data = resampling(configuration, "resampling_fn_data", {0, 1, 3}, false);
  // Cubic logits would need all planes at once; no planner writes them.
  model.probabilities = resampling(configuration, "resampling_fn_probabilities", {0, 1}, false);
  if (!model.previous_stage.empty()) model.seg = resampling(configuration, "resampling_fn_seg", {0, 1}, true);
  read_mirroring(inference, model);
  return model;
}

}  // namespace

json resolved_configuration(const json& configurations, const std::string& name) {
  std::vector<const json*> chain;
  std::set<std::string> seen;
  for (std::string next = name; !next.empty();) {
    if (!seen.insert(next).second) throw plans_error("configuration \"" + next + "\" inherits from itself");
    const auto it = configurations.find(next);
    if (it == configurations.end() || !it->is_object()) throw plans_error("there is no configuration \"" + next + "\"");
    chain.push_back(&*it);
    next = it->value("inherits_from", "");
  }
  json resolved = json::object();
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) resolved.update(**it);
  return resolved;
}

}  // namespace nnunet

NnunetModel parse_nnunet(const std::string& plans_json, const std::string& dataset_json,
                         const std::string& inference_json, const std::string& configuration) {
  try {
    return nnunet::composed(plans_json, dataset_json, inference_json, configuration);
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::PackageInvalid, std::string("an entry of the nnU-Net files has another type: ") + e.what());
  }
}

}  // namespace rouage::infer
