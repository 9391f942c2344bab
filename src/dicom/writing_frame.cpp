#include "dicom/writing_frame.h"

#include <array>

#include "base/error.h"

namespace rouage::dicom {
namespace {

struct TypeTwo {
  DcmTagKey tag;
  std::string_view vr;
};

void fill_type_two(Item& item) {
  static const TypeTwo kTypeTwo[] = {
      {DCM_StudyDate, "DA"},   {DCM_StudyTime, "TM"}, {DCM_AccessionNumber, "SH"},  {DCM_ReferringPhysicianName, "PN"},
      {DCM_PatientName, "PN"}, {DCM_PatientID, "LO"}, {DCM_PatientBirthDate, "DA"}, {DCM_PatientSex, "CS"},
      {DCM_StudyID, "SH"},
  };
  for (const TypeTwo& attribute : kTypeTwo)
    if (!item.has(attribute.tag)) item.text(attribute.tag, attribute.vr, "");
}

/// "2001.02.03" (ACR-NEMA) or "20010203" -> "20010203"; "" for anything else.
std::string clean_date(std::string_view text) {
  std::string digits;
  for (const char c : trimmed(text)) {
    if (c >= '0' && c <= '9')
      digits += c;
    else if (c != '.' && c != '-')
      return {};
  }
  return digits.size() == 8 ? digits : std::string{};
}

/// HH, HHMM or HHMMSS, with or without a fraction; "" for anything else.
std::string clean_time(std::string_view text) {
  const std::string_view time = trimmed(text);
  const auto whole = time.find('.');
  const std::string_view seconds = time.substr(0, whole);
  const bool digits = time.find_first_not_of("0123456789.") == std::string_view::npos;
  const bool shaped = seconds.size() == 2 || seconds.size() == 4 || seconds.size() == 6;
  if (!digits || !shaped) return {};
  return std::string(whole == std::string_view::npos || seconds.size() == 6 ? time.substr(0, 13) : seconds);
}

}  // namespace

Item framed_item(const ObjectFrame& frame, std::string_view sop_class_uid, std::string_view modality) {
  Item item;
  for (const RawAttribute& attribute : frame.source.patient_and_study) item.raw(attribute);
  fill_type_two(item);
  if (!item.has(DCM_StudyInstanceUID)) {
    if (frame.source.study_instance_uid.empty())
      throw Error(ErrorCode::WriteInvalid, "the source has no study").tag("(0020,000D) StudyInstanceUID");
    item.uid(DCM_StudyInstanceUID, frame.source.study_instance_uid);
  }
  if (frame.series_instance_uid.empty())
    throw Error(ErrorCode::WriteInvalid, "no series was named").tag("(0020,000E) SeriesInstanceUID");
  const Texts texts(frame.source.character_set);
  item.uid(DCM_SOPClassUID, sop_class_uid);
  item.uid(DCM_SOPInstanceUID, frame.sop_instance_uid);
  item.code_string(DCM_Modality, modality);
  item.uid(DCM_SeriesInstanceUID, frame.series_instance_uid);
  item.integer_string(DCM_SeriesNumber, frame.series_number);
  item.integer_string(DCM_InstanceNumber, frame.instance_number);
  if (!frame.series_description.empty()) item.text(DCM_SeriesDescription, "LO", texts.lo(frame.series_description));
  item.text(DCM_Manufacturer, "LO", texts.lo(frame.equipment.manufacturer));
  item.text(DCM_ManufacturerModelName, "LO", texts.lo(frame.equipment.model_name));
  item.text(DCM_SoftwareVersions, "LO", texts.lo(frame.equipment.software_version));
  if (!frame.equipment.device_uid.empty()) {
    item.text(DCM_DeviceSerialNumber, "LO", frame.equipment.device_uid);
    item.uid(DCM_DeviceUID, frame.equipment.device_uid);
  }
  return item;
}

void add_content_time(Item& item, const ObjectFrame& frame, const DcmTagKey& date, const DcmTagKey& time,
                      bool required) {
  const std::string day = clean_date(frame.content_date);
  const std::string hour = day.empty() ? std::string{} : clean_time(frame.content_time);
  if (required || !day.empty()) item.text(date, "DA", day.empty() ? kNoDate : std::string_view(day));
  if (required || !hour.empty()) item.text(time, "TM", hour.empty() ? kNoTime : std::string_view(hour));
}

std::string clean_code_string(std::string_view value) {
  std::string code;
  for (char c : trimmed(value)) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const bool allowed = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '_';
    if (!allowed || code.size() == 16) return {};
    code += c;
  }
  return code;
}

void add_patient_orientation(Item& item, const std::array<std::string, 2>& orientation) {
  const std::string row = clean_code_string(orientation[0]), column = clean_code_string(orientation[1]);
  item.code_string(DCM_PatientOrientation, row.empty() || column.empty() ? std::string{} : row + "\\" + column);
}

void add_body_part(Item& item, const std::string& source_body_part, const std::string& laterality) {
  const std::string body_part = clean_code_string(source_body_part);
  if (!body_part.empty()) item.code_string(DCM_BodyPartExamined, body_part);
  if (laterality == "L" || laterality == "R")
    item.code_string(DCM_Laterality, laterality);
  else if (body_part.empty())
    item.code_string(DCM_Laterality, "");
}

void add_reference(Item& item, std::string_view sop_class_uid, std::string_view sop_instance_uid) {
  item.uid(DCM_ReferencedSOPClassUID, sop_class_uid);
  item.uid(DCM_ReferencedSOPInstanceUID, sop_instance_uid);
}

Item& add_source(Item& parent, const DcmTagKey& sequence, const ObjectFrame& frame) {
  Item& item = parent.add_item(sequence);
  add_reference(item, frame.source.sop_class_uid, frame.source.sop_instance_uid);
  return item;
}

void add_coding_schemes(Item& item) {
  Item& scheme = item.add_item(DCM_CodingSchemeIdentificationSequence);
  scheme.text(DCM_CodingSchemeDesignator, "SH", "99ROUAGE");
  scheme.text(DCM_CodingSchemeName, "ST", "Rouage private codes");
  scheme.text(DCM_CodingSchemeResponsibleOrganization, "ST", "Rouage");
}

RawAttribute raw_text(std::uint16_t group, std::uint16_t element, std::string vr, const std::string& utf8) {
  RawAttribute attribute{group, element, std::move(vr), Bytes(utf8.begin(), utf8.end())};
  if (attribute.value.size() % 2 == 1) attribute.value.push_back(attribute.vr == "UI" ? 0 : ' ');
  return attribute;
}

}  // namespace rouage::dicom
