// QIDO-RS (PS3.18 10.6): the store's query in HTTP's words.
#include <charconv>
#include <set>

#include "app/dicomweb_answers.h"

namespace rouage::app {
namespace {

constexpr std::size_t kMostOffset = 100'000'000;

std::size_t count_of(const std::string& text, const char* name) {
  std::size_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size() || value > kMostOffset)
    throw Error(ErrorCode::RequestInvalid, std::string(name) + " is no count");
  return value;
}

/// What an index keeps of a level and of those above it: "includefield=all".
std::set<std::uint32_t> all_fields(store::Level level) {
  std::set<std::uint32_t> tags = {0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00080062, 0x00080090,
                                  0x00081030, 0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040,
                                  0x00101010, 0x0020000D, 0x00200010, 0x00201206, 0x00201208};
  if (level == store::Level::patient || level == store::Level::study) return tags;
  tags.insert({0x00080021, 0x00080031, 0x00080060, 0x00080070, 0x00080080, 0x00081010, 0x0008103E, 0x00180015,
               0x00181030, 0x0020000E, 0x00200011, 0x00200052, 0x00200060, 0x00201209});
  if (level == store::Level::series) return tags;
  dicom::IndexEntry entry;
  entry.has_pixels = entry.burned_in = true;
  for (const auto& [tag, text] : dicom::attributes_of(entry)) tags.insert(tag);
  return tags;
}

/// What is answered unasked: PS3.18 tables 10.6.3-3 to -5, and the UIDs by which an answer is found again.
std::set<std::uint32_t> fields_of(store::Level level) {
  switch (level) {
    case store::Level::patient:
    case store::Level::study:
      return {0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00080090, 0x00081030, 0x00100010,
              0x00100020, 0x00100030, 0x00100040, 0x0020000D, 0x00200010, 0x00201206, 0x00201208};
    case store::Level::series:
      return {0x00080060, 0x0008103E, 0x0020000D, 0x0020000E, 0x00200011, 0x00201209};
    case store::Level::instance:
      break;
  }
  return {0x00080016, 0x00080018, 0x00083002, 0x0020000D, 0x0020000E,
          0x00200013, 0x00280008, 0x00280010, 0x00280011, 0x00280100};
}

void include_fields(const std::string& value, store::Query& query) {
  for (const std::string& field : split(value, ',')) {
    const std::string name(trimmed(field));
    if (name.empty()) continue;
    if (lower_case(name) == "all") {
      query.wanted.merge(all_fields(query.level));
      continue;
    }
    const auto tag = dicom::tag_of(name);
    if (!tag) throw Error(ErrorCode::RequestInvalid, "includefield names no attribute: " + name);
    query.wanted.insert(*tag);
  }
}

/// "a,b" of UIDs is a list (PS3.18 8.3.4.1); elsewhere a comma is a comma.
std::string match_value(std::uint32_t tag, std::string value) {
  if (dicom::vr_of(tag) == "UI")
    for (char& c : value)
      if (c == ',') c = '\\';
  return value;
}

void match_parameter(const std::string& name, const std::string& value, store::Query& query) {
  if (name.find('.') != std::string::npos)
    throw Error(ErrorCode::RequestInvalid, "attributes inside of sequences are not searched: " + name);
  const auto tag = dicom::tag_of(name);
  // To leave out a condition that is not understood would answer with other people's studies.
  if (!tag) throw Error(ErrorCode::RequestInvalid, "no attribute and no parameter is called " + name);
  query.match[*tag] = match_value(*tag, value);
}

store::Query query_of(const DicomWebContext& context, const Request& request, store::Level level) {
  store::Query query;
  query.level = level;
  query.exit = "dicomweb";
  query.policy = context.policy;
  query.limit = context.most_matches;
  for (const auto& [name, value] : request.query) {
    const std::string lower = lower_case(name);
    if (lower == "limit") {
      query.limit = std::min(count_of(value, "limit"), context.most_matches);
    } else if (lower == "offset") {
      query.offset = count_of(value, "offset");
    } else if (lower == "fuzzymatching") {
      if (value != "true" && value != "false") throw Error(ErrorCode::RequestInvalid, "fuzzymatching is true or false");
      query.fuzzy = value == "true";
    } else if (lower == "includefield") {
      include_fields(value, query);
    } else if (lower != "accept" && lower != "charset" && lower != "_") {
      match_parameter(name, value, query);
    }
  }
  // The path says it more strongly than the query.
  if (const std::string study = uid_part(request, "study"); !study.empty()) query.match[0x0020000D] = study;
  if (const std::string series = uid_part(request, "series"); !series.empty()) query.match[0x0020000E] = series;
  query.wanted.merge(fields_of(level));
  return query;
}

/// (0008,1190), and (0008,0056): what is found is on disk.
void add_url(dicom::Attributes& attributes, const std::string& base, store::Level level) {
  const auto text = [&](std::uint32_t tag) {
    const auto found = attributes.find(tag);
    return found == attributes.end() ? std::string() : found->second;
  };
  const std::string study = text(0x0020000D), series = text(0x0020000E), instance = text(0x00080018);
  if (study.empty()) return;
  std::string url = study_url(base, study);
  if (level != store::Level::study && !series.empty()) url += "/series/" + series;
  if (level == store::Level::instance && !instance.empty()) url += "/instances/" + instance;
  attributes[0x00081190] = url;
  attributes[0x00080056] = "ONLINE";
}

Response search(const DicomWebContext& context, const Request& request, store::Level level) {
  require_json(request);
  const store::Query query = query_of(context, request, level);
  const std::string base = base_url(context, request);
  std::string json = "[";
  bool more = false;
  if (query.limit > 0)
    more = context.store.query(query, [&](const dicom::Attributes& found) {
      dicom::Attributes attributes = found;
      add_url(attributes, base, level);
      if (json.size() > 1) json += ',';
      json += dicom::dicom_json(attributes);
      return true;
    });
  Response response = dicom_json_response(200, json + "]");
  if (more)
    response.headers.emplace_back(
        "Warning", "299 rouage \"The number of results exceeded the maximum; ask for more with offset\"");
  return response;
}

}  // namespace

void add_qido_routes(Routes& routes, const DicomWebContext& context) {
  const auto add = [&](const std::string& pattern, store::Level level) {
    routes.add("GET", context.prefix + pattern,
               [context, level](const Request& request, Body&) { return search(context, request, level); });
  };
  add("/studies", store::Level::study);
  add("/series", store::Level::series);
  add("/instances", store::Level::instance);
  add("/studies/{study}/series", store::Level::series);
  add("/studies/{study}/instances", store::Level::instance);
  add("/studies/{study}/series/{series}/instances", store::Level::instance);
}

}  // namespace rouage::app
