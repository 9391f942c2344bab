#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "route/ups_dataset.h"

namespace rouage::route {
namespace {

using ups::Json;

constexpr std::size_t kMostAnswers = 1000;

struct Search {
  std::vector<std::pair<std::string, std::string>> match;
  std::size_t limit = kMostAnswers, offset = 0;
  std::string study;  ///< when the search names one: the table is asked for it
};

std::size_t count_of(const std::string& name, const std::string& value) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size())
    throw Error(ErrorCode::RequestInvalid, name + " shall be a number");
  return count;
}

Search search_of(const std::vector<std::pair<std::string, std::string>>& parameters) {
  Search search;
  for (const auto& [name, value] : parameters) {
    if (name == "limit") {
      search.limit = std::min(kMostAnswers, count_of(name, value));
    } else if (name == "offset") {
      search.offset = count_of(name, value);
    } else if (name == "includefield" || name == "fuzzymatching") {
      continue;  // all attributes are answered; person names match without case and accents anyway
    } else {
      search.match.emplace_back(name, value);
      if ((name == "InputInformationSequence.StudyInstanceUID" || name == "00404021.0020000D") &&
          dicom::valid_uid(value))
        search.study = value;
    }
  }
  return search;
}

/// The patient's and the request's attributes come from the store: asked for only where all else fits.
bool needs_store(const std::string& name) {
  const std::optional<std::uint32_t> tag = dicom::tag_of(name.substr(0, name.find('.')));
  return tag && (*tag >> 16U == 0x0010 || *tag == 0x0040A370);
}

bool all_match(const Json& dataset, const Search& search, bool with_store) {
  return std::all_of(search.match.begin(), search.match.end(), [&](const auto& parameter) {
    return (!with_store && needs_store(parameter.first)) || ups::matches(dataset, parameter.first, parameter.second);
  });
}

}  // namespace

UpsAnswer Ups::search(const std::vector<std::pair<std::string, std::string>>& parameters) const {
  const Search search = search_of(parameters);
  Json answers = Json::array();
  std::size_t matched = 0;
  bool more = false;
  for (const Item& item : items_.list(std::nullopt, search.study, kSearched)) {
    const std::string given = items_.dataset(item.id);
    ups::Told told{
        .item = item, .given = given.empty() ? Json::object() : Json::parse(given), .attributes = {}, .outputs = {}};
    if (!all_match(ups::ups_json(told, sources_), search, false)) continue;
    if (sources_.attributes) told.attributes = sources_.attributes(item.study_instance_uid, item.series_instance_uid);
    Json dataset = ups::ups_json(told, sources_);
    // A search answers no output: references are given by retrieve only, where each one's permit is asked.
    dataset.erase(ups::kPerformed);
    if (!all_match(dataset, search, true) || matched++ < search.offset) continue;
    more = answers.size() >= search.limit;
    if (more) break;
    answers.push_back(std::move(dataset));
  }
  UpsAnswer answer;
  if (more) answer.headers.emplace_back("Warning", "299 rouage \"There are additional results that can be requested\"");
  answer.status = answers.empty() ? 204 : 200;
  if (!answers.empty()) answer.body = answers.dump(-1, ' ', false, Json::error_handler_t::replace);
  return answer;
}

}  // namespace rouage::route
