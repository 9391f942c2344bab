// One database for all rooms: what is written is durable and whole, the same on SQLite and PostgreSQL.
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "base/error.h"
#include "databases.h"
#include "store/database.h"

namespace rouage::store::testing {
namespace {

class DatabaseTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "postgresql") {
      options_.postgresql = new_postgresql_database();
      if (options_.postgresql.empty()) GTEST_SKIP() << "no PostgreSQL can be started here";
    }
    options_.folder = scratch_folder("database");
    database_ = std::make_unique<Database>(options_);
    database_->migrate("test",
                       {"CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY, name TEXT, weight DOUBLE PRECISION)"});
  }
  std::int64_t count() {
    return database_->read([](Transaction& tx) { return tx.first("SELECT COUNT(*) FROM thing")->integer(0); });
  }
  void put(std::int64_t id, const std::string& name) {
    database_->write([&](Transaction& tx) { tx.run("INSERT INTO thing (id, name) VALUES (?, ?)", {id, name}); });
  }
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
};
INSTANTIATE_TEST_SUITE_P(On, DatabaseTest, ::testing::Values("sqlite", "postgresql"),
                         [](const auto& backend) { return std::string(backend.param); });

TEST_P(DatabaseTest, values_come_back_as_they_went) {
  const std::int64_t large = std::numeric_limits<std::int64_t>::max();
  const double fine = 1764000000.1234567;
  const std::string text = "O'Hara\\? :v1 Lévy\n\"x\"";
  database_->write([&](Transaction& tx) {
    tx.run("INSERT INTO thing (id, name, weight) VALUES (?, ?, ?)", {large, text, fine});
    tx.run("INSERT INTO thing (id, name, weight) VALUES (?, ?, ?)", {std::int64_t{-1}, Value{}, Value{}});
    tx.run("INSERT INTO thing (id, name, weight) VALUES (?, ?, ?)", {std::int64_t{2}, std::string(), 0.5});
  });
  database_->read([&](Transaction& tx) {
    const auto rows = tx.rows("SELECT id, name, weight FROM thing ORDER BY id");
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_TRUE(rows[0].null(1));
    EXPECT_TRUE(rows[0].null(2));
    EXPECT_FALSE(rows[1].null(1));
    EXPECT_EQ(rows[1].text(1), "");
    EXPECT_EQ(rows[2].integer(0), large);
    EXPECT_EQ(rows[2].text(1), text);
    EXPECT_EQ(rows[2].real(2), fine) << "a double comes back to the last bit";
    const auto sums = tx.first(
        "SELECT COUNT(*), SUM(id), MAX(weight), COUNT(weight), MIN(name) FROM thing WHERE id < ?", {std::int64_t{10}});
    EXPECT_EQ(sums->integer(0), 2);
    EXPECT_EQ(sums->integer(1), 1);
    EXPECT_EQ(sums->real(2), 0.5);
    EXPECT_EQ(sums->integer(3), 1);
    EXPECT_EQ(sums->text(4), "");
  });
}

TEST_P(DatabaseTest, a_statement_is_bound_anew_each_time_and_may_stop_early) {
  for (int i = 0; i < 20; ++i) put(i, "n" + std::to_string(i));
  database_->read([&](Transaction& tx) {
    for (int round = 0; round < 3; ++round)
      for (std::int64_t i = 0; i < 20; i += 7)
        EXPECT_EQ(tx.first("SELECT name FROM thing WHERE id >= ? ORDER BY id", {i})->text(0), "n" + std::to_string(i));
  });
  const std::int64_t changed = database_->write([](Transaction& tx) {
    return tx.run("UPDATE thing SET name = ? WHERE id < ?", {std::string("same"), std::int64_t{5}});
  });
  EXPECT_EQ(changed, 5);
  EXPECT_EQ(
      database_->write([](Transaction& tx) { return tx.run("DELETE FROM thing WHERE id = ?", {std::int64_t{999}}); }),
      0);
}

TEST_P(DatabaseTest, work_that_throws_undoes_only_itself) {
  constexpr int kThreads = 8, kEach = 25;
  std::atomic<int> threw{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) try {
          database_->write([&](Transaction& tx) {
            tx.run("INSERT INTO thing (id, name) VALUES (?, ?)", {std::int64_t{t * 1000 + i}, std::string("x")});
            if (i % 5 == 0) throw Error(ErrorCode::Cancelled, "on purpose");
          });
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::Cancelled);
          ++threw;
        }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(threw, kThreads * kEach / 5);
  EXPECT_EQ(count(), kThreads * kEach * 4 / 5);
}

TEST_P(DatabaseTest, a_wrong_statement_is_an_error_of_the_family_and_the_next_write_works) {
  try {
    database_->write([](Transaction& tx) { tx.run("INSERT INTO nothing (id) VALUES (?)", {std::int64_t{1}}); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::DatabaseFailed);
  }
  put(1, "one");
  EXPECT_THROW(put(1, "again"), Error) << "the key is taken";
  put(2, "two");
  EXPECT_EQ(count(), 2);
  EXPECT_THROW(database_->read([](Transaction& tx) { return tx.first("SELECT x FROM nothing"); }), Error);
  EXPECT_EQ(count(), 2);
}

TEST_P(DatabaseTest, actions_run_after_the_commit_and_only_then) {
  int ran = 0;
  database_->write([&](Transaction& tx) {
    tx.run("INSERT INTO thing (id, name) VALUES (?, ?)", {std::int64_t{1}, std::string("x")});
    tx.after_commit([&] {
      EXPECT_EQ(count(), 1);
      ++ran;
    });
    EXPECT_EQ(ran, 0);
  });
  EXPECT_EQ(ran, 1);
  EXPECT_THROW(database_->write([&](Transaction& tx) {
    tx.after_commit([&] { ++ran; });
    throw Error(ErrorCode::Cancelled, "on purpose");
  }),
               Error);
  EXPECT_EQ(ran, 1);
}

TEST_P(DatabaseTest, a_write_inside_a_write_is_refused_and_does_not_hang) {
  EXPECT_THROW(database_->write([&](Transaction&) { put(1, "inner"); }), Error);
}

TEST_P(DatabaseTest, a_reader_keeps_its_snapshot_while_others_write) {
  put(1, "one");
  database_->read([&](Transaction& tx) {
    EXPECT_EQ(tx.first("SELECT COUNT(*) FROM thing")->integer(0), 1);
    put(2, "two");
    EXPECT_EQ(tx.first("SELECT COUNT(*) FROM thing")->integer(0), 1);
  });
  EXPECT_EQ(count(), 2);
}

TEST_P(DatabaseTest, steps_are_done_once_and_a_newer_store_is_refused) {
  const std::vector<std::string> first = {"CREATE TABLE one (id BIGINT)"};
  const std::vector<std::string> both = {first[0], "CREATE TABLE two (id BIGINT)"};
  database_->migrate("room", first);
  database_->migrate("room", both);
  database_->migrate("room", both);
  try {
    database_->migrate("room", first);
    FAIL() << "an older program opened a newer store";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::StoreVersion);
  }
  database_->read([](Transaction& tx) { EXPECT_EQ(tx.rows("SELECT id FROM two").size(), 0U); });
}

TEST_P(DatabaseTest, what_was_committed_is_there_after_a_new_start) {
  put(7, "seven");
  database_.reset();
  database_ = std::make_unique<Database>(options_);
  EXPECT_EQ(count(), 1);
}

TEST_P(DatabaseTest, a_copy_is_whole_while_the_index_is_in_use) {
  put(1, "one");
  const auto file = options_.folder / "copy" / "index.sqlite";
  std::filesystem::create_directories(file.parent_path());
  if (database_->is_postgresql()) {
    EXPECT_THROW(database_->backup_to(file), Error);
    return;
  }
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    for (int i = 10; !stop; ++i) put(i, "busy");
  });
  database_->backup_to(file);
  stop = true;
  busy.join();
  Database copy({.folder = file.parent_path()});
  const auto rows =
      copy.read([](Transaction& tx) { return tx.first("SELECT COUNT(*), MIN(name) FROM thing")->integer(0); });
  EXPECT_GE(rows, 1);
  EXPECT_LE(rows, count());
}

TEST(PostgresqlDatabase, a_lost_connection_is_made_again_and_nothing_is_written_twice) {
  DatabaseOptions options{.folder = {}, .postgresql = new_postgresql_database()};
  if (options.postgresql.empty()) GTEST_SKIP() << "no PostgreSQL can be started here";
  Database database(options);
  database.migrate("test", {"CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY)"});
  const auto put = [&](std::int64_t id) {
    database.write([&](Transaction& tx) { tx.run("INSERT INTO thing (id) VALUES (?)", {id}); });
  };
  const auto count = [&] {
    return database.read([](Transaction& tx) { return tx.first("SELECT COUNT(*) FROM thing")->integer(0); });
  };
  put(1);
  EXPECT_EQ(count(), 1);
  end_postgresql_sessions();
  put(2);
  EXPECT_EQ(count(), 2);
  int runs = 0;
  database.write([&](Transaction& tx) {
    tx.run("INSERT INTO thing (id) VALUES (?)", {std::int64_t{3}});
    if (++runs == 1) end_postgresql_sessions();
    tx.run("INSERT INTO thing (id) VALUES (?)", {std::int64_t{4}});
  });
  EXPECT_EQ(runs, 2) << "the group that did not reach COMMIT is done again";
  EXPECT_EQ(count(), 4);
}

}  // namespace
}  // namespace rouage::store::testing
