#include "route/ups_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <ctime>

#include "base/error.h"
#include "base/service.h"
#include "route/glob.h"

namespace rouage::route::ups {
namespace {

constexpr int kDeepest = 32;

bool is_tag(std::string_view text) {
  return text.size() == 8 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

/// Tags in capitals all the way down, so that what is looked for is found.
Json normal(const Json& dataset) {
  Json out = Json::object();
  for (const auto& [key, value] : dataset.items()) {
    if (!is_tag(key) || !value.is_object())
      throw Error(ErrorCode::RequestInvalid,
                  fmt::format("\"{}\" is no attribute of the DICOM JSON model", key.substr(0, 40)));
    std::string tag = key;
    std::transform(tag.begin(), tag.end(), tag.begin(), [](unsigned char c) { return std::toupper(c); });
    Json element = value;
    if (!element.contains("vr") || !element["vr"].is_string())
      throw Error(ErrorCode::RequestInvalid, fmt::format("({}) has no VR", tag));
    if (element["vr"] == "SQ" && element.contains("Value") && element["Value"].is_array())
      for (Json& item : element["Value"])
        if (item.is_object()) item = normal(item);
    out[tag] = std::move(element);
  }
  return out;
}

std::optional<int> number_at(const std::string& text, std::size_t at, std::size_t length) {
  int value = 0;
  if (at + length > text.size()) return std::nullopt;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + length, value);
  return error == std::errc() && end == begin + length ? std::optional<int>(value) : std::nullopt;
}

/// Every value at a path of tags, as text.
void collect(const Json& dataset, const std::vector<std::string>& path, std::size_t depth,
             std::vector<std::string>& values) {
  const auto found = dataset.find(path[depth]);
  if (found == dataset.end() || !found->contains("Value") || !(*found)["Value"].is_array()) return;
  for (const Json& value : (*found)["Value"]) {
    if (depth + 1 < path.size()) {
      if (value.is_object()) collect(value, path, depth + 1, values);
    } else if (value.is_string()) {
      values.push_back(value.get<std::string>());
    } else if (value.is_number()) {
      values.push_back(value.dump());
    } else if (value.is_object() && value.contains("Alphabetic") && value["Alphabetic"].is_string()) {
      values.push_back(value["Alphabetic"].get<std::string>());
    }
  }
}

/// "a-b", "a-", "-b" of dates and times; the last day is meant whole.
bool in_range(const std::string& value, const std::string& range) {
  const auto dash = range.find('-');
  const std::string from = range.substr(0, dash), to = range.substr(dash + 1);
  return value >= from && (to.empty() || value.substr(0, to.size()) <= to);
}

}  // namespace

Json dataset_of(std::string_view text, bool may_be_empty) {
  if (text.size() > Ups::kLargestDataset) throw Error(ErrorCode::RequestTooLarge, "a dataset of a work item");
  if (may_be_empty && trimmed(text).empty()) return Json::object();
  bool deep = false;
  Json json;
  try {
    json = Json::parse(text, [&deep](int depth, Json::parse_event_t, Json&) {
      deep = deep || depth > kDeepest;
      return !deep;
    });
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::RequestInvalid, std::string("no JSON: ") + error.what());
  }
  if (deep) throw Error(ErrorCode::RequestInvalid, "nested too deeply");
  if (json.is_array() && json.size() == 1) json = Json(json[0]);
  if (!json.is_object()) throw Error(ErrorCode::RequestInvalid, "one dataset of the DICOM JSON model is expected");
  return normal(json);
}

std::string text_at(const Json& dataset, const char* tag) {
  std::vector<std::string> values;
  collect(dataset, {tag}, 0, values);
  return values.empty() ? "" : std::string(trimmed(values.front()));
}

std::vector<Json> items_at(const Json& dataset, const char* tag) {
  std::vector<Json> items;
  const auto found = dataset.find(tag);
  if (found == dataset.end() || !found->contains("Value") || !(*found)["Value"].is_array()) return items;
  for (const Json& item : (*found)["Value"])
    if (item.is_object()) items.push_back(item);
  return items;
}

Json element(std::string_view vr, const std::string& value) {
  Json json{{"vr", vr}};
  if (!value.empty()) json["Value"] = Json::array({value});
  return json;
}

Json sequence(std::vector<Json> items) {
  Json json{{"vr", "SQ"}};
  if (!items.empty()) json["Value"] = std::move(items);
  return json;
}

std::string date_time(double utc_s) {
  std::string text;
  for (const char c : utc_text(utc_s))
    if ((c >= '0' && c <= '9') || c == '.') text += c;
  return text + "+0000";
}

std::optional<double> seconds_of(const std::string& dt) {
  std::string text = dt;
  double offset_s = 0;
  if (const auto sign = text.find_first_of("+-", 8); sign != std::string::npos) {
    const auto hours = number_at(text, sign + 1, 2), minutes = number_at(text, sign + 3, 2);
    if (!hours || !minutes) return std::nullopt;
    offset_s = (text[sign] == '-' ? -1 : 1) * (*hours * 3600.0 + *minutes * 60.0);
    text.resize(sign);
  }
  const auto year = number_at(text, 0, 4), month = number_at(text, 4, 2), day = number_at(text, 6, 2);
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  std::tm parts{};
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  parts.tm_hour = number_at(text, 8, 2).value_or(0);
  parts.tm_min = number_at(text, 10, 2).value_or(0);
  parts.tm_sec = number_at(text, 12, 2).value_or(0);
  return static_cast<double>(::timegm(&parts)) - offset_s;
}

std::string state_text(ItemState state) {
  switch (state) {
    case ItemState::due:
    case ItemState::waiting:
      return "SCHEDULED";
    case ItemState::running:
      return "IN PROGRESS";
    case ItemState::done:
      return "COMPLETED";
    default:
      return "CANCELED";
  }
}

std::string priority_text(Priority priority) {
  if (priority <= Priority::high) return "HIGH";
  return priority == Priority::routine ? "MEDIUM" : "LOW";
}

std::optional<Priority> priority_of(const std::string& text) {
  if (text == "HIGH") return Priority::high;
  if (text == "MEDIUM" || text.empty()) return Priority::routine;
  if (text == "LOW") return Priority::background;
  return std::nullopt;
}

bool matches(const Json& dataset, const std::string& name, const std::string& value) {
  std::vector<std::string> path;
  for (const std::string& step : split(name, '.')) {
    const std::optional<std::uint32_t> tag = dicom::tag_of(step);
    if (!tag) throw Error(ErrorCode::RequestInvalid, fmt::format("\"{}\" is no attribute", step.substr(0, 60)));
    path.push_back(fmt::format("{:08X}", *tag));
  }
  std::vector<std::string> values;
  collect(dataset, path, 0, values);
  if (value.empty() || value == "*") return true;  // universal matching
  const std::string vr = dicom::vr_of(static_cast<std::uint32_t>(std::stoul(path.back(), nullptr, 16)));
  const bool range = (vr == "DT" || vr == "DA" || vr == "TM") && value.find('-') != std::string::npos;
  const std::string pattern = value.substr(0, kLongestPattern);
  return std::any_of(values.begin(), values.end(), [&](const std::string& here) {
    if (range) return in_range(here, value);
    return vr == "PN" ? glob_matches(folded(pattern), folded(here)) : glob_matches(pattern, here);
  });
}

}  // namespace rouage::route::ups
