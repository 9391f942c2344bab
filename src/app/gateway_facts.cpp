#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "app/gateway.h"
#include "cogs/cog.h"

namespace rouage::app {
namespace {

constexpr std::uint32_t kModality = 0x00080060, kBodyPart = 0x00180015, kSex = 0x00100040,
                        kStudyDescription = 0x00081030, kSeriesDescription = 0x0008103E, kProtocol = 0x00181030;
constexpr std::uint32_t kPatientAge = 0x00101010, kBirthDate = 0x00100030, kStudyDate = 0x00080020;
constexpr std::uint32_t kAccession = 0x00080050, kPatientId = 0x00100020;

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Days since year 0 by the civil calendar's mean year: exact enough for an age in years.
std::optional<double> years_of_date(std::string_view date) {
  if (date.size() != 8) return std::nullopt;
  const auto year = digits(date.substr(0, 4)), month = digits(date.substr(4, 2)), day = digits(date.substr(6, 2));
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  return *year + (*month - 1) / 12.0 + (*day - 1) / 365.25;
}

/// Age String (PS3.5 AS): nnnD, nnnW, nnnM, nnnY.
std::optional<double> years_of_age(std::string_view age) {
  if (age.size() != 4) return std::nullopt;
  const auto count = digits(age.substr(0, 3));
  if (!count) return std::nullopt;
  switch (age[3]) {
    case 'Y':
      return *count;
    case 'M':
      return *count / 12.0;
    case 'W':
      return *count / 52.18;
    case 'D':
      return *count / 365.25;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<double> age_in_years(const dicom::Attributes& attributes) {
  if (const auto age = years_of_age(value_of(attributes, kPatientAge))) return age;
  const auto birth = years_of_date(value_of(attributes, kBirthDate));
  const auto study = years_of_date(value_of(attributes, kStudyDate));
  if (!birth || !study || *study < *birth) return std::nullopt;
  return *study - *birth;
}

std::vector<route::CogFacts> cog_facts() {
  std::vector<route::CogFacts> facts;
  for (const cogs::Cog& cog : cogs::all_cogs()) facts.push_back({cog.name, cog.modalities, cog.required_roles});
  return facts;
}

route::SeriesFacts series_facts(const store::Store& store, const std::vector<std::uint32_t>& tags,
                                const store::SeriesReady& series, const ReadAttributes& read) {
  route::SeriesFacts facts;
  facts.sender = series.sender;
  facts.called_ae = series.called_ae;
  facts.instances = series.instances;
  store::Query query{.level = store::Level::instance, .match = {}, .wanted = {}, .limit = 1};
  query.match[0x0020000D] = series.study_instance_uid;
  query.match[0x0020000E] = series.series_instance_uid;
  query.wanted = {tags.begin(), tags.end()};
  query.wanted.insert({kPatientAge, kBirthDate, kStudyDate, kAccession, kPatientId, kModality, kBodyPart, kSex,
                       kStudyDescription, kSeriesDescription, kProtocol});
  store.query(query, [&](const dicom::Attributes& found) {
    facts.attributes = found;
    return false;
  });
  const bool beyond_the_index =
      std::any_of(tags.begin(), tags.end(), [&](std::uint32_t tag) { return !facts.attributes.contains(tag); });
  if (beyond_the_index) {
    const auto objects = store.objects({.patient_id = {},
                                        .study_instance_uid = series.study_instance_uid,
                                        .series_instance_uid = series.series_instance_uid,
                                        .sop_instance_uid = {},
                                        .inside = true});
    if (!objects.empty()) facts.attributes.merge(read(objects.front().file));
  }
  facts.age_a = age_in_years(facts.attributes);
  for (const receive::OrderMessage& message :
       store.messages_for(value_of(facts.attributes, kAccession), value_of(facts.attributes, kPatientId))) {
    if (!message.message_type.starts_with("OR") && !message.message_type.starts_with("OMI")) continue;
    if (facts.order_priority.empty()) facts.order_priority = message.priority;
    if (facts.order_procedure.empty()) facts.order_procedure = message.procedure_code;
  }
  return facts;
}

}  // namespace rouage::app
