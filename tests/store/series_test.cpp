// Completeness at run time: judged from evidence, recorded with what must follow, the same after a crash.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "store/series_watch.h"
#include "store/store_tables.h"
#include "store_fixture.h"

namespace rouage::store::testing {
namespace {

class Series : public StoreTest {
 protected:
  void SetUp() override {
    options_.completeness.settle_s = 0.05;
    options_.completeness.film_settle_s = 0.05;
    StoreTest::SetUp();
    if (store_) listen();
  }
  void listen() {
    store_->on_series([this](Transaction&, const SeriesReady& series) { ready_.push_back(series); });
  }
  void reopen() {
    open();
    listen();
  }
  /// Looks as the gateway does, for at most `patience_s`.
  void look_until(std::size_t count, double patience_s = 3) {
    const double end_s = monotonic_s() + patience_s;
    while (ready_.size() < count && monotonic_s() < end_s) {
      const double next_s = store_->look();
      std::this_thread::sleep_for(std::chrono::duration<double>(std::min(next_s, 0.02)));
    }
  }
  std::vector<SeriesReady> ready_;
};
ROUAGE_ON_BOTH(Series);

TEST_P(Series, a_film_is_complete_at_once_when_its_association_has_ended) {
  send(*store_, {}, 1);
  store_->association_ended(1, true);
  store_->look();
  ASSERT_EQ(ready_.size(), 1U) << "no timer is waited for";
  EXPECT_EQ(ready_[0].series_instance_uid, "1.2.3.1");
  EXPECT_EQ(ready_[0].sender, "CT1");
  EXPECT_EQ(ready_[0].version, 0);
  EXPECT_FALSE(ready_[0].partial);
  const auto states = store_->series_states("1.2.3", 10);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states[0].state, "complete");
  EXPECT_FALSE(states[0].reason.empty());
  for (int i = 0; i < 5; ++i) store_->look();
  EXPECT_EQ(ready_.size(), 1U) << "handed on once";
}

TEST_P(Series, a_film_on_an_open_association_waits_a_quarter_of_a_second_at_most) {
  EXPECT_LE(CompletenessRules{}.film_settle_s, 0.25);
  send(*store_, {}, 1);
  store_->look();
  EXPECT_TRUE(ready_.empty());
  look_until(1, 1);
  EXPECT_EQ(ready_.size(), 1U);
}

TEST_P(Series, a_prior_is_known_by_the_way_it_came_and_not_by_what_its_sender_calls_itself) {
  receive::Arrival fetched = arrival(*store_, {});
  fetched.origin.way = receive::Origin::Way::priors;
  store_->accept({fetched});
  Made other;
  other.series = "1.2.3.9";
  other.sop = "1.2.3.9.1";
  send(*store_, other, 0, "priors:CT9");
  look_until(2, 2);
  ASSERT_EQ(ready_.size(), 2U);
  for (const SeriesReady& series : ready_) EXPECT_EQ(series.prior, series.series_instance_uid == "1.2.3.1");
}

TEST_P(Series, a_late_instance_reopens_the_series_under_a_new_version) {
  send(*store_, {}, 1);
  store_->association_ended(1, true);
  store_->look();
  Made late;
  late.sop = "1.2.3.1.2";
  send(*store_, late, 2);
  EXPECT_EQ(store_->series_states("1.2.3", 10).at(0).state, "waiting");
  store_->association_ended(2, true);
  store_->look();
  ASSERT_EQ(ready_.size(), 2U);
  EXPECT_EQ(ready_[1].version, 1);
  EXPECT_EQ(ready_[1].instances, 2);
}

TEST_P(Series, a_list_of_the_modality_decides_whenever_it_comes) {
  receive::SeriesList list{.source = "MPPS",
                           .message_uid = "1.5",
                           .closed = false,
                           .study_instance_uid = "1.2.4",
                           .series_instance_uid = "1.2.4.1",
                           .sop_instances = {"1.2.4.1.1"}};
  store_->note_lists({list});
  for (int i = 1; i <= 5; ++i) send(*store_, ct_slice(i), 1);
  store_->look();
  EXPECT_TRUE(ready_.empty()) << "the step is not closed: its list is not whole";
  list.closed = true;
  for (int i = 2; i <= 6; ++i) list.sop_instances.push_back(fmt::format("1.2.4.1.{}", i));
  store_->note_lists({list});
  store_->look();
  EXPECT_TRUE(ready_.empty());
  EXPECT_NE(store_->series_states("1.2.4", 1).at(0).reason.find("1 of 6"), std::string::npos);
  send(*store_, ct_slice(6), 1);
  store_->look();
  ASSERT_EQ(ready_.size(), 1U);
  EXPECT_EQ(ready_[0].instances, 6);
}

// STO-6: after a crash each series is judged as if nothing had happened, and no complete series is handed on twice.
TEST_P(Series, after_a_restart_the_evidence_is_the_same_and_nothing_is_handed_on_twice) {
  send(*store_, {}, 1);
  store_->association_ended(1, true);
  store_->look();
  ASSERT_EQ(ready_.size(), 1U);
  for (int i = 1; i <= 4; ++i) send(*store_, ct_slice(i), 2);
  receive::SeriesList list{.source = "IAN",
                           .message_uid = "1.6",
                           .closed = true,
                           .study_instance_uid = "1.2.4",
                           .series_instance_uid = "1.2.4.1",
                           .sop_instances = {}};
  for (int i = 1; i <= 5; ++i) list.sop_instances.push_back(fmt::format("1.2.4.1.{}", i));
  store_->note_lists({list});
  reopen();
  store_->look();
  EXPECT_EQ(ready_.size(), 1U) << "the film's series was handed on already";
  EXPECT_EQ(store_->series_states("1.2.4", 1).at(0).state, "waiting");
  send(*store_, ct_slice(5), 1);
  store_->look();
  ASSERT_EQ(ready_.size(), 2U);
  EXPECT_EQ(ready_[1].series_instance_uid, "1.2.4.1");
  EXPECT_EQ(ready_[1].version, 0);
  reopen();
  look_until(3, 0.3);
  EXPECT_EQ(ready_.size(), 2U);
}

TEST_P(Series, an_instance_that_came_just_before_the_crash_reopens_its_series_afterwards) {
  send(*store_, {}, 1);
  store_->association_ended(1, true);
  store_->look();
  Made late;
  late.sop = "1.2.3.1.2";
  send(*store_, late, 0);
  reopen();
  look_until(2, 2);
  ASSERT_EQ(ready_.size(), 2U);
  EXPECT_EQ(ready_[1].version, 1);
}

TEST_P(Series, what_follows_is_recorded_in_the_same_transaction_or_not_at_all) {
  store_->database().migrate("follow", {"CREATE TABLE item (series TEXT NOT NULL)"});
  std::atomic<int> calls{0};
  store_->on_series([&](Transaction& tx, const SeriesReady& series) {
    tx.run("INSERT INTO item (series) VALUES (?)", {series.series_instance_uid});
    if (++calls == 1) throw Error(ErrorCode::Internal, "on purpose");
  });
  send(*store_, {}, 1);
  store_->association_ended(1, true);
  store_->look();
  const auto items = [&] {
    return store_->database().read([](Transaction& tx) { return tx.first("SELECT COUNT(*) FROM item")->integer(0); });
  };
  EXPECT_EQ(items(), 0);
  EXPECT_EQ(store_->series_states("1.2.3", 1).at(0).state, "waiting") << "it will be tried again";
  look_until(99, 5.5);
  EXPECT_EQ(items(), 1);
  EXPECT_EQ(calls, 2);
}

TEST_P(Series, results_of_rouage_from_elsewhere_are_kept_and_never_handed_to_cogs) {
  Made foreign = result_made("1.2.3", "2.25.9");
  EXPECT_EQ(send(*store_, foreign, 1).outcome, receive::Outcome::stored);
  store_->association_ended(1, true);
  look_until(1, 0.3);
  EXPECT_TRUE(ready_.empty());
  EXPECT_EQ(inside("1.2.3").size(), 1U);
}

TEST_P(Series, a_caller_that_sleeps_is_woken_when_something_arrives) {
  std::atomic<int> woken{0};
  store_->on_change([&] { ++woken; });
  EXPECT_GT(store_->look(), 60) << "nothing is due";
  send(*store_, {}, 1);
  EXPECT_EQ(woken, 1);
  EXPECT_LT(store_->look(), 1);
  store_->association_ended(1, true);
  EXPECT_EQ(woken, 2);
  store_->look();
  EXPECT_EQ(ready_.size(), 1U);
}

TEST_P(Series, own_results_are_no_series_to_wait_for) {
  send(*store_, {}, 1);
  store_->association_ended(1, true);
  store_->look();
  const auto kept = store_->keep_results({made_result(scratch_folder("staging"), "1.2.3", "2.25.1")});
  store_->database().write([&](Transaction& tx) { store_->index_results(tx, kept, "1.2.3.1", 0); });
  look_until(2, 0.2);
  EXPECT_EQ(ready_.size(), 1U);
  EXPECT_EQ(store_->series_states("1.2.3", 10).size(), 1U);
  EXPECT_EQ(store_->status().results, 1U);
}

/// The watch alone, with a clock of its own.
class Watch : public ::testing::Test {
 protected:
  Watch() : database_({.folder = scratch_folder("watch")}) {
    database_.migrate("store", sql::store_steps(false));
    watch_.on_series([this](Transaction&, const SeriesReady& series) { ready_.push_back(series); });
  }
  /// Slices of a series of its own, one association, released. Returns when the last came.
  double series(std::int64_t id, double start_s, bool ends = true) {
    const Made made = ct_slice(1);
    dicom::IndexEntry entry;
    entry.study_instance_uid = fmt::format("1.{}", id);
    entry.series_instance_uid = fmt::format("1.{}.1", id);
    entry.modality = "CT";
    database_.write([&](Transaction& tx) {
      sql::insert_study(tx, id, entry, start_s);
      sql::insert_series(tx, {.id = id, .study_id = id, .sender = "CT1", .now_s = start_s}, entry);
    });
    const auto association = static_cast<std::uint64_t>(100 + id);
    for (int i = 0; i < 10; ++i) {
      SeriesWatch::Arrived arrived;
      arrived.series = *database_.read([&](Transaction& tx) { return sql::series_row(tx, id); });
      arrived.facts = {.sop_instance_uid = fmt::format("1.{}.1.{}", id, i),
                       .time_s = start_s + i,
                       .association = watch_.association(association),
                       .stack = "axial",
                       .position_mm = 2.0 * i,
                       .instance_number = i};
      watch_.note(arrived, start_s + i);
    }
    if (ends) watch_.association_ended(association, true, start_s + 10);
    return start_s + 10;
  }
  Database database_;
  SeriesWatch watch_{CompletenessRules{}};
  std::vector<SeriesReady> ready_;
};

TEST_F(Watch, a_sender_becomes_known_by_its_settled_series_and_waits_less) {
  double now_s = 1'000'000;
  for (int id = 1; id <= 6; ++id) {
    const double last_s = series(id, now_s);
    watch_.look(database_, last_s + 5);
    EXPECT_EQ(ready_.size(), id <= 5 ? static_cast<std::size_t>(id) - 1 : 6U)
        << "5 s are too short for a sender that is not known, and enough for one that is";
    watch_.look(database_, last_s + 130);
    EXPECT_EQ(ready_.size(), static_cast<std::size_t>(id));
    now_s = last_s + 3 * 3600;
    watch_.look(database_, now_s);
  }
  SeriesWatch again{CompletenessRules{}};
  database_.read([&](Transaction& tx) {
    again.load(tx, now_s);
    EXPECT_EQ(sql::habits(tx).at("CT1|CT").series, 6) << "what was learned is in the index";
    EXPECT_TRUE(sql::open_series(tx).empty()) << "settled series leave the memory";
  });
}

TEST_F(Watch, associations_of_earlier_runs_are_never_mistaken_for_new_ones) {
  const std::uint64_t first = watch_.association(7);
  EXPECT_EQ(watch_.association(7), first);
  watch_.association_ended(7, true, 10);
  EXPECT_NE(watch_.association(7), first) << "the number was given to another association";
  EXPECT_EQ(watch_.association(0), 0U);
  watch_.look(database_, 10);
  SeriesWatch again{CompletenessRules{}};
  database_.read([&](Transaction& tx) { again.load(tx, 20); });
  EXPECT_GT(again.association(7), first);
}

}  // namespace
}  // namespace rouage::store::testing
