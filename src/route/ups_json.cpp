// What an item is, said as a UPS (PS3.3 C.30, PS3.4 CC.2.5).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "route/glob.h"
#include "route/ups_dataset.h"

namespace rouage::route::ups {
namespace {

constexpr const char* kUpsPushClass = "1.2.840.10008.5.1.4.34.6.1";
constexpr std::array<std::uint32_t, 5> kPatient{0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040};
constexpr const char* kScheme = "99ROUAGE";
constexpr const char* kProduct = "Rouage";

Json code(const std::string& value, const std::string& scheme, const std::string& meaning) {
  return {
      {"00080100", element("SH", value)}, {"00080102", element("SH", scheme)}, {"00080104", element("LO", meaning)}};
}

Json workitem_code(const Item& item) {
  return sequence({code(item.cog, kScheme, item.cog)});
}

Json reference(const std::string& study, const std::string& series) {
  Json item{{"0040E020", element("CS", "DICOM")}, {kStudy, element("UI", study)}};
  if (!series.empty()) item[kSeries] = element("UI", series);
  return item;
}

/// Output references by series; only those that may be seen.
std::vector<Json> output_items(const Told& told, const UpsSources& sources, std::string& withheld) {
  std::map<std::string, std::vector<Json>> by_series;
  for (const OutputReference& output : told.outputs) {
    store::ExitAnswer answer{.allowed = false, .why = "nobody is there to permit it"};
    if (sources.permit != nullptr)
      answer = sources.permit->ask({.exit = "ups",
                                    .policy = sources.policy,
                                    .study_instance_uid = told.item.study_instance_uid,
                                    .sop_instance_uid = output.sop_instance_uid});
    if (!answer.allowed) {
      withheld = answer.why;
      continue;
    }
    by_series[output.series_instance_uid].push_back(
        {{"00081150", element("UI", output.sop_class_uid)}, {"00081155", element("UI", output.sop_instance_uid)}});
  }
  std::vector<Json> items;
  for (auto& [series, references] : by_series) {
    Json item = reference(told.item.study_instance_uid, series);
    item["00081199"] = sequence(std::move(references));
    items.push_back(std::move(item));
  }
  return items;
}

void tell_performed(Json& dataset, const Told& told, const UpsSources& sources, std::string& withheld) {
  const Item& item = told.item;
  Json performed{
      {"00404050", element("DT", item.started_s > 0 ? date_time(item.started_s) : "")},
      {"00404028", sequence({code(sources.ae_title.empty() ? kProduct : sources.ae_title, kScheme, kProduct)})},
      {"00404019", workitem_code(item)},
      {kOutput, sequence(output_items(told, sources, withheld))}};
  if (item.ended_s > 0) performed["00404051"] = element("DT", date_time(item.ended_s));
  dataset[kPerformed] = sequence({std::move(performed)});
}

/// References that an outside performer gave are an exit too.
void withhold_outside_references(Json& dataset, const Told& told, const UpsSources& sources) {
  const auto performed = dataset.find(kPerformed);
  if (performed == dataset.end() || !performed->contains("Value")) return;
  const bool allowed = sources.permit != nullptr && sources.permit
                                                        ->ask({.exit = "ups",
                                                               .policy = sources.policy,
                                                               .study_instance_uid = told.item.study_instance_uid,
                                                               .sop_instance_uid = {}})
                                                        .allowed;
  if (allowed) return;
  for (Json& item : (*performed)["Value"])
    if (item.is_object() && item.contains(kOutput)) item[kOutput] = sequence({});
}

/// What a person reads: why it waits or why it ended. What the AI found is never in it.
std::string progress_text(const Item& item, const std::string& withheld) {
  switch (item.state) {
    case ItemState::waiting:
      return "waits for " + listed(item.waits_for);
    case ItemState::due:
      return item.tries == 0 ? "" : fmt::format("tried {} times, tried again: {}", item.tries, item.message);
    case ItemState::done:
      return withheld.empty() ? "" : "results are not released: " + withheld;
    case ItemState::running:
      return "";
    default:
      return fmt::format("{}: {}", state_name(item.state), item.message);
  }
}

void tell_progress(Json& dataset, const Item& item, const std::string& withheld) {
  const std::string text = progress_text(item, withheld);
  if (text.empty()) return;
  Json progress{{"00741006", element("ST", text.substr(0, 1024))}};
  if (state_text(item.state) == "CANCELED") {
    progress["00404052"] = element("DT", date_time(item.ended_s));
    progress[kReason] = element("LT", text);
  }
  dataset[kProgressSequence] = sequence({std::move(progress)});
}

void tell_patient(Json& dataset, const dicom::Attributes& attributes) {
  dicom::Attributes patient;
  for (const std::uint32_t tag : kPatient) {
    const auto found = attributes.find(tag);
    patient[tag] = found == attributes.end() ? "" : found->second;
  }
  const Json model = Json::parse(dicom::dicom_json(patient));
  for (const auto& [tag, value] : model.items())
    if (!dataset.contains(tag) || value.contains("Value")) dataset[tag] = value;
}

}  // namespace

Json ups_json(const Told& told, const UpsSources& sources) {
  const Item& item = told.item;
  Json dataset = told.given.is_object() ? told.given : Json::object();
  dataset.erase(kTransaction);  // known to the performer only
  dataset["00080005"] = element("CS", "ISO_IR 192");
  dataset[kSopClass] = element("UI", kUpsPushClass);
  dataset[kSopInstance] = element("UI", item.uid);
  dataset[kState] = element("CS", state_text(item.state));
  dataset[kPriority] = element("CS", priority_text(item.priority));
  dataset["00404010"] = element("DT", date_time(std::max({item.planned_s, item.started_s, item.ended_s})));
  dataset["00404041"] = element("CS", item.state == ItemState::waiting ? "INCOMPLETE" : "READY");
  if (!dataset.contains(kStart)) dataset[kStart] = element("DT", date_time(item.due_s));
  if (item.deadline_s > 0) dataset[kExpiration] = element("DT", date_time(item.deadline_s));
  if (!dataset.contains(kLabel)) dataset[kLabel] = element("LO", item.cog);
  if (!dataset.contains("00741202")) dataset["00741202"] = element("LO", kProduct);
  if (!dataset.contains(kWorkitemCode)) dataset[kWorkitemCode] = workitem_code(item);
  if (!dataset.contains(kInput))
    dataset[kInput] = sequence({reference(item.study_instance_uid, item.series_instance_uid)});
  if (!dataset.contains("0040A370")) {
    const auto accession = told.attributes.find(0x00080050);
    const Json request{{kStudy, element("UI", item.study_instance_uid)},
                       {"00080050", element("SH", accession == told.attributes.end() ? "" : accession->second)}};
    dataset["0040A370"] = sequence({request});
  }
  tell_patient(dataset, told.attributes);
  std::string withheld;
  const bool ours = item.claim.empty();
  if (ours && item.started_s > 0)
    tell_performed(dataset, told, sources, withheld);
  else
    withhold_outside_references(dataset, told, sources);
  if (ours || item.state != ItemState::running) tell_progress(dataset, item, withheld);
  return dataset;
}

}  // namespace rouage::route::ups
