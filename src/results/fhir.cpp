/// FHIR R4: Patient, ImagingStudy, Device, an Observation a finding, score and measurement, a preliminary
/// DiagnosticReport; one collection bundle. Nothing in it has a time but the examination's.
#include <cmath>

#include "page/page.h"
#include "results/documents.h"
#include "results/fhir_resources.h"

namespace rouage::results {
namespace {

/// What every Observation refers to.
struct Links {
  std::string patient, study, device, date, language;
};

Json quantity(double value, const std::string& ucum, const std::string& unit) {
  return {{"value", value}, {"unit", unit}, {"system", "http://unitsofmeasure.org"}, {"code", ucum}};
}

Json observation(const dicom::Code& code, const std::string& tracking_uid, const Links& links) {
  Json json{{"resourceType", "Observation"}};
  if (!tracking_uid.empty())
    json["identifier"] = Json::array({{{"system", "urn:dicom:uid"}, {"value", "urn:oid:" + tracking_uid}}});
  json["status"] = "preliminary";
  json["category"] =
      Json::array({{{"coding", Json::array({{{"system", "http://terminology.hl7.org/CodeSystem/observation-category"},
                                             {"code", "imaging"}}})}}});
  json["code"] = concept_json(code);
  json["subject"] = {{"reference", links.patient}};
  if (!links.date.empty()) json["effectiveDateTime"] = links.date;
  return json;
}

void close(Json& json, const Links& links, const Json& components) {
  json["note"] = Json::array({{{"text", page::text(links.language, "not_reviewed")}}});
  json["device"] = {{"reference", links.device}};
  json["derivedFrom"] = Json::array({{{"reference", links.study}}});
  if (!components.empty()) json["component"] = components;
}

Json component(const dicom::Code& code, double value) {
  return {{"code", concept_json(code)}, {"valueQuantity", quantity(value, "1", "1")}};
}

void add_verdict(Json& json, bool positive) {
  json["valueCodeableConcept"] = concept_json(dicom::concept_code(positive ? "positive" : "negative"));
  json["interpretation"] = Json::array(
      {{{"coding", Json::array({{{"system", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"},
                                 {"code", positive ? "POS" : "NEG"}}})}}});
}

void add_operating_point(Json& components, const cogs::OperatingPoint& point) {
  components.push_back(component(private_concept("op_threshold"), point.threshold));
  if (point.sensitivity) components.push_back(component(private_concept("op_sensitivity"), *point.sensitivity));
  if (point.specificity) components.push_back(component(private_concept("op_specificity"), *point.specificity));
}

/// One CodeableConcept: the site and, as a second coding, the side.
void add_body_site(Json& json, const cogs::Finding& finding, const std::string& language) {
  const auto side = laterality_code(finding.laterality);
  if (!finding.site && !side) return;
  Json site{{"coding", Json::array()}};
  std::string text;
  if (finding.site) {
    const Json place = concept_json(*finding.site);
    if (place.contains("coding")) site["coding"].push_back(place["coding"][0]);
    text = finding.site->meaning;
  }
  if (side) {
    site["coding"].push_back(coding_json(*side));
    const std::string_view key = finding.laterality == cogs::Laterality::left    ? "side.left"
                                 : finding.laterality == cogs::Laterality::right ? "side.right"
                                                                                 : "side.bilateral";
    text += (text.empty() ? "" : ", ") + page::text(language, key);
  }
  if (site["coding"].empty()) site.erase("coding");
  site["text"] = text;
  json["bodySite"] = site;
}

Json finding_json(const cogs::Finding& finding, const Links& links) {
  Json json = observation(finding.code, finding.tracking_uid, links);
  json["code"]["text"] = page::label_text(links.language, finding.label);
  if (finding.operating_point) add_verdict(json, finding.positive);
  Json components = Json::array();
  if (finding.probability) components.push_back(component(dicom::concept_code("probability"), *finding.probability));
  components.push_back(component(private_concept("raw_score"), finding.raw_score));
  if (finding.operating_point) add_operating_point(components, *finding.operating_point);
  Json body = json;
  add_body_site(body, finding, links.language);
  close(body, links, components);
  return body;
}

Json score_json(const std::string& name, double score, const cogs::CogResult& result, const Links& links) {
  Json json =
      observation(name == "remarkable" ? dicom::concept_code("normality") : private_concept("score"), "", links);
  json["code"]["text"] = page::label_text(links.language, name);
  Json components = Json::array({component(private_concept("score"), score)});
  const auto point = result.score_operating_points.find(name);
  if (point != result.score_operating_points.end()) {
    const bool positive = score >= point->second.threshold;
    add_verdict(json, positive);
    if (name == "remarkable")
      json["valueCodeableConcept"] = concept_json(dicom::concept_code(positive ? "abnormal" : "normal"));
    add_operating_point(components, point->second);
  }
  close(json, links, components);
  return json;
}

Json measurement_json(const cogs::Measurement& measurement, const Links& links) {
  dicom::Code code = measurement.code;
  if (code.value.empty()) code = {measurement.name, std::string(kPrivateScheme), measurement.name};
  Json json = observation(code, measurement.tracking_uid, links);
  json["code"]["text"] = page::label_text(links.language, measurement.name);
  json["valueQuantity"] = quantity(measurement.value, measurement.unit, measurement.unit);
  Json components = Json::array();
  if (measurement.uncertainty)
    components.push_back({{"code", concept_json(dicom::concept_code("measurement_uncertainty"))},
                          {"valueQuantity", quantity(*measurement.uncertainty, measurement.unit, measurement.unit)}});
  close(json, links, components);
  return json;
}

std::string conclusion(const dicom::InstanceHeader& header, const cogs::CogResult& result,
                       const std::string& language) {
  std::string text = page::text(language, "not_reviewed");
  if (const std::string origin = origin_text(header, language); !origin.empty()) text += " (" + origin + ")";
  if (says_after_report(result.provenance)) text += ". " + page::text(language, "after_report.short");
  if (result.status == cogs::Status::ineligible) {
    text += ". " + page::text(language, "ineligible");
    for (const cogs::Ineligibility& reason : result.reasons)
      text += "; " + (reason.text.empty() ? reason.code : reason.text);
    return text;
  }
  bool first = true;
  for (const cogs::Finding& finding : result.findings) {
    if (!finding.positive) continue;
    text += (first ? ". " : ", ") + page::label_text(language, finding.label);
    first = false;
  }
  return text;
}

Json report_json(const dicom::InstanceHeader& header, const cogs::CogResult& result, const Links& links,
                 const std::vector<std::string>& observations) {
  Json report{{"resourceType", "DiagnosticReport"}};
  const Json accession = accession_json(header);
  if (!accession.is_null()) report["identifier"] = Json::array({accession});
  report["status"] = "preliminary";
  report["category"] = Json::array(
      {{{"coding", Json::array({{{"system", "http://terminology.hl7.org/CodeSystem/v2-0074"}, {"code", "RAD"}}})}}});
  report["code"] = concept_json(dicom::concept_code("diagnostic_imaging_report"));
  report["subject"] = {{"reference", links.patient}};
  if (!links.date.empty()) report["effectiveDateTime"] = links.date;
  if (!observations.empty()) {
    report["result"] = Json::array();
    for (const std::string& urn : observations) report["result"].push_back({{"reference", urn}});
  }
  report["imagingStudy"] = Json::array({{{"reference", links.study}}});
  report["conclusion"] = conclusion(header, result, links.language);
  return report;
}

}  // namespace

std::string fhir_bundle(const std::vector<const dicom::InstanceHeader*>& films, const cogs::CogResult& result,
                        const std::vector<ResultFile>& objects, const std::string& language) {
  const dicom::InstanceHeader& first = *films.front();
  const std::string run = digest_of(result.provenance.uid_parts()).hex();
  const std::string scope = result.level == cogs::Level::study ? first.study_instance_uid : first.sop_instance_uid;
  const auto urn = [&](const std::string& kind, const std::string& id) {
    return derived_urn({"fhir", kind, run, scope, id});
  };
  // Patient and study are the same resources in every bundle of the examination.
  const Links links{derived_urn({"fhir", "patient", first.study_instance_uid}),
                    derived_urn({"fhir", "study", first.study_instance_uid}), urn("device", ""),
                    fhir_date(content_moment(first).first), language};
  Json entries = Json::array();
  const auto add = [&entries](const std::string& full_url, Json resource) {
    resource["id"] = full_url.substr(std::string_view("urn:uuid:").size());
    entries.push_back({{"fullUrl", full_url}, {"resource", std::move(resource)}});
  };
  add(links.patient, patient_json(first));
  add(links.study, imaging_study_json(films, objects, links.patient));
  add(links.device, device_json(result.provenance));
  std::vector<std::string> observations;
  const auto observe = [&](const std::string& id, Json resource) {
    observations.push_back(urn("observation", id));
    add(observations.back(), std::move(resource));
  };
  for (const auto& [name, score] : result.scores) observe("score " + name, score_json(name, score, result, links));
  for (const cogs::Finding& finding : result.findings)
    observe("finding " + finding.label, finding_json(finding, links));
  for (const cogs::Measurement& measurement : result.measurements)
    observe("measurement " + measurement.name, measurement_json(measurement, links));
  add(urn("report", ""), report_json(first, result, links, observations));
  const Json bundle{{"resourceType", "Bundle"},
                    {"id", urn("bundle", "").substr(std::string_view("urn:uuid:").size())},
                    {"type", "collection"},
                    {"entry", entries}};
  return bundle.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace rouage::results
