/// May it leave, and did it arrive: destinations, their queues, the guard against our own results.
///
///   Deliveries deliveries(database, destinations, permit, own_ae);
///   deliveries.plan(tx, result_set);          // in the transaction that ends the work item
///   deliveries.start();                       // one thread a destination: a dead PACS blocks nobody
///
/// Every object asks ReleasePermit right before it is sent. A try that failed is made again, for ever, after waits that
/// double and survive a restart; an object that the peer refuses for good is tried slowly and shown. An object never
/// gets a new UID, so that what arrives twice has effect once. Manual: docs/formats/destinations.md.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace rouage::results {

enum class DestinationKind { dicom, stow, fhir, folder };

struct TlsPaths {
  std::string certificate, key, authorities;
};

struct Destination {
  std::string name;
  DestinationKind kind = DestinationKind::folder;
  store::Policy policy = store::Policy::after_first_read;
  std::string host, ae_title;  ///< dicom
  int port = 104;
  std::optional<TlsPaths> tls;
  bool commitment = false;          ///< dicom: Storage Commitment is asked for after the last object
  double commitment_wait_s = 3600;  ///< an answer that has not come by then is asked for again
  std::string url;                  ///< stow: .../studies ; fhir: base
  std::string bearer_token_file, user, password_file;
  std::filesystem::path folder;
  std::vector<std::string>
      roles;  ///< of result files: sr, seg, gsps, capture, key_objects, fhir...; empty: all that fit
  double first_wait_s = 5, longest_wait_s = 900;  ///< between tries; a delivery is tried for ever, until cancelled
};

struct OutgoingObject {
  std::filesystem::path file;  ///< a DICOM object in the store, or a FHIR bundle (JSON) in the results folder
  std::string role, sop_class_uid, sop_instance_uid;
  std::string digest;  ///< SHA-256 of the file, hex: another file is not sent; "": not compared
};
/// All that one work item made, delivered together and in this order.
struct ResultSet {
  std::string study_instance_uid, series_instance_uid, cog;
  int series_version = 0;
  std::vector<std::string> destinations;  ///< names; empty: all
  std::vector<OutgoingObject> objects;
};

enum class DeliveryState { due, sending, waiting_release, waiting_commitment, delivered, cancelled };
std::string state_name(DeliveryState state);
struct Delivery {
  std::int64_t id = 0;
  std::string destination, study_instance_uid, sop_instance_uid, role, message;
  DeliveryState state = DeliveryState::due;
  int tries = 0;
  double planned_s = 0, due_s = 0, delivered_s = 0;
};

/// Thread-safe. One process a database: rows that it holds as `sending` are taken back by start().
class Deliveries {
 public:
  /// What a destination took: for the audit trail. sop_class_uid is empty for a FHIR bundle.
  using Delivered = std::function<void(const Destination& destination, const std::string& study_instance_uid,
                                       const std::string& sop_class_uid)>;
  /// Makes the tables. Errors: DatabaseFailed, StoreVersion, ConfigInvalid (two destinations of one name, a destination
  /// without address).  `database` and `permit` must outlive it.
  Deliveries(store::Database& database, std::vector<Destination> destinations, const store::ReleasePermit& permit,
             std::string own_ae);
  ~Deliveries();
  /// One row an object and destination, once (the same object to the same destination again: nothing). Key objects go
  /// last. A name that is no destination is logged and left out.
  void plan(store::Transaction& tx, const ResultSet& set);
  /// Before start(). Called on the destinations' threads; must not throw.
  void on_delivered(Delivered told);
  void start();
  /// Nothing new is begun; a transfer under way may end within `patience_s`. Then HTTP is cut off at once, DIMSE at its
  /// own time limit (30 s).
  void stop(double patience_s);
  /// The answer to a Storage Commitment that we asked for.
  void committed(const std::string& transaction_uid, const std::vector<std::string>& committed,
                 const std::vector<std::string>& failed);
  void release_changed(const std::string& study_instance_uid);  ///< ask ReleasePermit again
  bool cancel(std::int64_t id);
  bool retry(std::int64_t id);  ///< due now
  /// Something of this study is still to be delivered: retention must keep it. What a shadow destination withholds for
  /// ever does not count.
  bool wanted(const std::string& study_instance_uid) const;
  /// Latest first. An object that was refused for good counts as due.
  std::vector<Delivery> list(std::optional<DeliveryState> state, std::size_t limit) const;
  struct QueueState {
    std::string destination, last_error;
    std::uint64_t due = 0, waiting_release = 0, waiting_commitment = 0, delivered = 0;
    double oldest_s = 0;        ///< UTC of the oldest that is not delivered; 0: none
    bool reachable = true;      ///< false after a try that found nobody, until one that did
    std::uint64_t refused = 0;  ///< of those due: the peer refused them, they are tried slowly
  };
  std::vector<QueueState> queues() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Is an object that comes in a result of ours: its header says so, or we planned to send it. It is never given to
/// cogs.
bool own_result(store::Transaction& tx, const dicom::IndexEntry& entry);

}  // namespace rouage::results
