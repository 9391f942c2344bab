/// Audit messages: valid by the schema of PS3.15 A.5.1, said with the right codes, sent by UDP, TCP and TLS, never in
/// the way.
#include "app/audit.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <fstream>
#include <functional>
#include <thread>

#include "app/audit_syslog.h"
#include "base/error.h"
#include "base/host.h"
#include "program.h"

namespace {

using namespace rouage;
using namespace rouage::app;
using program::Folder;
namespace fs = std::filesystem;

const AuditPatient kPatient = {"4711", "Désiré^Zoë <\"&'>"};
const std::vector<AuditStudy> kStudies = {
    {"1.2.3", "ACC7", {{"1.2.840.10008.5.1.4.1.1.1", 2}, {"1.2.840.10008.5.1.4.1.1.2", 200}}}};

std::vector<AuditMessage> every_message() {
  const AuditParticipant modality{"CT1", "10.0.0.7"}, us{"ROUAGE", "pacs.example"};
  return {
      audit_started(true, "systemd"),
      audit_started(false, ""),
      audit_transfer_begins(modality, us, kStudies, kPatient),
      audit_transferred(modality, us, kStudies, kPatient, AuditOutcome::success),
      audit_query(modality, us, "1.2.840.10008.5.1.4.1.2.2.1", std::string("\x08\0\x52\0", 4), "1.2.840.10008.1.2"),
      audit_export(us, {"https://fhir.example/r4", "https://fhir.example/r4"}, kStudies, kPatient,
                   AuditOutcome::minor_failure),
      audit_import(us, {"file:///srv/drop", ""}, kStudies, kPatient, AuditOutcome::success),
      audit_alert(AuditAlert::node_authentication, {}, {"EVIL", "10.6.6.6"}, "not on the allow list",
                  AuditOutcome::serious_failure),
      audit_order({"RIS|CHU", "10.0.0.9"}, 'C', kPatient, "P100", "ACC7"),
      audit_patient_record({"ADT|CHU", "fd00::1"}, 'U', kPatient, "MSG1"),
  };
}

TEST(AuditXml, EveryMessageIsValidByTheSchema) {
  if (std::system("command -v xmllint >/dev/null") != 0) GTEST_SKIP() << "xmllint is not installed";
  const Folder folder("audit");
  int n = 0;
  for (const AuditMessage& message : every_message()) {
    const fs::path file = folder / ("m" + std::to_string(n++) + ".xml");
    std::ofstream(file) << audit_xml(message, {"ROUAGE", "CHU"}, 1795509000.25);
    const std::string command = "xmllint --noout --relaxng " ROUAGE_SOURCE_DIR "/tests/app/audit_schema.rng " +
                                file.string() + " 2>" + (folder / "err").string();
    EXPECT_EQ(std::system(command.c_str()), 0) << program::slurp(file) << program::slurp(folder / "err");
  }
  // The check can fail: a message without participants is none.
  std::ofstream(folder / "bad.xml") << audit_xml({.event = {"110100", "DCM", "x"}}, {}, 0);
  EXPECT_NE(std::system(("xmllint --noout --relaxng " ROUAGE_SOURCE_DIR "/tests/app/audit_schema.rng " +
                         (folder / "bad.xml").string() + " 2>/dev/null")
                            .c_str()),
            0);
}

TEST(AuditXml, SaysWhoDidWhatToWhom) {
  const std::string xml =
      audit_xml(audit_transferred({"CT1", "10.0.0.7"}, {"ROUAGE", "host"}, kStudies, kPatient, AuditOutcome::success),
                {"ROUAGE", "CHU"}, 1795509000.25);
  for (const char* piece :
       {"EventActionCode=\"C\" EventDateTime=\"2026-11-24T08:30:00.250Z\" EventOutcomeIndicator=\"0\"",
        "<EventID csd-code=\"110104\" codeSystemName=\"DCM\" originalText=\"DICOM Instances Transferred\"/>",
        "UserID=\"CT1\" UserIsRequestor=\"false\" NetworkAccessPointID=\"10.0.0.7\" NetworkAccessPointTypeCode=\"2\"",
        "<RoleIDCode csd-code=\"110153\"", "NetworkAccessPointID=\"host\" NetworkAccessPointTypeCode=\"1\"",
        "<RoleIDCode csd-code=\"110152\"", "AuditEnterpriseSiteID=\"CHU\" AuditSourceID=\"ROUAGE\"",
        "ParticipantObjectID=\"1.2.3\" ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"3\"",
        "<Accession Number=\"ACC7\"/><SOPClass UID=\"1.2.840.10008.5.1.4.1.1.1\" NumberOfInstances=\"2\"/>",
        "ParticipantObjectID=\"4711\" ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\"",
        "<ParticipantObjectName>Désiré^Zoë &lt;&quot;&amp;'&gt;</ParticipantObjectName>"})
    EXPECT_NE(xml.find(piece), std::string::npos) << piece << "\nin " << xml;
  const std::string query = audit_xml(every_message()[4], {}, 0);
  EXPECT_NE(query.find("<ParticipantObjectQuery>CABSAA==</ParticipantObjectQuery>"), std::string::npos) << query;
}

// A name from the network ends up in a security log: it may break neither the XML nor the line.
TEST(AuditXml, HostileTextStaysText) {
  const std::string xml = audit_xml(audit_started(true, std::string("a\"/><x>\n\x01\0\xFF\xC3", 12)), {"S\"", ""}, 0);
  EXPECT_EQ(xml.find('\n'), std::string::npos);
  EXPECT_EQ(xml.find("<x>"), std::string::npos);
  EXPECT_TRUE(valid_utf8(xml));
}

/// A syslog server on a free port of loopback; keeps what comes.
class Listener {
 public:
  explicit Listener(int type, int wanted = 0) : socket_(::socket(AF_INET, type, 0)) {
    const int on = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(wanted));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), length), 0);
    if (type == SOCK_STREAM) ::listen(socket_, 8);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
  }
  ~Listener() {
    if (peer_ >= 0) ::close(peer_);
    ::close(socket_);
  }
  std::string receive(double patience_s = 5) {
    std::string all;
    std::vector<char> chunk(65536);
    const double until = monotonic_s() + patience_s;
    int type = 0;
    socklen_t length = sizeof type;
    ::getsockopt(socket_, SOL_SOCKET, SO_TYPE, &type, &length);
    while (monotonic_s() < until) {
      pollfd polled{type == SOCK_STREAM && peer_ >= 0 ? peer_ : socket_, POLLIN, 0};
      if (::poll(&polled, 1, 100) <= 0) {
        if (!all.empty()) return all;
        continue;
      }
      if (type == SOCK_STREAM && peer_ < 0) {
        peer_ = ::accept(socket_, nullptr, nullptr);
        continue;
      }
      const ssize_t n = ::recv(type == SOCK_STREAM ? peer_ : socket_, chunk.data(), chunk.size(), 0);
      if (n <= 0) return all;
      all.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return all;
  }
  int port = 0;

 private:
  int socket_, peer_ = -1;
};

bool eventually(const std::function<bool()>& holds, double patience_s = 10) {
  const double until = monotonic_s() + patience_s;
  while (monotonic_s() < until && !holds()) ::usleep(20'000);
  return holds();
}

TEST(AuditTrail, SendsRfc5424ByUdp) {
  Listener listener(SOCK_DGRAM);
  AuditTrail trail({.syslog = "udp://127.0.0.1:" + std::to_string(listener.port)});
  trail.record(audit_started(true, "systemd"));
  const std::string line = listener.receive();
  EXPECT_EQ(line.substr(0, 7), "<85>1 2") << line;  // authpriv.notice, version 1, the time
  EXPECT_NE(line.find(" rouage " + std::to_string(::getpid()) + " DICOM+RFC3881 - \xEF\xBB\xBF<?xml"),
            std::string::npos)
      << line;
  EXPECT_EQ(line.substr(line.size() - 15), "</AuditMessage>");
}

TEST(AuditTrail, CountsOctetsByTcpAndConnectsAgain) {
  auto listener = std::make_unique<Listener>(SOCK_STREAM);
  const int port = listener->port;
  AuditTrail trail({.syslog = "tcp://127.0.0.1:" + std::to_string(port), .first_wait_s = 0.1, .longest_wait_s = 0.2});
  trail.record(audit_started(true, ""));
  trail.record(audit_started(false, ""));
  std::string stream = listener->receive();
  int frames = 0;
  while (!stream.empty()) {
    const std::size_t blank = stream.find(' ');
    const std::size_t size = std::stoul(stream.substr(0, blank));
    ASSERT_LE(blank + 1 + size, stream.size());
    EXPECT_EQ(stream.substr(blank + 1, 6), "<85>1 ");
    stream.erase(0, blank + 1 + size);
    ++frames;
  }
  EXPECT_EQ(frames, 2);
  listener.reset();  // the repository goes away, and comes back
  ::usleep(100'000);
  trail.record(audit_started(true, "again"));
  ::usleep(300'000);
  Listener back(SOCK_STREAM, port);
  EXPECT_NE(back.receive().find("again"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return trail.counts().waiting == 0; }));
}

// TLS by openssl's own server, with a certificate of our own authority; one with another name is refused.
TEST(AuditTrail, SendsByTlsToTheRightHostOnly) {
  if (std::system("command -v openssl >/dev/null") != 0) GTEST_SKIP() << "openssl is not installed";
  const Folder folder("audit-tls");
  const std::string key = (folder / "key.pem").string(), cert = (folder / "cert.pem").string();
  ASSERT_EQ(std::system(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
                         "subjectAltName=DNS:localhost -keyout " +
                         key + " -out " + cert + " 2>/dev/null")
                            .c_str()),
            0);
  const int port = [] { return Listener(SOCK_STREAM).port; }();
  const std::string out = (folder / "out").string();
  const std::string server = "exec openssl s_server -quiet -naccept 2 -accept " + std::to_string(port) + " -key " +
                             key + " -cert " + cert + " >" + out + " 2>/dev/null </dev/zero";
  std::thread running([&] { [[maybe_unused]] const int status = std::system(server.c_str()); });
  ::usleep(500'000);
  {
    AuditTrail wrong({.syslog = "tls://127.0.0.1:" + std::to_string(port), .authorities = cert, .first_wait_s = 5});
    wrong.record(audit_started(true, "wrong host"));
    ::usleep(700'000);
    EXPECT_EQ(wrong.counts().sent, 0);
  }
  {
    AuditTrail trail({.syslog = "tls://localhost:" + std::to_string(port), .authorities = cert, .first_wait_s = 0.1});
    trail.record(audit_started(true, "by TLS"));
    EXPECT_TRUE(eventually([&] { return trail.counts().sent == 1; }));
    EXPECT_TRUE(eventually([&] { return program::slurp(out).find("by TLS") != std::string::npos; }));
  }
  running.join();
  EXPECT_EQ(program::slurp(out).find("wrong host"), std::string::npos);
}

// A dead repository: recording goes on at once, the file has all, drops are counted and said.
// RTE-14
TEST(AuditTrail, ADeadRepositoryCostsNothingButMessages) {
  const Folder folder("audit-dead");
  const int port = [] { return Listener(SOCK_STREAM).port; }();
  AuditTrail trail({.syslog = "tcp://127.0.0.1:" + std::to_string(port),
                    .file = folder / "audit.log",
                    .queue = 10,
                    .first_wait_s = 0.1,
                    .longest_wait_s = 0.2});
  const double begun = monotonic_s();
  for (int i = 0; i < 200; ++i) trail.record(audit_started(true, "n" + std::to_string(i)));
  EXPECT_LT(monotonic_s() - begun, 1.0);
  EXPECT_EQ(trail.counts().dropped, 190);
  const std::string file = program::slurp(folder / "audit.log");
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 200);
  Listener listener(SOCK_STREAM, port);
  const std::string came = listener.receive(5) + listener.receive(1);
  EXPECT_NE(came.find("n199"), std::string::npos);
  EXPECT_NE(came.find("csd-code=\"110133\""), std::string::npos) << "drops are said: Audit Recording Stopped";
  EXPECT_TRUE(eventually([&] { return trail.counts().waiting == 0; }));
}

TEST(AuditTrail, TheFileRotates) {
  const Folder folder("audit-file");
  AuditTrail trail({.file = folder / "audit.log", .file_bytes = 5000, .files = 3});
  for (int i = 0; i < 100; ++i) trail.record(audit_started(true, "n" + std::to_string(i)));
  for (const char* name : {"audit.log", "audit.log.1", "audit.log.2", "audit.log.3"})
    EXPECT_LE(fs::file_size(folder / name), 5000U) << name;
  EXPECT_FALSE(fs::exists(folder / "audit.log.4"));
  EXPECT_NE(program::slurp(folder / "audit.log").find("n99"), std::string::npos);
}

TEST(AuditTrail, AddressesAreReadStrictly) {
  EXPECT_EQ(syslog_address("udp://arr").port, 514);
  EXPECT_EQ(syslog_address("tls://arr.example:7000").port, 7000);
  EXPECT_EQ(syslog_address("tcp://[fd00::1]:601").host, "fd00::1");
  for (const char* bad :
       {"arr:514", "http://arr", "udp://", "tcp://arr:", "tcp://arr:70000", "tcp://[fd00::1", "tls://a:b"})
    EXPECT_THROW(syslog_address(bad), Error) << bad;
}

}  // namespace
