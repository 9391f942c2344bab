/// The audit trail as DICOM has it: who did what to whose data (PS3.15 A.5, IHE ATNA), by syslog (RFC 5424) and to a
/// file.
///
///   AuditTrail trail({.source_id = "ROUAGE", .syslog = "tls://arr:6514", .file = "audit.log"});
///   trail.record(audit_started(true, "systemd"));
///   trail.record(audit_transferred({"CT1", "10.0.0.7"}, {"ROUAGE", "10.0.0.9"}, {study}, patient,
///   AuditOutcome::success));
///
/// Pure functions make the messages, the trail sends them. Free text is never needed to understand one: events, roles
/// and types are codes of PS3.16 (CID 400 to 405).
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::app {

struct AuditCode {
  std::string value, scheme, meaning;
};

enum class AuditOutcome { success = 0, minor_failure = 4, serious_failure = 8, major_failure = 12 };

/// A person, program or medium that takes part.
struct AuditParticipant {
  std::string user_id;          ///< AE title, user name, process id, URL; never empty (checked)
  std::string network_address;  ///< numeric IP, host name, URL; "" none
  std::string alternative_id, name;
  bool requestor = false;
  std::vector<AuditCode> roles;
  std::optional<AuditCode> medium;  ///< CID 405
};

struct AuditSopClass {
  std::string uid;
  std::size_t instances = 0;
};
struct AuditStudy {
  std::string uid, accession_number;
  std::vector<AuditSopClass> classes;
};
struct AuditPatient {
  std::string id, name;
};

/// What else an event is about (ParticipantObjectIdentification).
struct AuditObject {
  std::string id;
  AuditCode id_type;
  int type = 2, role = 3;  ///< person 1, system object 2...; patient 1, report 3, security resource 13...
  std::string name;        ///< ...or:
  std::string query;       ///< bytes of an identifier, as sent
  int life_cycle = 0;      ///< 0: not said
  std::vector<std::pair<std::string, std::string>> details;  ///< type, value (bytes)
  std::string accession_number, study_uid;                   ///< in the description
  std::vector<AuditSopClass> classes;
};

struct AuditMessage {
  AuditCode event;
  std::vector<AuditCode> types;
  char action = 'E';  ///< C, R, U, D, E
  AuditOutcome outcome = AuditOutcome::success;
  std::string outcome_text;  ///< why it failed; "" none
  std::vector<AuditParticipant> participants;
  std::vector<AuditObject> objects;
};

/// Where an audit message comes from; said in each.
struct AuditSource {
  std::string source_id = "ROUAGE", enterprise_site;
};
/// XML by the schema of PS3.15 A.5.1, one line, UTF-8; text that XML 1.0 cannot hold is left out. Pure.
std::string audit_xml(const AuditMessage& message, const AuditSource& source, double utc_s);

/// PS3.15 A.5.3, each with its required participants and objects.
AuditMessage audit_started(bool start, const std::string& launched_by);  ///< A.5.3.1 Application Activity
/// A.5.3.3 and A.5.3.7: DICOM instances begin to be, or were, transferred.
AuditMessage audit_transfer_begins(const AuditParticipant& from, const AuditParticipant& to,
                                   const std::vector<AuditStudy>& studies, const AuditPatient& patient);
AuditMessage audit_transferred(const AuditParticipant& from, const AuditParticipant& to,
                               const std::vector<AuditStudy>& studies, const AuditPatient& patient,
                               AuditOutcome outcome);
/// A.5.3.10. `query`: the identifier's bytes; for QIDO-RS the URL's query, with an empty transfer syntax.
AuditMessage audit_query(const AuditParticipant& asking, const AuditParticipant& answering,
                         const std::string& sop_class_uid, const std::string& query,
                         const std::string& transfer_syntax_uid);
/// A.5.3.4 and A.5.3.5: to or from what is no DICOM node: a folder ("file:///..."), a FHIR server, a STOW-RS URL.
AuditMessage audit_export(const AuditParticipant& exporter, const AuditParticipant& destination,
                          const std::vector<AuditStudy>& studies, const AuditPatient& patient, AuditOutcome outcome);
AuditMessage audit_import(const AuditParticipant& importer, const AuditParticipant& origin,
                          const std::vector<AuditStudy>& studies, const AuditPatient& patient, AuditOutcome outcome);
/// A.5.3.11.
enum class AuditAlert {
  node_authentication,
  restricted_function,
  network_configuration,
  security_configuration,
  software_configuration,
  audit_stopped,
  audit_started
};
AuditMessage audit_alert(AuditAlert kind, const AuditParticipant& reporter, const AuditParticipant& subject,
                         const std::string& description, AuditOutcome outcome);
/// A.5.3.8 and A.5.3.9: an order or a patient record that an HL7 message changed. action: C, R, U, D.
AuditMessage audit_order(const AuditParticipant& by, char action, const AuditPatient& patient,
                         const std::string& order_number, const std::string& accession_number);
AuditMessage audit_patient_record(const AuditParticipant& by, char action, const AuditPatient& patient,
                                  const std::string& control_id);

struct AuditOptions {
  AuditSource source;
  std::string syslog;                           ///< "udp://host:514", "tcp://host:601", "tls://host:6514"; "" none
  std::string authorities;                      ///< PEM; "": the system's
  std::string certificate, key;                 ///< PEM, for mutual TLS (IHE ATNA); "" none
  std::filesystem::path file;                   ///< every message, one line of XML each; "" none
  std::uint64_t file_bytes = 64 * 1024 * 1024;  ///< then FILE becomes FILE.1, and so on
  int files = 10;
  std::size_t queue = 10'000;  ///< messages that wait for syslog
  double first_wait_s = 1, longest_wait_s = 60, send_timeout_s = 10;
};

/// record() never blocks on the network and never throws. Messages wait in memory while the repository is away; when
/// the queue is full the oldest is dropped for syslog, counted (rouage_audit_dropped_total) and said in a message of
/// its own when sending goes on again (Audit Recording Stopped). A configured file has them all: it is written before
/// record() returns, and survives a crash of the program (not of the machine: it is not flushed message by message).
/// What the file cannot take is counted too (rouage_audit_file_errors_total). Thread-safe.
class AuditTrail {
 public:
  /// Errors: ConfigInvalid (a syslog address that is none), FileUnwritable.
  explicit AuditTrail(AuditOptions options);
  ~AuditTrail();
  AuditTrail(const AuditTrail&) = delete;
  AuditTrail& operator=(const AuditTrail&) = delete;
  void record(const AuditMessage& message);
  /// Sends what waits, for at most so long. Idempotent.
  void stop(double patience_s);
  struct Counts {
    std::uint64_t recorded = 0, sent = 0, dropped = 0, waiting = 0;
  };
  Counts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::app
