/// What DICOM associations ask of the gateway: queries, retrievals, storage commitments.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/audit.h"
#include "app/commitments.h"
#include "app/config.h"
#include "receive/dimse_front.h"
#include "results/delivery.h"
#include "store/store.h"

namespace rouage::app {

class GatewayAnswers : public receive::Answers {
 public:
  GatewayAnswers(const Config& config, store::Store& store, results::Deliveries& deliveries, Commitments& commitments,
                 AuditTrail& trail);

  dimse::Status find(const dimse::Caller& caller, const std::string& model, const dicom::Attributes& keys,
                     const std::function<bool(const dicom::Attributes&)>& match) override;
  dimse::Services::Retrieval retrieve(const dimse::Caller& caller, const std::string& model,
                                      const dicom::Attributes& keys, const std::string& move_to) override;
  dimse::Status commitment(const dimse::Caller& caller, const std::string& transaction_uid,
                           const std::vector<std::pair<std::string, std::string>>& instances) override;
  dimse::Status committed(const dimse::Caller& caller, const std::string& transaction_uid,
                          const std::vector<std::string>& committed, const std::vector<std::string>& failed) override;
  void turned_away(const dimse::Caller& caller, const std::string& why) override;
  /// A destination took an object (results::Deliveries::on_delivered).
  void delivered(const results::Destination& destination, const std::string& study_instance_uid,
                 const std::string& sop_class_uid);

 private:
  AuditParticipant ourselves() const;
  AuditPatient patient_of(const std::string& study_instance_uid) const;
  const Config& config_;
  store::Store& store_;
  results::Deliveries& deliveries_;
  Commitments& commitments_;
  AuditTrail& trail_;
};

/// Where an AE title listens: a [[peer]] or a destination of the configuration.
std::optional<dimse::Peer> configured_peer(const Config& config, const std::string& ae_title);

}  // namespace rouage::app
