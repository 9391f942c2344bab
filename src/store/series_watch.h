/// Completeness at run time: the evidence of every series that is not settled, in memory, rebuilt from the index at
/// start; what is judged is recorded together with what must follow it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "store/completeness.h"
#include "store/database.h"
#include "store/series_tables.h"
#include "store/store.h"

namespace rouage::store {

/// Thread-safe. Times are UTC seconds given by the caller, and never go back.
class SeriesWatch {
 public:
  using Action = std::function<void(Transaction&, const SeriesReady&)>;

  explicit SeriesWatch(CompletenessRules rules) : rules_(rules) {}
  /// At open: what is not settled, with its evidence. Associations of which no end is known broke off with the process.
  void load(Transaction& tx, double now_s);

  /// The number that stands for an association in the index; those of earlier runs are never reused. 0 -> 0.
  std::uint64_t association(std::uint64_t of_this_run);
  bool watches(std::int64_t series_id) const;

  /// After the commit: a new instance of a series. `before`: the series' row and its instances so far, when it was not
  /// watched (it is new, or was settled).
  struct Arrived {
    sql::OpenSeriesRow series;
    std::vector<InstanceFacts> before;
    std::vector<std::string> listed;
    InstanceFacts facts;
  };
  /// False when the series is not watched and `series` holds no more than its id: nothing was noted.
  bool note(const Arrived& arrived, double now_s);
  void association_ended(std::uint64_t of_this_run, bool released, double now_s);
  void note_listed(const std::string& series_uid, const std::vector<std::string>& instances, double now_s);
  void forget(const std::string& study_uid);

  void on_series(Action action);
  void on_change(std::function<void()> wake);
  double look(Database& database, double now_s);
  /// Puts what is known in memory over what the index says.
  void overlay(std::vector<Store::SeriesState>& states) const;

 private:
  struct Watched {
    sql::OpenSeriesRow row;
    SeriesEvidence evidence;
    std::string state = "waiting", reason;
    double next_s = 0;  ///< when it is to be looked at again
  };
  struct Due {
    std::int64_t id = 0;
    SeriesReady ready;
    bool own = false;
  };
  struct Settled {
    std::int64_t id = 0;
    std::string sender;
    SenderHabits habits;
  };
  Watched& adopt(const sql::OpenSeriesRow& row, const std::vector<InstanceFacts>& facts,
                 const std::vector<std::string>& listed);
  void schedule(Watched& series, double at_s);
  void judge_one(Watched& series, double now_s, std::vector<Due>& due, std::vector<Settled>& settled);
  void record(Database& database, const Due& due, double now_s);
  void record_settled(Database& database, const std::vector<Settled>& settled);
  void record_ends(Database& database);
  void wake_if_sooner(std::unique_lock<std::mutex>& lock);
  static std::string sender_key(const sql::OpenSeriesRow& row) { return row.sender + "|" + row.modality; }

  CompletenessRules rules_;
  mutable std::mutex mutex_;
  std::map<std::int64_t, Watched> series_;
  std::multimap<std::string, std::int64_t> by_uid_;
  std::set<std::pair<double, std::int64_t>> queue_;
  std::map<std::uint64_t, std::uint64_t> associations_;  ///< of this run -> in the index
  std::map<std::uint64_t, std::set<std::int64_t>> carried_;
  std::uint64_t next_association_ = 1;
  struct End {
    std::uint64_t association = 0;
    bool released = false;
    double at_s = 0;
  };
  std::vector<End> ends_;  ///< not yet in the index
  std::map<std::string, SenderHabits> habits_;
  std::vector<Action> actions_;
  std::vector<std::function<void()>> wakes_;
  double scheduled_s_ = 0;  ///< when look() said that it must be called again
};

}  // namespace rouage::store
