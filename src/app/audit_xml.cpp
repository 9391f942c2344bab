// The schema of PS3.15 A.5.1 written out. Values come from the network: each is cut to what XML 1.0 can hold.
#include <fmt/format.h>

#include <array>

#include "app/audit.h"
#include "base/error.h"
#include "base/service.h"

namespace rouage::app {
namespace {

/// Well-formed UTF-8 as attribute text: tabs and line ends become blanks, other control characters are left out.
std::string safe(const std::string& text) {
  const bool good = valid_utf8(text);
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\t' || c == '\n' || c == '\r')
      out += ' ';
    else if (code < 0x20 || code == 0x7F)
      continue;
    else if (code > 0x7F && !good)
      out += '?';
    else
      out += c;
  }
  return out;
}

std::string base64(const std::string& bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k)
      three = (three << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[(three >> (18 - 6 * k)) & 0x3F];
  }
  return out;
}

std::string attribute(const char* name, const std::string& value) {
  return value.empty() ? std::string{} : fmt::format(" {}=\"{}\"", name, safe(value));
}

std::string coded(const char* element, const AuditCode& code) {
  return fmt::format("<{} csd-code=\"{}\" codeSystemName=\"{}\" originalText=\"{}\"/>", element, safe(code.value),
                     safe(code.scheme), safe(code.meaning));
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos &&
         text.find_first_of(".:") != std::string::npos;
}

/// NetworkAccessPointTypeCode: machine name 1, IP address 2, URI 5.
const char* address_type(const std::string& address) {
  if (address.find("://") != std::string::npos) return "5";
  return is_number(address) ? "2" : "1";
}

std::string participant_xml(const AuditParticipant& participant) {
  const std::string id = participant.user_id.empty() ? "unknown" : participant.user_id;
  std::string out =
      "<ActiveParticipant" + attribute("UserID", id) + attribute("AlternativeUserID", participant.alternative_id) +
      attribute("UserName", participant.name) + fmt::format(" UserIsRequestor=\"{}\"", participant.requestor);
  if (!participant.network_address.empty())
    out += attribute("NetworkAccessPointID", participant.network_address) +
           attribute("NetworkAccessPointTypeCode", address_type(participant.network_address));
  out += ">";
  for (const AuditCode& role : participant.roles) out += coded("RoleIDCode", role);
  if (participant.medium) out += "<MediaIdentifier>" + coded("MediaType", *participant.medium) + "</MediaIdentifier>";
  return out + "</ActiveParticipant>";
}

std::string description_xml(const AuditObject& object) {
  std::string inside;
  if (!object.accession_number.empty()) inside += "<Accession" + attribute("Number", object.accession_number) + "/>";
  for (const AuditSopClass& one : object.classes)
    inside += "<SOPClass" + attribute("UID", one.uid) + fmt::format(" NumberOfInstances=\"{}\"/>", one.instances);
  if (!object.study_uid.empty())
    inside += "<ParticipantObjectContainsStudy><StudyIDs" + attribute("UID", object.study_uid) +
              "/></ParticipantObjectContainsStudy>";
  if (inside.empty()) return inside;
  return "<ParticipantObjectDescription>" + inside + "</ParticipantObjectDescription>";
}

std::string object_xml(const AuditObject& object) {
  const std::string id = object.id.empty() ? "unknown" : object.id;
  std::string out =
      "<ParticipantObjectIdentification" + attribute("ParticipantObjectID", id) +
      fmt::format(" ParticipantObjectTypeCode=\"{}\" ParticipantObjectTypeCodeRole=\"{}\"", object.type, object.role);
  if (object.life_cycle > 0) out += fmt::format(" ParticipantObjectDataLifeCycle=\"{}\"", object.life_cycle);
  out += ">" + coded("ParticipantObjectIDTypeCode", object.id_type);
  if (!object.query.empty())
    out += "<ParticipantObjectQuery>" + base64(object.query) + "</ParticipantObjectQuery>";
  else
    out += "<ParticipantObjectName>" + safe(object.name) + "</ParticipantObjectName>";
  for (const auto& [type, value] : object.details)
    out += "<ParticipantObjectDetail" + attribute("type", type) + fmt::format(" value=\"{}\"/>", base64(value));
  return out + description_xml(object) + "</ParticipantObjectIdentification>";
}

}  // namespace

std::string audit_xml(const AuditMessage& message, const AuditSource& source, double utc_s) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage><EventIdentification";
  out += fmt::format(" EventActionCode=\"{}\" EventDateTime=\"{}\" EventOutcomeIndicator=\"{}\">", message.action,
                     utc_text(utc_s), static_cast<int>(message.outcome));
  out += coded("EventID", message.event);
  for (const AuditCode& type : message.types) out += coded("EventTypeCode", type);
  if (!message.outcome_text.empty())
    out += "<EventOutcomeDescription>" + safe(message.outcome_text) + "</EventOutcomeDescription>";
  out += "</EventIdentification>";
  for (const AuditParticipant& participant : message.participants) out += participant_xml(participant);
  out += "<AuditSourceIdentification" + attribute("AuditEnterpriseSiteID", source.enterprise_site) +
         attribute("AuditSourceID", source.source_id) +
         "><AuditSourceTypeCode csd-code=\"4\"/></AuditSourceIdentification>";  // application server process
  for (const AuditObject& object : message.objects) out += object_xml(object);
  return out + "</AuditMessage>";
}

}  // namespace rouage::app
