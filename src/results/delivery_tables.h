/// The tables of deliveries: one row an object and destination, one a destination, one a Storage Commitment. Internal.
///
/// States in the table: due, refused (the peer will not have it; shown as due), sending, waiting_release, shadow
/// (withheld for ever; shown as waiting_release), waiting_commitment, delivered, cancelled. Times are UTC seconds.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/delivery.h"

namespace rouage::results {

void make_delivery_tables(store::Database& database);

struct NewDelivery {
  std::int64_t id = 0;
  std::string destination, set, study_instance_uid;
  OutgoingObject object;
  bool withheld = false;  ///< a shadow destination
  double now_s = 0;
};
/// The first of `count` new ids.
std::int64_t take_delivery_ids(store::Transaction& tx, std::size_t count);
void insert_delivery(store::Transaction& tx, const NewDelivery& delivery);

/// What a sender needs of one row.
struct DueObject {
  std::int64_t id = 0;
  std::string set, study_instance_uid, file, role, sop_class_uid, sop_instance_uid, digest;
  int tries = 0;
  double planned_s = 0;
};
/// After a start: what was being sent, and what was withheld, is due again, unless the policy is now `never`;
/// commitments are asked for again (an answer may have come while nobody listened); waits that a clock set back made
/// longer than `longest_wait_s` end.
void recover_deliveries(store::Transaction& tx, const Destination& destination, double now_s);
/// Marks at most `limit` due objects as being sent, oldest first; without any, those refused whose time has come.
std::vector<DueObject> claim_due(store::Transaction& tx, const std::string& destination, double now_s, int limit);
/// Untried, due as before.
void give_back(store::Transaction& tx, const std::vector<DueObject>& objects);
/// Arrived. `commit`: now Storage Commitment is to be asked for.
void note_delivered(store::Transaction& tx, const std::string& destination, const DueObject& object, bool commit,
                    const std::string& message, double now_s);
/// To be tried again at `due_s`; what follows in its set waits with it.
void note_failed(store::Transaction& tx, const std::string& destination, const DueObject& object, double due_s,
                 const std::string& message);
/// Refused for good: tried slowly, and what follows in its set does not wait for it.
void note_refused(store::Transaction& tx, const DueObject& object, double due_s, const std::string& message);
void note_withheld(store::Transaction& tx, const DueObject& object, const std::string& why);
/// Seconds UTC at which something of this destination is next to be done; absent: nothing waits.
std::optional<double> next_due_s(store::Transaction& tx, const std::string& destination);

/// A destination as a whole.
struct DestinationStatus {
  int failures = 0;  ///< in a row
  double next_try_s = 0;
  std::string last_error;
  std::uint64_t delivered = 0;
};
DestinationStatus destination_status(store::Transaction& tx, const std::string& destination);
void note_away(store::Transaction& tx, const std::string& destination, int failures, double next_try_s,
               const std::string& why);
void note_here(store::Transaction& tx, const std::string& destination);

/// Storage Commitment.
struct CommitmentRequest {
  std::string transaction_uid, set;
  int tries = 0;                                               ///< requests before this one
  std::vector<std::pair<std::string, std::string>> instances;  ///< SOP class, SOP instance
};
/// Sets whose last object has left and whose commitment is to be asked for now, at most `limit`, each with a
/// transaction UID of its own, recorded, so that an answer finds it. The next request is due at `again_s`.
std::vector<CommitmentRequest> claim_commitments(store::Transaction& tx, const std::string& destination, double now_s,
                                                 double again_s, int limit);
/// The request did not get through: again at `due_s`.
void note_commitment_failed(store::Transaction& tx, const std::string& destination, const CommitmentRequest& request,
                            double due_s, const std::string& message);
/// The destination and the number of requests of its set; absent for a transaction that is not ours.
struct CommitmentOwner {
  std::string destination;
  int tries = 0;
};
std::optional<CommitmentOwner> commitment_owner(store::Transaction& tx, const std::string& transaction_uid);
void note_committed(store::Transaction& tx, const std::string& destination, const std::string& sop_instance_uid,
                    double now_s);
/// Not committed: sent again at `due_s`.
void note_not_committed(store::Transaction& tx, const std::string& destination, const std::string& sop_instance_uid,
                        double due_s);

/// People.
/// The number of objects that ask again.
std::int64_t release_study(store::Transaction& tx, const std::string& study_instance_uid, double now_s);
bool cancel_delivery(store::Transaction& tx, std::int64_t id);
/// Due now; its destination is tried at once.
bool retry_delivery(store::Transaction& tx, std::int64_t id, double now_s);
std::vector<Delivery> list_deliveries(store::Transaction& tx, std::optional<DeliveryState> state, std::size_t limit);
std::vector<std::string> known_destinations(store::Transaction& tx);
Deliveries::QueueState queue_state(store::Transaction& tx, const std::string& destination);
/// A row of the study that is neither delivered nor cancelled nor withheld for ever.
bool study_wanted(store::Transaction& tx, const std::string& study_instance_uid);
bool planned_object(store::Transaction& tx, const std::string& sop_instance_uid);

}  // namespace rouage::results
