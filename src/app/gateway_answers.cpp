#include "app/gateway_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "app/audited_sink.h"
#include "app/gateway.h"
#include "base/error.h"

namespace rouage::app {
namespace {

constexpr std::uint32_t kLevel = 0x00080052, kRetrieveAe = 0x00080054, kAvailability = 0x00080056;
constexpr std::uint32_t kPatientId = 0x00100020, kStudy = 0x0020000D, kSeries = 0x0020000E, kSop = 0x00080018;
constexpr std::uint16_t kIdentifierMismatch = 0xA900, kOutOfResources = 0xA700, kUnknownDestination = 0xA801,
                        kUnable = 0xC000;
constexpr std::size_t kMostMatches = 1'000'000;

std::optional<store::Level> level_of(const dicom::Attributes& keys, const std::string& model) {
  const std::string level(trimmed(value_of(keys, kLevel)));
  if (level == "PATIENT" && model == "patient") return store::Level::patient;
  if (level == "STUDY") return store::Level::study;
  if (level == "SERIES") return store::Level::series;
  if (level == "IMAGE") return store::Level::instance;
  return std::nullopt;
}

AuditParticipant participant(const dimse::Caller& caller) {
  return audit_node(caller.calling_ae, caller.address, true);
}

void count(AuditStudy& study, const store::StoredObject& object) {
  study.uid = object.study_instance_uid;
  const auto known = std::find_if(study.classes.begin(), study.classes.end(),
                                  [&](const AuditSopClass& c) { return c.uid == object.sop_class_uid; });
  if (known == study.classes.end())
    study.classes.push_back({object.sop_class_uid, 1});
  else
    ++known->instances;
}

dimse::Status failure(const Error& error, std::uint16_t otherwise) {
  const int code = error_entry(error.code()).dimse;
  return {code == 0 ? otherwise : static_cast<std::uint16_t>(code), error.what()};
}

}  // namespace

std::string value_of(const dicom::Attributes& attributes, std::uint32_t tag) {
  const auto found = attributes.find(tag);
  return found == attributes.end() ? std::string{} : found->second;
}

std::optional<dimse::Peer> configured_peer(const Config& config, const std::string& ae_title) {
  for (const NamedPeer& peer : config.peers)
    if (peer.ae_title == ae_title)
      return dimse::Peer{.host = peer.host, .port = peer.port, .ae_title = peer.ae_title, .tls = std::nullopt};
  for (const results::Destination& d : config.destinations)
    if (d.kind == results::DestinationKind::dicom && d.ae_title == ae_title) {
      dimse::Peer peer{.host = d.host, .port = d.port, .ae_title = d.ae_title, .tls = std::nullopt};
      if (d.tls) peer.tls = dimse::TlsFiles{d.tls->certificate, d.tls->key, d.tls->authorities};
      return peer;
    }
  return std::nullopt;
}

GatewayAnswers::GatewayAnswers(const Config& config, store::Store& store, results::Deliveries& deliveries,
                               Commitments& commitments, AuditTrail& trail)
    : config_(config), store_(store), deliveries_(deliveries), commitments_(commitments), trail_(trail) {}

AuditParticipant GatewayAnswers::ourselves() const {
  return audit_node(config_.ae_title, config_.dimse.address, false);
}

AuditPatient GatewayAnswers::patient_of(const std::string& study_instance_uid) const {
  constexpr std::uint32_t kPatientName = 0x00100010;
  AuditPatient patient;
  store_.query({.level = store::Level::study, .match = {{kStudy, study_instance_uid}}, .wanted = {}, .limit = 1},
               [&](const dicom::Attributes& study) {
                 patient = {value_of(study, kPatientId), value_of(study, kPatientName)};
                 return false;
               });
  return patient;
}

void GatewayAnswers::turned_away(const dimse::Caller& caller, const std::string& why) {
  trail_.record(
      audit_alert(AuditAlert::node_authentication, ourselves(), participant(caller), why, AuditOutcome::minor_failure));
}

void GatewayAnswers::delivered(const results::Destination& destination, const std::string& study_instance_uid,
                               const std::string& sop_class_uid) try {
  AuditStudy study;
  study.uid = study_instance_uid;
  if (!sop_class_uid.empty()) study.classes.push_back({sop_class_uid, 1});
  const AuditPatient patient = patient_of(study_instance_uid);
  if (destination.kind == results::DestinationKind::dicom) {
    const AuditParticipant to = audit_node(destination.ae_title, destination.host, false);
    trail_.record(audit_transferred(ourselves(), to, {study}, patient, AuditOutcome::success));
  } else {
    const bool folder = destination.kind == results::DestinationKind::folder;
    const AuditParticipant to =
        audit_node(folder ? "file://" + destination.folder.string() : destination.url, "", false);
    trail_.record(audit_export(ourselves(), to, {study}, patient, AuditOutcome::success));
  }
} catch (const Error& error) {
  log_event(LogLevel::error, "app", "a delivery is missing from the audit trail", {{"why", error.what()}});
}

dimse::Status GatewayAnswers::find(const dimse::Caller& caller, const std::string& model, const dicom::Attributes& keys,
                                   const std::function<bool(const dicom::Attributes&)>& match) {
  const auto level = level_of(keys, model);
  if (!level) return {kIdentifierMismatch, "(0008,0052) Query/Retrieve Level: not one of this information model"};
  store::Query query{.level = *level, .match = keys, .wanted = {}, .limit = kMostMatches};
  query.match.erase(kLevel);
  for (const auto& [tag, value] : query.match) query.wanted.insert(tag);
  query.policy = config_.dimse.policy;
  trail_.record(
      audit_query(participant(caller), ourselves(), dimse::query_class(model, "find"), dicom::dicom_json(keys), ""));
  try {
    store_.query(query, [&](const dicom::Attributes& found) {
      dicom::Attributes answer = found;
      answer[kLevel] = value_of(keys, kLevel);
      answer[kRetrieveAe] = config_.ae_title;
      answer[kAvailability] = "ONLINE";
      return match(answer);
    });
  } catch (const Error& error) {
    return failure(error, kUnable);
  }
  return {};
}

dimse::Services::Retrieval GatewayAnswers::retrieve(const dimse::Caller& caller, const std::string& model,
                                                    const dicom::Attributes& keys, const std::string& move_to) {
  dimse::Services::Retrieval retrieval;
  if (!level_of(keys, model)) {
    retrieval.status = {kIdentifierMismatch, "(0008,0052) Query/Retrieve Level: not one of this information model"};
    return retrieval;
  }
  if (!move_to.empty()) {
    retrieval.destination = configured_peer(config_, move_to);
    if (!retrieval.destination) {
      retrieval.status = {kUnknownDestination, fmt::format("{} is not a [[peer]] of the configuration", move_to)};
      return retrieval;
    }
  }
  std::map<std::string, AuditStudy> studies;
  // UID lists are allowed at the level that is retrieved (PS3.4 C.4.2.2.1).
  const auto uids = [&](std::uint32_t tag) { return split(value_of(keys, tag), '\\'); };
  if (value_of(keys, kPatientId).empty() && value_of(keys, kStudy).empty()) {
    retrieval.status = {kIdentifierMismatch, "neither a patient nor a study is named"};
    return retrieval;
  }
  try {
    for (const std::string& study : uids(kStudy))
      for (const std::string& series : uids(kSeries))
        for (const std::string& sop : uids(kSop))
          for (store::StoredObject& object :
               store_.objects({.patient_id = model == "patient" ? value_of(keys, kPatientId) : std::string{},
               .study_instance_uid = study,
               .series_instance_uid = series,
               .sop_instance_uid = sop,
               .exit = "query",
               .policy = config_.dimse.policy})) {
            count(studies[object.study_instance_uid], object);
            retrieval.objects.push_back({std::move(object.file), std::move(object.sop_class_uid),
                                         std::move(object.sop_instance_uid), std::move(object.transfer_syntax_uid)});
          }
  } catch (const Error& error) {
    retrieval.status = failure(error, kOutOfResources);
  }
  const AuditParticipant to = move_to.empty() ? participant(caller) : audit_node(move_to, "", false);
  for (const auto& [uid, study] : studies)
    trail_.record(audit_transfer_begins(ourselves(), to, {study}, patient_of(uid)));
  return retrieval;
}

dimse::Status GatewayAnswers::commitment(const dimse::Caller& caller, const std::string& transaction_uid,
                                         const std::vector<std::pair<std::string, std::string>>& instances) {
  try {
    commitments_.add({transaction_uid, caller.calling_ae, caller.address, instances});
  } catch (const Error& error) {
    return failure(error, kOutOfResources);
  }
  return {};
}

dimse::Status GatewayAnswers::committed(const dimse::Caller&, const std::string& transaction_uid,
                                        const std::vector<std::string>& committed,
                                        const std::vector<std::string>& failed) {
  try {
    deliveries_.committed(transaction_uid, committed, failed);
  } catch (const Error& error) {
    return failure(error, kOutOfResources);
  }
  return {};
}

}  // namespace rouage::app
