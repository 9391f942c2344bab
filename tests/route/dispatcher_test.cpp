// RTE-12: the dispatcher runs each item once, urgent ones first, within the limits of its cog and of the memory; what
// fails is repeated, and nothing that an item does ends a thread.
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "items_fixture.h"

using namespace route_tests;

namespace {

class DispatcherTest : public ItemsTest {
 protected:
  /// Records what ran, ends items as the gateway does.
  RunOutcome finish(const Item& item) {
    database_->write([&](store::Transaction& tx) { items_->done(tx, item.id, ""); });
    return {.good = true};
  }
  bool wait_for(const std::function<bool()>& condition, double longest_s = 20) {
    const double until_s = monotonic_s() + longest_s;
    while (!condition()) {
      if (monotonic_s() > until_s) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  bool all_in(const std::string& state, std::uint64_t count) {
    return wait_for([&] { return items_->counts()[state] == count; });
  }
  void plan_many(int count, const std::string& cog = "chest", Priority priority = Priority::routine) {
    for (int i = 0; i < count; ++i) plan(steps({step(cog, priority)}), series("1.2." + std::to_string(next_++)));
  }
  int next_ = 1;
};

void nap(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(On, DispatcherTest, ::testing::Values("sqlite", "postgresql"),
                         [](const auto& information) { return information.param; });

TEST_P(DispatcherTest, RunsEachItemOnceWithinTheLimitsOfItsCog) {
  std::mutex mutex;
  std::multiset<std::int64_t> ran;
  std::map<std::string, int> now, most;
  Dispatcher dispatcher(*items_,
                        {.workers = 4, .cogs = {{"a", {.at_once = 2}}, {"b", {.at_once = 1}}}, .for_emergencies = 0},
                        [&](const Item& item, const std::function<bool()>&) {
                          {
                            const std::scoped_lock lock(mutex);
                            ran.insert(item.id);
                            most[item.cog] = std::max(most[item.cog], ++now[item.cog]);
                          }
                          nap(5);
                          const RunOutcome outcome = finish(item);
                          const std::scoped_lock lock(mutex);
                          --now[item.cog];
                          return outcome;
                        });
  dispatcher.start();
  plan_many(20, "a");
  plan_many(20, "b");
  ASSERT_TRUE(all_in("done", 40));
  dispatcher.stop(10);
  EXPECT_EQ(ran.size(), 40U);
  EXPECT_EQ(std::set<std::int64_t>(ran.begin(), ran.end()).size(), 40U);
  EXPECT_EQ(most["a"], 2);
  EXPECT_EQ(most["b"], 1);
}

TEST_P(DispatcherTest, RunsEmergenciesFirst) {
  plan_many(3);
  plan_many(1, "chest", Priority::emergency);
  std::vector<Priority> order;
  Dispatcher dispatcher(*items_, {.workers = 1}, [&](const Item& item, const std::function<bool()>&) {
    order.push_back(item.priority);
    return finish(item);
  });
  dispatcher.start();
  ASSERT_TRUE(all_in("done", 4));
  dispatcher.stop(10);
  EXPECT_EQ(order.front(), Priority::emergency);
}

TEST_P(DispatcherTest, KeepsAWorkerFreeForEmergencies) {
  std::atomic<bool> release{false};
  std::atomic<int> routine{0}, emergencies{0};
  Dispatcher dispatcher(*items_, {.workers = 3, .cogs = {{"chest", {.at_once = 8}}}},
                        [&](const Item& item, const std::function<bool()>&) {
                          if (item.priority == Priority::emergency) {
                            ++emergencies;
                          } else {
                            ++routine;
                            while (!release) nap(2);
                          }
                          return finish(item);
                        });
  plan_many(5);
  dispatcher.start();
  ASSERT_TRUE(wait_for([&] { return routine == 2; }));
  plan_many(1, "chest", Priority::emergency);
  EXPECT_TRUE(wait_for([&] { return emergencies == 1; })) << "while all others are busy";
  EXPECT_EQ(routine, 2);
  release = true;
  EXPECT_TRUE(all_in("done", 6));
  dispatcher.stop(10);
}

TEST_P(DispatcherTest, StaysWithinTheMemoryOfAllWorkers) {
  std::atomic<int> now{0}, most{0};
  Dispatcher dispatcher(*items_,
                        {.workers = 4,
                         .memory_mb = 2500,
                         .cogs = {{"chest", {.at_once = 8, .memory_mb = 1000}}, {"huge", {.memory_mb = 9000}}},
                         .for_emergencies = 0},
                        [&](const Item& item, const std::function<bool()>&) {
                          const int here = ++now;
                          if (item.cog == "chest" && here > most) most = here;
                          if (item.cog == "huge") EXPECT_EQ(here, 1);
                          nap(10);
                          --now;
                          return finish(item);
                        });
  plan_many(8);
  dispatcher.start();
  ASSERT_TRUE(all_in("done", 8));
  plan_many(1, "huge");
  EXPECT_TRUE(all_in("done", 9)) << "larger than the budget: runs alone";
  dispatcher.stop(10);
  EXPECT_EQ(most, 2);
}

TEST_P(DispatcherTest, RepeatsAndParksWhatFailsAndOutlivesWhatThrows) {
  plan(steps({step("fails"), step("throws"), step("hopeless"), step("forgets"), step("chest")}), series());
  std::map<std::string, int> tries;
  Dispatcher dispatcher(*items_, {.workers = 1}, [&](const Item& item, const std::function<bool()>&) -> RunOutcome {
    ++tries[item.cog];
    if (item.cog == "fails") return {.good = false, .retry = true, .message = "the worker crashed (signal 11)"};
    if (item.cog == "throws") throw std::runtime_error("out of luck");
    if (item.cog == "hopeless") return {.good = false, .retry = false, .message = "not a film"};
    if (item.cog == "forgets") return {.good = true};
    return finish(item);
  });
  dispatcher.start();
  ASSERT_TRUE(all_in("parked", 3));
  ASSERT_TRUE(all_in("done", 1));
  dispatcher.stop(10);
  EXPECT_EQ(tries,
            (std::map<std::string, int>{{"chest", 1}, {"fails", 3}, {"forgets", 3}, {"hopeless", 1}, {"throws", 3}}));
  std::map<std::string, std::string> messages;
  for (const Item& item : all()) messages[item.cog] = item.message;
  EXPECT_EQ(messages["fails"], "the worker crashed (signal 11)");
  EXPECT_EQ(messages["throws"], "out of luck");
  EXPECT_EQ(messages["hopeless"], "not a film");
  EXPECT_EQ(messages["forgets"], "the executor ended without recording the item as done");
}

TEST_P(DispatcherTest, AnItemThatRunsIsCancelledHereOrThroughTheTable) {
  plan_many(2);
  std::atomic<int> started{0}, ended{0};
  Dispatcher dispatcher(*items_, {.workers = 2, .cogs = {{"chest", {.at_once = 2}}}, .for_emergencies = 0},
                        [&](const Item&, const std::function<bool()>& cancelled) -> RunOutcome {
                          ++started;
                          while (!cancelled()) nap(5);
                          ++ended;
                          return {.good = false, .retry = true, .message = "cancelled"};
                        });
  dispatcher.start();
  ASSERT_TRUE(wait_for([&] { return started == 2; }));
  const std::vector<Item> running = dispatcher.running();
  ASSERT_EQ(running.size(), 2U);
  EXPECT_TRUE(dispatcher.cancel_running(running[0].id));
  EXPECT_TRUE(items_->cancel(running[1].id, "by another process"));
  EXPECT_TRUE(wait_for([&] { return ended == 2; }));
  EXPECT_TRUE(all_in("cancelled", 2));
  EXPECT_TRUE(wait_for([&] { return dispatcher.running().empty(); }));
  EXPECT_FALSE(dispatcher.cancel_running(running[0].id));
  dispatcher.stop(10);
  EXPECT_EQ(items_->counts()["cancelled"], 2U);
}

TEST_P(DispatcherTest, StopsInOrder) {
  plan_many(3);
  std::atomic<int> started{0};
  Dispatcher dispatcher(*items_, {.workers = 1}, [&](const Item& item, const std::function<bool()>&) {
    ++started;
    nap(200);
    return finish(item);
  });
  dispatcher.start();
  ASSERT_TRUE(wait_for([&] { return started == 1; }));
  dispatcher.stop(20);
  EXPECT_EQ(items_->counts(), (std::map<std::string, std::uint64_t>{{"done", 1}, {"due", 2}}))
      << "what ran is finished, nothing new was begun";
  dispatcher.start();
  EXPECT_TRUE(all_in("done", 3)) << "and can be started again";
  dispatcher.stop(20);
}

TEST_P(DispatcherTest, AfterItsPatienceItHandsBack) {
  plan_many(1);
  std::atomic<bool> started{false};
  Dispatcher dispatcher(*items_, {.workers = 1},
                        [&](const Item&, const std::function<bool()>& cancelled) -> RunOutcome {
                          started = true;
                          while (!cancelled()) nap(5);
                          return {.good = false, .retry = true, .message = "cancelled"};
                        });
  dispatcher.start();
  ASSERT_TRUE(wait_for([&] { return started.load(); }));
  const double began_s = monotonic_s();
  dispatcher.stop(0.1);
  EXPECT_LT(monotonic_s() - began_s, 5);
  const Item item = all()[0];
  EXPECT_EQ(item.state, ItemState::due);
  EXPECT_EQ(item.tries, 0) << "the stop was not its fault";
}

TEST_P(DispatcherTest, StartsWithinMillisecondsOfThePlan) {
  std::atomic<double> ran_s{0};
  Dispatcher dispatcher(*items_, {.workers = 1}, [&](const Item& item, const std::function<bool()>&) {
    ran_s = monotonic_s();
    return finish(item);
  });
  dispatcher.start();
  nap(300);
  const double planned_s = monotonic_s();
  plan_many(1);
  ASSERT_TRUE(all_in("done", 1));
  dispatcher.stop(10);
  EXPECT_LT(ran_s - planned_s, 0.5) << "woken by the plan, not by its 2 s timer; half a second for a busy machine";
}
