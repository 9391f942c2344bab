#include "route/route_tables.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace rouage::route::sql {
namespace {

using Json = nlohmann::json;
using store::Row;
using store::Value;

constexpr std::string_view kColumns =
    "id, uid, study, series, version, cog, rule, sender, priority, state, tries, deaths, priors, planned_s, due_s, "
    "started_s, ended_s, deadline_s, message, options, destinations, companion, waits_for, claim, request";

std::string select(std::string_view rest) {
  return fmt::format("SELECT {} FROM route_item {}", kColumns, rest);
}

std::vector<std::string> list_of(const std::string& json) {
  return json.empty() ? std::vector<std::string>{} : Json::parse(json).get<std::vector<std::string>>();
}

Item item_of(const Row& row) {
  Item item;
  item.id = row.integer(0);
  item.uid = row.text(1);
  item.study_instance_uid = row.text(2);
  item.series_instance_uid = row.text(3);
  item.series_version = static_cast<int>(row.integer(4));
  item.cog = row.text(5);
  item.rule = row.text(6);
  item.sender = row.text(7);
  item.priority = static_cast<Priority>(row.integer(8));
  item.state = state_of(row.text(9)).value_or(ItemState::parked);
  item.tries = static_cast<int>(row.integer(10));
  item.deaths = static_cast<int>(row.integer(11));
  item.priors = static_cast<int>(row.integer(12));
  item.planned_s = row.real(13);
  item.due_s = row.real(14);
  item.started_s = row.real(15);
  item.ended_s = row.real(16);
  item.deadline_s = row.real(17);
  item.message = row.text(18);
  item.options = Json::parse(row.text(19)).get<std::map<std::string, std::string>>();
  item.destinations = list_of(row.text(20));
  item.companion = row.text(21);
  item.waits_for = list_of(row.text(22));
  item.claim = row.text(23);
  item.requested = !row.text(24).empty();
  return item;
}

std::vector<Item> items_of(Transaction& tx, const std::string& sql, const std::vector<Value>& values) {
  std::vector<Item> items;
  tx.each(sql, values, [&](const Row& row) {
    items.push_back(item_of(row));
    return true;
  });
  return items;
}

std::optional<Item> item_where(Transaction& tx, std::string_view where, const std::vector<Value>& values) {
  const std::optional<Row> row = tx.first(select(where), values);
  if (!row) return std::nullopt;
  return item_of(*row);
}

Value integer(std::int64_t value) {
  return value;
}

}  // namespace

std::vector<std::string> migrations() {
  return {
      "CREATE TABLE route_item (id BIGINT NOT NULL PRIMARY KEY, uid TEXT NOT NULL UNIQUE, study TEXT NOT NULL, "
      "series TEXT NOT NULL, version BIGINT NOT NULL, cog TEXT NOT NULL, request TEXT NOT NULL, rule TEXT NOT NULL, "
      "sender TEXT NOT NULL, priority BIGINT NOT NULL, state TEXT NOT NULL, tries BIGINT NOT NULL, "
      "deaths BIGINT NOT NULL, priors BIGINT NOT NULL, planned_s DOUBLE PRECISION NOT NULL, "
      "due_s DOUBLE PRECISION NOT NULL, started_s DOUBLE PRECISION NOT NULL, ended_s DOUBLE PRECISION NOT NULL, "
      "deadline_s DOUBLE PRECISION NOT NULL, message TEXT NOT NULL, options TEXT NOT NULL, "
      "destinations TEXT NOT NULL, companion TEXT NOT NULL, waits_for TEXT NOT NULL, claim TEXT NOT NULL, "
      "UNIQUE (study, series, version, cog, request))",
      "CREATE INDEX route_item_urgent ON route_item (state, cog, priority, due_s, id)",
      "CREATE INDEX route_item_due ON route_item (state, due_s)",
      "CREATE INDEX route_item_deadline ON route_item (state, deadline_s)",
      "CREATE TABLE route_item_log (id BIGINT NOT NULL PRIMARY KEY, item BIGINT NOT NULL, "
      "at_s DOUBLE PRECISION NOT NULL, tries BIGINT NOT NULL, event TEXT NOT NULL, message TEXT NOT NULL)",
      "CREATE INDEX route_item_log_item ON route_item_log (item, id)",
      "CREATE TABLE route_item_output (item BIGINT NOT NULL, series TEXT NOT NULL, sop_class TEXT NOT NULL, "
      "sop TEXT NOT NULL, PRIMARY KEY (item, sop))",
      "CREATE TABLE route_item_dataset (item BIGINT NOT NULL PRIMARY KEY, dataset TEXT NOT NULL)",
      "CREATE TABLE route_counter (name TEXT NOT NULL PRIMARY KEY, last BIGINT NOT NULL)",
      "INSERT INTO route_counter (name, last) VALUES ('item', 0)",
      "INSERT INTO route_counter (name, last) VALUES ('event', 0)",
  };
}

namespace {

/// The row is locked until the transaction ends: no two processes get the same number.
std::int64_t next_number(Transaction& tx, const std::string& name) {
  tx.run("UPDATE route_counter SET last = last + 1 WHERE name = ?", {name});
  return tx.first("SELECT last FROM route_counter WHERE name = ?", {name}).value().integer(0);
}

}  // namespace

std::int64_t next_id(Transaction& tx) {
  return next_number(tx, "item");
}

bool insert_item(Transaction& tx, const Item& item, const std::string& request) {
  static const std::string sql = fmt::format(
      "INSERT INTO route_item ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT DO NOTHING",
      kColumns);
  return tx.run(sql, {item.id,
                      item.uid,
                      item.study_instance_uid,
                      item.series_instance_uid,
                      integer(item.series_version),
                      item.cog,
                      item.rule,
                      item.sender,
                      integer(static_cast<int>(item.priority)),
                      state_name(item.state),
                      integer(item.tries),
                      integer(item.deaths),
                      integer(item.priors),
                      item.planned_s,
                      item.due_s,
                      item.started_s,
                      item.ended_s,
                      item.deadline_s,
                      item.message,
                      Json(item.options).dump(),
                      Json(item.destinations).dump(),
                      item.companion,
                      Json(item.waits_for).dump(),
                      item.claim,
                      request}) == 1;
}

void update_item(Transaction& tx, const Item& item) {
  tx.run(
      "UPDATE route_item SET priority = ?, state = ?, tries = ?, deaths = ?, due_s = ?, started_s = ?, ended_s = ?, "
      "deadline_s = ?, message = ?, claim = ? WHERE id = ?",
      {integer(static_cast<int>(item.priority)), state_name(item.state), integer(item.tries), integer(item.deaths),
       item.due_s, item.started_s, item.ended_s, item.deadline_s, item.message, item.claim, item.id});
}

bool take_item(Transaction& tx, std::int64_t id, double now_s) {
  return tx.run(
             "UPDATE route_item SET state = 'running', tries = tries + 1, started_s = ?, ended_s = 0 "
             "WHERE id = ? AND state = 'due'",
             {now_s, id}) == 1;
}

std::optional<Item> item(Transaction& tx, std::int64_t id) {
  return item_where(tx, "WHERE id = ?", {id});
}

std::optional<Item> item_by_uid(Transaction& tx, const std::string& uid) {
  return item_where(tx, "WHERE uid = ?", {uid});
}

bool planned(Transaction& tx, const std::string& study, const std::string& series, int version,
             const std::string& cog) {
  return tx
      .first("SELECT id FROM route_item WHERE study = ? AND series = ? AND version = ? AND cog = ? AND request = ''",
             {study, series, integer(version), cog})
      .has_value();
}

std::vector<Item> items(Transaction& tx, std::optional<ItemState> state, const std::string& study, std::size_t limit) {
  std::string where;
  std::vector<Value> values;
  if (state) {
    where = "WHERE state = ?";
    values.emplace_back(state_name(*state));
  }
  if (!study.empty()) {
    where += where.empty() ? "WHERE study = ?" : " AND study = ?";
    values.emplace_back(study);
  }
  values.emplace_back(static_cast<std::int64_t>(limit));
  return items_of(tx, select(where + " ORDER BY id DESC LIMIT ?"), values);
}

std::vector<Item> open_items(Transaction& tx, const std::string& study) {
  return items_of(tx,
                  select("WHERE study = ? AND state IN ('due', 'waiting', 'running', 'parked', 'failed') ORDER BY id"),
                  {study});
}

std::vector<Item> superseded_items(Transaction& tx, const std::string& study, const std::string& series, int version) {
  return items_of(tx,
                  select("WHERE study = ? AND series = ? AND version < ? AND request = '' AND "
                         "state IN ('due', 'waiting', 'parked', 'failed') ORDER BY id"),
                  {study, series, integer(version)});
}

bool has_newer_version(Transaction& tx, const Item& item) {
  return tx
      .first("SELECT id FROM route_item WHERE study = ? AND series = ? AND version > ? AND request = '' LIMIT 1",
             {item.study_instance_uid, item.series_instance_uid, integer(item.series_version)})
      .has_value();
}

std::vector<Item> past_deadline(Transaction& tx, double now_s, std::size_t limit) {
  std::vector<Item> past;
  for (const char* state : {"due", "waiting"})
    for (Item& late : items_of(tx, select("WHERE state = ? AND deadline_s > 0 AND deadline_s <= ? LIMIT ?"),
                               {std::string(state), now_s, static_cast<std::int64_t>(limit)}))
      past.push_back(std::move(late));
  return past;
}

std::vector<Item> running_items(Transaction& tx) {
  return items_of(tx, select("WHERE state = 'running' ORDER BY id"), {});
}

std::vector<Item> waiting_items(Transaction& tx, const std::string& study) {
  if (study.empty()) return items_of(tx, select("WHERE state = 'waiting' ORDER BY id"), {});
  return items_of(tx, select("WHERE study = ? AND state = 'waiting' ORDER BY id"), {study});
}

std::map<std::string, ItemState> newest_states(Transaction& tx, const std::string& study, const std::string& cog) {
  std::map<std::string, ItemState> states;
  tx.each("SELECT series, state FROM route_item WHERE study = ? AND cog = ? AND request = '' ORDER BY series, version",
          {study, cog}, [&](const Row& row) {
            states[row.text(0)] = state_of(row.text(1)).value_or(ItemState::parked);
            return true;
          });
  return states;
}

std::optional<std::string> next_due_cog(Transaction& tx, const std::string& after) {
  const std::optional<Row> row = tx.first("SELECT MIN(cog) FROM route_item WHERE state = 'due' AND cog > ?", {after});
  if (!row || row->null(0)) return std::nullopt;
  return row->text(0);
}

std::optional<Item> most_urgent(Transaction& tx, const std::string& cog, double now_s, Priority least) {
  return item_where(tx,
                    "WHERE state = 'due' AND cog = ? AND priority <= ? AND due_s <= ? "
                    "ORDER BY priority, due_s, id LIMIT 1",
                    {cog, integer(static_cast<int>(least)), now_s});
}

std::optional<double> earliest_due_s(Transaction& tx) {
  const std::optional<Row> row = tx.first("SELECT MIN(due_s) FROM route_item WHERE state = 'due'");
  if (!row || row->null(0)) return std::nullopt;
  return row->real(0);
}

std::map<std::string, std::uint64_t> counts(Transaction& tx) {
  std::map<std::string, std::uint64_t> counts;
  tx.each("SELECT state, COUNT(*) FROM route_item GROUP BY state", {}, [&](const Row& row) {
    counts[row.text(0)] = static_cast<std::uint64_t>(row.integer(1));
    return true;
  });
  return counts;
}

void add_event(Transaction& tx, std::int64_t item, const ItemEvent& event) {
  tx.run("INSERT INTO route_item_log (id, item, at_s, tries, event, message) VALUES (?, ?, ?, ?, ?, ?)",
         {next_number(tx, "event"), item, event.at_s, integer(event.tries), event.event, event.message});
}

std::vector<ItemEvent> events(Transaction& tx, std::int64_t item) {
  std::vector<ItemEvent> events;
  tx.each("SELECT at_s, tries, event, message FROM route_item_log WHERE item = ? ORDER BY id", {item},
          [&](const Row& row) {
            events.push_back({row.real(0), static_cast<int>(row.integer(1)), row.text(2), row.text(3)});
            return true;
          });
  return events;
}

void add_output(Transaction& tx, std::int64_t item, const OutputReference& output) {
  tx.run("INSERT INTO route_item_output (item, series, sop_class, sop) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
         {item, output.series_instance_uid, output.sop_class_uid, output.sop_instance_uid});
}

std::vector<OutputReference> outputs(Transaction& tx, std::int64_t item) {
  std::vector<OutputReference> outputs;
  tx.each("SELECT series, sop_class, sop FROM route_item_output WHERE item = ? ORDER BY sop", {item},
          [&](const Row& row) {
            outputs.push_back({row.text(0), row.text(1), row.text(2)});
            return true;
          });
  return outputs;
}

void set_dataset(Transaction& tx, std::int64_t item, const std::string& dataset) {
  tx.run(
      "INSERT INTO route_item_dataset (item, dataset) VALUES (?, ?) "
      "ON CONFLICT (item) DO UPDATE SET dataset = excluded.dataset",
      {item, dataset});
}

std::string dataset(Transaction& tx, std::int64_t item) {
  const std::optional<Row> row = tx.first("SELECT dataset FROM route_item_dataset WHERE item = ?", {item});
  return row ? row->text(0) : "";
}

std::vector<std::int64_t> ended_before(Transaction& tx, double ended_before_s, std::size_t limit) {
  std::vector<std::int64_t> ids;
  tx.each(
      "SELECT id FROM route_item WHERE state IN ('done', 'cancelled', 'expired', 'failed', 'parked') AND ended_s > 0 "
      "AND ended_s < ? LIMIT ?",
      {ended_before_s, static_cast<std::int64_t>(limit)}, [&](const Row& row) {
        ids.push_back(row.integer(0));
        return true;
      });
  return ids;
}

void remove_item(Transaction& tx, std::int64_t id) {
  tx.run("DELETE FROM route_item_log WHERE item = ?", {id});
  tx.run("DELETE FROM route_item_output WHERE item = ?", {id});
  tx.run("DELETE FROM route_item_dataset WHERE item = ?", {id});
  tx.run("DELETE FROM route_item WHERE id = ?", {id});
}

}  // namespace rouage::route::sql
