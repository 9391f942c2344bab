// Checks, retention, copies, and the kill: what was acknowledged is there, once.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "store_fixture.h"

namespace rouage::store::testing {
namespace {
namespace fs = std::filesystem;

class Check : public StoreTest {};
ROUAGE_ON_BOTH(Check);

TEST_P(Check, every_byte_is_read_again_and_each_fault_is_named) {
  for (int i = 1; i <= 3; ++i) send(*store_, ct_slice(i));
  std::uint64_t told = 0;
  EXPECT_TRUE(store_->verify([&](std::uint64_t done, std::uint64_t) { told = done; }).good());
  EXPECT_EQ(told, 3U);
  const auto objects = inside("1.2.4");
  Bytes bytes = read_file(objects[0].file, 1 << 20);
  bytes.back() ^= 1;
  write_file(objects[0].file, bytes);
  fs::remove(objects[1].file);
  write_file(objects[2].file.parent_path() / "stranger.dcm", Bytes(3, 0));
  const VerifyReport report = store_->verify({});
  ASSERT_EQ(report.damaged.size(), 1U);
  EXPECT_NE(report.damaged[0].find(objects[0].sop_instance_uid), std::string::npos);
  ASSERT_EQ(report.missing.size(), 1U);
  EXPECT_NE(report.missing[0].find(objects[1].sop_instance_uid), std::string::npos);
  ASSERT_EQ(report.unknown_files.size(), 1U);
  EXPECT_NE(report.unknown_files[0].find("stranger.dcm"), std::string::npos);
}

TEST_P(Check, studies_leave_by_age_unless_somebody_wants_them) {
  options_.keep_days = 10;
  open();
  send(*store_, ct_slice(1));
  send(*store_, {});
  const double now_s = utc_now_s();
  EXPECT_EQ(store_->expire(now_s + 9 * 86'400, nullptr), 0);
  EXPECT_EQ(store_->expire(now_s + 11 * 86'400, [](const std::string& study) { return study == "1.2.3"; }), 1);
  EXPECT_EQ(inside("1.2.4").size(), 0U);
  EXPECT_EQ(inside("1.2.3").size(), 1U);
  EXPECT_EQ(store_->status().instances, 1U);
  EXPECT_TRUE(store_->verify({}).good());
  EXPECT_EQ(send(*store_, ct_slice(1)).outcome, receive::Outcome::stored) << "it may come again";
  EXPECT_EQ(send(*store_, ct_slice(2)).outcome, receive::Outcome::stored);
  EXPECT_EQ(inside("1.2.4").size(), 2U);
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Check, results_leave_by_an_age_of_their_own) {
  options_.keep_results_days = 5;
  open();
  send(*store_, {});
  const auto kept = store_->keep_results({made_result(scratch_folder("staging"), "1.2.3", "2.25.1")});
  store_->database().write([&](Transaction& tx) { store_->index_results(tx, kept, "1.2.3.1", 0); });
  EXPECT_EQ(store_->expire(utc_now_s() + 4 * 86'400, nullptr), 0);
  EXPECT_EQ(store_->expire(utc_now_s() + 6 * 86'400, nullptr), 1);
  EXPECT_EQ(inside("1.2.3").size(), 1U);
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Check, results_are_kept_once_and_older_versions_are_marked_not_removed) {
  send(*store_, {});
  const auto keep = [&](const std::string& sop, unsigned seed, int version) {
    const auto kept = store_->keep_results({made_result(scratch_folder("staging"), "1.2.3", sop, seed)});
    store_->database().write([&](Transaction& tx) { store_->index_results(tx, kept, "1.2.3.1", version); });
    return kept.at(0).file;
  };
  const fs::path first = keep("2.25.1", 7, 0);
  EXPECT_EQ(keep("2.25.1", 7, 0), first) << "a second run gives the same bytes, and they are here";
  EXPECT_EQ(inside("1.2.3").size(), 2U);
  keep("2.25.2", 7, 1);
  EXPECT_EQ(inside("1.2.3").size(), 3U);
  const auto superseded = store_->database().read(
      [](Transaction& tx) { return tx.rows("SELECT sop_uid FROM result WHERE superseded = 1"); });
  ASSERT_EQ(superseded.size(), 1U);
  EXPECT_EQ(superseded[0].text(0), "2.25.1");
  keep("2.25.2", 8, 1);
  EXPECT_EQ(store_->status().conflicts, 1U) << "other bytes under the same UID are kept and said";
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Check, a_backup_is_a_store_that_verifies) {
  for (int i = 1; i <= 3; ++i) send(*store_, ct_slice(i));
  const fs::path folder = scratch_folder("backup") / "copy";
  EXPECT_EQ(store_->backup(folder), 3U);
  EXPECT_THROW(store_->backup(folder), Error) << "never over something else";
  if (!options_.postgresql.empty()) return;  // the index comes by pg_dump
  send(*store_, ct_slice(4));
  Store restored({.folder = folder, .keep_free_bytes = 1});
  EXPECT_EQ(restored.status().instances, 3U);
  EXPECT_TRUE(restored.verify({}).good());
  EXPECT_EQ(send(restored, ct_slice(4)).outcome, receive::Outcome::stored) << "it goes on from there";
}

/// A process that takes objects in on several threads and tells each one that is acknowledged, until it is killed.
[[noreturn]] void accept_until_killed(const StoreOptions& options, int round, int tell) {
  Store store(options);
  store.on_series([](Transaction&, const SeriesReady&) {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 1;; ++i) {
        Made made = ct_slice(i);
        made.study = fmt::format("1.9.{}.{}", round, t);
        made.series = made.study + ".1";
        made.sop = fmt::format("{}.{}", made.series, i);
        made.pixels = 20'000;
        const auto receipt = send(store, made, static_cast<std::uint64_t>(t + 1));
        if (receipt.outcome != receive::Outcome::stored) std::_Exit(9);
        const std::string line = made.sop + "\n";
        if (::write(tell, line.data(), line.size()) < 0) std::_Exit(8);
        store.look();
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::_Exit(0);
}

std::set<std::string> lines_of(int descriptor) {
  std::string text;
  char buffer[65536];
  for (ssize_t got = ::read(descriptor, buffer, sizeof buffer); got > 0;
       got = ::read(descriptor, buffer, sizeof buffer))
    text.append(buffer, static_cast<std::size_t>(got));
  std::set<std::string> lines;
  for (const std::string& line : split(text.substr(0, text.rfind('\n') + 1), '\n'))
    if (!line.empty()) lines.insert(line);
  return lines;
}

// STO-3, STO-8: killed at any moment, every acknowledged object is there once, and nothing else is left over.
TEST_P(Check, killed_at_random_moments_everything_acknowledged_is_there_once) {
  const char* given = std::getenv("ROUAGE_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                         : static_cast<unsigned>(::getpid()) * 2654435761U;
  std::printf("seed %u (ROUAGE_TEST_SEED=%u replays)\n", seed, seed);
  std::mt19937 random(seed);
  store_.reset();
  std::set<std::string> acknowledged;
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      accept_until_killed(options_, round, ends[1]);
    }
    ::close(ends[1]);
    // Every fourth is killed while it starts, the others after their first acknowledgement.
    pollfd first{ends[0], POLLIN, 0};
    if (round % 4 != 0) ::poll(&first, 1, 10'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 160));
    ::kill(child, SIGKILL);
    const std::set<std::string> told = lines_of(ends[0]);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    acknowledged.insert(told.begin(), told.end());
  }
  open();
  std::multiset<std::string> here;
  for (const auto& one : inside({})) here.insert(one.sop_instance_uid);
  std::set<std::string> once(here.begin(), here.end());
  std::printf("%zu acknowledged, %zu here\n", acknowledged.size(), here.size());
  EXPECT_EQ(here.size(), once.size());
  for (const std::string& sop : acknowledged) EXPECT_TRUE(once.contains(sop)) << sop << " was acknowledged and is lost";
  EXPECT_GT(acknowledged.size(), 20U);
  const VerifyReport report = store_->verify({});
  EXPECT_TRUE(report.good()) << report.missing.size() << " missing, " << report.damaged.size() << " damaged, "
                             << report.unknown_files.size() << " unknown";
  EXPECT_TRUE(fs::is_empty(store_->incoming()));
}

}  // namespace
}  // namespace rouage::store::testing
