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
/// Errors: RulesInvalid (file, rule, key, line). An empty text gives the built-in rules: every cog on what it accepts.
Rules read_rules(const std::filesystem::path& file, const std::vector<CogFacts>& cogs);
Rules rules_from_text(std::string_view toml, const std::vector<CogFacts>& cogs, const std::string& name_for_errors);

/// One step that a rule asked for.
struct Step {
  std::string rule, cog;
  Priority priority = Priority::routine;
  double deadline_s = 0;  ///< after planning; 0: none
  int priors = 0;         ///< how many relevant priors are fetched first
  std::map<std::string, std::string> options;
  std::vector<std::string> destinations;  ///< empty: all
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

enum class ItemState { due, running, done, failed, parked, cancelled, expired };
std::string state_name(ItemState state);

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
};

struct RetryRules {
  int tries = 3;            ///< then the item is parked with its log
  double first_wait_s = 5;  ///< doubles with each try
  double longest_wait_s = 600;
};

/// The table of items. Thread-safe.
class Items {
 public:
  Items(store::Database& database, RetryRules retry);
  /// One item a step, once for (study, series, version, cog); items of older versions that have not run are cancelled.
  void plan(store::Transaction& tx, const Explanation& explanation, const store::SeriesReady& series);
  /// Takes the most urgent due item that `allowed(cog)` accepts and marks it running (durably).
  std::optional<Item> take(double now_s, const std::function<bool(const std::string& cog)>& allowed);
  void done(store::Transaction& tx, std::int64_t id, const std::string& message);
  /// Again later, or parked after the last try. `final`: no further try would help.
  void failed(std::int64_t id, const std::string& why, bool final);
  bool cancel(std::int64_t id, const std::string& why);
  bool retry(std::int64_t id);  ///< a parked, failed or cancelled item is due again
  /// After a start: what was running when the process died is due again (its tries count).
  int recover();
  std::vector<Item> list(std::optional<ItemState> state, const std::string& study_instance_uid,
                         std::size_t limit) const;
  std::optional<Item> find(std::int64_t id) const;
  std::optional<Item> find_uid(const std::string& uid) const;
  std::map<std::string, std::uint64_t> counts() const;  ///< by state
  /// Seconds until the next item is due; absent when there is none.
  std::optional<double> next_due_s(double now_s) const;
  void on_change(std::function<void()> wake);

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
  std::uint64_t memory_mb = 0;  ///< budget of all workers together; 0: none
  std::map<std::string, CogLimits> cogs;
};

/// Threads that take items and run them. stop(): nothing new is started; running items are finished within
/// `patience_s`, else cancelled and due again.
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
