/// The MLLP server against raw sockets and ncat: framing, acknowledgement after durability, hostile peers, stop.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/host.h"
#include "memory_sink.h"
#include "receive/hl7.h"
#include "receive/mllp.h"

namespace {

using namespace rouage;
using namespace rouage::receive;
using receive::testing::MemorySink;
using receive::testing::TestFolder;

std::string framed(const std::string& message) {
  return "\x0B" + message + "\x1C\r";
}
std::string update(const std::string& control_id, const std::string& more = "") {
  return "MSH|^~\\&|ADT|CHU|||20261124||ADT^A08|" + control_id + "|P|2.5\rPID|||4711^^^CHU\r" + more;
}

class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  bool connected() const { return connected_; }
  void send(const std::string& bytes) const { ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  /// All that comes within the time, or until `wanted` answers are there; "closed" is appended at the end of stream.
  std::string receive(int wanted, double patience_s = 5) const {
    std::string all;
    const double until = monotonic_s() + patience_s;
    while (monotonic_s() < until && std::count(all.begin(), all.end(), '\x1C') < wanted) {
      pollfd polled{socket_, POLLIN, 0};
      if (::poll(&polled, 1, 50) <= 0) continue;
      std::array<char, 4096> chunk;
      const ssize_t n = ::recv(socket_, chunk.data(), chunk.size(), 0);
      if (n <= 0) return all + "closed";
      all.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return all;
  }
  bool closed_within(double patience_s) const { return receive(1, patience_s).find("closed") != std::string::npos; }

 private:
  int socket_;
  bool connected_ = false;
};

class Mllp : public ::testing::Test {
 protected:
  void start(MllpOptions options = {}) {
    options.port = 0;
    server_ = std::make_unique<MllpServer>(std::move(options), sink_);
    server_->start();
  }
  Client client() const { return Client(server_->port()); }
  TestFolder folder_{"mllp"};
  MemorySink sink_{folder_ / "incoming"};
  std::unique_ptr<MllpServer> server_;
};

// RCV: acknowledged after note_message returned, not before.
// RCV-8
TEST_F(Mllp, AcknowledgesWhatIsDurable) {
  start();
  sink_.slow_s = 0.3;
  const Client sender(server_->port());
  const double begun = monotonic_s();
  sender.send(framed(update("A1")));
  const std::string answer = sender.receive(1);
  EXPECT_GE(monotonic_s() - begun, 0.3);
  EXPECT_NE(answer.find("MSA|AA|A1"), std::string::npos) << answer;
  EXPECT_EQ(answer.front(), '\x0B');
  EXPECT_EQ(answer.substr(answer.size() - 2), "\x1C\r");
  ASSERT_EQ(sink_.messages().size(), 1);
}

TEST_F(Mllp, ManyMessagesOfOneConnectionKeepTheirOrder) {
  start({.workers = 4});
  const Client sender(server_->port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += framed(update("M" + std::to_string(i)));
  sender.send(all);
  sender.receive(50);
  const auto messages = sink_.messages();
  ASSERT_EQ(messages.size(), 50);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(messages[static_cast<std::size_t>(i)].control_id, "M" + std::to_string(i));
}

TEST_F(Mllp, AMessageMayBeSplitAnywhere) {
  start();
  const Client sender(server_->port());
  for (const char c : framed(update("SPLIT"))) {
    sender.send(std::string(1, c));
    ::usleep(500);
  }
  EXPECT_NE(sender.receive(1).find("MSA|AA|SPLIT"), std::string::npos);
}

// The real client of Debian's ncat, which half-closes after its input.
TEST_F(Mllp, NcatGetsItsAnswer) {
  if (std::system("command -v ncat >/dev/null") != 0) GTEST_SKIP() << "ncat is not installed";
  start();
  std::ofstream(folder_ / "message") << framed(update("NCAT"));
  const std::string command = "ncat 127.0.0.1 " + std::to_string(server_->port()) + " <" +
                              (folder_ / "message").string() + " >" + (folder_ / "answer").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_NE(read_text(folder_ / "answer").find("MSA|AA|NCAT"), std::string::npos);
}

TEST_F(Mllp, WhatCannotBeKeptIsRejectedForLater) {
  start();
  sink_.broken = true;
  const Client sender(server_->port());
  sender.send(framed(update("B1")));
  EXPECT_NE(sender.receive(1).find("MSA|AR|B1"), std::string::npos);
  sink_.broken = false;
  sender.send(framed(update("B1")));
  EXPECT_NE(sender.receive(1).find("MSA|AA|B1"), std::string::npos);
}

TEST_F(Mllp, ABadMessageHarmsNeitherTheConnectionNorTheNext) {
  start();
  const Client sender(server_->port());
  sender.send(framed("no HL7 at all") + framed("MSH|^~\\&|A|B|||1||SIU^S12|X|P|2.5\r") + framed(update("GOOD")));
  const std::string answers = sender.receive(3);
  EXPECT_NE(answers.find("MSA|AR|\x7C"), std::string::npos) << answers;
  EXPECT_NE(answers.find("MSA|AR|X"), std::string::npos) << answers;
  EXPECT_NE(answers.find("MSA|AA|GOOD"), std::string::npos) << answers;
}

// RCV-2
TEST_F(Mllp, SlowAndSilentConnectionsAreClosedAndStallNobody) {
  start({.max_connections_per_address = 60, .message_deadline_s = 1, .first_byte_deadline_s = 1, .idle_timeout_s = 30});
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(std::make_unique<Client>(server_->port()));
  const Client dripping(server_->port());
  std::atomic<bool> stop{false};
  std::thread drip([&] {
    dripping.send("\x0B");
    while (!stop) {
      dripping.send("M");
      ::usleep(100'000);
    }
  });
  const Client sender(server_->port());
  const double begun = monotonic_s();
  sender.send(framed(update("OK")));
  EXPECT_NE(sender.receive(1).find("MSA|AA|OK"), std::string::npos);
  EXPECT_LT(monotonic_s() - begun, 1.0);
  EXPECT_TRUE(dripping.closed_within(5));  // its message began, and a byte now and then does not save it
  EXPECT_TRUE(silent.front()->closed_within(5));
  sender.send(framed(update("STILL")));
  EXPECT_NE(sender.receive(1).find("MSA|AA|STILL"), std::string::npos);
  stop = true;
  drip.join();
}

TEST_F(Mllp, FloodsAreClosedAtTheLimit) {
  MllpOptions options;
  options.hl7.limits.message_bytes = 100'000;
  start(options);
  const Client flood(server_->port());
  flood.send("\x0B" + std::string(150'000, 'x'));
  EXPECT_TRUE(flood.closed_within(5));
  const Client noise(server_->port());
  noise.send("GET / HTTP/1.1\r\n" + std::string(100'000, 'y'));
  EXPECT_TRUE(noise.closed_within(5));
  const Client cut(server_->port());
  cut.send("\x0B" + update("CUT") + "\x1C" + "MSH");  // where it ends is not guessed
  EXPECT_TRUE(cut.closed_within(5));
  EXPECT_TRUE(sink_.messages().empty());
}

TEST_F(Mllp, ConnectionsAreCountedAndAllowed) {
  start({.max_connections = 3});
  std::vector<std::unique_ptr<Client>> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(std::make_unique<Client>(server_->port()));
    open.back()->send(framed(update(std::to_string(i))));
    open.back()->receive(1);
  }
  const Client fourth(server_->port());
  EXPECT_TRUE(fourth.closed_within(3));
  open.clear();
  server_->stop(1);
  start({.allowed = {"10.0.0.0/8", "192.168.1.7"}});
  const Client stranger(server_->port());
  EXPECT_TRUE(stranger.closed_within(3));
  start({.allowed = {"10.0.0.0/8", "127.0.0.0/8"}});
  const Client friendly(server_->port());
  friendly.send(framed(update("IN")));
  EXPECT_NE(friendly.receive(1).find("MSA|AA|IN"), std::string::npos);
}

TEST_F(Mllp, StopAnswersWhatItTookAndTakesNothingMore) {
  start();
  sink_.slow_s = 0.5;
  const Client sender(server_->port());
  sender.send(framed(update("LAST")));
  ::usleep(200'000);  // a worker has it
  const double begun = monotonic_s();
  server_->stop(5);
  EXPECT_LT(monotonic_s() - begun, 2.0);
  EXPECT_NE(sender.receive(1, 1).find("MSA|AA|LAST"), std::string::npos);
  EXPECT_FALSE(client().connected());
}

TEST_F(Mllp, SaysWhatOfItsConfigurationIsWrong) {
  start();
  MllpOptions taken;
  taken.port = server_->port();
  EXPECT_THROW(MllpServer(taken, sink_), Error);
  EXPECT_THROW(MllpServer({.address = "localhost", .port = 0}, sink_), Error);
  EXPECT_THROW(MllpServer({.port = 0, .allowed = {"10.0.0.0/33"}}, sink_), Error);
}

TEST(MllpFramer, TheSameMessagesHoweverTheBytesCome) {
  const std::string stream = "\r\n" + framed("first") + "\n" + "\x0B" + "broken off" + framed("second") + "\x0B\x1C\r";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    MllpFramer framer(1000);
    std::vector<std::string> messages;
    for (std::size_t at = 0; at < stream.size();) {
      at += framer.push(std::string_view(stream).substr(at, step));
      if (framer.state() == MllpFramer::State::complete) messages.push_back(framer.take());
    }
    EXPECT_EQ(messages, (std::vector<std::string>{"first", "second", ""})) << step;
    EXPECT_EQ(framer.restarts(), 1);
  }
}

}  // namespace
