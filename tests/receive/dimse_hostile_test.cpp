// What a hospital's network sends by mistake or on purpose: the front stays up, and nobody waits for it.
#include <sys/resource.h>

#include <fstream>

#include "receive/dimse_address.h"
#include "receive/dimse_fixture.h"

namespace rouage::receive {
namespace {

/// Connections that are closed at the end.
class Connections {
 public:
  ~Connections() {
    for (const int socket : sockets_) ::close(socket);
  }
  int open(int port) {
    const int socket = test::connect_to(port);
    if (socket >= 0) sockets_.push_back(socket);
    return socket;
  }
  std::size_t size() const { return sockets_.size(); }
  int back() const { return sockets_.back(); }

 private:
  std::vector<int> sockets_;
};

void say(int socket, const Bytes& bytes) {
  ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

/// An item of an association request: type, length, content (PS3.8 9.3.2).
std::string item(char type, const std::string& content) {
  return std::string{type, '\0', static_cast<char>(content.size() >> 8), static_cast<char>(content.size())} + content;
}

/// An association request of ECHOSCU for verification, as it goes over the line.
Bytes association_request() {
  using namespace std::string_literals;
  const std::string context = "\1\0\0\0"s + item(0x30, "1.2.840.10008.1.1") + item(0x40, "1.2.840.10008.1.2");
  const std::string user = item(0x51, "\0\0\x40\0"s) + item(0x52, "1.2.3");
  const std::string body = "\0\1\0\0"s + "ROUAGE          " + "ECHOSCU         " + std::string(32, '\0') +
                           item(0x10, "1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user);
  const std::string head{1, 0, 0, 0, static_cast<char>(body.size() >> 8), static_cast<char>(body.size())};
  const std::string pdu = head + body;
  return Bytes(pdu.begin(), pdu.end());
}

/// The type of the next PDU that comes, or -1.
int next_pdu(int socket) {
  std::uint8_t head[6];
  std::size_t got = 0;
  test::within(5, [&] {
    const ssize_t n = ::recv(socket, head + got, sizeof(head) - got, MSG_DONTWAIT);
    if (n > 0) got += static_cast<std::size_t>(n);
    return got == sizeof(head) || n == 0;
  });
  if (got < sizeof(head)) return -1;
  std::size_t length = (static_cast<std::size_t>(head[4]) << 8) | head[5];
  std::vector<char> rest(length);
  std::size_t read = 0;
  while (read < length) {
    const ssize_t n = ::recv(socket, rest.data() + read, length - read, 0);
    if (n <= 0) break;
    read += static_cast<std::size_t>(n);
  }
  return head[0];
}

/// Memory of a process and its descendants that no other process shares, in bytes.
std::size_t private_bytes(pid_t process) {
  std::ifstream facts("/proc/" + std::to_string(process) + "/smaps_rollup");
  std::size_t sum = 0;
  for (std::string word; facts >> word;)
    if (word == "Private_Clean:" || word == "Private_Dirty:") {
      std::size_t kilobytes = 0;
      facts >> kilobytes;
      sum += kilobytes * 1024;
    }
  return sum;
}

std::vector<pid_t> children_of(pid_t process) {
  std::ifstream list("/proc/" + std::to_string(process) + "/task/" + std::to_string(process) + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

class DimseHostileTest : public DimseFrontTest {
 protected:
  std::vector<pid_t> association_processes() const { return children_of(front_->listener_process()); }
};

// RCV: a client that connects and says nothing delays nobody. Under 1 s, where DCMTK's own pool needs 30 s.
// RCV-2
TEST_F(DimseHostileTest, twenty_silent_clients_do_not_delay_the_next) {
  start();
  Connections silent;
  for (int i = 0; i < 20; ++i) ASSERT_GE(silent.open(front_->port()), 0);
  EXPECT_TRUE(echo_within(1));
  // The process of the echo may still be on its way out.
  EXPECT_TRUE(test::within(2, [&] { return association_processes().empty(); }))
      << "a silent client costs a descriptor, no process";
}

TEST_F(DimseHostileTest, two_hundred_half_open_connections_and_then_an_object) {
  options_.server.association_timeout_s = 3;
  start();
  Connections half;
  const Bytes request = association_request();
  for (int i = 0; i < 200; ++i) {
    ASSERT_GE(half.open(front_->port()), 0);
    say(half.back(), Bytes(request.begin(), request.begin() + 20));
  }
  EXPECT_TRUE(echo_within(1));
  EXPECT_EQ(storescu("-xi " + at() + " " + ct().string()).status, 0);
  EXPECT_TRUE(test::closed_within(half.back(), 6)) << "after association_timeout_s";
}

TEST_F(DimseHostileTest, who_floods_pushes_out_himself) {
  options_.max_waiting = 50;
  options_.server.association_timeout_s = 60;
  start();
  Connections silent;
  const int first = silent.open(front_->port());
  for (int i = 0; i < 60; ++i) silent.open(front_->port());
  EXPECT_TRUE(test::closed_within(first, 5));
  EXPECT_TRUE(echo_within(1));
}

TEST_F(DimseHostileTest, bytes_of_another_protocol_are_closed_without_a_process) {
  start();
  Connections others;
  const std::string http = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const int browser = others.open(front_->port());
  say(browser, Bytes(http.begin(), http.end()));
  EXPECT_TRUE(test::closed_within(browser, 2));
  const int huge = others.open(front_->port());
  say(huge, {1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1});
  EXPECT_TRUE(test::closed_within(huge, 2)) << "a request of 4 GB";
  EXPECT_TRUE(sink_.opened().empty());
  EXPECT_TRUE(echo_within(1));
}

TEST_F(DimseHostileTest, noise_after_the_request_ends_that_association_only) {
  start();
  for (const Bytes& noise : {Bytes{4, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3},           // a PDU of 4 GB
                             Bytes{4, 0, 0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0xFF, 1, 3},  // a value longer than its PDU
                             Bytes{4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 99, 3},             // another context
                             Bytes{0x77, 1, 2, 3, 4, 5, 6, 7, 8},                    // no PDU
                             Bytes{4, 0, 0, 0, 0, 16, 0, 0, 0, 12, 1, 3, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0x7F, 1, 0}}) {
    Connections one;
    const int socket = one.open(front_->port());
    say(socket, association_request());
    ASSERT_EQ(next_pdu(socket), 2) << "accepted";
    say(socket, noise);
    EXPECT_TRUE(test::closed_within(socket, 5));
  }
  EXPECT_TRUE(echo_within(1));
}

TEST_F(DimseHostileTest, a_client_that_stalls_inside_a_message_is_ended) {
  options_.server.stall_timeout_s = 1;
  start();
  Connections slow;
  const int socket = slow.open(front_->port());
  say(socket, association_request());
  ASSERT_EQ(next_pdu(socket), 2);
  say(socket, {4, 0, 0, 0, 1, 0, 0, 0});  // the beginning of a PDU
  const double begun = monotonic_s();
  // One byte now and then is no progress.
  EXPECT_TRUE(test::within(5, [&] {
    ::usleep(200'000);
    return ::send(socket, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
  }));
  EXPECT_LT(monotonic_s() - begun, 4);
  EXPECT_TRUE(test::within(5, [&] { return sink_.ended().size() == 1; }));
  EXPECT_FALSE(sink_.ended().begin()->second);
}

TEST_F(DimseHostileTest, an_idle_association_is_ended_after_its_time) {
  options_.server.idle_timeout_s = 1;
  start();
  Connections idle;
  const int socket = idle.open(front_->port());
  say(socket, association_request());
  ASSERT_EQ(next_pdu(socket), 2);
  EXPECT_TRUE(test::closed_within(socket, 4));
}

// PS3.8 9.3.4: transient, so that senders come back.
TEST_F(DimseHostileTest, more_associations_than_allowed_are_rejected_for_now) {
  options_.max_associations = 3;
  start();
  Connections open;
  for (int i = 0; i < 3; ++i) {
    say(open.open(front_->port()), association_request());
    ASSERT_EQ(next_pdu(open.back()), 2);
  }
  const test::Outcome outcome = test::shell("echoscu " + at());
  EXPECT_NE(outcome.output.find("Local Limit Exceeded"), std::string::npos) << outcome.output;
  try {
    dimse::Scu(peer(), "CT1", {{dimse::kVerificationClass, {}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PeerUnreachable) << "worth another try";
  }
  ::shutdown(open.back(), SHUT_RDWR);
  EXPECT_TRUE(test::within(5, [&] { return echo_within(1); }));
}

// 1,000 at once: 100 are served, the others get their rejection; memory stays that of 100 small processes.
TEST_F(DimseHostileTest, a_thousand_associations_at_once) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  options_.max_associations = options_.max_per_address = 100;
  start();
  Connections many;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_GE(many.open(front_->port()), 0) << i;
    say(many.back(), association_request());
  }
  EXPECT_TRUE(test::within(20, [&] { return front_->associations() == 100; })) << front_->associations();
  std::size_t all = 0, most = 0;
  for (const pid_t process : association_processes()) {
    const std::size_t one = private_bytes(process);
    all += one;
    most = std::max(most, one);
  }
  std::printf("100 idle associations: %zu KB of their own in all, %zu KB the largest\n", all / 1024, most / 1024);
  EXPECT_LT(most, 8u * 1024 * 1024);
  EXPECT_GT(most, 0u);
}

// RCV: what was acknowledged survives the death of any process but the store's.
// RCV-3
TEST_F(DimseHostileTest, a_killed_association_loses_nothing_that_was_acknowledged) {
  start();
  std::vector<fs::path> files;
  for (const fs::path& file : files_below(test::shared("pet_raw_sts001/image"))) files.push_back(file);
  ASSERT_GT(files.size(), 50u);
  dimse::Scu scu(peer(), "PET1", dimse::proposals_for({files.front()}));
  std::set<std::string> acknowledged;
  try {
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (i == 40) ::kill(association_processes().front(), SIGKILL);
      if (scu.store(files[i]).code == 0) acknowledged.insert(dicom::index_entry(files[i]).sop_instance_uid);
    }
    FAIL() << "the association outlived its process";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PeerUnreachable);
  }
  EXPECT_GE(acknowledged.size(), 40u);
  EXPECT_TRUE(test::within(5, [&] { return sink_.ended().size() == 1 && fs::is_empty(sink_.incoming()); }));
  const auto kept = sink_.objects();
  for (const std::string& uid : acknowledged) {
    ASSERT_TRUE(kept.contains(uid));
    EXPECT_EQ(file_digest(kept.at(uid).file, 1 << 30), kept.at(uid).digest);
  }
}

TEST_F(DimseHostileTest, a_killed_listener_is_started_again_and_associations_go_on) {
  start();
  dimse::Scu scu(peer(), "CT1", dimse::proposals_for({ct()}));
  const int first = front_->listener_process();
  ::kill(first, SIGKILL);
  EXPECT_EQ(scu.store(ct()).code, 0) << "an association does not need the listener";
  EXPECT_TRUE(test::within(5, [&] { return front_->listener_process() > 0 && front_->listener_process() != first; }));
  EXPECT_TRUE(echo_within(2));
}

TEST_F(DimseHostileTest, termscu_does_not_stop_the_server) {
  start();
  test::shell("termscu " + at());
  EXPECT_TRUE(echo_within(1));
}

TEST(DimseAddresses, blocks_of_both_families) {
  EXPECT_TRUE(AddressBlock("192.168.1.0/24").holds("192.168.1.77"));
  EXPECT_FALSE(AddressBlock("192.168.1.0/24").holds("192.168.2.1"));
  EXPECT_TRUE(AddressBlock("10.0.0.7").holds("10.0.0.7"));
  EXPECT_FALSE(AddressBlock("10.0.0.7").holds("10.0.0.8"));
  EXPECT_TRUE(AddressBlock("fd00::/8").holds("fd12::1"));
  EXPECT_FALSE(AddressBlock("fd00::/8").holds("fe80::1"));
  EXPECT_TRUE(AddressBlock("0.0.0.0/0").holds("8.8.8.8"));
  EXPECT_FALSE(AddressBlock("0.0.0.0/0").holds("fd00::1"));
  for (const char* wrong : {"", "hospital", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "1.2.3"})
    EXPECT_THROW(AddressBlock{wrong}, Error) << wrong;
}

}  // namespace
}  // namespace rouage::receive
