#include <unistd.h>

#include "app/audit.h"

namespace rouage::app {
namespace {

AuditCode dcm(const char* value, const char* meaning) {
  return {value, "DCM", meaning};
}
AuditCode rfc(const char* value, const char* meaning) {
  return {value, "RFC-3881", meaning};
}

/// Ourselves as an application (CID 402: 110150).
AuditParticipant application() {
  AuditParticipant self;
  self.user_id = std::to_string(::getpid());
  self.alternative_id = "rouage";
  self.roles = {dcm("110150", "Application")};
  return self;
}

AuditParticipant in_role(AuditParticipant participant, const AuditCode& role) {
  if (participant.roles.empty()) participant.roles = {role};
  return participant;
}

AuditObject study_object(const AuditStudy& study) {
  AuditObject object;
  object.id = study.uid;
  object.id_type = dcm("110180", "Study Instance UID");
  object.accession_number = study.accession_number;
  object.classes = study.classes;
  return object;
}

AuditObject patient_object(const AuditPatient& patient) {
  AuditObject object;
  object.id = patient.id;
  object.id_type = rfc("2", "Patient Number");
  object.type = 1;
  object.role = 1;
  object.name = patient.name;
  return object;
}

/// Studies and the patient: what every event about instances is about.
std::vector<AuditObject> about(const std::vector<AuditStudy>& studies, const AuditPatient& patient) {
  std::vector<AuditObject> objects;
  for (const AuditStudy& study : studies) objects.push_back(study_object(study));
  objects.push_back(patient_object(patient));
  return objects;
}

const AuditCode kSource = {"110153", "DCM", "Source Role ID"}, kDestination = {"110152", "DCM", "Destination Role ID"},
                kSourceMedium = {"110155", "DCM", "Source Media"},
                kDestinationMedium = {"110154", "DCM", "Destination Media"};

AuditParticipant as_medium(AuditParticipant participant, const AuditCode& role) {
  participant = in_role(std::move(participant), role);
  if (!participant.medium) participant.medium = dcm("110037", "URI");  // CID 405; a folder is file:///...
  return participant;
}

AuditCode alert_code(AuditAlert kind) {
  switch (kind) {
    case AuditAlert::node_authentication:
      return dcm("110126", "Node Authentication");
    case AuditAlert::restricted_function:
      return dcm("110132", "Use of Restricted Function");
    case AuditAlert::network_configuration:
      return dcm("110128", "Network Configuration");
    case AuditAlert::security_configuration:
      return dcm("110129", "Security Configuration");
    case AuditAlert::software_configuration:
      return dcm("110131", "Software Configuration");
    case AuditAlert::audit_stopped:
      return dcm("110133", "Audit Recording Stopped");
    case AuditAlert::audit_started:
      return dcm("110134", "Audit Recording Started");
  }
  return dcm("110126", "Node Authentication");
}

}  // namespace

AuditMessage audit_started(bool start, const std::string& launched_by) {
  AuditMessage message;
  message.event = dcm("110100", "Application Activity");
  message.types = {start ? dcm("110120", "Application Start") : dcm("110121", "Application Stop")};
  message.participants = {application()};
  if (!launched_by.empty()) {
    AuditParticipant launcher;
    launcher.user_id = launched_by;
    launcher.requestor = true;
    launcher.roles = {dcm("110151", "Application Launcher")};
    message.participants.push_back(launcher);
  }
  return message;
}

AuditMessage audit_transfer_begins(const AuditParticipant& from, const AuditParticipant& to,
                                   const std::vector<AuditStudy>& studies, const AuditPatient& patient) {
  AuditMessage message;
  message.event = dcm("110102", "Begin Transferring DICOM Instances");
  message.participants = {in_role(from, kSource), in_role(to, kDestination)};
  message.objects = about(studies, patient);
  return message;
}

AuditMessage audit_transferred(const AuditParticipant& from, const AuditParticipant& to,
                               const std::vector<AuditStudy>& studies, const AuditPatient& patient,
                               AuditOutcome outcome) {
  AuditMessage message = audit_transfer_begins(from, to, studies, patient);
  message.event = dcm("110104", "DICOM Instances Transferred");
  message.action = 'C';
  message.outcome = outcome;
  return message;
}

AuditMessage audit_query(const AuditParticipant& asking, const AuditParticipant& answering,
                         const std::string& sop_class_uid, const std::string& query,
                         const std::string& transfer_syntax_uid) {
  AuditMessage message;
  message.event = dcm("110112", "Query");
  AuditParticipant source = in_role(asking, kSource);
  source.requestor = true;
  message.participants = {source, in_role(answering, kDestination)};
  AuditObject object;
  object.id = sop_class_uid;
  object.id_type = dcm("110181", "SOP Class UID");
  object.query = query;
  if (!transfer_syntax_uid.empty()) object.details = {{"TransferSyntax", transfer_syntax_uid}};
  message.objects = {object};
  return message;
}

AuditMessage audit_export(const AuditParticipant& exporter, const AuditParticipant& destination,
                          const std::vector<AuditStudy>& studies, const AuditPatient& patient, AuditOutcome outcome) {
  AuditMessage message;
  message.event = dcm("110106", "Export");
  message.action = 'R';
  message.outcome = outcome;
  AuditParticipant source = in_role(exporter, kSource);
  source.requestor = true;
  message.participants = {source, as_medium(destination, kDestinationMedium)};
  message.objects = about(studies, patient);
  return message;
}

AuditMessage audit_import(const AuditParticipant& importer, const AuditParticipant& origin,
                          const std::vector<AuditStudy>& studies, const AuditPatient& patient, AuditOutcome outcome) {
  AuditMessage message;
  message.event = dcm("110107", "Import");
  message.action = 'C';
  message.outcome = outcome;
  AuditParticipant destination = in_role(importer, kDestination);
  destination.requestor = true;
  message.participants = {destination, as_medium(origin, kSourceMedium)};
  message.objects = about(studies, patient);
  return message;
}

AuditMessage audit_alert(AuditAlert kind, const AuditParticipant& reporter, const AuditParticipant& subject,
                         const std::string& description, AuditOutcome outcome) {
  AuditMessage message;
  message.event = dcm("110113", "Security Alert");
  message.types = {alert_code(kind)};
  message.outcome = outcome;
  message.outcome_text = outcome == AuditOutcome::success ? "" : description;
  AuditParticipant reporting = reporter.user_id.empty() ? application() : reporter;
  reporting.requestor = true;
  message.participants = {reporting};
  if (!subject.user_id.empty()) message.participants.push_back(subject);
  AuditObject object;
  object.id = subject.user_id.empty() ? "rouage" : subject.user_id;
  object.id_type = dcm("110182", "Node ID");
  object.role = 13;
  object.name = subject.network_address;
  object.details = {{"Alert Description", description}};
  message.objects = {object};
  return message;
}

AuditMessage audit_order(const AuditParticipant& by, char action, const AuditPatient& patient,
                         const std::string& order_number, const std::string& accession_number) {
  AuditMessage message;
  message.event = dcm("110109", "Order Record");
  message.action = action;
  message.participants = {in_role(by, kSource), application()};
  message.participants.front().requestor = true;
  AuditObject order;
  order.id = order_number.empty() ? accession_number : order_number;
  order.id_type = rfc("9", "Report Number");
  order.accession_number = accession_number;
  message.objects = {patient_object(patient), order};
  return message;
}

AuditMessage audit_patient_record(const AuditParticipant& by, char action, const AuditPatient& patient,
                                  const std::string& control_id) {
  AuditMessage message;
  message.event = dcm("110110", "Patient Record");
  message.action = action;
  message.participants = {in_role(by, kSource), application()};
  message.participants.front().requestor = true;
  AuditObject object = patient_object(patient);
  if (!control_id.empty()) object.details = {{"MSH-10", control_id}};
  message.objects = {object};
  return message;
}

}  // namespace rouage::app
