// RTE-10: work items are durable: each is planned once, taken by one worker, and ends once, whatever dies when.
#include "items_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"

using namespace route_tests;

INSTANTIATE_TEST_SUITE_P(On, ItemsTest, ::testing::Values("sqlite", "postgresql"),
                         [](const auto& information) { return information.param; });

TEST_P(ItemsTest, AnItemKeepsAllThatItsRuleSaid) {
  Step asked = step("chest", Priority::high);
  asked.priors = 2;
  asked.deadline_s = 600;
  asked.options = {{"point", "sensitive"}, {"quote", "\"'"}};
  asked.destinations = {"pacs", "ris"};
  asked.companion = "CT";
  plan(steps({asked}), series());
  ASSERT_EQ(all().size(), 1U);
  const Item item = all()[0];
  EXPECT_EQ(item.state, ItemState::due);
  EXPECT_EQ(item.cog, "chest");
  EXPECT_EQ(item.rule, "rule of chest");
  EXPECT_EQ(item.sender, "CR1");
  EXPECT_EQ(item.priority, Priority::high);
  EXPECT_EQ(item.priors, 2);
  EXPECT_NEAR(item.deadline_s - item.planned_s, 600, 0.001);
  EXPECT_EQ(item.options, asked.options);
  EXPECT_EQ(item.destinations, asked.destinations);
  EXPECT_EQ(item.companion, "CT");
  EXPECT_TRUE(item.uid.starts_with("2.25."));
  EXPECT_EQ(items_->find_uid(item.uid)->id, item.id);
  EXPECT_FALSE(items_->find(item.id + 1));
}

TEST_P(ItemsTest, PlanningTwiceHasEffectOnce) {
  plan(steps({step("chest")}), series());
  plan(steps({step("chest")}), series());
  EXPECT_EQ(all().size(), 1U);
  done(*take());
  plan(steps({step("chest")}), series());
  EXPECT_EQ(all().size(), 1U) << "done already";
}

TEST_P(ItemsTest, APlanThatIsRolledBackLeavesNothing) {
  EXPECT_THROW(database_->write([&](store::Transaction& tx) {
    items_->plan(tx, steps({step("chest")}), series());
    throw Error(ErrorCode::Internal, "on purpose");
  }),
               Error);
  EXPECT_TRUE(all().empty());
}

TEST_P(ItemsTest, ANewVersionOfTheSeriesTakesThePlaceOfTheOld) {
  plan(steps({step("chest"), step("age")}), series());
  const Item running = *take();
  plan(steps({step("chest"), step("age")}), series("1.2.1", 1));
  std::map<std::pair<std::string, int>, ItemState> states;
  for (const Item& item : all()) states[{item.cog, item.series_version}] = item.state;
  EXPECT_EQ(states.size(), 4U);
  EXPECT_EQ(state(running.id), ItemState::running) << "what runs may end";
  const std::string other = running.cog == "chest" ? "age" : "chest";
  EXPECT_EQ((states[{other, 0}]), ItemState::cancelled);
  EXPECT_EQ((states[{"chest", 1}]), ItemState::due);
  EXPECT_EQ((states[{"age", 1}]), ItemState::due);
  for (const Item& item : all())
    if (item.state == ItemState::cancelled) {
      EXPECT_FALSE(items_->retry(item.id)) << "its place is taken";
    }
}

TEST_P(ItemsTest, EmergenciesFirstThenTheLongestDue) {
  plan(steps({step("a", Priority::background)}), series("1.1"));
  plan(steps({step("b", Priority::routine)}), series("1.2"));
  plan(steps({step("c", Priority::emergency)}), series("1.3"));
  plan(steps({step("d", Priority::routine)}), series("1.4"));
  std::string order;
  while (const auto item = take()) order += item->cog;
  EXPECT_EQ(order, "cbda");
}

TEST_P(ItemsTest, OnlyAllowedCogsAndPrioritiesAreTaken) {
  plan(steps({step("a"), step("b", Priority::high)}), series());
  const auto only_a = [](const std::string& cog) { return cog == "a"; };
  EXPECT_FALSE(items_->take(utc_now_s(), only_a, Priority::high));
  EXPECT_EQ(items_->take(utc_now_s(), only_a)->cog, "a");
  EXPECT_FALSE(items_->take(utc_now_s(), only_a));
}

TEST_P(ItemsTest, NoItemIsTakenTwiceByManyThreads) {
  std::vector<Step> many;
  for (int i = 0; i < 40; ++i) many.push_back(step("cog" + std::to_string(i)));
  plan(steps(many), series());
  std::mutex mutex;
  std::multiset<std::int64_t> taken;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (const auto item = take()) {
        const std::scoped_lock lock(mutex);
        taken.insert(item->id);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.size(), 40U);
  EXPECT_EQ(std::set<std::int64_t>(taken.begin(), taken.end()).size(), 40U);
}

TEST_P(ItemsTest, AFailedTryIsRepeatedLaterAndParkedAfterTheLast) {
  plan(steps({step("chest")}), series());
  const std::int64_t id = all()[0].id;
  const double waits[] = {0.05, 0.1};  // doubles; see quick()
  for (int round = 0; round < 2; ++round) {
    const Item item = take(10).value();
    EXPECT_EQ(item.tries, round + 1);
    const double before_s = utc_now_s();
    items_->failed(id, "no good", false);
    EXPECT_EQ(state(id), ItemState::due);
    EXPECT_NEAR(items_->find(id)->due_s - before_s, waits[round], 0.04) << "40 ms for a slow disk";
    EXPECT_FALSE(items_->take(before_s, [](const std::string&) { return true; })) << "not yet";
  }
  take(10);
  items_->failed(id, "no good at all", false);
  EXPECT_EQ(state(id), ItemState::parked);
  EXPECT_EQ(items_->find(id)->message, "no good at all");
  std::string log;
  for (const ItemEvent& event : items_->log(id)) log += event.event + std::to_string(event.tries) + " ";
  EXPECT_EQ(log, "planned0 taken1 failed1 again1 taken2 failed2 again2 taken3 failed3 parked3 ");
  EXPECT_FALSE(take(1000)) << "a parked item waits for a person";
  EXPECT_TRUE(items_->retry(id));
  EXPECT_EQ(take(1)->tries, 1);
}

TEST_P(ItemsTest, AFinalFailureIsNotRepeated) {
  plan(steps({step("chest")}), series());
  const Item item = take().value();
  items_->failed(item.id, "damaged file", true);
  EXPECT_EQ(state(item.id), ItemState::failed);
  items_->failed(item.id, "again", false);
  EXPECT_EQ(items_->find(item.id)->message, "damaged file") << "only what runs can fail";
}

TEST_P(ItemsTest, DoneIsRecordedWithTheResultsOrNotAtAll) {
  plan(steps({step("chest")}), series());
  const Item item = take().value();
  EXPECT_THROW(database_->write([&](store::Transaction& tx) {
    items_->done(tx, item.id, "x");
    items_->note_outputs(tx, item.id, {{"1.5", "1.2.840.10008.5.1.4.1.1.88.34", "1.5.1"}});
    throw Error(ErrorCode::Internal, "the disk is full");
  }),
               Error);
  EXPECT_EQ(state(item.id), ItemState::running);
  EXPECT_TRUE(items_->outputs(item.id).empty());
  for (int twice = 0; twice < 2; ++twice)
    database_->write([&](store::Transaction& tx) {
      items_->done(tx, item.id, "x");
      items_->note_outputs(tx, item.id, {{"1.5", "1.2.840.10008.5.1.4.1.1.88.34", "1.5.1"}});
    });
  EXPECT_EQ(state(item.id), ItemState::done);
  EXPECT_EQ(items_->outputs(item.id).size(), 1U);
}

TEST_P(ItemsTest, ResultsOfACancelledItemAreRefused) {
  plan(steps({step("chest")}), series());
  const Item item = take().value();
  EXPECT_TRUE(items_->cancel(item.id, "wrong patient"));
  EXPECT_FALSE(items_->cancel(item.id, "again"));
  try {
    done(item);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::StateConflict);
  }
  EXPECT_EQ(state(item.id), ItemState::cancelled);
  EXPECT_EQ(items_->find(item.id)->message, "wrong patient");
}

TEST_P(ItemsTest, AWholeStudyIsCancelled) {
  plan(steps({step("chest"), step("age")}), series("1.2.1", 0, "1.2"));
  plan(steps({step("chest")}), series("1.3.1", 0, "1.3"));
  done(*take());
  EXPECT_EQ(items_->cancel_study("1.2", "the study was sent by mistake"), 1);
  EXPECT_EQ(items_->cancel_study("1.2", "again"), 0);
  EXPECT_FALSE(items_->pending("1.2"));
  EXPECT_TRUE(items_->pending("1.3"));
  EXPECT_EQ(items_->list(std::nullopt, "1.2", 10).size(), 2U);
}

TEST_P(ItemsTest, AnItemThatCouldNotRunInTimeExpires) {
  Step late = step("chest");
  late.deadline_s = 100;
  plan(steps({late, step("age")}), series());
  EXPECT_EQ(take(200)->cog, "age");
  EXPECT_EQ(items_->counts(), (std::map<std::string, std::uint64_t>{{"expired", 1}, {"running", 1}}));
  EXPECT_FALSE(take(200));
}

TEST_P(ItemsTest, ACogWaitsForTheResultItNeeds) {
  Step second = step("body_composition");
  second.waits_for = {"organs"};
  plan(steps({second, step("organs")}), series());
  const Item organs = take().value();
  EXPECT_EQ(organs.cog, "organs");
  EXPECT_FALSE(take());
  EXPECT_EQ(items_->list(ItemState::waiting, "", 10).size(), 1U);
  items_->failed(organs.id, "no", true);
  EXPECT_FALSE(take()) << "it failed: there is no result";
  EXPECT_TRUE(items_->retry(organs.id));
  done(*take());
  EXPECT_EQ(take()->cog, "body_composition");
}

TEST_P(ItemsTest, WaitsForTheNewestVersionOfItsOwnSeries) {
  Step second = step("body_composition");
  second.waits_for = {"organs"};
  plan(steps({step("organs"), second}), series());
  done(*take());
  done(*take());
  plan(steps({step("organs"), second}), series("1.2.1", 1));
  const Item organs = take().value();
  EXPECT_EQ(organs.cog, "organs");
  EXPECT_FALSE(take()) << "the old version's result does not serve";
  done(organs);
  EXPECT_EQ(take()->series_version, 1);
}

TEST_P(ItemsTest, UpstreamOfAnotherSeriesOfTheStudyServesToo) {
  Step second = step("dose");
  second.waits_for = {"organs"};
  plan(steps({second}), series("1.2.2"));
  EXPECT_FALSE(take());
  plan(steps({step("organs")}), series("1.2.1"));
  done(*take());
  const Item dose = take().value();
  EXPECT_EQ(dose.cog, "dose");
  plan(steps({second}), series("1.2.3"));
  EXPECT_EQ(take()->cog, "dose") << "organs had been done before";
}

TEST_P(ItemsTest, WhatRanWhenTheGatewayDiedIsDueAgain) {
  plan(steps({step("chest"), step("age")}), series());
  const Item taken = take().value();
  items_ = std::make_unique<Items>(*database_, quick());
  EXPECT_EQ(items_->recover(), 1);
  EXPECT_EQ(state(taken.id), ItemState::due);
  EXPECT_EQ(items_->recover(), 0);
  EXPECT_EQ(items_->find(taken.id)->tries, 1);
}

// The gateway's death is seldom the item's fault: it does not use up its tries. One that kills the gateway again and
// again is slowed down, so that the gateway lives between, and parked in the end.
TEST_P(ItemsTest, AnItemThatKillsTheGatewayIsParkedInTheEnd) {
  plan(steps({step("chest")}), series());
  const std::int64_t id = all()[0].id;
  for (int death = 1; death < 4; ++death) {
    ASSERT_TRUE(take(100)) << death;
    items_->recover();
    EXPECT_EQ(state(id), ItemState::due);
    EXPECT_EQ(items_->find(id)->due_s > utc_now_s(), death > 2);
  }
  ASSERT_TRUE(take(100));
  items_->recover();
  EXPECT_EQ(state(id), ItemState::parked);
  EXPECT_EQ(items_->find(id)->message, "the gateway died 4 times while it ran");
}

TEST_P(ItemsTest, HandingBackCostsNoTry) {
  plan(steps({step("chest")}), series());
  const Item item = take().value();
  items_->hand_back(item.id, "the gateway stops");
  EXPECT_EQ(take(1)->tries, 1);
}

TEST_P(ItemsTest, ChangesAreTold) {
  int told = 0;
  items_->on_change([&] { ++told; });
  plan(steps({step("chest")}), series());
  EXPECT_EQ(told, 1);
  const Item item = take().value();
  done(item);
  EXPECT_EQ(told, 2);
  EXPECT_FALSE(items_->next_due_s(utc_now_s()));
}

TEST_P(ItemsTest, OldItemsAreForgotten) {
  plan(steps({step("chest"), step("age")}), series());
  done(*take());
  EXPECT_EQ(items_->forget(utc_now_s() - 100), 0);
  EXPECT_EQ(items_->forget(utc_now_s() + 100), 1);
  EXPECT_EQ(all().size(), 1U);
  EXPECT_EQ(all()[0].state, ItemState::due);
}

// RTE-11: a SIGKILL at any moment loses no item and ends none twice. The "result" is a row written in the transaction
// that ends the item, as the gateway does.
namespace {

constexpr int kItems = 120;
const RetryRules kPatient{.tries = 3, .first_wait_s = 0.01, .longest_wait_s = 0.05, .deaths = 1000};

/// One life of the gateway: goes on with what is there.
void live(const fs::path& folder) {
  store::Database database({.folder = folder});
  Items items(database, kPatient);
  database.migrate("test", {"CREATE TABLE result (item BIGINT NOT NULL, pid BIGINT NOT NULL)"});
  items.recover();
  Dispatcher dispatcher(
      items, {.workers = 3, .cogs = {{"chest", {.at_once = 3}}}}, [&](const Item& item, const std::function<bool()>&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        database.write([&](store::Transaction& tx) {
          tx.run("INSERT INTO result (item, pid) VALUES (?, ?)", {item.id, static_cast<std::int64_t>(::getpid())});
          items.done(tx, item.id, "");
        });
        return RunOutcome{.good = true};
      });
  dispatcher.start();
  while (items.counts()["done"] < kItems) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  dispatcher.stop(10);
}

}  // namespace

TEST(ItemsKilled, NoneIsLostAndNoneEndsTwice) {
  const Folder folder;
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  {
    store::Database database({.folder = folder.path()});
    Items items(database, kPatient);
    for (int i = 0; i < kItems; ++i)
      database.write(
          [&](store::Transaction& tx) { items.plan(tx, steps({step("chest")}), series("1.2." + std::to_string(i))); });
  }
  int kills = 0, status = 0;
  for (int round = 0; round < 200; ++round) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      live(folder.path());
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<int>(5, 90)(random)));
    if (kills < 20) kills += ::kill(pid, SIGKILL) == 0;
    ::waitpid(pid, &status, 0);
    if (WIFEXITED(status)) break;
  }
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_GE(kills, 3) << "too fast a machine for a test of kills";
  store::Database database({.folder = folder.path()});
  Items items(database, kPatient);
  EXPECT_EQ(items.counts(), (std::map<std::string, std::uint64_t>{{"done", kItems}}));
  const auto results = database.read([](store::Transaction& tx) { return tx.rows("SELECT item FROM result"); });
  std::set<std::int64_t> different;
  for (const store::Row& row : results) different.insert(row.integer(0));
  EXPECT_EQ(results.size(), static_cast<std::size_t>(kItems));
  EXPECT_EQ(different.size(), static_cast<std::size_t>(kItems));
}
