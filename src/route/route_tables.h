/// Rows of the tables of work items; private to the room. All in the caller's transaction.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "route/route.h"
#include "store/database.h"

namespace rouage::route::sql {

using store::Transaction;

std::vector<std::string> migrations();

std::int64_t next_id(Transaction& tx);
/// False when there is one of this (study, series, version, cog, request) or UID.
bool insert_item(Transaction& tx, const Item& item, const std::string& request);
/// All that changes in an item's life; what it is about does not.
void update_item(Transaction& tx, const Item& item);
/// due -> running, once: false when another worker was faster.
bool take_item(Transaction& tx, std::int64_t id, double now_s);

std::optional<Item> item(Transaction& tx, std::int64_t id);
std::optional<Item> item_by_uid(Transaction& tx, const std::string& uid);
bool planned(Transaction& tx, const std::string& study, const std::string& series, int version, const std::string& cog);
std::vector<Item> items(Transaction& tx, std::optional<ItemState> state, const std::string& study, std::size_t limit);
/// Of a study, in one of the states that are not at an end.
std::vector<Item> open_items(Transaction& tx, const std::string& study);
/// Planned by rules, of an older version than `version`, and not running.
std::vector<Item> superseded_items(Transaction& tx, const std::string& study, const std::string& series, int version);
bool has_newer_version(Transaction& tx, const Item& item);
std::vector<Item> past_deadline(Transaction& tx, double now_s, std::size_t limit);
std::vector<Item> running_items(Transaction& tx);
std::vector<Item> waiting_items(Transaction& tx, const std::string& study);  ///< study "": of all

/// Of one cog in a study, planned by rules: the state of the newest version, by series.
std::map<std::string, ItemState> newest_states(Transaction& tx, const std::string& study, const std::string& cog);

/// The first cog after `after` that has due items.
std::optional<std::string> next_due_cog(Transaction& tx, const std::string& after);
std::optional<Item> most_urgent(Transaction& tx, const std::string& cog, double now_s, Priority least);
std::optional<double> earliest_due_s(Transaction& tx);
std::map<std::string, std::uint64_t> counts(Transaction& tx);

void add_event(Transaction& tx, std::int64_t item, const ItemEvent& event);
std::vector<ItemEvent> events(Transaction& tx, std::int64_t item);
void add_output(Transaction& tx, std::int64_t item, const OutputReference& output);
std::vector<OutputReference> outputs(Transaction& tx, std::int64_t item);
void set_dataset(Transaction& tx, std::int64_t item, const std::string& dataset);
std::string dataset(Transaction& tx, std::int64_t item);

std::vector<std::int64_t> ended_before(Transaction& tx, double ended_before_s, std::size_t limit);
void remove_item(Transaction& tx, std::int64_t id);

}  // namespace rouage::route::sql
