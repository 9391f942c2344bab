/// Which cog looks at it, when: rules, and work items that survive everything.
///
///   Rules rules = read_rules("rules.toml", cogs);                     // RulesInvalid names rule, key, line
///   Explanation e = explain(rules, facts);                            // which rule fired, and why, and why not
///   Items items(database);
///   items.plan(tx, explain(rules, facts), series);                    // in the transaction of the complete series
///   Dispatcher dispatcher(items, limits, executor);  dispatcher.start();
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dicom/object.h"
#include "store/store.h"

namespace rouage::route {

/// What a rule may look at: a series that is complete, by one of its instances.
struct SeriesFacts {
  dicom::Attributes attributes;  ///< of a representative instance (attributes_of), and those that rules name by tag
  std::string sender, called_ae;
  int instances = 0;
  std::optional<double> age_a;                  ///< years; absent when unknown
  std::string order_priority, order_procedure;  ///< from HL7, "" when none
};

/// What a cog says of itself, as far as routing goes (app fills it from cogs::all_cogs()).
struct CogFacts {
  std::string name;
  std::vector<std::string> modalities;
  std::vector<std::string> required_roles;  ///< "current", "companion", "prior", "upstream:<cog>"
};

enum class Priority { emergency = 0, high = 1, routine = 2, background = 3 };

struct Rule;  // one [[rule]] of the file; see docs/formats/rules.md

struct Rules {
  std::vector<std::shared_ptr<const Rule>> rules;
  std::vector<CogFacts> cogs;
  std::vector<std::uint32_t> tags() const;  ///< attributes that the rules look at, to be fetched into SeriesFacts
};
/// Errors: RulesInvalid (file, rule, key, line), FileMissing. A text without any rule gives the built-in rules: every
/// cog on what it accepts.
Rules read_rules(const std::filesystem::path& file, const std::vector<CogFacts>& cogs);
Rules rules_from_text(std::string_view toml, const std::vector<CogFacts>& cogs, const std::string& name_for_errors);
/// Destinations that the rules name, sorted: to be checked against those of the configuration.
std::vector<std::string> destinations_of(const Rules& rules);

/// One step that a rule asked for.
struct Step {
  std::string rule, cog;
  Priority priority = Priority::routine;
  double deadline_s = 0;  ///< after planning; 0: none
  int priors = 0;         ///< how many relevant priors are fetched first
  std::map<std::string, std::string> options;
  std::vector<std::string> destinations;  ///< empty: all
  std::string companion;                  ///< modality (or a glob) of the other series of the study that it needs
  std::vector<std::string> waits_for;     ///< cogs whose results of the same study it needs
};
struct Explanation {
  std::vector<Step> steps;
  struct Line {
    std::string rule;
    bool fired = false;
    std::string why;  ///< "modality CR is one of CR, DX"; "age 12 is not at least 18"
  };
  std::vector<Line> lines;  ///< every rule, in order
};
Explanation explain(const Rules& rules, const SeriesFacts& facts);

/// waiting: for another cog's result of the same study. failed: no further try would help. parked: tried too often.
enum class ItemState { due, running, done, failed, parked, cancelled, expired, waiting };
std::string state_name(ItemState state);
std::optional<ItemState> state_of(std::string_view name);

/// One durable piece of work: one cog on one version of one series.
struct Item {
  std::int64_t id = 0;
  std::string uid;  ///< 2.25...: derived; the UPS instance's UID
  std::string study_instance_uid, series_instance_uid, cog, rule, sender;
  int series_version = 0;
  Priority priority = Priority::routine;
  ItemState state = ItemState::due;
  int tries = 0, priors = 0;
  double planned_s = 0, due_s = 0, started_s = 0, ended_s = 0, deadline_s = 0;  ///< UTC; 0: not yet / none
  std::string message;  ///< of the last failure, or why it was parked
  std::map<std::string, std::string> options;
  std::vector<std::string> destinations;
  std::vector<std::string> waits_for;  ///< cogs whose results of this study it needs first
  std::string companion;               ///< modality (or glob) of the other series of the study that it needs
  std::string claim;                   ///< running outside, under this Transaction UID (ups.h); "": by us
  bool requested = false;              ///< asked for from outside (ups.h), by no rule
  int deaths = 0;                      ///< of its tries, those that ended because the gateway died
};

struct RetryRules {
  int tries = 3;            ///< then the item is parked with its log
  double first_wait_s = 5;  ///< doubles with each try
  double longest_wait_s = 600;
  int deaths = 20;  ///< of the gateway while it ran, then it is parked; from the third on it waits as after a failure
};

/// One line of an item's log.
struct ItemEvent {
  double at_s = 0;
  int tries = 0;
  std::string event, message;  ///< "planned", "taken", "failed", "parked", "recovered", "cancelled", ...
};

/// A result object that an item made.
struct OutputReference {
  std::string series_instance_uid, sop_class_uid, sop_instance_uid;
};

/// Work that was asked for from outside (ups.h).
struct WorkRequest {
  std::string uid, study_instance_uid, series_instance_uid, cog, sender;
  int series_version = 0;
  Priority priority = Priority::routine;
  double due_s = 0, deadline_s = 0;  ///< UTC; 0: now / none
  std::map<std::string, std::string> options;
  std::vector<std::string> waits_for;
  int priors = 0;
  std::string companion;
  std::string dataset;  ///< what the other side said, kept as it is (DICOM JSON)
};

/// The table of items. Thread-safe.
class Items {
 public:
  Items(store::Database& database, RetryRules retry);
  /// One item a step, once for (study, series, version, cog); items of older versions that have not run are cancelled.
  void plan(store::Transaction& tx, const Explanation& explanation, const store::SeriesReady& series);
  /// Takes the most urgent due item that `allowed(cog)` accepts, of priority `least` or more urgent, and marks it
  /// running (durably). Order: priority, due time, id. Items whose deadline is past become expired.
  std::optional<Item> take(double now_s, const std::function<bool(const std::string& cog)>& allowed,
                           Priority least = Priority::background);
  /// In the transaction that records its results. Done already: nothing. Errors: StateConflict when it is not running
  /// any more (cancelled meanwhile): the results must not be recorded either.
  void done(store::Transaction& tx, std::int64_t id, const std::string& message);
  void note_outputs(store::Transaction& tx, std::int64_t id, const std::vector<OutputReference>& outputs);
  /// Again later, or parked after the last try. `final`: no further try would help. Nothing when it is not running.
  void failed(std::int64_t id, const std::string& why, bool final);
  /// A running item is due again and the try does not count: nothing was wrong with it.
  void hand_back(std::int64_t id, const std::string& why);
  bool cancel(std::int64_t id, const std::string& why);  ///< false when it has ended
  int cancel_study(const std::string& study_instance_uid, const std::string& why);
  /// A parked, failed, cancelled or expired item is due again, its tries begin anew. False when a newer version of the
  /// series has taken its place.
  bool retry(std::int64_t id);
  /// After a start: what was running when the process died is due again (RetryRules::deaths).
  int recover();
  int forget(double ended_before_s);  ///< removes items that ended before (UTC) with their logs; how many
  bool pending(const std::string& study_instance_uid) const;  ///< has items that are not at an end

  // From outside (ups.h).
  std::optional<Item> request(const WorkRequest& request);  ///< absent when there is an item of that UID
  bool claim(std::int64_t id, const std::string& transaction_uid);
  bool end_claim(std::int64_t id, const std::string& transaction_uid, bool completed, const std::string& message);
  std::string dataset(std::int64_t id) const;  ///< "" when none
  void set_dataset(std::int64_t id, const std::string& dataset, Priority priority);
  std::vector<OutputReference> outputs(std::int64_t id) const;

  std::vector<ItemEvent> log(std::int64_t id) const;
  /// Newest first.
  std::vector<Item> list(std::optional<ItemState> state, const std::string& study_instance_uid,
                         std::size_t limit) const;
  std::optional<Item> find(std::int64_t id) const;
  std::optional<Item> find_uid(const std::string& uid) const;
  std::map<std::string, std::uint64_t> counts() const;  ///< by state
  /// Seconds until the next item is due; absent when there is none.
  std::optional<double> next_due_s(double now_s) const;
  /// Called after something changed, on any thread; several may be given, none is taken away.
  void on_change(std::function<void()> wake);
  const RetryRules& retry_rules() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// What running an item gave.
struct RunOutcome {
  bool good = false;
  bool retry = true;  ///< when not good: may a further try help
  std::string message;
};
/// Runs one item to its end, results and item recorded in one transaction (items.done is called by it). Implemented by
/// `app`. Called on a dispatcher's thread; `cancelled` is polled by what takes long.
using Executor = std::function<RunOutcome(const Item&, const std::function<bool()>& cancelled)>;

struct CogLimits {
  int at_once = 1;
  std::uint64_t memory_mb = 4096;
};
struct DispatchLimits {
  int workers = 1;              ///< items that run at once, of all cogs
  std::uint64_t memory_mb = 0;  ///< budget of all workers together; 0: none. One item may always run
  std::map<std::string, CogLimits> cogs;
  int for_emergencies = 1;  ///< of the workers, kept free for emergencies; none when there is only one worker
};

/// Threads that take items and run them. An executor that throws has failed a try; one that says good without having
/// recorded the item as done has too. stop(): nothing new is started; running items are finished within `patience_s`,
/// else cancelled and due again. The threads all live until the last executor has returned (children die with the
/// thread that started them: child.h).
class Dispatcher {
 public:
  Dispatcher(Items& items, DispatchLimits limits, Executor executor);
  ~Dispatcher();
  void start();
  void stop(double patience_s);
  std::vector<Item> running() const;
  bool cancel_running(std::int64_t id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::route
