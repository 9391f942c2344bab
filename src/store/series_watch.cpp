#include "store/series_watch.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/service.h"

namespace rouage::store {
namespace {

/// A series that was handed on and has been quiet for so long teaches how its sender behaves, and leaves the memory.
constexpr double kSettleAfter_s = 2 * 3600;
constexpr double kLongestSleep_s = 3600;
constexpr double kTryAgain_s = 5;  ///< after a judgement could not be recorded

}  // namespace

SeriesWatch::Watched& SeriesWatch::adopt(const sql::OpenSeriesRow& row, const std::vector<InstanceFacts>& facts,
                                         const std::vector<std::string>& listed) {
  const auto [at, fresh] = series_.try_emplace(row.id);
  Watched& series = at->second;
  if (!fresh) return series;
  series.row = row;
  series.state = row.state;
  series.reason = row.reason;
  for (const InstanceFacts& one : facts) {
    note_instance(series.evidence, one);
    if (one.association != 0) carried_[one.association].insert(row.id);
  }
  if (!listed.empty()) note_list(series.evidence, listed);
  series.evidence.version = row.version;
  const bool handed = row.state != "waiting";
  // More is here than was handed on: an instance came, and the process died before its series was judged again.
  const bool reopened = handed && static_cast<int>(series.evidence.instances.size()) > row.handed_instances;
  series.evidence.handed_on = handed && !reopened;
  if (reopened) {
    ++series.evidence.version;
    series.state = "waiting";
  }
  by_uid_.emplace(row.series_uid, row.id);
  return series;
}

void SeriesWatch::schedule(Watched& series, double at_s) {
  queue_.erase({series.next_s, series.row.id});
  series.next_s = at_s;
  queue_.insert({at_s, series.row.id});
}

void SeriesWatch::load(Transaction& tx, double now_s) {
  const std::unique_lock lock(mutex_);
  next_association_ = sql::largest_association(tx) + 1;
  habits_ = sql::habits(tx);
  const auto ends = sql::association_ends(tx);
  std::set<std::uint64_t> broken;
  for (const sql::OpenSeriesRow& row : sql::open_series(tx)) {
    Watched& series = adopt(row, sql::facts_of(tx, row.id), sql::listed(tx, row.series_uid));
    std::vector<std::uint64_t> carriers;
    for (const auto& [association, end] : series.evidence.associations) carriers.push_back(association);
    for (const std::uint64_t association : carriers) {
      const auto end = ends.find(association);
      if (end != ends.end()) {
        note_association_end(series.evidence, association,
                             end->second.released ? AssociationEnd::released : AssociationEnd::aborted,
                             end->second.ended_s);
      } else {
        note_association_end(series.evidence, association, AssociationEnd::aborted, now_s);
        broken.insert(association);
      }
    }
    schedule(series, now_s);
  }
  for (const std::uint64_t association : broken) ends_.push_back({association, false, now_s});
}

std::uint64_t SeriesWatch::association(std::uint64_t of_this_run) {
  if (of_this_run == 0) return 0;
  const std::unique_lock lock(mutex_);
  const auto [at, fresh] = associations_.try_emplace(of_this_run, next_association_);
  if (fresh) ++next_association_;
  return at->second;
}

bool SeriesWatch::watches(std::int64_t series_id) const {
  const std::unique_lock lock(mutex_);
  return series_.contains(series_id);
}

void SeriesWatch::wake_if_sooner(std::unique_lock<std::mutex>& lock) {
  const bool sooner = !queue_.empty() && queue_.begin()->first < scheduled_s_;
  if (!sooner) return;
  scheduled_s_ = queue_.begin()->first;  // one call is enough until look() has been
  const auto wakes = wakes_;
  lock.unlock();
  for (const auto& wake : wakes) wake();
}

bool SeriesWatch::note(const Arrived& arrived, double now_s) {
  std::unique_lock lock(mutex_);
  if (!series_.contains(arrived.series.id) && arrived.series.study_uid.empty()) return false;
  Watched& series = adopt(arrived.series, arrived.before, arrived.listed);
  if (!note_instance(series.evidence, arrived.facts)) return true;
  if (arrived.facts.association != 0) carried_[arrived.facts.association].insert(series.row.id);
  series.state = "waiting";
  // Nothing but a fulfilled list is judged before a short quiet: so a series is judged once, not at each slice.
  double wait_s = arrived.facts.stands_alone ? rules_.film_settle_s : rules_.settle_s;
  const SeriesEvidence& evidence = series.evidence;
  if (!evidence.listed.empty() && evidence.instances.size() >= evidence.listed.size()) wait_s = 0;
  schedule(series, now_s + wait_s);
  wake_if_sooner(lock);
  return true;
}

void SeriesWatch::association_ended(std::uint64_t of_this_run, bool released, double now_s) {
  std::unique_lock lock(mutex_);
  const auto at = associations_.find(of_this_run);
  if (at == associations_.end()) return;
  const std::uint64_t association = at->second;
  associations_.erase(at);
  ends_.push_back({association, released, now_s});
  const auto carried = carried_.find(association);
  if (carried != carried_.end()) {
    for (const std::int64_t id : carried->second) {
      const auto series = series_.find(id);
      if (series == series_.end()) continue;
      note_association_end(series->second.evidence, association,
                           released ? AssociationEnd::released : AssociationEnd::aborted, now_s);
      if (!series->second.evidence.handed_on) schedule(series->second, now_s);
    }
    carried_.erase(carried);
  }
  wake_if_sooner(lock);
}

void SeriesWatch::note_listed(const std::string& series_uid, const std::vector<std::string>& instances, double now_s) {
  std::unique_lock lock(mutex_);
  const auto [first, last] = by_uid_.equal_range(series_uid);
  for (auto at = first; at != last; ++at) {
    Watched& series = series_.at(at->second);
    note_list(series.evidence, instances);
    if (!series.evidence.handed_on) schedule(series, now_s);
  }
  wake_if_sooner(lock);
}

void SeriesWatch::forget(const std::string& study_uid) {
  const std::unique_lock lock(mutex_);
  for (auto at = series_.begin(); at != series_.end();) {
    if (at->second.row.study_uid != study_uid) {
      ++at;
      continue;
    }
    queue_.erase({at->second.next_s, at->first});
    std::erase_if(by_uid_, [&](const auto& entry) { return entry.second == at->first; });
    at = series_.erase(at);
  }
}

void SeriesWatch::on_series(Action action) {
  const std::unique_lock lock(mutex_);
  actions_.push_back(std::move(action));
}
void SeriesWatch::on_change(std::function<void()> wake) {
  const std::unique_lock lock(mutex_);
  wakes_.push_back(std::move(wake));
}

void SeriesWatch::judge_one(Watched& series, double now_s, std::vector<Due>& due, std::vector<Settled>& settled) {
  SeriesEvidence& evidence = series.evidence;
  SenderHabits& habits = habits_[sender_key(series.row)];
  if (evidence.handed_on) {
    const double settle_s = std::max(evidence.last_s, evidence.ended_s) + kSettleAfter_s;
    if (now_s < settle_s) return schedule(series, settle_s);
    learn(habits, evidence);
    settled.push_back({series.row.id, sender_key(series.row), habits});
    return;
  }
  const Judgement judgement = judge(evidence, habits, rules_, now_s);
  series.reason = judgement.text;
  if (judgement.state == SeriesState::waiting)
    return schedule(series, std::clamp(judgement.ask_again_s, now_s + 0.05, now_s + kLongestSleep_s));
  evidence.handed_on = true;
  const bool partial = judgement.state == SeriesState::partial;
  series.state = partial ? "partial" : "complete";
  due.push_back({series.row.id,
                 {.study_instance_uid = series.row.study_uid,
                  .series_instance_uid = series.row.series_uid,
                  .modality = series.row.modality,
                  .sender = series.row.sender,
                  .called_ae = series.row.called,
                  .version = evidence.version,
                  .instances = static_cast<int>(evidence.instances.size()),
                  .partial = partial,
                  .prior = series.row.prior,
                  .reason = judgement.text,
                  .first_s = evidence.first_s,
                  .last_s = evidence.last_s},
                 series.row.own});
  schedule(series, std::max(evidence.last_s, evidence.ended_s) + kSettleAfter_s);
}

void SeriesWatch::record(Database& database, const Due& due, double now_s) {
  const SeriesReady& ready = due.ready;
  std::vector<Action> actions;
  {
    const std::unique_lock lock(mutex_);
    if (!due.own) actions = actions_;  // our own result that came from elsewhere: kept, never handed to cogs
  }
  try {
    database.write([&](Transaction& tx) {
      const char* state = ready.partial ? "partial" : "complete";
      if (!sql::record_judgement(tx, due.id, state, ready.reason, ready.version, ready.instances)) return;
      for (const Action& action : actions) action(tx, ready);
    });
    log_event(LogLevel::info, "store", ready.partial ? "series handed on as partial" : "series complete",
              {{"modality", ready.modality},
               {"sender", ready.sender},
               {"instances", std::to_string(ready.instances)},
               {"version", std::to_string(ready.version)},
               {"reason", ready.reason},
               patient_field("series", ready.series_instance_uid)});
    metrics()
        .counter("rouage_series_judged_total", "series handed on", {{"state", ready.partial ? "partial" : "complete"}})
        .add();
    metrics()
        .histogram("rouage_series_wait_seconds", "from the latest instance to the judgement")
        .observe(std::max(0.0, now_s - ready.last_s));
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "store", "a complete series could not be recorded, trying again",
              {{"cause", error.what()}});
    const std::unique_lock lock(mutex_);
    const auto at = series_.find(due.id);
    if (at == series_.end() || at->second.evidence.version != ready.version) return;
    at->second.evidence.handed_on = false;
    at->second.state = "waiting";
    schedule(at->second, now_s + kTryAgain_s);
  }
}

void SeriesWatch::record_settled(Database& database, const std::vector<Settled>& settled) {
  if (settled.empty()) return;
  try {
    database.write([&](Transaction& tx) {
      for (const Settled& one : settled) {
        sql::put_habits(tx, one.sender, one.habits);
        sql::settle(tx, one.id);
      }
    });
  } catch (const std::exception& error) {
    // They stay unsettled in the index and are settled after the next start.
    log_event(LogLevel::warning, "store", "habits of senders could not be recorded", {{"cause", error.what()}});
  }
  const std::unique_lock lock(mutex_);
  for (const Settled& one : settled) {
    const auto at = series_.find(one.id);
    // An instance that came meanwhile has reopened it.
    if (at == series_.end() || !at->second.evidence.handed_on) continue;
    queue_.erase({at->second.next_s, one.id});
    std::erase_if(by_uid_, [&](const auto& entry) { return entry.second == one.id; });
    for (const auto& [association, end] : at->second.evidence.associations) {
      const auto carried = carried_.find(association);
      if (carried != carried_.end() && carried->second.erase(one.id) > 0 && carried->second.empty())
        carried_.erase(carried);
    }
    series_.erase(at);
  }
}

void SeriesWatch::record_ends(Database& database) {
  std::vector<End> ends;
  {
    const std::unique_lock lock(mutex_);
    ends.swap(ends_);
  }
  if (ends.empty()) return;
  try {
    database.write([&](Transaction& tx) {
      for (const End& end : ends) sql::put_association_end(tx, end.association, end.released, end.at_s);
    });
  } catch (const std::exception& error) {
    log_event(LogLevel::warning, "store", "ends of associations could not be recorded", {{"cause", error.what()}});
    const std::unique_lock lock(mutex_);
    ends_.insert(ends_.begin(), ends.begin(), ends.end());
  }
}

double SeriesWatch::look(Database& database, double now_s) {
  std::vector<Due> due;
  std::vector<Settled> settled;
  {
    const std::unique_lock lock(mutex_);
    std::vector<std::int64_t> ids;
    for (const auto& [at_s, id] : queue_) {
      if (at_s > now_s) break;
      ids.push_back(id);
    }
    for (const std::int64_t id : ids) judge_one(series_.at(id), now_s, due, settled);
  }
  for (const Due& one : due) record(database, one, now_s);
  record_settled(database, settled);
  record_ends(database);
  const std::unique_lock lock(mutex_);
  const double next_s = queue_.empty() ? now_s + kLongestSleep_s : queue_.begin()->first;
  scheduled_s_ = std::clamp(next_s, now_s, now_s + kLongestSleep_s);
  return scheduled_s_ - now_s;
}

void SeriesWatch::overlay(std::vector<Store::SeriesState>& states) const {
  const std::unique_lock lock(mutex_);
  for (Store::SeriesState& state : states) {
    const auto [first, last] = by_uid_.equal_range(state.series_instance_uid);
    for (auto at = first; at != last; ++at) {
      const Watched& series = series_.at(at->second);
      if (series.row.study_uid != state.study_instance_uid) continue;
      state.state = series.state;
      state.reason = series.reason;
      state.version = series.evidence.version;
      state.instances = static_cast<int>(series.evidence.instances.size());
      state.first_s = series.evidence.first_s;
      state.last_s = series.evidence.last_s;
    }
  }
}

}  // namespace rouage::store
