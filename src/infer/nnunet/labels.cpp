// dataset.json's labels: which value each output of the net writes.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "infer/nnunet/plans.h"

namespace rouage::infer::nnunet {
namespace {

using nlohmann::ordered_json;

Error dataset_error(const std::string& what) {
  return Error(ErrorCode::PackageInvalid, what).file("dataset.json");
}

int label_value(const ordered_json& value, const std::string& name) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > 65535)
    throw dataset_error("label \"" + name + "\" is not a whole number from 0 to 65535");
  return value.get<int>();
}

std::vector<int> class_order(const ordered_json& dataset, std::size_t wanted) {
  const auto it = dataset.find("regions_class_order");
  if (it == dataset.end() || !it->is_array() || it->size() != wanted)
    throw dataset_error("the labels are regions, but \"regions_class_order\" does not have one value for each of the " +
                        std::to_string(wanted));
  std::vector<int> order;
  for (const ordered_json& value : *it) order.push_back(label_value(value, "regions_class_order"));
  return order;
}

bool only_background(const NnunetLabel& label) {
  return std::all_of(label.values.begin(), label.values.end(), [](int v) { return v == 0; });
}

}  // namespace

void read_labels(const ordered_json& dataset, NnunetModel& model) {
  const auto labels = dataset.find("labels");
  if (labels == dataset.end() || !labels->is_object() || labels->empty())
    throw dataset_error("\"labels\" is missing or names none");
  std::set<int> all;
  std::optional<int> ignored;
  for (const auto& [name, value] : labels->items()) {
    NnunetLabel label{name, {}, name == "ignore"};
    if (value.is_array())
      for (const ordered_json& v : value) label.values.push_back(label_value(v, name));
    else
      label.values.push_back(label_value(value, name));
    if (label.values.empty()) throw dataset_error("label \"" + name + "\" has no value");
    model.regions = model.regions || (label.values.size() > 1 && !label.ignore);
    if (label.ignore)
      ignored = label.values.front();
    else
      all.insert(label.values.begin(), label.values.end());
    model.labels.push_back(std::move(label));
  }
  if (!all.contains(0)) throw dataset_error("no label has the value 0 (background)");
  if (ignored && *ignored <= *all.rbegin()) throw dataset_error("the label \"ignore\" is not the highest");
  for (const int value : all)
    if (value != 0) model.foreground_labels.push_back(static_cast<std::uint16_t>(value));
  if (model.regions) {
    const auto channels =
        static_cast<std::size_t>(std::count_if(model.labels.begin(), model.labels.end(),
                                               [](const NnunetLabel& l) { return !l.ignore && !only_background(l); }));
    for (const int value : class_order(dataset, channels))
      model.written_labels.push_back(static_cast<std::uint16_t>(value));
    return;
  }
  int next = 0;
  for (const int value : all) {
    if (value != next++) throw dataset_error("the labels are not 0, 1, 2 ... without a gap");
    model.written_labels.push_back(static_cast<std::uint16_t>(value));
  }
}

}  // namespace rouage::infer::nnunet
