#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <tuple>

#include "base/error.h"
#include "base/service.h"
#include "route/route_tables.h"

namespace rouage::route {
namespace {

constexpr std::size_t kLongestMessage = 4000, kAtOnce = 500;
constexpr int kDeathsWithoutWait = 2;

std::string cut(const std::string& message) {
  std::string text = message.substr(0, kLongestMessage);
  while (!text.empty() && !valid_utf8(text)) text.pop_back();
  return text;
}

bool at_an_end(ItemState state) {
  return state == ItemState::done || state == ItemState::cancelled || state == ItemState::expired;
}

double wait_after(const RetryRules& rules, int tries) {
  return std::min(rules.longest_wait_s, rules.first_wait_s * std::pow(2, std::min(std::max(tries, 1) - 1, 30)));
}

/// Every cog that the item waits for has done its newest version: of the item's own series when the cog looked at that
/// one, else of all series of the study that it looked at.
bool upstream_done(store::Transaction& tx, const Item& item) {
  return std::all_of(item.waits_for.begin(), item.waits_for.end(), [&](const std::string& cog) {
    const std::map<std::string, ItemState> states = sql::newest_states(tx, item.study_instance_uid, cog);
    if (const auto own = states.find(item.series_instance_uid); own != states.end())
      return own->second == ItemState::done;
    return !states.empty() &&
           std::all_of(states.begin(), states.end(), [](const auto& state) { return state.second == ItemState::done; });
  });
}

void record(store::Transaction& tx, const Item& item, const std::string& event, const std::string& message) {
  sql::update_item(tx, item);
  sql::add_event(tx, item.id, {utc_now_s(), item.tries, event, cut(message)});
}

/// Due, or waiting while its upstream is not done.
void set_ready(store::Transaction& tx, Item& item, double due_s) {
  item.state = upstream_done(tx, item) ? ItemState::due : ItemState::waiting;
  item.due_s = due_s;
  item.started_s = item.ended_s = 0;
}

void wake_waiting(store::Transaction& tx, const std::string& study) {
  for (Item& waiting : sql::waiting_items(tx, study)) {
    if (!upstream_done(tx, waiting)) continue;
    waiting.state = ItemState::due;
    waiting.due_s = std::max(waiting.due_s, utc_now_s());
    record(tx, waiting, "due", "what it waited for is done");
  }
}

void end(store::Transaction& tx, Item& item, ItemState state, const std::string& why) {
  item.state = state;
  item.ended_s = utc_now_s();
  item.message = cut(why);
  record(tx, item, state_name(state), why);
}

void tell(LogLevel level, const std::string& event, const Item& item) {
  log_event(level, "route", event,
            {{"item", std::to_string(item.id)},
             {"cog", item.cog},
             {"rule", item.rule},
             {"tries", std::to_string(item.tries)},
             {"message", item.message},
             patient_field("series", item.series_instance_uid)});
}

}  // namespace

struct Items::State {
  State(store::Database& opened, RetryRules rules) : database(opened), retry(rules) {}
  store::Database& database;
  RetryRules retry;
  std::mutex mutex;
  std::vector<std::function<void()>> listeners;

  void wake() {
    std::vector<std::function<void()>> called;
    {
      const std::scoped_lock lock(mutex);
      called = listeners;
    }
    for (const auto& listener : called) listener();
  }
  static void wake_after(const std::shared_ptr<State>& self, store::Transaction& tx) {
    tx.after_commit([weak = std::weak_ptr(self)] {
      if (const auto state = weak.lock()) state->wake();
    });
  }
  /// Changes one item in a transaction of its own; `change` returns false to leave it.
  bool change(std::int64_t id, const std::function<bool(store::Transaction&, Item&)>& change) {
    const bool changed = database.write([&](store::Transaction& tx) {
      std::optional<Item> item = sql::item(tx, id);
      return item && change(tx, *item);
    });
    if (changed) wake();
    return changed;
  }
};

Items::Items(store::Database& database, RetryRules retry) : state_(std::make_shared<State>(database, retry)) {
  database.migrate("route", sql::migrations());
}

void Items::plan(store::Transaction& tx, const Explanation& explanation, const store::SeriesReady& series) {
  for (Item& old : sql::superseded_items(tx, series.study_instance_uid, series.series_instance_uid, series.version))
    end(tx, old, ItemState::cancelled, fmt::format("version {} of the series took its place", series.version));
  const double now_s = utc_now_s();
  for (const Step& step : explanation.steps) {
    if (sql::planned(tx, series.study_instance_uid, series.series_instance_uid, series.version, step.cog)) continue;
    Item item;
    item.id = sql::next_id(tx);
    item.uid = derived_uid({"route-item", series.study_instance_uid, series.series_instance_uid,
                            std::to_string(series.version), step.cog});
    item.study_instance_uid = series.study_instance_uid;
    item.series_instance_uid = series.series_instance_uid;
    item.series_version = series.version;
    item.cog = step.cog;
    item.rule = step.rule;
    item.sender = series.sender;
    item.priority = step.priority;
    item.priors = step.priors;
    item.planned_s = item.due_s = now_s;
    item.deadline_s = step.deadline_s > 0 ? now_s + step.deadline_s : 0;
    item.options = step.options;
    item.destinations = step.destinations;
    item.companion = step.companion;
    item.waits_for = step.waits_for;
    item.state = item.waits_for.empty() ? ItemState::due : ItemState::waiting;
    if (sql::insert_item(tx, item, "")) sql::add_event(tx, item.id, {now_s, 0, "planned", "rule " + step.rule});
  }
  wake_waiting(tx, series.study_instance_uid);  // its upstream may be done on another series
  State::wake_after(state_, tx);
}

std::optional<Item> Items::take(double now_s, const std::function<bool(const std::string& cog)>& allowed,
                                Priority least) {
  bool late = false;
  std::vector<std::string> cogs;
  state_->database.read([&](store::Transaction& tx) {
    late = !sql::past_deadline(tx, now_s, 1).empty();
    cogs.clear();
    for (auto cog = sql::next_due_cog(tx, ""); cog; cog = sql::next_due_cog(tx, *cog))
      if (allowed(*cog) && sql::most_urgent(tx, *cog, now_s, least)) cogs.push_back(*cog);
  });
  if (!late && cogs.empty()) return std::nullopt;
  return state_->database.write([&](store::Transaction& tx) -> std::optional<Item> {
    for (Item& item : sql::past_deadline(tx, now_s, kAtOnce))
      end(tx, item, ItemState::expired, "its deadline passed before it could run");
    while (true) {
      std::optional<Item> best;
      for (const std::string& cog : cogs) {
        std::optional<Item> item = sql::most_urgent(tx, cog, now_s, least);
        if (item && (!best ||
                     std::tie(item->priority, item->due_s, item->id) < std::tie(best->priority, best->due_s, best->id)))
          best = std::move(item);
      }
      if (!best) return std::nullopt;
      if (!sql::take_item(tx, best->id, now_s)) continue;  // another process was faster
      sql::add_event(tx, best->id, {now_s, best->tries + 1, "taken", ""});
      return sql::item(tx, best->id);
    }
  });
}

void Items::done(store::Transaction& tx, std::int64_t id, const std::string& message) {
  std::optional<Item> item = sql::item(tx, id);
  if (!item) throw Error(ErrorCode::NotFound, fmt::format("work item {}", id));
  if (item->state == ItemState::done) return;
  if (item->state != ItemState::running)
    throw Error(ErrorCode::StateConflict, fmt::format("work item {} is {}", id, state_name(item->state)));
  end(tx, *item, ItemState::done, message);
  wake_waiting(tx, item->study_instance_uid);
  State::wake_after(state_, tx);
}

void Items::note_outputs(store::Transaction& tx, std::int64_t id, const std::vector<OutputReference>& outputs) {
  for (const OutputReference& output : outputs) sql::add_output(tx, id, output);
}

void Items::failed(std::int64_t id, const std::string& why, bool final) {
  state_->change(id, [&](store::Transaction& tx, Item& item) {
    if (item.state != ItemState::running) return false;
    const int counted = item.tries - item.deaths;
    sql::add_event(tx, id, {utc_now_s(), item.tries, "failed", cut(why)});
    if (final || counted >= state_->retry.tries) {
      end(tx, item, final ? ItemState::failed : ItemState::parked, why);
      tell(LogLevel::warning, final ? "item failed" : "item parked", item);
      return true;
    }
    set_ready(tx, item, utc_now_s() + wait_after(state_->retry, counted));
    item.message = cut(why);
    record(tx, item, "again", fmt::format("in {} s", number_text(wait_after(state_->retry, counted))));
    return true;
  });
}

void Items::hand_back(std::int64_t id, const std::string& why) {
  state_->change(id, [&](store::Transaction& tx, Item& item) {
    if (item.state != ItemState::running) return false;
    set_ready(tx, item, utc_now_s());
    item.tries = std::max(0, item.tries - 1);
    record(tx, item, "handed back", why);
    return true;
  });
}

bool Items::cancel(std::int64_t id, const std::string& why) {
  return state_->change(id, [&](store::Transaction& tx, Item& item) {
    if (at_an_end(item.state)) return false;
    item.claim.clear();
    end(tx, item, ItemState::cancelled, why);
    return true;
  });
}

int Items::cancel_study(const std::string& study_instance_uid, const std::string& why) {
  const int cancelled = state_->database.write([&](store::Transaction& tx) {
    int count = 0;
    for (Item& item : sql::open_items(tx, study_instance_uid)) {
      item.claim.clear();
      end(tx, item, ItemState::cancelled, why);
      ++count;
    }
    return count;
  });
  if (cancelled > 0) state_->wake();
  return cancelled;
}

bool Items::retry(std::int64_t id) {
  return state_->change(id, [&](store::Transaction& tx, Item& item) {
    const bool ended = item.state == ItemState::parked || item.state == ItemState::failed ||
                       item.state == ItemState::cancelled || item.state == ItemState::expired;
    if (!ended || (!item.requested && sql::has_newer_version(tx, item))) return false;
    set_ready(tx, item, utc_now_s());
    item.tries = item.deaths = 0;
    item.deadline_s = 0;
    record(tx, item, "retried", "asked for by a person");
    return true;
  });
}

int Items::recover() {
  const int recovered = state_->database.write([&](store::Transaction& tx) {
    int count = 0;
    for (Item& item : sql::running_items(tx)) {
      if (!item.claim.empty()) continue;  // runs elsewhere
      ++count;
      ++item.deaths;
      if (item.deaths >= state_->retry.deaths) {
        end(tx, item, ItemState::parked, fmt::format("the gateway died {} times while it ran", item.deaths));
        tell(LogLevel::warning, "item parked", item);
        continue;
      }
      const int over = item.deaths - kDeathsWithoutWait;
      set_ready(tx, item, utc_now_s() + (over > 0 ? wait_after(state_->retry, over) : 0));
      record(tx, item, "recovered", "the gateway died while it ran");
    }
    wake_waiting(tx, "");
    return count;
  });
  state_->wake();
  return recovered;
}

int Items::forget(double ended_before_s) {
  return state_->database.write([&](store::Transaction& tx) {
    const std::vector<std::int64_t> ids = sql::ended_before(tx, ended_before_s, kAtOnce);
    for (const std::int64_t id : ids) sql::remove_item(tx, id);
    return static_cast<int>(ids.size());
  });
}

bool Items::pending(const std::string& study_instance_uid) const {
  return state_->database.read([&](store::Transaction& tx) {
    const std::vector<Item> open = sql::open_items(tx, study_instance_uid);
    return std::any_of(open.begin(), open.end(), [](const Item& item) {
      return item.state == ItemState::due || item.state == ItemState::waiting || item.state == ItemState::running;
    });
  });
}

std::optional<Item> Items::request(const WorkRequest& request) {
  const double now_s = utc_now_s();
  std::optional<Item> made = state_->database.write([&](store::Transaction& tx) -> std::optional<Item> {
    if (sql::item_by_uid(tx, request.uid)) return std::nullopt;
    Item item;
    item.id = sql::next_id(tx);
    item.uid = request.uid;
    item.study_instance_uid = request.study_instance_uid;
    item.series_instance_uid = request.series_instance_uid;
    item.series_version = request.series_version;
    item.cog = request.cog;
    item.rule = "asked for from outside";
    item.sender = request.sender;
    item.priority = request.priority;
    item.planned_s = now_s;
    item.due_s = std::max(now_s, request.due_s);
    item.deadline_s = request.deadline_s;
    item.options = request.options;
    item.waits_for = request.waits_for;
    item.priors = request.priors;
    item.companion = request.companion;
    item.requested = true;
    item.state = upstream_done(tx, item) ? ItemState::due : ItemState::waiting;
    if (!sql::insert_item(tx, item, request.uid)) return std::nullopt;
    sql::add_event(tx, item.id, {now_s, 0, "planned", "asked for by " + request.sender});
    sql::set_dataset(tx, item.id, request.dataset);
    return item;
  });
  if (made) state_->wake();
  return made;
}

bool Items::claim(std::int64_t id, const std::string& transaction_uid) {
  return state_->change(id, [&](store::Transaction& tx, Item& item) {
    if (item.state != ItemState::due && item.state != ItemState::waiting) return false;
    item.state = ItemState::running;
    item.started_s = utc_now_s();
    item.claim = transaction_uid;
    ++item.tries;
    record(tx, item, "claimed", "runs outside");
    return true;
  });
}

bool Items::end_claim(std::int64_t id, const std::string& transaction_uid, bool completed, const std::string& message) {
  return state_->change(id, [&](store::Transaction& tx, Item& item) {
    if (item.state != ItemState::running || item.claim.empty() || item.claim != transaction_uid) return false;
    end(tx, item, completed ? ItemState::done : ItemState::cancelled, message);
    if (completed) wake_waiting(tx, item.study_instance_uid);
    return true;
  });
}

std::string Items::dataset(std::int64_t id) const {
  return state_->database.read([&](store::Transaction& tx) { return sql::dataset(tx, id); });
}

void Items::set_dataset(std::int64_t id, const std::string& dataset, Priority priority) {
  state_->change(id, [&](store::Transaction& tx, Item& item) {
    item.priority = priority;
    sql::set_dataset(tx, id, dataset);
    record(tx, item, "changed", "from outside");
    return true;
  });
}

std::vector<OutputReference> Items::outputs(std::int64_t id) const {
  return state_->database.read([&](store::Transaction& tx) { return sql::outputs(tx, id); });
}

std::vector<ItemEvent> Items::log(std::int64_t id) const {
  return state_->database.read([&](store::Transaction& tx) { return sql::events(tx, id); });
}

std::vector<Item> Items::list(std::optional<ItemState> state, const std::string& study_instance_uid,
                              std::size_t limit) const {
  return state_->database.read(
      [&](store::Transaction& tx) { return sql::items(tx, state, study_instance_uid, limit); });
}

std::optional<Item> Items::find(std::int64_t id) const {
  return state_->database.read([&](store::Transaction& tx) { return sql::item(tx, id); });
}

std::optional<Item> Items::find_uid(const std::string& uid) const {
  return state_->database.read([&](store::Transaction& tx) { return sql::item_by_uid(tx, uid); });
}

std::map<std::string, std::uint64_t> Items::counts() const {
  return state_->database.read([](store::Transaction& tx) { return sql::counts(tx); });
}

std::optional<double> Items::next_due_s(double now_s) const {
  const std::optional<double> earliest =
      state_->database.read([](store::Transaction& tx) { return sql::earliest_due_s(tx); });
  if (!earliest) return std::nullopt;
  return std::max(0.0, *earliest - now_s);
}

void Items::on_change(std::function<void()> wake) {
  const std::scoped_lock lock(state_->mutex);
  state_->listeners.push_back(std::move(wake));
}

const RetryRules& Items::retry_rules() const {
  return state_->retry;
}

}  // namespace rouage::route
