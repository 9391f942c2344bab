/// Storage commitments that we were asked for: kept until the asker has our report.
///
///   commitments.add({...});     // durable on return
///   commitments.start();        // checks the store, reports by N-EVENT-REPORT, tries again with back-off
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dimse/dimse.h"
#include "store/store.h"

namespace rouage::app {

struct CommitmentRequest {
  std::string transaction_uid, ae_title, address;              ///< of the asker
  std::vector<std::pair<std::string, std::string>> instances;  ///< SOP class, SOP instance
};

class Commitments {
 public:
  /// `peer_of(ae, address)`: where the asker listens; `own_ae`: our title.
  Commitments(store::Store& store, std::string own_ae,
              std::function<std::optional<dimse::Peer>(const std::string&, const std::string&)> peer_of);
  ~Commitments();
  /// The same transaction twice is one.
  void add(const CommitmentRequest& request);
  void start();
  void stop();
  std::uint64_t waiting() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::app
