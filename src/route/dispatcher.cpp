#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "route/route.h"

namespace rouage::route {
namespace {

constexpr double kLongestSleep_s = 2;         // deadlines pass without an event
constexpr double kLookAtStatePeriod_s = 0.5;  // of a running item: it may have been cancelled elsewhere
constexpr double kAfterDatabaseError_s = 1;
const RunOutcome kUnknown{.good = false, .retry = true, .message = "ended without a reason"};

/// What a thread that waits sleeps on; lives as long as anybody may still wake it.
struct Bell {
  std::mutex mutex;
  std::condition_variable rung;
  std::uint64_t rings = 0;
  void ring() {
    {
      const std::scoped_lock lock(mutex);
      ++rings;
    }
    rung.notify_all();
  }
};

struct Running {
  Item item;
  std::uint64_t memory_mb = 0;
  std::atomic<bool> cancelled{false};    ///< by a person
  std::atomic<bool> handed_back{false};  ///< by stop()
};

}  // namespace

struct Dispatcher::State {
  State(Items& all, DispatchLimits given, Executor runs)
      : items(all), limits(std::move(given)), executor(std::move(runs)) {}

  Items& items;
  DispatchLimits limits;
  Executor executor;
  std::shared_ptr<Bell> bell = std::make_shared<Bell>();
  std::mutex taking;  ///< one thread decides at a time what may run next
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::int64_t, std::shared_ptr<Running>> running;
  std::vector<std::thread> threads;
  int at_work = 0;  ///< threads that have not left their loop
  std::atomic<bool> stopping{false};

  CogLimits limits_of(const std::string& cog) const {
    const auto found = limits.cogs.find(cog);
    return found == limits.cogs.end() ? CogLimits{} : found->second;
  }
  std::shared_ptr<Running> take_next();
  RunOutcome run(Running& work) const;
  void settle(const Running& work, const RunOutcome& outcome);
  void settle_until_recorded(const Running& work, const RunOutcome& outcome);
  void sleep(std::uint64_t rings_seen) const;
  void work();
};

/// What may run now, decided on a snapshot: nothing is locked while the database is asked.
struct Admission {
  std::size_t running = 0, routine = 0;
  std::uint64_t memory_mb = 0;
  std::map<std::string, int> by_cog;
};

std::shared_ptr<Running> Dispatcher::State::take_next() {
  const std::scoped_lock deciding(taking);
  Admission now;
  {
    const std::scoped_lock lock(mutex);
    for (const auto& [id, work] : running) {
      ++now.running;
      now.routine += work->item.priority != Priority::emergency;
      now.memory_mb += work->memory_mb;
      ++now.by_cog[work->item.cog];
    }
  }
  const std::size_t kept = limits.workers > 1 ? static_cast<std::size_t>(std::max(0, limits.for_emergencies)) : 0;
  const auto workers = static_cast<std::size_t>(limits.workers);
  const bool routine_too = now.routine < std::max<std::size_t>(1, workers - std::min(kept, workers));
  const auto allowed = [&](const std::string& cog) {
    const CogLimits of_cog = limits_of(cog);
    const auto found = now.by_cog.find(cog);
    if (found != now.by_cog.end() && found->second >= of_cog.at_once) return false;
    return limits.memory_mb == 0 || now.running == 0 || now.memory_mb + of_cog.memory_mb <= limits.memory_mb;
  };
  std::optional<Item> item = items.take(utc_now_s(), allowed, routine_too ? Priority::background : Priority::emergency);
  if (!item) return nullptr;
  auto work = std::make_shared<Running>();
  work->memory_mb = limits_of(item->cog).memory_mb;
  work->item = std::move(*item);
  const std::scoped_lock lock(mutex);
  running.emplace(work->item.id, work);
  return work;
}

RunOutcome Dispatcher::State::run(Running& work) const {
  double looked_s = monotonic_s();
  const auto cancelled = [&] {
    if (work.cancelled || work.handed_back) return true;
    if (monotonic_s() - looked_s < kLookAtStatePeriod_s) return false;
    looked_s = monotonic_s();
    const std::optional<Item> item = items.find(work.item.id);
    if (!item || item->state != ItemState::running) work.cancelled = true;
    return work.cancelled.load();
  };
  RunOutcome outcome = kUnknown;
  try {
    outcome = executor(work.item, cancelled);
  } catch (const std::exception& error) {
    outcome.message = error.what();
  } catch (...) {
    outcome.message = "ended by something that is no exception of ours";
  }
  return outcome;
}

void Dispatcher::State::settle(const Running& work, const RunOutcome& outcome) {
  const std::int64_t id = work.item.id;
  if (outcome.good) {
    const std::optional<Item> item = items.find(id);
    // Only items.done() ends an item well: an executor that forgot it has recorded no results either.
    if (item && item->state == ItemState::running && item->claim.empty())
      items.failed(id, "the executor ended without recording the item as done", false);
  } else if (work.handed_back) {
    items.hand_back(id, "the gateway stops");
  } else {
    items.failed(id, outcome.message, !outcome.retry);  // nothing when it was cancelled
  }
}

/// While the database refuses, the item stays running; when it never recovers, the next start does (Items::recover).
void Dispatcher::State::settle_until_recorded(const Running& work, const RunOutcome& outcome) {
  while (true) {
    try {
      return settle(work, outcome);
    } catch (const std::exception& error) {
      log_event(LogLevel::error, "route", "end of an item not recorded",
                {{"item", std::to_string(work.item.id)}, {"message", error.what()}});
    }
    if (stopping) return;
    std::unique_lock lock(bell->mutex);
    bell->rung.wait_for(lock, std::chrono::duration<double>(kAfterDatabaseError_s), [&] { return stopping.load(); });
  }
}

void Dispatcher::State::sleep(std::uint64_t rings_seen) const {
  double wait_s = kLongestSleep_s;
  // Due already, but not allowed just now: the end of another item rings.
  if (const std::optional<double> due_s = items.next_due_s(utc_now_s()); due_s && *due_s > 0)
    wait_s = std::min(wait_s, *due_s);
  std::unique_lock lock(bell->mutex);
  bell->rung.wait_for(lock, std::chrono::duration<double>(wait_s),
                      [&] { return stopping.load() || bell->rings != rings_seen; });
}

void Dispatcher::State::work() {
  Gauge& at_once = metrics().gauge("rouage_items_running", "work items that run now");
  while (!stopping) {
    std::uint64_t rings = 0;
    {
      const std::scoped_lock lock(bell->mutex);
      rings = bell->rings;
    }
    std::shared_ptr<Running> next;
    try {
      next = take_next();
      if (!next) {
        sleep(rings);
        continue;
      }
    } catch (const std::exception& error) {
      log_event(LogLevel::error, "route", "no item can be taken", {{"message", error.what()}});
      std::unique_lock lock(bell->mutex);
      bell->rung.wait_for(lock, std::chrono::duration<double>(kAfterDatabaseError_s), [&] { return stopping.load(); });
      continue;
    }
    at_once.add(1);
    const double started_s = monotonic_s();
    const RunOutcome outcome = run(*next);
    const double took_s = monotonic_s() - started_s;
    settle_until_recorded(*next, outcome);
    at_once.add(-1);
    const std::string& cog = next->item.cog;
    metrics().histogram("rouage_item_seconds", "run time of work items", {{"cog", cog}}).observe(took_s);
    metrics()
        .counter("rouage_item_runs_total", "runs of work items",
                 {{"cog", cog}, {"outcome", outcome.good ? "good" : "failed"}})
        .add();
    {
      const std::scoped_lock lock(mutex);
      running.erase(next->item.id);
    }
    changed.notify_all();
    bell->ring();
  }
  std::unique_lock lock(mutex);
  --at_work;
  changed.notify_all();
  changed.wait(lock, [this] { return at_work == 0; });
}

Dispatcher::Dispatcher(Items& items, DispatchLimits limits, Executor executor)
    : state_(std::make_unique<State>(items, std::move(limits), std::move(executor))) {
  items.on_change([bell = std::weak_ptr(state_->bell)] {
    if (const auto living = bell.lock()) living->ring();
  });
}

Dispatcher::~Dispatcher() {
  stop(0);
}

void Dispatcher::start() {
  if (!state_->threads.empty()) return;
  state_->stopping = false;
  state_->at_work = std::max(1, state_->limits.workers);
  for (int i = 0; i < state_->at_work; ++i) state_->threads.emplace_back([state = state_.get()] { state->work(); });
}

void Dispatcher::stop(double patience_s) {
  if (state_->threads.empty()) return;
  {
    const std::scoped_lock lock(state_->bell->mutex);
    state_->stopping = true;
  }
  state_->bell->rung.notify_all();
  {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, std::chrono::duration<double>(patience_s),
                             [this] { return state_->running.empty() && state_->at_work == 0; });
    for (const auto& [id, work] : state_->running) work->handed_back = true;
  }
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

std::vector<Item> Dispatcher::running() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<Item> items;
  for (const auto& [id, work] : state_->running) items.push_back(work->item);
  return items;
}

bool Dispatcher::cancel_running(std::int64_t id) {
  std::shared_ptr<Running> work;
  {
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->running.find(id);
    if (found == state_->running.end()) return false;
    work = found->second;
  }
  const bool cancelled = state_->items.cancel(id, "cancelled while it ran");
  if (cancelled) work->cancelled = true;
  return cancelled;
}

}  // namespace rouage::route
