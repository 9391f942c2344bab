#include "results/delivery.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/host.h"
#include "results/delivery_tables.h"
#include "results/delivery_worker.h"

namespace rouage::results {
namespace {

void check(const Destination& destination) {
  const auto refuse = [&destination](const char* what) {
    throw Error(ErrorCode::ConfigInvalid, "destination '" + destination.name + "': " + what);
  };
  if (destination.name.empty()) refuse("it has no name");
  const bool web = destination.kind == DestinationKind::stow || destination.kind == DestinationKind::fhir;
  if (web && !destination.url.starts_with("http://") && !destination.url.starts_with("https://"))
    refuse("url must begin with http:// or https://");
  if (destination.kind == DestinationKind::dicom && (destination.host.empty() || destination.ae_title.empty()))
    refuse("host and ae_title are needed");
  if (destination.kind == DestinationKind::dicom && (destination.port < 1 || destination.port > 65535))
    refuse("port must be 1 to 65535");
  if (destination.kind == DestinationKind::folder && destination.folder.empty()) refuse("folder is needed");
  if (!(destination.first_wait_s > 0) || !(destination.longest_wait_s >= destination.first_wait_s))
    refuse("first_wait_s must be above 0 and longest_wait_s not below it");
  if (!(destination.commitment_wait_s > 0)) refuse("commitment_wait_s must be above 0");
}

/// What a kind of destination can take, and the roles that it asks for.
bool fits(const Destination& destination, const OutgoingObject& object) {
  const bool dicom = !object.sop_class_uid.empty();
  switch (destination.kind) {
    case DestinationKind::dicom:
    case DestinationKind::stow:
      if (!dicom) return false;
      break;
    case DestinationKind::fhir:
      if (object.role != "fhir") return false;
      break;
    case DestinationKind::folder:
      break;
  }
  const auto& roles = destination.roles;
  return roles.empty() || std::find(roles.begin(), roles.end(), object.role) != roles.end();
}

}  // namespace

std::string state_name(DeliveryState state) {
  switch (state) {
    case DeliveryState::due:
      return "due";
    case DeliveryState::sending:
      return "sending";
    case DeliveryState::waiting_release:
      return "waiting_release";
    case DeliveryState::waiting_commitment:
      return "waiting_commitment";
    case DeliveryState::delivered:
      return "delivered";
    case DeliveryState::cancelled:
      break;
  }
  return "cancelled";
}

struct Deliveries::State {
  DeliveryContext context;
  std::vector<std::unique_ptr<DeliveryWorker>> workers;

  const Destination* find(const std::string& name) const {
    for (const auto& worker : workers)
      if (worker->destination().name == name) return &worker->destination();
    return nullptr;
  }
  store::Database& database() const { return *context.database; }
};

Deliveries::Deliveries(store::Database& database, std::vector<Destination> destinations,
                       const store::ReleasePermit& permit, std::string own_ae)
    : state_(std::make_unique<State>()) {
  state_->context.database = &database;
  state_->context.permit = &permit;
  state_->context.own_ae = std::move(own_ae);
  for (Destination& destination : destinations) {
    check(destination);
    if (state_->find(destination.name) != nullptr)
      throw Error(ErrorCode::ConfigInvalid, "two destinations are called '" + destination.name + "'");
    state_->workers.push_back(std::make_unique<DeliveryWorker>(state_->context, std::move(destination)));
  }
  make_delivery_tables(database);
}

Deliveries::~Deliveries() {
  stop(0);
}

void Deliveries::plan(store::Transaction& tx, const ResultSet& set) {
  std::vector<OutgoingObject> objects = set.objects;
  std::stable_partition(objects.begin(), objects.end(),
                        [](const OutgoingObject& object) { return object.role != "key_objects"; });
  const std::string set_id = digest_of(std::array{set.study_instance_uid, set.series_instance_uid, set.cog,
                                                  std::to_string(set.series_version)})
                                 .hex()
                                 .substr(0, 32);
  std::vector<NewDelivery> planned;
  for (const auto& worker : state_->workers) {
    const Destination& destination = worker->destination();
    const auto& wanted = set.destinations;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), destination.name) == wanted.end()) continue;
    for (const OutgoingObject& object : objects) {
      if (!fits(destination, object)) continue;
      planned.push_back({0, destination.name, set_id, set.study_instance_uid, object,
                         destination.policy == store::Policy::never, utc_now_s()});
    }
  }
  for (const std::string& name : set.destinations)
    if (state_->find(name) == nullptr)
      log_event(LogLevel::error, "results", "a result names a destination that is not configured",
                {{"destination", name}, {"cog", set.cog}});
  if (planned.empty()) return;
  std::int64_t id = take_delivery_ids(tx, planned.size());
  for (NewDelivery& delivery : planned) {
    delivery.id = id++;
    insert_delivery(tx, delivery);
  }
  tx.after_commit([bell = state_->context.bell] { bell->ring(); });
}

void Deliveries::on_delivered(Delivered told) {
  state_->context.delivered = std::move(told);
}

void Deliveries::start() {
  for (const auto& worker : state_->workers) worker->start();
}

void Deliveries::stop(double patience_s) {
  state_->context.stopping = true;
  state_->context.bell->ring();
  const double until_s = monotonic_s() + patience_s;
  for (const auto& worker : state_->workers) worker->ended(std::max(until_s - monotonic_s(), 0.0));
  state_->context.cut = true;
  for (const auto& worker : state_->workers) worker->join();
}

void Deliveries::committed(const std::string& transaction_uid, const std::vector<std::string>& committed,
                           const std::vector<std::string>& failed) {
  const auto owner =
      state_->database().read([&](store::Transaction& tx) { return commitment_owner(tx, transaction_uid); });
  const Destination* destination = owner ? state_->find(owner->destination) : nullptr;
  if (destination == nullptr) {
    log_event(LogLevel::warning, "results", "an answer to a Storage Commitment that nobody asked for",
              {{"transaction", transaction_uid}});
    return;
  }
  take_commitment(state_->context, *destination, owner->tries, committed, failed);
}

void Deliveries::release_changed(const std::string& study_instance_uid) {
  state_->database().write([&](store::Transaction& tx) { release_study(tx, study_instance_uid, utc_now_s()); });
  state_->context.bell->ring();
}

bool Deliveries::cancel(std::int64_t id) {
  return state_->database().write([&](store::Transaction& tx) { return cancel_delivery(tx, id); });
}

bool Deliveries::retry(std::int64_t id) {
  const bool found =
      state_->database().write([&](store::Transaction& tx) { return retry_delivery(tx, id, utc_now_s()); });
  state_->context.bell->ring();
  return found;
}

bool Deliveries::wanted(const std::string& study_instance_uid) const {
  return state_->database().read([&](store::Transaction& tx) { return study_wanted(tx, study_instance_uid); });
}

std::vector<Delivery> Deliveries::list(std::optional<DeliveryState> state, std::size_t limit) const {
  return state_->database().read([&](store::Transaction& tx) { return list_deliveries(tx, state, limit); });
}

std::vector<Deliveries::QueueState> Deliveries::queues() const {
  return state_->database().read([&](store::Transaction& tx) {
    std::vector<QueueState> queues;
    std::set<std::string> seen;
    for (const auto& worker : state_->workers) {
      seen.insert(worker->destination().name);
      queues.push_back(queue_state(tx, worker->destination().name));
    }
    // Rows of a destination that the configuration no longer has.
    for (const std::string& name : known_destinations(tx)) {
      if (seen.contains(name)) continue;
      QueueState queue = queue_state(tx, name);
      if (queue.due + queue.waiting_release + queue.waiting_commitment == 0) continue;
      queue.reachable = false;
      queue.last_error = "this destination is not configured any more";
      queues.push_back(std::move(queue));
    }
    return queues;
  });
}

bool own_result(store::Transaction& tx, const dicom::IndexEntry& entry) {
  return entry.made_by_rouage || planned_object(tx, entry.sop_instance_uid);
}

}  // namespace rouage::results
