// RTE-6: a child that crashes, hangs or exceeds its memory ends one item, and the next item is served. The children are
// real programs (python3, sh), as odd as a codec can be.
#include "route/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/host.h"

using namespace rouage;
using route::Child;
using route::ChildAnswer;
using route::ChildSettings;
using Kind = ChildAnswer::Kind;

namespace {

const auto kNever = [] { return false; };

/// Answers each line with itself, and obeys a few words.
constexpr auto kObedient = R"(
import os, signal, sys, time
kept = []
for line in sys.stdin:
    word = line.strip()
    if word == "crash": os.kill(os.getpid(), signal.SIGSEGV)
    if word == "hang": time.sleep(1000)
    if word == "leave": sys.exit(7)
    if word == "eat":
        while True: kept.append(bytearray(b"x" * 4000000)); time.sleep(0.005)
    if word == "shout":
        while True: sys.stdout.write("x" * 1000000)
    if word == "pid": word = str(os.getpid())
    if word == "files": word = ",".join(sorted(os.listdir("/proc/self/fd")))
    if word == "long": word = "y" * 3000000
    if word == "environment": word = os.environ.get("ROUAGE_CHILD_TEST", "")
    print(word if len(word) < 100000 or word[0] == "y" else len(word), flush=True)
)";

ChildSettings obedient() {
  return {.program = "/usr/bin/python3", .arguments = {"-c", kObedient}};
}

bool exists(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

}  // namespace

TEST(Child, AnswersAndIsReused) {
  Child child(obedient());
  EXPECT_FALSE(child.alive());
  const ChildAnswer first = child.ask("pid", 20, kNever);
  ASSERT_TRUE(first.answered()) << first.text;
  EXPECT_EQ(child.ask("pid", 20, kNever).text, first.text);
  EXPECT_EQ(first.text, std::to_string(child.pid()));
  EXPECT_EQ(child.ask("a b c", 20, kNever).text, "a b c");
}

TEST(Child, LinesLongerThanAPipeGoBothWays) {
  Child child(obedient());
  EXPECT_EQ(child.ask("long", 20, kNever).text.size(), 3000000U);
  EXPECT_EQ(child.ask(std::string(2000000, 'z'), 20, kNever).text, "2000000");
}

TEST(Child, ThatCrashesEndsOneItem) {
  Child child(obedient());
  const ChildAnswer answer = child.ask("crash", 20, kNever);
  EXPECT_EQ(answer.kind, Kind::crashed);
  EXPECT_NE(answer.text.find("signal 11"), std::string::npos) << answer.text;
  EXPECT_EQ(child.ask("next", 20, kNever).text, "next");
}

TEST(Child, ThatLeavesSaysItsExitCode) {
  Child child(obedient());
  const ChildAnswer answer = child.ask("leave", 20, kNever);
  EXPECT_EQ(answer.kind, Kind::ended);
  EXPECT_NE(answer.text.find("exit 7"), std::string::npos) << answer.text;
}

TEST(Child, ThatHangsIsEndedAtItsDeadline) {
  Child child(obedient());
  ASSERT_TRUE(child.ask("ready", 20, kNever).answered());
  const double started_s = monotonic_s();
  const pid_t pid = child.pid();
  const ChildAnswer answer = child.ask("hang", 0.5, kNever);
  EXPECT_EQ(answer.kind, Kind::too_long);
  EXPECT_EQ(answer.text, "took longer than 0.5 s");
  EXPECT_LT(monotonic_s() - started_s, 5);
  EXPECT_FALSE(exists(pid));
  EXPECT_EQ(child.ask("next", 20, kNever).text, "next");
}

TEST(Child, ThatDoesNotReadIsEndedAtItsDeadlineToo) {
  Child child({.program = "/bin/sleep", .arguments = {"1000"}});
  EXPECT_EQ(child.ask(std::string(4000000, 'x'), 0.3, kNever).kind, Kind::too_long);
}

TEST(Child, ThatEatsMemoryIsEnded) {
  ChildSettings settings = obedient();
  settings.memory_mb = 200;
  Child child(settings);
  const ChildAnswer answer = child.ask("eat", 60, kNever);
  EXPECT_EQ(answer.kind, Kind::too_much_memory) << answer.text;
  EXPECT_NE(answer.text.find("200 MB"), std::string::npos) << answer.text;
  EXPECT_EQ(child.ask("next", 20, kNever).text, "next");
}

TEST(Child, ThatAsksForMoreAddressSpaceThanItsLimitDiesByItself) {
  ChildSettings settings = obedient();
  settings.address_space_mb = 300;
  Child child(settings);
  EXPECT_EQ(child.ask("small", 20, kNever).text, "small");
  EXPECT_EQ(child.ask("eat", 60, kNever).kind, Kind::ended);  // Python's MemoryError: exit 1
}

TEST(Child, ThatNeverEndsItsLineIsStoppedAt64MB) {
  Child child(obedient());
  EXPECT_EQ(child.ask("shout", 60, kNever).kind, Kind::too_much_said);
}

TEST(Child, IsCancelledAtWork) {
  Child child(obedient());
  ASSERT_TRUE(child.ask("ready", 20, kNever).answered());
  std::atomic<bool> cancelled{false};
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    cancelled = true;
  });
  EXPECT_EQ(child.ask("hang", 60, [&] { return cancelled.load(); }).kind, Kind::cancelled);
  later.join();
  EXPECT_FALSE(child.alive());
}

TEST(Child, ThatDiesWhileIdleCostsNoItem) {
  Child child(obedient());
  ASSERT_TRUE(child.ask("ready", 20, kNever).answered());
  ::kill(child.pid(), SIGKILL);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(child.ask("next", 20, kNever).text, "next");
}

TEST(Child, GreetsOrSaysWhyItCannotWork) {
  constexpr auto kGreeter = R"(
import sys
print(sys.stdin.readline().strip(), flush=True)
for line in sys.stdin: print("did " + line.strip(), flush=True))";
  Child fit({.program = "/usr/bin/python3", .arguments = {"-c", kGreeter}, .hello = " ", .greets = true});
  EXPECT_EQ(fit.ask("it", 20, kNever).text, "did it");
  Child unfit({.program = "/usr/bin/python3", .arguments = {"-c", kGreeter}, .hello = "no model", .greets = true});
  const ChildAnswer answer = unfit.ask("it", 20, kNever);
  EXPECT_EQ(answer.kind, Kind::unfit);
  EXPECT_EQ(answer.text, "no model");
  EXPECT_FALSE(unfit.alive());
}

TEST(Child, GetsNoDescriptorOfOurs) {
  const int leak = ::open("/dev/null", O_RDONLY);  // on purpose without O_CLOEXEC, as some libraries do
  ASSERT_GE(leak, 0);
  Child child(obedient());
  EXPECT_EQ(child.ask("files", 20, kNever).text, "0,1,2,3");  // 3: the folder that the child lists just now
  ::close(leak);
}

TEST(Child, GetsTheEnvironmentAsked) {
  ChildSettings settings = obedient();
  settings.environment = {{"ROUAGE_CHILD_TEST", "seen"}};
  Child child(settings);
  EXPECT_EQ(child.ask("environment", 20, kNever).text, "seen");
}

TEST(Child, GetsDefaultSignalsWhateverOursAre) {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  Child child(obedient());
  ASSERT_TRUE(child.ask("ready", 20, kNever).answered());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::kill(child.pid(), SIGTERM);
  const ChildAnswer answer = child.ask("hang", 20, kNever);
  EXPECT_EQ(answer.kind, Kind::crashed);
  EXPECT_NE(answer.text.find("signal 15"), std::string::npos) << answer.text;
}

TEST(Child, OfAProgramThatIsNotThereIsAnError) {
  Child child({.program = "/nowhere/rouage"});
  try {
    child.ask("x", 1, kNever);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Internal);
    EXPECT_EQ(error.file(), "/nowhere/rouage");
  }
}

TEST(Child, ManyThreadsStartChildrenAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&right, i] {
      for (int round = 0; round < 10; ++round) {
        Child child({.program = "/bin/cat"});
        const std::string line = std::to_string(i) + ":" + std::to_string(round);
        right += child.ask(line, 20, kNever).text == line;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

// RTE-7: no worker outlives a gateway that was killed.
TEST(Child, DiesWithItsParent) {
  int channel[2];
  ASSERT_EQ(::pipe(channel), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Child child(obedient());
    child.ask("ready", 20, kNever);
    const pid_t pid = child.pid();
    if (::write(channel[1], &pid, sizeof pid) < 0) ::_exit(1);
    child.ask("hang", 1000, kNever);
    ::_exit(0);
  }
  pid_t grandchild = 0;
  ASSERT_EQ(::read(channel[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  const auto gone = [grandchild] {  // an orphan that nobody has waited for yet is a zombie: dead
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string line;
    return !std::getline(stat, line) || line.find(") Z ") != std::string::npos;
  };
  for (int i = 0; i < 200 && !gone(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(gone());
  ::close(channel[0]);
  ::close(channel[1]);
}
