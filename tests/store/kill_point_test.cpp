// Killed between the commit of an object's row and its acknowledgement, and between its bytes and its row: the moments
// that random kills seldom meet. A flush is held in the child by this program's own fsync() and fdatasync().
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "store_fixture.h"

namespace {

/// Of the child only. Files whose path holds `held` are never flushed; a byte is written to `tell` when one is to be.
const char* held = nullptr;
int tell = -1;

void hold(int descriptor) {
  if (held == nullptr) return;
  char path[4096] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  if (::readlink(link.c_str(), path, sizeof(path) - 1) < 0) return;
  if (std::string_view(path).find(held) == std::string_view::npos) return;
  if (::write(tell, "x", 1) < 0) ::_exit(8);
  for (;;) ::pause();
}

}  // namespace

// In place of the C library's, for the store and for SQLite.
extern "C" int fsync(int descriptor) {
  hold(descriptor);
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}
extern "C" int fdatasync(int descriptor) {
  hold(descriptor);
  return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}

namespace rouage::store::testing {
namespace {
namespace fs = std::filesystem;

class KillPoint : public StoreTest {
 protected:
  /// A process takes one object in and is killed where it flushes a file whose path holds `where`; `before_kill`: then
  /// already true of the index.
  void killed_at(const char* where, const std::function<bool(const Store&)>& before_kill) {
    store_.reset();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Store store(options_);
      held = where;
      tell = ends[1];
      send(store, made_);
      ::_exit(9);  // acknowledged
    }
    ::close(ends[1]);
    pollfd reached{ends[0], POLLIN, 0};
    EXPECT_EQ(::poll(&reached, 1, 20'000), 1) << "the flush was not reached";
    bool seen = !before_kill;
    for (int i = 0; !seen && i < 500; ++i) {
      StoreOptions look = options_;
      look.look_only = true;
      seen = before_kill(Store(look));
      if (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(seen) << "what is to be true before the kill is not";
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(ends[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
  }

  fs::path only_object() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(options_.folder / "objects"))
      if (entry.is_regular_file()) files.push_back(entry.path());
    EXPECT_EQ(files.size(), 1U);
    return files.empty() ? fs::path() : files.front();
  }

  void expect_once() {
    EXPECT_EQ(store_->status().instances, 1U);
    EXPECT_EQ(inside(made_.study).size(), 1U);
    const VerifyReport report = store_->verify({});
    EXPECT_TRUE(report.good()) << report.missing.size() << " missing, " << report.damaged.size() << " damaged, "
                               << report.unknown_files.size() << " unknown";
    EXPECT_TRUE(fs::is_empty(store_->incoming()));
  }

  Made made_ = [] {
    Made made = ct_slice(1);
    made.pixels = 50'000;
    return made;
  }();
};
ROUAGE_ON_BOTH(KillPoint);

const auto row_is_there = [](const Store& store) { return store.status().instances == 1; };

// STO-3: the sender was not answered and sends again.
TEST_P(KillPoint, after_the_row_and_before_the_acknowledgement_the_object_is_there_once) {
  killed_at(".dcm", row_is_there);
  open();
  expect_once();
  EXPECT_EQ(send(*store_, made_).outcome, receive::Outcome::duplicate);
  expect_once();
}

// STO-3: a power cut instead of a kill: what was not flushed is gone, though its row is there.
TEST_P(KillPoint, a_row_whose_bytes_were_lost_is_taken_out_and_the_object_is_taken_again) {
  killed_at(".dcm", row_is_there);
  fs::resize_file(only_object(), 20'000);
  open();
  EXPECT_EQ(store_->status().instances, 0U);
  EXPECT_EQ(send(*store_, made_).outcome, receive::Outcome::stored);
  expect_once();
}

// STO-3: the other way round: the bytes are flushed and their row is lost.
TEST_P(KillPoint, bytes_whose_row_was_lost_are_removed_and_the_object_is_taken_again) {
  if (!options_.postgresql.empty()) GTEST_SKIP() << "PostgreSQL keeps its own log";
  killed_at("-wal", {});
  only_object();
  fs::resize_file(options_.folder / "index.sqlite-wal", 0);
  open();
  EXPECT_EQ(store_->status().instances, 0U);
  EXPECT_EQ(send(*store_, made_).outcome, receive::Outcome::stored);
  expect_once();
}

}  // namespace
}  // namespace rouage::store::testing
