#include "results/delivery_tables.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace rouage::results {
namespace {

using store::Row;
using store::Transaction;
using store::Value;

constexpr const char* kUndelivered = "('due','refused','sending','waiting_release','shadow','waiting_commitment')";

std::int64_t count(std::size_t value) {
  return static_cast<std::int64_t>(value);
}

DueObject due_object(const Row& row) {
  DueObject object;
  object.id = row.integer(0);
  object.set = row.text(1);
  object.study_instance_uid = row.text(2);
  object.file = row.text(3);
  object.role = row.text(4);
  object.sop_class_uid = row.text(5);
  object.sop_instance_uid = row.text(6);
  object.digest = row.text(7);
  object.tries = static_cast<int>(row.integer(8));
  object.planned_s = row.real(9);
  return object;
}

/// What makes an object one: its UID; a bundle without one is known by its content.
std::string object_key(const OutgoingObject& object) {
  if (!object.sop_instance_uid.empty()) return object.sop_instance_uid;
  return object.role + ":" + (object.digest.empty() ? object.file.string() : object.digest);
}

DeliveryState state_of(const std::string& text) {
  if (text == "due" || text == "refused") return DeliveryState::due;
  if (text == "sending") return DeliveryState::sending;
  if (text == "waiting_release" || text == "shadow") return DeliveryState::waiting_release;
  if (text == "waiting_commitment") return DeliveryState::waiting_commitment;
  if (text == "delivered") return DeliveryState::delivered;
  if (text == "cancelled") return DeliveryState::cancelled;
  throw Error(ErrorCode::DatabaseFailed, "a delivery has the unknown state '" + text + "'");
}

/// The two texts of the table that a state of the interface stands for.
std::pair<std::string, std::string> texts_of(DeliveryState state) {
  switch (state) {
    case DeliveryState::due:
      return {"due", "refused"};
    case DeliveryState::waiting_release:
      return {"waiting_release", "shadow"};
    case DeliveryState::sending:
    case DeliveryState::waiting_commitment:
    case DeliveryState::delivered:
    case DeliveryState::cancelled:
      break;
  }
  return {state_name(state), state_name(state)};
}

std::vector<DueObject> due_rows(Transaction& tx, const std::string& destination, const std::string& state, double now_s,
                                int limit) {
  std::vector<DueObject> objects;
  // "+ 0": by the index of ids, which ends at the limit; that of times would sort a whole backlog for each batch.
  tx.each(
      "SELECT id, set_id, study, file, object_role, sop_class, sop_instance, digest, tries, planned_s FROM delivery "
      "WHERE destination = ? AND state = ? AND due_s + 0 <= ? ORDER BY id LIMIT ?",
      {destination, state, now_s, std::int64_t{limit}}, [&](const Row& row) {
        objects.push_back(due_object(row));
        return true;
      });
  return objects;
}

/// Sets whose commitment is due, with the number of requests so far. A set that is not whole yet is looked at again a
/// little later, so that it stands in nobody's way.
std::map<std::string, int> sets_to_commit(Transaction& tx, const std::string& destination, double now_s, int limit) {
  constexpr double kLaterS = 2;
  constexpr std::int64_t kRowsASet = 16;
  std::map<std::string, int> sets;
  tx.each(
      "SELECT set_id, asked FROM delivery WHERE destination = ? AND state = 'waiting_commitment' AND due_s <= ? "
      "ORDER BY due_s LIMIT ?",
      {destination, now_s, limit * kRowsASet}, [&](const Row& row) {
        int& asked = sets[row.text(0)];
        asked = std::max(asked, static_cast<int>(row.integer(1)));
        return sets.size() < static_cast<std::size_t>(limit);
      });
  std::erase_if(sets, [&](const auto& entry) {
    const std::string& set = entry.first;
    const bool open = tx.first(
                            "SELECT 1 FROM delivery WHERE destination = ? AND set_id = ? "
                            "AND state IN ('due', 'sending') LIMIT 1",
                            {destination, set})
                          .has_value();
    if (open)
      tx.run(
          "UPDATE delivery SET due_s = ? WHERE destination = ? AND set_id = ? AND state = 'waiting_commitment' "
          "AND due_s <= ?",
          {now_s + kLaterS, destination, set, now_s});
    return open;
  });
  return sets;
}

}  // namespace

void make_delivery_tables(store::Database& database) {
  const std::string table =
      "CREATE TABLE delivery (id BIGINT PRIMARY KEY, destination TEXT NOT NULL, object_key TEXT NOT NULL, "
      "set_id TEXT NOT NULL, study TEXT NOT NULL, file TEXT NOT NULL, object_role TEXT NOT NULL, "
      "sop_class TEXT NOT NULL, sop_instance TEXT NOT NULL, digest TEXT NOT NULL, state TEXT NOT NULL, "
      "tries BIGINT NOT NULL, planned_s DOUBLE PRECISION NOT NULL, due_s DOUBLE PRECISION NOT NULL, "
      "delivered_s DOUBLE PRECISION NOT NULL, message TEXT NOT NULL, asked BIGINT NOT NULL, "
      "UNIQUE (destination, object_key))";
  const std::string destinations =
      "CREATE TABLE delivery_destination (name TEXT PRIMARY KEY, failures BIGINT NOT NULL, "
      "next_try_s DOUBLE PRECISION NOT NULL, last_error TEXT NOT NULL, delivered BIGINT NOT NULL)";
  const std::string commitments =
      "CREATE TABLE delivery_commitment (transaction_uid TEXT PRIMARY KEY, destination TEXT NOT NULL, "
      "set_id TEXT NOT NULL, asked BIGINT NOT NULL, asked_s DOUBLE PRECISION NOT NULL)";
  database.migrate("results", {table, "CREATE INDEX delivery_queue ON delivery (destination, state, id, planned_s)",
                               "CREATE INDEX delivery_time ON delivery (destination, state, due_s)",
                               "CREATE INDEX delivery_state ON delivery (state, id)",
                               "CREATE INDEX delivery_set ON delivery (destination, set_id, state)",
                               "CREATE INDEX delivery_study ON delivery (study, state)",
                               "CREATE INDEX delivery_instance ON delivery (sop_instance)", destinations, commitments,
                               "CREATE INDEX delivery_commitment_set ON delivery_commitment (destination, set_id)",
                               "CREATE TABLE delivery_number (name TEXT PRIMARY KEY, next_id BIGINT NOT NULL)",
                               "INSERT INTO delivery_number (name, next_id) VALUES ('delivery', 1)"});
}

std::int64_t take_delivery_ids(Transaction& tx, std::size_t many) {
  tx.run("UPDATE delivery_number SET next_id = next_id + ? WHERE name = 'delivery'", {count(many)});
  const auto row = tx.first("SELECT next_id FROM delivery_number WHERE name = 'delivery'");
  if (!row) throw Error(ErrorCode::DatabaseFailed, "the table of delivery numbers is empty");
  return row->integer(0) - count(many);
}

void insert_delivery(Transaction& tx, const NewDelivery& delivery) {
  const OutgoingObject& object = delivery.object;
  tx.run(
      "INSERT INTO delivery (id, destination, object_key, set_id, study, file, object_role, sop_class, sop_instance, "
      "digest, state, tries, planned_s, due_s, delivered_s, message, asked) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, 0, ?, 0) ON CONFLICT (destination, object_key) DO NOTHING",
      {delivery.id, delivery.destination, object_key(object), delivery.set, delivery.study_instance_uid,
       object.file.string(), object.role, object.sop_class_uid, object.sop_instance_uid, object.digest,
       delivery.withheld ? "shadow" : "due", delivery.now_s, delivery.now_s,
       delivery.withheld ? "the destination's policy is never" : ""});
}

void recover_deliveries(Transaction& tx, const Destination& destination, double now_s) {
  const std::string& name = destination.name;
  tx.run(
      "INSERT INTO delivery_destination (name, failures, next_try_s, last_error, delivered) VALUES (?, 0, 0, '', 0) "
      "ON CONFLICT (name) DO NOTHING",
      {name});
  tx.run("UPDATE delivery SET state = 'due' WHERE destination = ? AND state = 'sending'", {name});
  if (destination.policy == store::Policy::never)
    tx.run(
        "UPDATE delivery SET state = 'shadow', message = 'the destination''s policy is never' WHERE destination = ? "
        "AND state IN ('due', 'refused', 'waiting_release')",
        {name});
  else
    tx.run(
        "UPDATE delivery SET state = 'due', due_s = ? WHERE destination = ? AND state IN ('waiting_release', 'shadow')",
        {now_s, name});
  tx.run("UPDATE delivery SET due_s = ? WHERE destination = ? AND state = 'waiting_commitment'", {now_s, name});
  tx.run("UPDATE delivery SET due_s = ? WHERE destination = ? AND state IN ('due', 'refused') AND due_s > ?",
         {now_s, name, now_s + destination.longest_wait_s});
}

std::vector<DueObject> claim_due(Transaction& tx, const std::string& destination, double now_s, int limit) {
  std::vector<DueObject> objects = due_rows(tx, destination, "due", now_s, limit);
  if (objects.empty()) objects = due_rows(tx, destination, "refused", now_s, limit);
  for (const DueObject& object : objects) tx.run("UPDATE delivery SET state = 'sending' WHERE id = ?", {object.id});
  return objects;
}

void give_back(Transaction& tx, const std::vector<DueObject>& objects) {
  for (const DueObject& object : objects)
    tx.run("UPDATE delivery SET state = 'due' WHERE id = ? AND state = 'sending'", {object.id});
}

void note_delivered(Transaction& tx, const std::string& destination, const DueObject& object, bool commit,
                    const std::string& message, double now_s) {
  // Also when somebody cancelled it meanwhile: it is there, and must be known to be.
  tx.run("UPDATE delivery SET state = ?, tries = tries + 1, due_s = ?, delivered_s = ?, message = ? WHERE id = ?",
         {commit ? "waiting_commitment" : "delivered", now_s, commit ? 0.0 : now_s, message, object.id});
  note_here(tx, destination);
  if (!commit) tx.run("UPDATE delivery_destination SET delivered = delivered + 1 WHERE name = ?", {destination});
}

void note_failed(Transaction& tx, const std::string& destination, const DueObject& object, double due_s,
                 const std::string& message) {
  tx.run(
      "UPDATE delivery SET state = 'due', tries = tries + 1, due_s = ?, message = ? WHERE id = ? AND state = 'sending'",
      {due_s, message, object.id});
  tx.run(
      "UPDATE delivery SET state = 'due', due_s = ? WHERE destination = ? AND set_id = ? AND id > ? "
      "AND state IN ('due', 'sending') AND due_s < ?",
      {due_s, destination, object.set, object.id, due_s});
}

void note_refused(Transaction& tx, const DueObject& object, double due_s, const std::string& message) {
  tx.run(
      "UPDATE delivery SET state = 'refused', tries = tries + 1, due_s = ?, message = ? WHERE id = ? "
      "AND state = 'sending'",
      {due_s, message, object.id});
}

void note_withheld(Transaction& tx, const DueObject& object, const std::string& why) {
  tx.run("UPDATE delivery SET state = 'waiting_release', message = ? WHERE id = ? AND state = 'sending'",
         {why, object.id});
}

std::optional<double> next_due_s(Transaction& tx, const std::string& destination) {
  std::optional<double> next;
  for (const char* state : {"due", "refused", "waiting_commitment"}) {
    const auto row =
        tx.first("SELECT MIN(due_s) FROM delivery WHERE destination = ? AND state = ?", {destination, state});
    if (row && !row->null(0)) next = std::min(next.value_or(row->real(0)), row->real(0));
  }
  return next;
}

DestinationStatus destination_status(Transaction& tx, const std::string& destination) {
  const auto row = tx.first(
      "SELECT failures, next_try_s, last_error, delivered FROM delivery_destination WHERE name = ?", {destination});
  if (!row) return {};
  return {static_cast<int>(row->integer(0)), row->real(1), row->text(2), static_cast<std::uint64_t>(row->integer(3))};
}

void note_away(Transaction& tx, const std::string& destination, int failures, double next_try_s,
               const std::string& why) {
  tx.run(
      "INSERT INTO delivery_destination (name, failures, next_try_s, last_error, delivered) VALUES (?, ?, ?, ?, 0) "
      "ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, next_try_s = excluded.next_try_s, "
      "last_error = excluded.last_error",
      {destination, std::int64_t{failures}, next_try_s, why});
}

void note_here(Transaction& tx, const std::string& destination) {
  tx.run(
      "INSERT INTO delivery_destination (name, failures, next_try_s, last_error, delivered) VALUES (?, 0, 0, '', 0) "
      "ON CONFLICT (name) DO UPDATE SET failures = 0, next_try_s = 0, last_error = ''",
      {destination});
}

std::vector<CommitmentRequest> claim_commitments(Transaction& tx, const std::string& destination, double now_s,
                                                 double again_s, int limit) {
  std::vector<CommitmentRequest> requests;
  for (auto& [set, tries] : sets_to_commit(tx, destination, now_s, limit)) {
    CommitmentRequest request;
    const auto before =
        tx.first("SELECT COUNT(*) FROM delivery_commitment WHERE destination = ? AND set_id = ?", {destination, set});
    request.transaction_uid = derived_uid({"storage commitment", destination, set, before->text(0)});
    request.set = set;
    request.tries = tries;
    for (const Row& row : tx.rows("SELECT sop_class, sop_instance FROM delivery WHERE destination = ? AND set_id = ? "
                                  "AND state = 'waiting_commitment' ORDER BY id",
                                  {destination, set}))
      request.instances.emplace_back(row.text(0), row.text(1));
    tx.run(
        "INSERT INTO delivery_commitment (transaction_uid, destination, set_id, asked, asked_s) VALUES (?, ?, ?, ?, ?)",
        {request.transaction_uid, destination, set, std::int64_t{tries}, now_s});
    tx.run(
        "UPDATE delivery SET asked = asked + 1, due_s = ?, message = 'Storage Commitment is asked for' "
        "WHERE destination = ? AND set_id = ? AND state = 'waiting_commitment'",
        {again_s, destination, set});
    requests.push_back(std::move(request));
  }
  return requests;
}

void note_commitment_failed(Transaction& tx, const std::string& destination, const CommitmentRequest& request,
                            double due_s, const std::string& message) {
  tx.run(
      "UPDATE delivery SET due_s = ?, message = ? WHERE destination = ? AND set_id = ? AND state = "
      "'waiting_commitment'",
      {due_s, message, destination, request.set});
}

std::optional<CommitmentOwner> commitment_owner(Transaction& tx, const std::string& transaction_uid) {
  const auto row =
      tx.first("SELECT destination, asked FROM delivery_commitment WHERE transaction_uid = ?", {transaction_uid});
  if (!row) return std::nullopt;
  return CommitmentOwner{row->text(0), static_cast<int>(row->integer(1))};
}

void note_committed(Transaction& tx, const std::string& destination, const std::string& sop_instance_uid,
                    double now_s) {
  const auto changed = tx.run(
      "UPDATE delivery SET state = 'delivered', delivered_s = ?, message = '' WHERE destination = ? "
      "AND sop_instance = ? AND state = 'waiting_commitment'",
      {now_s, destination, sop_instance_uid});
  if (changed > 0)
    tx.run("UPDATE delivery_destination SET delivered = delivered + ? WHERE name = ?", {changed, destination});
}

void note_not_committed(Transaction& tx, const std::string& destination, const std::string& sop_instance_uid,
                        double due_s) {
  tx.run(
      "UPDATE delivery SET state = 'due', due_s = ?, message = 'not committed: sent again' WHERE destination = ? "
      "AND sop_instance = ? AND state = 'waiting_commitment'",
      {due_s, destination, sop_instance_uid});
}

std::int64_t release_study(Transaction& tx, const std::string& study_instance_uid, double now_s) {
  return tx.run("UPDATE delivery SET state = 'due', due_s = ? WHERE study = ? AND state = 'waiting_release'",
                {now_s, study_instance_uid});
}

bool cancel_delivery(Transaction& tx, std::int64_t id) {
  return tx.run(
             "UPDATE delivery SET state = 'cancelled', message = 'cancelled' WHERE id = ? "
             "AND state NOT IN ('delivered', 'cancelled')",
             {id}) > 0;
}

bool retry_delivery(Transaction& tx, std::int64_t id, double now_s) {
  const auto row = tx.first("SELECT destination, state FROM delivery WHERE id = ?", {id});
  if (!row) return false;
  const std::string state = row->text(1);
  if (state == "waiting_commitment") {
    tx.run("UPDATE delivery SET due_s = ? WHERE id = ?", {now_s, id});
  } else if (state == "due" || state == "refused" || state == "waiting_release" || state == "cancelled") {
    tx.run("UPDATE delivery SET state = 'due', due_s = ? WHERE id = ?", {now_s, id});
  } else {
    return false;
  }
  tx.run("UPDATE delivery_destination SET next_try_s = 0 WHERE name = ?", {row->text(0)});
  return true;
}

std::vector<Delivery> list_deliveries(Transaction& tx, std::optional<DeliveryState> state, std::size_t limit) {
  std::string sql =
      "SELECT id, destination, study, sop_instance, object_role, message, state, tries, planned_s, due_s, delivered_s "
      "FROM delivery";
  std::vector<Value> values;
  if (state) {
    const auto [one, other] = texts_of(*state);
    sql += " WHERE state IN (?, ?)";
    values = {one, other};
  }
  sql += " ORDER BY id DESC LIMIT ?";
  values.emplace_back(count(limit));
  std::vector<Delivery> deliveries;
  tx.each(sql, values, [&](const Row& row) {
    Delivery delivery;
    delivery.id = row.integer(0);
    delivery.destination = row.text(1);
    delivery.study_instance_uid = row.text(2);
    delivery.sop_instance_uid = row.text(3);
    delivery.role = row.text(4);
    delivery.message = row.text(5);
    delivery.state = state_of(row.text(6));
    delivery.tries = static_cast<int>(row.integer(7));
    delivery.planned_s = row.real(8);
    delivery.due_s = row.real(9);
    delivery.delivered_s = row.real(10);
    deliveries.push_back(std::move(delivery));
    return true;
  });
  return deliveries;
}

std::vector<std::string> known_destinations(Transaction& tx) {
  std::vector<std::string> names;
  for (const Row& row : tx.rows("SELECT name FROM delivery_destination ORDER BY name")) names.push_back(row.text(0));
  return names;
}

Deliveries::QueueState queue_state(Transaction& tx, const std::string& destination) {
  Deliveries::QueueState queue;
  queue.destination = destination;
  const DestinationStatus status = destination_status(tx, destination);
  queue.last_error = status.last_error;
  queue.delivered = status.delivered;
  queue.reachable = status.failures == 0;
  const std::string sql = std::string(
                              "SELECT state, COUNT(*), MIN(planned_s) FROM delivery WHERE destination = ? "
                              "AND state IN ") +
                          kUndelivered + " GROUP BY state";
  tx.each(sql, {destination}, [&](const Row& row) {
    const std::string text = row.text(0);
    const auto many = static_cast<std::uint64_t>(row.integer(1));
    const DeliveryState state = state_of(text);
    if (state == DeliveryState::waiting_release) queue.waiting_release += many;
    if (state == DeliveryState::waiting_commitment) queue.waiting_commitment += many;
    if (state == DeliveryState::due || state == DeliveryState::sending) queue.due += many;
    if (text == "refused") queue.refused += many;
    if (text != "shadow" && (queue.oldest_s <= 0 || row.real(2) < queue.oldest_s)) queue.oldest_s = row.real(2);
    return true;
  });
  return queue;
}

bool study_wanted(Transaction& tx, const std::string& study_instance_uid) {
  return tx
      .first("SELECT 1 FROM delivery WHERE study = ? AND state NOT IN ('delivered', 'cancelled', 'shadow') LIMIT 1",
             {study_instance_uid})
      .has_value();
}

bool planned_object(Transaction& tx, const std::string& sop_instance_uid) {
  return tx.first("SELECT 1 FROM delivery WHERE sop_instance = ? LIMIT 1", {sop_instance_uid}).has_value();
}

}  // namespace rouage::results
