#include "app/audited_sink.h"

#include <algorithm>

namespace rouage::app {
namespace {

/// A patient's studies within one association; a sender that never releases must not grow this without bound.
constexpr std::size_t kMostPatients = 1000;

std::vector<AuditStudy> list_of(const std::map<std::string, AuditStudy>& studies) {
  std::vector<AuditStudy> list;
  for (const auto& [uid, study] : studies) list.push_back(study);
  return list;
}

AuditOutcome outcome_of(bool refused) {
  return refused ? AuditOutcome::minor_failure : AuditOutcome::success;
}

}  // namespace

AuditParticipant audit_node(const std::string& id, const std::string& network_address, bool requestor) {
  AuditParticipant node;
  node.user_id = id.empty() ? "unknown" : id;
  node.network_address = network_address;
  node.requestor = requestor;
  return node;
}

AuditedSink::AuditedSink(receive::InstanceSink& store, AuditTrail& trail, std::string own_ae, std::string own_address)
    : store_(store), trail_(trail), own_ae_(std::move(own_ae)), own_address_(std::move(own_address)) {}

void AuditedSink::add(ByPatient& patients, const dicom::IndexEntry& entry, const receive::Receipt& receipt) {
  if (patients.size() >= kMostPatients && !patients.contains(entry.patient_id)) return;
  Received& received = patients[entry.patient_id];
  received.patient = {entry.patient_id, entry.patient_name};
  received.refused = received.refused || receipt.outcome == receive::Outcome::refused;
  AuditStudy& study = received.studies[entry.study_instance_uid];
  study.uid = entry.study_instance_uid;
  study.accession_number = entry.accession_number;
  const auto known = std::find_if(study.classes.begin(), study.classes.end(),
                                  [&](const AuditSopClass& c) { return c.uid == entry.sop_class_uid; });
  if (known == study.classes.end())
    study.classes.push_back({entry.sop_class_uid, 1});
  else
    ++known->instances;
}

std::vector<receive::Receipt> AuditedSink::accept(std::vector<receive::Arrival> arrivals) {
  std::vector<std::pair<receive::Origin, dicom::IndexEntry>> told;
  for (const receive::Arrival& arrival : arrivals) told.emplace_back(arrival.origin, arrival.entry);
  std::vector<receive::Receipt> receipts = store_.accept(std::move(arrivals));
  std::map<std::string, ByPatient> imports;  // by sender
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < told.size(); ++i) {
      const auto& [origin, entry] = told[i];
      const auto association = open_.find(origin.association);
      ByPatient& patients = association == open_.end() ? imports[origin.sender] : association->second.patients;
      add(patients, entry, receipts[i]);
    }
  }
  for (const auto& [sender, patients] : imports)
    for (const auto& [id, received] : patients)
      trail_.record(audit_import(ourselves(), audit_node(sender, "", false), list_of(received.studies),
                                 received.patient, outcome_of(received.refused)));
  return receipts;
}

void AuditedSink::association_opened(std::uint64_t association, const receive::Origin& origin) {
  {
    const std::lock_guard lock(mutex_);
    open_[association].origin = origin;
  }
  store_.association_opened(association, origin);
}

void AuditedSink::association_ended(std::uint64_t association, bool released) {
  store_.association_ended(association, released);
  Open ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(association);
    if (found == open_.end()) return;
    ended = std::move(found->second);
    open_.erase(found);
  }
  const AuditParticipant from = audit_node(ended.origin.sender, ended.origin.address, true);
  for (const auto& [id, received] : ended.patients)
    trail_.record(audit_transferred(from, ourselves(), list_of(received.studies), received.patient,
                                    outcome_of(received.refused || !released)));
}

void AuditedSink::note_message(const receive::OrderMessage& message) {
  store_.note_message(message);
  const AuditParticipant by = audit_node(message.sender, "", true);
  const AuditPatient patient{message.patient_id, message.patient_name};
  if (message.message_type.starts_with("ADT"))
    trail_.record(audit_patient_record(by, 'U', patient, message.control_id));
  else
    trail_.record(audit_order(by, 'C', patient, message.placer_order, message.accession_number));
}

}  // namespace rouage::app
