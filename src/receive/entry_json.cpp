#include "receive/entry_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

namespace rouage::receive {
namespace {

using Json = nlohmann::json;
using Entry = dicom::IndexEntry;

constexpr std::size_t kLongestLine = 1024 * 1024, kLongestText = 16'384;
constexpr int kMostInstances = 10'000'000;
constexpr double kFarthestMm = 1e7;

struct TextKey {
  const char* name;
  std::string Entry::*member;
};
constexpr TextKey kTexts[] = {
    {"patient_id", &Entry::patient_id},
    {"issuer_of_patient_id", &Entry::issuer_of_patient_id},
    {"patient_name", &Entry::patient_name},
    {"birth_date", &Entry::birth_date},
    {"sex", &Entry::sex},
    {"study_instance_uid", &Entry::study_instance_uid},
    {"study_date", &Entry::study_date},
    {"study_time", &Entry::study_time},
    {"accession_number", &Entry::accession_number},
    {"study_id", &Entry::study_id},
    {"study_description", &Entry::study_description},
    {"referring_physician", &Entry::referring_physician},
    {"patient_age", &Entry::patient_age},
    {"series_instance_uid", &Entry::series_instance_uid},
    {"modality", &Entry::modality},
    {"series_number", &Entry::series_number},
    {"series_description", &Entry::series_description},
    {"body_part", &Entry::body_part},
    {"protocol_name", &Entry::protocol_name},
    {"laterality", &Entry::laterality},
    {"manufacturer", &Entry::manufacturer},
    {"station_name", &Entry::station_name},
    {"institution", &Entry::institution},
    {"series_date", &Entry::series_date},
    {"series_time", &Entry::series_time},
    {"frame_of_reference_uid", &Entry::frame_of_reference_uid},
    {"view_position", &Entry::view_position},
    {"sop_class_uid", &Entry::sop_class_uid},
    {"sop_instance_uid", &Entry::sop_instance_uid},
    {"transfer_syntax_uid", &Entry::transfer_syntax_uid},
    {"instance_number", &Entry::instance_number},
    {"image_type", &Entry::image_type},
    {"content_date", &Entry::content_date},
    {"content_time", &Entry::content_time},
    {"acquisition_number", &Entry::acquisition_number},
    {"stack", &Entry::stack},
};
struct NumberKey {
  const char* name;
  std::uint32_t Entry::*member;
};
constexpr NumberKey kNumbers[] = {
    {"rows", &Entry::rows},
    {"columns", &Entry::columns},
    {"frames", &Entry::frames},
    {"bits_allocated", &Entry::bits_allocated},
};
struct FlagKey {
  const char* name;
  bool Entry::*member;
};
constexpr FlagKey kFlags[] = {
    {"has_pixels", &Entry::has_pixels},
    {"burned_in", &Entry::burned_in},
    {"stands_alone", &Entry::stands_alone},
    {"made_by_rouage", &Entry::made_by_rouage},
};
/// They become names and keys; the frame of reference does not.
constexpr TextKey kUids[] = {
    {"study_instance_uid", &Entry::study_instance_uid},   {"series_instance_uid", &Entry::series_instance_uid},
    {"sop_instance_uid", &Entry::sop_instance_uid},       {"sop_class_uid", &Entry::sop_class_uid},
    {"transfer_syntax_uid", &Entry::transfer_syntax_uid},
};

[[noreturn]] void refuse(const char* key, const char* why) {
  throw Error(ErrorCode::HeaderInvalid, std::string("the header reader's answer is not usable: ") + key + " " + why);
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void check_text(const std::string& text, const char* key) {
  if (text.size() > kLongestText) refuse(key, "is too long");
  if (text.find('\0') != std::string::npos) refuse(key, "holds a NUL");
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  if (!found->is_string()) refuse(key, "is no text");
  auto text = found->get<std::string>();
  check_text(text, key);
  return text;
}

void read_numbers(const Json& json, Entry& entry) {
  for (const NumberKey& key : kNumbers) {
    const auto found = json.find(key.name);
    if (found == json.end()) continue;
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() > UINT32_MAX) refuse(key.name, "is out of range");
    entry.*key.member = found->get<std::uint32_t>();
  }
  for (const FlagKey& key : kFlags) {
    const auto found = json.find(key.name);
    if (found == json.end()) continue;
    if (!found->is_boolean()) refuse(key.name, "is no truth value");
    entry.*key.member = found->get<bool>();
  }
  if (const auto found = json.find("position_mm"); found != json.end()) {
    if (!found->is_number() || !(std::abs(found->get<double>()) < kFarthestMm))
      refuse("position_mm", "is out of range");
    entry.position_mm = found->get<double>();
  }
  if (const auto found = json.find("said_count"); found != json.end()) {
    if (!found->is_number_integer() || found->get<std::int64_t>() < 0 || found->get<std::int64_t>() > kMostInstances)
      refuse("said_count", "is out of range");
    entry.said_count = found->get<int>();
  }
}

void check_uids(const Entry& entry) {
  for (const TextKey& key : kUids)
    if (!dicom::valid_uid(entry.*key.member)) refuse(key.name, "is no UID");
}

// A line: fields that each end with a tab; tabs, line ends and backslashes within are escaped.

void put_field(std::string& line, std::string_view text) {
  const bool sound = valid_utf8(text);
  for (const char c : text) {
    if (c == '\t')
      line += "\\t";
    else if (c == '\n')
      line += "\\n";
    else if (c == '\\')
      line += "\\\\";
    else
      line += sound || static_cast<unsigned char>(c) < 0x80 ? c : '?';
  }
  line += '\t';
}

template <typename Number>
void put_number(std::string& line, Number number) {
  char digits[40];
  const auto [end, problem] = std::to_chars(std::begin(digits), std::end(digits), number);
  line.append(digits, end);
  line += '\t';
}

class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  std::string text(const char* key) {
    const std::string_view raw = next(key);
    std::string text;
    text.reserve(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\') {
        text += raw[i];
        continue;
      }
      const char escaped = ++i < raw.size() ? raw[i] : '\0';
      if (escaped != 't' && escaped != 'n' && escaped != '\\') refuse(key, "is escaped badly");
      text += escaped == 't' ? '\t' : escaped == 'n' ? '\n' : '\\';
    }
    check_text(text, key);
    return text;
  }

  /// Absent: an empty field.
  template <typename Number>
  std::optional<Number> number(const char* key, Number least, Number most) {
    const std::string_view raw = next(key);
    if (raw.empty()) return {};
    Number value{};
    const auto [end, problem] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    // Written so that no NaN passes.
    if (problem != std::errc() || end != raw.data() + raw.size() || !(value >= least && value <= most))
      refuse(key, "is out of range");
    return value;
  }

  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view next(const char* key) {
    const std::size_t end = rest_.find('\t');
    if (end == std::string_view::npos) refuse(key, "is missing");
    const std::string_view field = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return field;
  }

  std::string_view rest_;
};

}  // namespace

std::string entry_to_json(const Entry& entry) {
  Json json = Json::object();
  for (const TextKey& key : kTexts)
    if (!(entry.*key.member).empty()) json[key.name] = entry.*key.member;
  for (const NumberKey& key : kNumbers)
    if (entry.*key.member != 0) json[key.name] = entry.*key.member;
  for (const FlagKey& key : kFlags)
    if (entry.*key.member) json[key.name] = true;
  if (entry.position_mm) json["position_mm"] = *entry.position_mm;
  if (entry.said_count) json["said_count"] = *entry.said_count;
  return line_of(json);
}

Entry entry_from_json(const std::string& line) {
  if (line.size() > kLongestLine) refuse("line", "is too long");
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) refuse("line", "is no JSON object");
  Entry entry;
  for (const TextKey& key : kTexts) entry.*key.member = text_at(json, key.name);
  check_uids(entry);
  read_numbers(json, entry);
  return entry;
}

std::string entry_to_line(const Entry& entry) {
  std::string line;
  line.reserve(1024);
  for (const TextKey& key : kTexts) put_field(line, entry.*key.member);
  for (const NumberKey& key : kNumbers) put_number(line, entry.*key.member);
  for (const FlagKey& key : kFlags) put_number(line, entry.*key.member ? 1 : 0);
  entry.position_mm ? put_number(line, *entry.position_mm) : put_field(line, "");
  entry.said_count ? put_number(line, *entry.said_count) : put_field(line, "");
  return line;
}

Entry entry_from_line(std::string_view line) {
  if (line.size() > kLongestLine) refuse("line", "is too long");
  if (!valid_utf8(line)) refuse("line", "is no UTF-8");
  Fields fields(line);
  Entry entry;
  for (const TextKey& key : kTexts) entry.*key.member = fields.text(key.name);
  check_uids(entry);
  for (const NumberKey& key : kNumbers)
    entry.*key.member = fields.number<std::uint32_t>(key.name, 0, UINT32_MAX).value_or(0);
  for (const FlagKey& key : kFlags) entry.*key.member = fields.number<std::uint32_t>(key.name, 0, 1).value_or(0) == 1;
  entry.position_mm = fields.number<double>("position_mm", -kFarthestMm, kFarthestMm);
  entry.said_count = fields.number<int>("said_count", 0, kMostInstances);
  if (!fields.at_end()) refuse("line", "has too many fields");
  return entry;
}

std::string error_to_json(const Error& error) {
  return line_of({{"error", std::string(error_entry(error.code()).name)},
                  {"detail", error.detail()},
                  {"file", error.file()},
                  {"tag", error.tag()},
                  {"remedy", error.remedy()}});
}

Error error_from_json(const std::string& line) {
  const Json json = line.size() > kLongestLine ? Json() : Json::parse(line, nullptr, false);
  if (!json.is_object()) return Error(ErrorCode::Internal, "a child's answer is not JSON");
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string name = text("error");
  const auto known =
      std::find_if(kErrorTable.begin(), kErrorTable.end(), [&](const ErrorEntry& entry) { return entry.name == name; });
  Error error(known == kErrorTable.end() ? ErrorCode::Internal : known->code, text("detail"));
  if (!text("file").empty()) error.file(text("file"));
  if (!text("tag").empty()) error.tag(text("tag"));
  if (!text("remedy").empty()) error.remedy(text("remedy"));
  return error;
}

}  // namespace rouage::receive
