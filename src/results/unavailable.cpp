/// What is said when there is no AI result, and when it came too late for the report.
#include "base/error.h"
#include "page/page.h"
#include "results/documents.h"
#include "results/fhir_resources.h"

namespace rouage::results {
namespace {

constexpr const char* kAfterReport = "after_report";

const Code& code(std::string_view name) {
  return dicom::concept_code(name);
}

cogs::Provenance provenance_of(const dicom::InstanceHeader& source, const UnavailableFacts& facts,
                               const std::string& language) {
  cogs::Provenance provenance;
  provenance.cog = facts.cog;
  provenance.cog_version = facts.cog_version;
  provenance.models = facts.models;
  provenance.language = language;
  provenance.parameters = {{"unavailable", reason_name(facts.reason)},
                           {"detail", facts.detail},
                           {"series_version", std::to_string(facts.series_version)},
                           {"instances", std::to_string(facts.instances)}};
  provenance.input_uids = {source.sop_instance_uid};
  return provenance;
}

std::string reason_text(const UnavailableFacts& facts, const std::string& language) {
  return page::text(language, "unavailable." + reason_name(facts.reason));
}

std::string series_text(const dicom::InstanceHeader& source, const UnavailableFacts& facts,
                        const std::string& language) {
  std::string name = source.modality;
  if (!source.series_description.empty()) name += (name.empty() ? "" : " ") + source.series_description;
  if (name.empty()) name = "?";
  return page::text(language, facts.instances > 0 ? "unavailable.series_counted" : "unavailable.series",
                    {{"series", name},
                     {"uid", source.series_instance_uid},
                     {"instances", std::to_string(facts.instances)},
                     {"cog", facts.cog}});
}

dicom::SrObject text_report(const dicom::InstanceHeader& source, const UnavailableFacts& facts,
                            const cogs::Provenance& provenance, const std::string& language) {
  dicom::SrObject object;
  object.frame = object_frame(source, provenance, kUnavailable, language);
  object.sop_class_uid = kBasicTextSr;
  object.root = container("", code("diagnostic_imaging_report"));
  auto& children = object.root.children;
  children.push_back(language_node(language));
  for (SrItem& node : observer_nodes(object.frame.equipment)) children.push_back(std::move(node));
  SrItem findings = container(kContains, code("findings"));
  auto& said = findings.children;
  for (SrItem& node : algorithm_nodes(kConceptModifier, provenance)) said.push_back(std::move(node));
  said.push_back(worded(kContains, code("finding"), page::text(language, "unavailable.statement")));
  said.push_back(coded(kContains, private_concept("availability"), private_concept("unavailable")));
  const std::string reason = reason_text(facts, language);
  said.push_back(coded(kContains, private_concept("why_unavailable"),
                       {reason_name(facts.reason), std::string(kPrivateScheme), reason}));
  said.push_back(worded(kContains, private_concept("why_unavailable"), reason));
  said.push_back(worded(kContains, private_concept("series_unread"), series_text(source, facts, language)));
  if (!facts.detail.empty()) said.push_back(worded(kContains, code("comment"), facts.detail));
  const dicom::ImageReference image = source_reference(source);
  said.push_back(pictured(kContains, image));
  children.push_back(std::move(findings));
  object.evidence = {image};
  return object;
}

/// No ImagingStudy: it would replace the one that other bundles made, which lists more.
std::string unavailable_bundle(const dicom::InstanceHeader& source, const UnavailableFacts& facts,
                               const cogs::Provenance& provenance, const std::string& language) {
  const std::string run = digest_of(provenance.uid_parts()).hex();
  Json entries = Json::array();
  const auto add = [&entries](const std::string& full_url, Json resource) {
    resource["id"] = full_url.substr(std::string_view("urn:uuid:").size());
    entries.push_back({{"fullUrl", full_url}, {"resource", std::move(resource)}});
  };
  const std::string patient = derived_urn({"fhir", "patient", source.study_instance_uid});
  add(patient, patient_json(source));
  add(derived_urn({"fhir", "device", run}), device_json(provenance));
  Json report{{"resourceType", "DiagnosticReport"}};
  const Json accession = accession_json(source);
  if (!accession.is_null()) report["identifier"] = Json::array({accession});
  report["status"] = "cancelled";  // "the report is unavailable because the measurement was not completed"
  report["code"] = concept_json(code("diagnostic_imaging_report"));
  report["subject"] = {{"reference", patient}};
  if (const std::string day = fhir_date(content_moment(source).first); !day.empty()) report["effectiveDateTime"] = day;
  report["imagingStudy"] =
      Json::array({{{"type", "ImagingStudy"},
                    {"identifier", {{"system", "urn:dicom:uid"}, {"value", "urn:oid:" + source.study_instance_uid}}}}});
  report["conclusion"] = page::text(language, "unavailable.statement") + " " + reason_text(facts, language) + "; " +
                         series_text(source, facts, language);
  add(derived_urn({"fhir", "report", run}), std::move(report));
  const Json bundle{{"resourceType", "Bundle"},
                    {"id", derived_urn({"fhir", "bundle", run}).substr(std::string_view("urn:uuid:").size())},
                    {"type", "collection"},
                    {"entry", entries}};
  return bundle.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// "202503141015..." -> "2025-03-14 10:15", "20250314" -> "2025-03-14"; "" for anything else.
std::string readable_time(const std::string& hl7) {
  const std::string digits = hl7.substr(0, hl7.find_first_not_of("0123456789"));
  std::string day = fhir_date(digits.substr(0, 8));
  if (day.empty() || digits.size() < 12) return day;
  return day + " " + digits.substr(8, 2) + ":" + digits.substr(10, 2);
}

}  // namespace

std::string reason_name(UnavailableReason reason) {
  switch (reason) {
    case UnavailableReason::no_model:
      return "no_model";
    case UnavailableReason::failed:
      return "failed";
    case UnavailableReason::crashed:
      return "crashed";
    case UnavailableReason::out_of_memory:
      return "out_of_memory";
    case UnavailableReason::timed_out:
      return "timed_out";
    case UnavailableReason::expired:
      return "expired";
    case UnavailableReason::cancelled:
      return "cancelled";
    case UnavailableReason::incomplete:
      return "incomplete";
  }
  throw Error(ErrorCode::Internal, "a reason without a name");
}

std::vector<ResultFile> unavailable_results(const dicom::InstanceHeader& source, const UnavailableFacts& facts,
                                            const ResultOptions& options) {
  const cogs::Provenance provenance = provenance_of(source, facts, options.language);
  const dicom::SrObject object = text_report(source, facts, provenance, options.language);
  ResultFile report = dicom_file(kUnavailable, object.frame, dicom::write_sr(object));
  report.role = kReport.role;
  const std::string bundle = unavailable_bundle(source, facts, provenance, options.language);
  return {std::move(report), {"fhir.json", "fhir", Bytes(bundle.begin(), bundle.end()), "", "", ""}};
}

void say_after_report(cogs::CogResult& result, const std::string& reported_at, const std::string& language) {
  const std::string at = readable_time(reported_at);
  result.provenance.parameters[kAfterReport] = at.empty() ? "yes" : at;
  result.warnings.push_back(at.empty() ? page::text(language, "after_report.undated")
                                       : page::text(language, "after_report.at", {{"at", at}}));
}

bool says_after_report(const cogs::Provenance& provenance) {
  return provenance.parameters.contains(kAfterReport);
}

}  // namespace rouage::results
