#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "infer/checkpoint/architecture.h"

namespace rouage::infer::checkpoint {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kChannelsCap = 256, kLabelsCap = 4096;
constexpr int kValueCap = 65535;

[[noreturn]] void refuse(const std::string& key, const std::string& what) {
  throw Error(ErrorCode::CheckpointInvalid, what).tag("dataset.json, " + key);
}

/// Names in order of their index: keys "0", "1"..., or a list.
std::vector<std::string> channel_names(const Json& dataset) {
  const char* key = dataset.contains("channel_names") ? "channel_names" : "modality";
  if (!dataset.contains(key)) refuse("channel_names", "this key is missing");
  const Json& group = dataset.at(key);
  if (!(group.is_object() || group.is_array()) || group.empty() || group.size() > kChannelsCap)
    refuse(key, "the channels' names are expected");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const std::string index = std::to_string(i);
    if (group.is_object() && !group.contains(index)) refuse(key, "channel " + index + " is missing");
    const Json& name = group.is_object() ? group.at(index) : group.at(i);
    if (!name.is_string()) refuse(key, "channel " + index + " has no name");
    names.push_back(name.get<std::string>());
  }
  return names;
}

int label_value(const Json& value, const std::string& name) {
  const double number = value.is_number() ? value.get<double>() : -1;
  if (number < 0 || number > kValueCap || number != static_cast<double>(static_cast<int>(number)))
    refuse("labels." + name, "a whole number of at least 0 is expected, or a list of them for a region");
  return static_cast<int>(number);
}

std::vector<DatasetLabel> labels_of(const Json& dataset, bool& regions) {
  const auto group = dataset.find("labels");
  if (group == dataset.end() || !group->is_object() || group->empty() || group->size() > kLabelsCap)
    refuse("labels", "the labels' names with their numbers are expected");
  std::vector<DatasetLabel> labels;
  for (const auto& [name, value] : group->items()) {
    DatasetLabel label{.name = name, .values = {}};
    if (value.is_array())
      for (const Json& item : value) label.values.push_back(label_value(item, name));
    else
      label.values.push_back(label_value(value, name));
    if (label.values.empty()) refuse("labels." + name, "a region without labels");
    regions = regions || label.values.size() > 1;
    labels.push_back(std::move(label));
  }
  std::sort(labels.begin(), labels.end(), [](const DatasetLabel& a, const DatasetLabel& b) {
    return std::pair(a.values.front(), a.name) < std::pair(b.values.front(), b.name);
  });
  return labels;
}

}  // namespace

DatasetFacts read_dataset_facts(const std::string& dataset_json) {
  Json dataset;
  try {
    dataset = Json::parse(dataset_json);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::CheckpointInvalid, std::string("no JSON: ") + e.what()).tag("dataset.json");
  }
  if (!dataset.is_object()) refuse("top", "a JSON object is expected");
  DatasetFacts facts;
  if (dataset.contains("name") && dataset.at("name").is_string()) facts.name = dataset.at("name").get<std::string>();
  facts.channels = channel_names(dataset);
  facts.labels = labels_of(dataset, facts.regions);
  std::set<int> values;
  std::uint32_t region_count = 0;
  for (const DatasetLabel& label : facts.labels) {
    if (label.name == "ignore") continue;
    values.insert(label.values.begin(), label.values.end());
    if (std::any_of(label.values.begin(), label.values.end(), [](int v) { return v != 0; })) ++region_count;
  }
  facts.foreground = static_cast<std::uint32_t>(values.size() - values.count(0));
  facts.outputs = facts.regions ? region_count : static_cast<std::uint32_t>(values.size());
  if (facts.outputs == 0) refuse("labels", "there is nothing to segment");
  return facts;
}

}  // namespace rouage::infer::checkpoint
