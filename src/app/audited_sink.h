/// Between the ways in and the store: what arrived, from whom, becomes audit messages (PS3.15 A.5).
///
///   AuditedSink sink(store, trail, "ROUAGE", "127.0.0.1");     // handed to DIMSE, STOW-RS, folders, MLLP
///
/// An association is one message a patient, at its end; what comes otherwise is one a batch and patient.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "app/audit.h"
#include "receive/receive.h"

namespace rouage::app {

/// A machine or program; "" becomes "unknown", because an audit message must name somebody.
AuditParticipant audit_node(const std::string& id, const std::string& network_address, bool requestor);

class AuditedSink : public receive::InstanceSink {
 public:
  AuditedSink(receive::InstanceSink& store, AuditTrail& trail, std::string own_ae, std::string own_address);

  std::filesystem::path incoming() const override { return store_.incoming(); }
  std::optional<Error> no_room(std::uint64_t bytes) const override { return store_.no_room(bytes); }
  std::vector<receive::Receipt> accept(std::vector<receive::Arrival> arrivals) override;
  void association_opened(std::uint64_t association, const receive::Origin& origin) override;
  void association_ended(std::uint64_t association, bool released) override;
  void note_lists(const std::vector<receive::SeriesList>& lists) override { store_.note_lists(lists); }
  void note_message(const receive::OrderMessage& message) override;

 private:
  struct Received {  ///< of one patient
    AuditPatient patient;
    std::map<std::string, AuditStudy> studies;  ///< by Study Instance UID
    bool refused = false;
  };
  using ByPatient = std::map<std::string, Received>;
  static void add(ByPatient& patients, const dicom::IndexEntry& entry, const receive::Receipt& receipt);
  AuditParticipant ourselves() const { return audit_node(own_ae_, own_address_, false); }

  receive::InstanceSink& store_;
  AuditTrail& trail_;
  std::string own_ae_, own_address_;
  std::mutex mutex_;
  struct Open {
    receive::Origin origin;
    ByPatient patients;
  };
  std::map<std::uint64_t, Open> open_;
};

}  // namespace rouage::app
