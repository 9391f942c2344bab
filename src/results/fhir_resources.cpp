#include "results/fhir_resources.h"

#include <map>
#include <span>

#include "results/frames.h"

namespace rouage::results {
namespace {

/// Our private codes as a URI that nobody else can have.
const std::string& private_system() {
  static const std::string system = "urn:oid:" + derived_uid({"rouage", "private codes"});
  return system;
}

std::string system_of(const std::string& scheme) {
  if (scheme == "SCT") return "http://snomed.info/sct";
  if (scheme == "DCM") return "http://dicom.nema.org/resources/ontology/DCM";
  if (scheme == "LN") return "http://loinc.org";
  if (scheme == "RADLEX") return "http://radlex.org";
  if (scheme == "99ROUAGE") return private_system();
  return {};
}

Json dicom_uid_json(const std::string& uid) {
  return {{"system", "urn:dicom:uid"}, {"value", "urn:oid:" + uid}};
}

/// One HumanName for each group of a PN value in UTF-8: "family^given^middle^prefix^suffix".
Json human_names(const std::string& person_name) {
  Json names = Json::array();
  for (const std::string& group : split(person_name, '=')) {
    const std::vector<std::string> parts = split(group, '^');
    Json name = Json::object();
    std::string text;
    for (const std::string& part : parts)
      if (!trimmed(part).empty()) text += (text.empty() ? "" : " ") + std::string(trimmed(part));
    if (text.empty()) continue;
    name["text"] = text;
    if (!trimmed(parts[0]).empty()) name["family"] = trimmed(parts[0]);
    Json given = Json::array();
    for (std::size_t i = 1; i < parts.size() && i < 3; ++i)
      if (!trimmed(parts[i]).empty()) given.push_back(trimmed(parts[i]));
    if (!given.empty()) name["given"] = given;
    names.push_back(name);
  }
  return names;
}

std::string_view modality_of(const ResultFile& file) {
  if (file.sop_class_uid == kSegmentation) return "SEG";
  if (file.sop_class_uid == kGreyPresentationState) return "PR";
  if (file.sop_class_uid == kKeyObjectSelection) return "KO";
  if (file.sop_class_uid == kComprehensive3dSr || file.sop_class_uid == kChestCadSr ||
      file.sop_class_uid == kBasicTextSr)
    return "SR";
  return "OT";
}

struct Series {
  std::string modality;
  std::map<std::string, std::string> instances;  ///< instance UID -> SOP class UID
};

Json series_json(const std::string& uid, const Series& series) {
  Json instances = Json::array();
  for (const auto& [instance, sop_class] : series.instances)
    instances.push_back(
        {{"uid", instance}, {"sopClass", {{"system", "urn:ietf:rfc:3986"}, {"code", "urn:oid:" + sop_class}}}});
  return {{"uid", uid},
          {"modality", {{"system", "http://dicom.nema.org/resources/ontology/DCM"}, {"code", series.modality}}},
          {"numberOfInstances", series.instances.size()},
          {"instance", instances}};
}

}  // namespace

std::string derived_urn(std::initializer_list<std::string> parts) {
  const Digest digest = digest_of(std::span<const std::string>(parts.begin(), parts.size()));
  std::string hex = digest.hex().substr(0, 32);
  hex[12] = '8';                                                             // version 8 (RFC 9562)
  hex[16] = "89ab"[static_cast<std::size_t>((digest.bytes[8] >> 4) & 0x3)];  // RFC variant
  return "urn:uuid:" + hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) +
         "-" + hex.substr(20);
}

Json coding_json(const dicom::Code& code) {
  return {{"system", system_of(code.scheme)}, {"code", code.value}, {"display", code.meaning}};
}

Json concept_json(const dicom::Code& code) {
  Json json;
  if (!system_of(code.scheme).empty()) json["coding"] = Json::array({coding_json(code)});
  json["text"] = code.meaning.empty() ? code.value : code.meaning;
  return json;
}

std::string fhir_date(const std::string& dicom_date) {
  if (dicom_date.size() != 8 || dicom_date.find_first_not_of("0123456789") != std::string::npos) return {};
  const std::string month = dicom_date.substr(4, 2), day = dicom_date.substr(6, 2);
  if (month < "01" || month > "12" || day < "01" || day > "31") return {};
  return dicom_date.substr(0, 4) + "-" + month + "-" + day;
}

Json patient_json(const dicom::InstanceHeader& header) {
  Json patient{{"resourceType", "Patient"}};
  if (!header.patient_id.empty()) patient["identifier"] = Json::array({{{"value", header.patient_id}}});
  const Json names = human_names(header.patient_name);
  if (!names.empty()) patient["name"] = names;
  if (!header.sex.empty()) patient["gender"] = header.sex == "M" ? "male" : header.sex == "F" ? "female" : "other";
  for (const dicom::RawAttribute& attribute : header.patient_and_study)
    if (attribute.group == 0x0010 && attribute.element == 0x0030) {
      const std::string birth =
          fhir_date(std::string(trimmed(std::string(attribute.value.begin(), attribute.value.end()))));
      if (!birth.empty()) patient["birthDate"] = birth;
    }
  return patient;
}

Json accession_json(const dicom::InstanceHeader& header) {
  if (header.accession_number.empty()) return nullptr;
  return {
      {"type",
       {{"coding", Json::array({{{"system", "http://terminology.hl7.org/CodeSystem/v2-0203"}, {"code", "ACSN"}}})}}},
      {"value", header.accession_number}};
}

Json imaging_study_json(const std::vector<const dicom::InstanceHeader*>& films, const std::vector<ResultFile>& objects,
                        const std::string& patient_urn) {
  const dicom::InstanceHeader& first = *films.front();
  Json study{{"resourceType", "ImagingStudy"}};
  study["identifier"] = Json::array({dicom_uid_json(first.study_instance_uid)});
  const Json accession = accession_json(first);
  if (!accession.is_null()) study["identifier"].push_back(accession);
  study["status"] = "available";
  study["subject"] = {{"reference", patient_urn}};
  if (const std::string started = fhir_date(first.study_date); !started.empty()) study["started"] = started;
  std::map<std::string, Series> all;
  for (const dicom::InstanceHeader* film : films) {
    Series& series = all[film->series_instance_uid];
    series.modality = film->modality.empty() ? "OT" : film->modality;
    series.instances[film->sop_instance_uid] = film->sop_class_uid;
  }
  for (const ResultFile& object : objects) {
    if (object.sop_instance_uid.empty() || all[object.series_instance_uid].instances.contains(object.sop_instance_uid))
      continue;
    Series& series = all[object.series_instance_uid];
    if (series.modality.empty()) series.modality = modality_of(object);
    series.instances[object.sop_instance_uid] = object.sop_class_uid;
  }
  std::size_t instances = 0;
  Json list = Json::array();
  for (const auto& [uid, series] : all) {
    if (uid.empty()) continue;
    list.push_back(series_json(uid, series));
    instances += series.instances.size();
  }
  study["numberOfSeries"] = list.size();
  study["numberOfInstances"] = instances;
  study["series"] = list;
  return study;
}

Json device_json(const cogs::Provenance& provenance) {
  const dicom::Equipment equipment = equipment_of(provenance);
  Json device{{"resourceType", "Device"}};
  device["identifier"] = Json::array({dicom_uid_json(equipment.device_uid)});
  for (const cogs::ModelIdentity& model : provenance.models)
    if (!model.digest.empty())
      device["identifier"].push_back({{"system", "urn:rouage:model-sha256"}, {"value", model.digest}});
  device["manufacturer"] = equipment.manufacturer;
  device["deviceName"] = Json::array({{{"name", algorithm_name(provenance)}, {"type", "model-name"}}});
  device["type"] = concept_json(dicom::concept_code("artificial_intelligence"));
  device["version"] = Json::array({{{"value", equipment.software_version}}});
  return device;
}

}  // namespace rouage::results
