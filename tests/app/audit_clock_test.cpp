/// Time offset by SNTP against a scripted server, and what systemd is told.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmath>
#include <thread>

#include "app/doctor.h"
#include "app/systemd_notify.h"
#include "base/host.h"
#include "base/service.h"
#include "program.h"

namespace {

using namespace rouage;
using namespace rouage::app;

/// Answers one SNTP question as a server whose clock is ahead by so much.
class TimeServer {
 public:
  TimeServer(double ahead_s, std::function<void(std::array<std::uint8_t, 48>&)> change = {}) {
    socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), length);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    name = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    const timeval patience{5, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    thread_ = std::thread([this, ahead_s, change] {
      std::array<std::uint8_t, 48> packet{};
      sockaddr_in from{};
      socklen_t size = sizeof from;
      if (::recvfrom(socket_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size) != 48) return;
      std::array<std::uint8_t, 48> answer{};
      answer[0] = (4 << 3) | 4;
      answer[1] = 2;  // stratum
      std::copy(packet.begin() + 40, packet.end(), answer.begin() + 24);
      for (const std::size_t at : {32U, 40U}) {
        const double ntp = utc_now_s() + ahead_s + 2208988800.0;
        const auto seconds = static_cast<std::uint64_t>(ntp);
        const auto fraction = static_cast<std::uint64_t>((ntp - std::floor(ntp)) * 4294967296.0);
        for (std::size_t i = 0; i < 4; ++i) {
          answer[at + i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
          answer[at + 4 + i] = static_cast<std::uint8_t>(fraction >> (24 - 8 * i));
        }
      }
      if (change) change(answer);
      ::sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    });
  }
  ~TimeServer() {
    thread_.join();
    ::close(socket_);
  }
  std::string name;

 private:
  int socket_;
  std::thread thread_;
};

// Tolerance 50 ms: both clocks are this machine's; what is left is scheduling.
TEST(Clock, MeasuresTheOffsetOfAServer) {
  for (const double ahead_s : {0.0, 3.5, -120.0}) {
    const TimeServer server(ahead_s);
    const ClockState state = clock_state(server.name, 2);
    ASSERT_TRUE(state.offset_s) << state.detail;
    EXPECT_NEAR(*state.offset_s, ahead_s, 0.05);
    EXPECT_EQ(state.synchronised, ahead_s == 0.0);
  }
}

TEST(Clock, BelievesNoAnswerThatIsNone) {
  using Packet = std::array<std::uint8_t, 48>;
  const std::vector<std::function<void(Packet&)>> lies = {
      [](Packet& p) { p[24] ^= 1; },                      // to another question
      [](Packet& p) { p[1] = 0; },                        // kiss of death
      [](Packet& p) { p[0] = (3 << 6) | (4 << 3) | 4; },  // not synchronised
      [](Packet& p) { p[0] = (4 << 3) | 3; },             // a client's
  };
  for (const auto& lie : lies) {
    const TimeServer server(0, lie);
    const ClockState state = clock_state(server.name, 2);
    EXPECT_FALSE(state.offset_s);
    EXPECT_FALSE(state.synchronised);
    EXPECT_FALSE(state.detail.empty());
  }
}

TEST(Clock, ASilentServerCostsItsTimeout) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  const double begun = monotonic_s();
  const ClockState state = clock_state("127.0.0.1:" + std::to_string(ntohs(address.sin_port)), 0.5);
  EXPECT_LT(monotonic_s() - begun, 1.0);
  EXPECT_FALSE(state.offset_s);
  ::close(socket);
  EXPECT_FALSE(clock_state("no.such.host.invalid", 0.5).offset_s);
}

TEST(Clock, TheKernelIsAskedWhenNoServerIsNamed) {
  const ClockState state = clock_state(std::nullopt);
  EXPECT_EQ(state.source, "kernel");
  EXPECT_FALSE(clock_text(state).empty());
}

TEST(Clock, DoctorComparesWithANamedServer) {
  const TimeServer good(0);
  const program::Outcome right = program::run("doctor --json --ntp-server " + good.name);
  EXPECT_EQ(right.exit_code, 0) << right.out;
  EXPECT_NE(right.out.find("clock_offset"), std::string::npos);
  const TimeServer ahead(30);
  const program::Outcome wrong = program::run("doctor --json --ntp-server " + ahead.name);
  EXPECT_EQ(wrong.exit_code, 4) << wrong.out;
  EXPECT_NE(wrong.out.find("NOT synchronised"), std::string::npos) << wrong.out;
}

TEST(Systemd, IsToldThroughItsSocket) {
  const program::Folder folder("notify");
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (folder / "socket").string();
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  EXPECT_TRUE(notify_systemd("READY=1"));
  std::array<char, 64> text{};
  EXPECT_EQ(::recv(socket, text.data(), text.size(), 0), 7);
  EXPECT_EQ(std::string(text.data()), "READY=1");
  ::close(socket);
  EXPECT_FALSE(notify_systemd("WATCHDOG=1"));  // nobody listens: no error
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(notify_systemd("READY=1"));
}

TEST(Systemd, TheWatchdogIsServedAtHalfItsPeriod) {
  ::setenv("WATCHDOG_USEC", "60000000", 1);
  ::unsetenv("WATCHDOG_PID");
  EXPECT_EQ(watchdog_period_s(), 30.0);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(watchdog_period_s());  // another process is meant
  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(watchdog_period_s());
  ::unsetenv("WATCHDOG_USEC");
  EXPECT_FALSE(watchdog_period_s());
}

TEST(Systemd, TheUnitIsOneThatSystemdUnderstands) {
  if (std::system("command -v systemd-analyze >/dev/null") != 0) GTEST_SKIP() << "systemd-analyze is not installed";
  const program::Folder folder("unit");
  const std::string text = program::slurp(ROUAGE_SOURCE_DIR "/packaging/rouage.service");
  std::string made = text;
  made.replace(made.find("/usr/bin/rouage"), 15, "/bin/true      ");
  std::ofstream(folder / "rouage.service") << made;
  const std::string command = "systemd-analyze verify --man=no " + (folder / "rouage.service").string() + " >" +
                              (folder / "out").string() + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << program::slurp(folder / "out");
}

}  // namespace
