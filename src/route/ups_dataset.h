/// The DICOM JSON of a UPS: reading what others send, telling what an item is; private to the room.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "route/ups.h"

namespace rouage::route::ups {

using Json = nlohmann::json;  // sorted by key, as PS3.18 F.2 wants

inline constexpr const char* kSopClass = "00080016";
inline constexpr const char* kSopInstance = "00080018";
inline constexpr const char* kTransaction = "00081195";
inline constexpr const char* kStudy = "0020000D";
inline constexpr const char* kSeries = "0020000E";
inline constexpr const char* kStart = "00404005";
inline constexpr const char* kExpiration = "00404008";
inline constexpr const char* kWorkitemCode = "00404018";
inline constexpr const char* kInput = "00404021";
inline constexpr const char* kOutput = "00404033";
inline constexpr const char* kState = "00741000";
inline constexpr const char* kProgressSequence = "00741002";
inline constexpr const char* kPriority = "00741200";
inline constexpr const char* kLabel = "00741204";
inline constexpr const char* kParameters = "00741210";
inline constexpr const char* kPerformed = "00741216";
inline constexpr const char* kReason = "00741238";

/// One dataset (alone or in a list of one): keys are tags, depth and size bounded. "" gives an empty one when
/// `may_be_empty`.  Errors: RequestInvalid.
Json dataset_of(std::string_view text, bool may_be_empty = false);
/// First value as text, "" when absent or empty.
std::string text_at(const Json& dataset, const char* tag);
/// Items of a sequence that are objects.
std::vector<Json> items_at(const Json& dataset, const char* tag);
Json element(std::string_view vr, const std::string& value);  ///< "" : without value
Json sequence(std::vector<Json> items);

std::string date_time(double utc_s);                      ///< DT, UTC
std::optional<double> seconds_of(const std::string& dt);  ///< UTC; without an offset UTC is meant
std::string state_text(ItemState state);
std::string priority_text(Priority priority);
std::optional<Priority> priority_of(const std::string& text);

/// The whole UPS. `given`: what others said of it (kept unless it is ours to say).
struct Told {
  const Item& item;
  Json given;
  dicom::Attributes attributes;
  std::vector<OutputReference> outputs;
};
Json ups_json(const Told& told, const UpsSources& sources);

/// Does the dataset match one query parameter: name by keyword, tag or path; value with wild cards or a range.
/// Errors: RequestInvalid (no such attribute).
bool matches(const Json& dataset, const std::string& name, const std::string& value);

}  // namespace rouage::route::ups
