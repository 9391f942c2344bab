// STOW-RS and FHIR against a server that keeps every request and answers by a script.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/host.h"
#include "results/delivery_support.h"
#include "results/external.h"

namespace rouage::test {
namespace {

using results::Deliveries;
using results::DeliveryState;
using results::Destination;
using results::DestinationKind;
using Json = nlohmann::json;

const char* const kGood = R"([{"status": 200, "body": "{}"}])";

std::string failed_sop(const std::string& uid, int reason) {
  const Json item = {{"00081155", {{"vr", "UI"}, {"Value", {uid}}}}, {"00081197", {{"vr", "US"}, {"Value", {reason}}}}};
  return Json{{"00081198", {{"vr", "SQ"}, {"Value", {item}}}}}.dump();
}

std::string reply(int status, const std::string& body = "", const Json& more = Json::object()) {
  Json json = more;
  json["status"] = status;
  json["body"] = body;
  return json.dump();
}

class WebDeliveryTest : public ::testing::Test {
 protected:
  Destination stow(const Recorder& recorder) {
    Destination destination = quick_destination("archive", DestinationKind::stow);
    destination.url = recorder.url() + "/studies";
    return destination;
  }
  Destination only_report(const Recorder& recorder) {
    Destination destination = stow(recorder);
    destination.roles = {"sr"};
    return destination;
  }
  std::string report_uid() const { return set_.objects[0].sop_instance_uid; }

  TestDatabase test_ = new_database("delivery-web");
  HandPermit permit_;
  results::ResultSet set_ = sample_set(test_.folder, 1);
};

TEST_F(WebDeliveryTest, stowSendsEachFileByteEqualInMultipartRelated) {
  Recorder recorder(kGood);
  Deliveries deliveries(*test_.database, {stow(recorder)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 5; }));
  const auto bodies = recorder.bodies(), headers = recorder.headers();
  ASSERT_EQ(bodies.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(headers[i].starts_with("POST /studies HTTP/1.1"));
    const auto at = headers[i].find("multipart/related; type=\"application/dicom\"; boundary=");
    ASSERT_NE(at, std::string::npos) << headers[i];
    const auto start = headers[i].find("boundary=", at) + 9;
    const std::string boundary = headers[i].substr(start, headers[i].find('\n', start) - start);
    const std::string head = "--" + boundary + "\r\nContent-Type: application/dicom\r\n\r\n";
    const std::string tail = "\r\n--" + boundary + "--\r\n";
    ASSERT_TRUE(bodies[i].starts_with(head));
    ASSERT_TRUE(bodies[i].ends_with(tail));
    const std::string content = bodies[i].substr(head.size(), bodies[i].size() - head.size() - tail.size());
    EXPECT_EQ(sha256(content).hex(), set_.objects[i].digest) << "in the order of the set";
  }
}

TEST_F(WebDeliveryTest, anAnswerOf503IsTriedAgainUntil200) {
  Recorder recorder("[" + reply(503, "overloaded", {{"headers", {{"Retry-After", "1"}}}}) + "," + reply(503) + "," +
                    reply(200) + "]");
  Deliveries deliveries(*test_.database, {stow(recorder)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return !deliveries.queues()[0].reachable; }));
  EXPECT_NE(deliveries.queues()[0].last_error.find("503"), std::string::npos);
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 5; }));
  EXPECT_EQ(recorder.bodies().size(), 7U) << "while the destination is away only the head of the queue is tried";
  EXPECT_TRUE(deliveries.queues()[0].reachable);
}

TEST_F(WebDeliveryTest, whatFollowsInASetWaitsForAnObjectThatFailed) {
  Recorder recorder("[" + reply(500) + "," + reply(200) + "]");
  Deliveries deliveries(*test_.database, {stow(recorder)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 5; }));
  const auto bodies = recorder.bodies();
  ASSERT_EQ(bodies.size(), 6U);
  EXPECT_EQ(bodies[0], bodies[1]) << "the report again, before what follows it";
}

TEST_F(WebDeliveryTest, aSetThatFailsDoesNotHoldUpAnother) {
  Recorder recorder("[" + reply(500) + "," + reply(200) + "]");
  auto destination = stow(recorder);
  destination.first_wait_s = 1;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  const auto other = sample_set(test_.folder, 2);
  plan(*test_.database, deliveries, set_);
  plan(*test_.database, deliveries, other);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 10; }));
  EXPECT_NE(recorder.bodies()[1].find(other.objects[0].sop_instance_uid), std::string::npos);
  EXPECT_TRUE(deliveries.queues()[0].reachable);
}

TEST_F(WebDeliveryTest, aPeerAtWhichEverythingFailsIsLeftAlone) {
  Recorder recorder("[" + reply(500) + "]");
  auto destination = only_report(recorder);
  destination.first_wait_s = destination.longest_wait_s = 3600;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  for (int study = 1; study <= 20; ++study) plan(*test_.database, deliveries, sample_set(test_.folder, study));
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return !deliveries.queues()[0].reachable; }));
  EXPECT_EQ(recorder.bodies().size(), 3U);
}

// RES-12: waits survive a restart.
TEST_F(WebDeliveryTest, aRestartDoesNotHurryAPeerThatRests) {
  Recorder recorder("[" + reply(503) + "," + reply(200) + "]");
  auto destination = only_report(recorder);
  destination.first_wait_s = destination.longest_wait_s = 3600;
  {
    Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
    plan(*test_.database, deliveries, set_);
    deliveries.start();
    ASSERT_TRUE(wait_until([&] { return !deliveries.queues()[0].reachable; }));
  }
  test_.reopen();
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  EXPECT_FALSE(deliveries.queues()[0].reachable);
  deliveries.start();
  EXPECT_FALSE(wait_until([&] { return recorder.bodies().size() > 1; }, 0.5));
  EXPECT_TRUE(deliveries.retry(deliveries.list(std::nullopt, 1).front().id)) << "a person may";
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
}

TEST_F(WebDeliveryTest, aFailedSopSequenceIsNoSuccessWhateverTheStatus) {
  Recorder recorder("[" + reply(200, failed_sop(report_uid(), 0x0110)) + "," + reply(200) + "]");
  Deliveries deliveries(*test_.database, {only_report(recorder)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
  EXPECT_EQ(recorder.bodies().size(), 2U);
  EXPECT_EQ(delivery_of(deliveries, "archive", "sr").tries, 2);
}

TEST_F(WebDeliveryTest, whatThePeerHasAlreadyIsDelivered) {
  for (const int reason : {0x0111, 45070}) {
    TestDatabase test = new_database("delivery-there-" + std::to_string(reason));
    Recorder recorder("[" + reply(409, failed_sop(report_uid(), reason)) + "]");
    Deliveries deliveries(*test.database, {only_report(recorder)}, permit_, "ROUAGE");
    plan(*test.database, deliveries, set_);
    deliveries.start();
    ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; })) << reason;
    EXPECT_NE(delivery_of(deliveries, "archive", "sr").message.find("already"), std::string::npos);
  }
}

TEST_F(WebDeliveryTest, aRefusalIsTriedSlowlyShownAndStopsNobody) {
  Recorder recorder("[" + reply(409, failed_sop(report_uid(), 0x0122)) + "," + reply(200) + "]");
  auto destination = stow(recorder);
  destination.longest_wait_s = 3600;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 4; }));
  const auto refused = delivery_of(deliveries, "archive", "sr");
  EXPECT_EQ(refused.state, DeliveryState::due);
  EXPECT_NE(refused.message.find("0x0122"), std::string::npos);
  EXPECT_GT(refused.due_s - utc_now_s(), 3000);
  EXPECT_EQ(deliveries.queues()[0].refused, 1U);
  EXPECT_TRUE(deliveries.queues()[0].reachable);
}

TEST_F(WebDeliveryTest, anErrorThatNoRetryMendsIsTriedSlowly) {
  Recorder recorder("[" + reply(415, "<html>\x01no</html>") + "]");
  auto destination = only_report(recorder);
  destination.longest_wait_s = 3600;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return deliveries.queues()[0].refused == 1; }));
  EXPECT_NE(delivery_of(deliveries, "archive", "sr").message.find("HTTP 415: <html>"), std::string::npos);
}

// RES-10: a destination that is dead or slow delays no other.
TEST_F(WebDeliveryTest, aDeadAndASlowPeerDelayNobody) {
  Recorder living(kGood), slow("[" + reply(200, "", {{"delay_s", 3}}) + "]");
  auto dead = stow(living);
  dead.name = "dead";
  dead.url = "http://127.0.0.1:" + std::to_string(free_port()) + "/studies";
  auto tardy = stow(slow);
  tardy.name = "slow";
  Deliveries deliveries(*test_.database, {dead, tardy, stow(living)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  const double started_s = monotonic_s();
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered, "archive") == 5; }));
  EXPECT_LT(monotonic_s() - started_s, 3) << "before the slow one has answered once";
  EXPECT_EQ(count_of(deliveries, DeliveryState::delivered, "dead"), 0U);
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered, "slow") >= 1; }));
  EXPECT_FALSE(deliveries.queues()[0].reachable);
}

TEST_F(WebDeliveryTest, aPeerThatComesBackGetsAllAtOnce) {
  auto destination = quick_destination("archive", DestinationKind::stow);
  const int port = free_port();
  destination.url = "http://127.0.0.1:" + std::to_string(port) + "/studies";
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  for (int study = 1; study <= 6; ++study) plan(*test_.database, deliveries, sample_set(test_.folder, study));
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return !deliveries.queues()[0].reachable; }));
  const auto tries_of_all = [&] {
    int tries = 0;
    for (const auto& delivery : deliveries.list(std::nullopt, 100)) tries += delivery.tries;
    return tries;
  };
  ASSERT_TRUE(wait_until([&] { return tries_of_all() >= 3; }));
  const auto folder = fresh_folder("back");
  write_file_atomic(folder / "replies.json", kGood);
  Child server(
      {"/usr/bin/python3", ROUAGE_SOURCE_DIR "/tests/results/http_recorder.py", folder.string(), std::to_string(port)});
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 30; }));
  EXPECT_LE(tries_of_all(), 30 + 20) << "one try a wait, not one an object and wait";
}

TEST_F(WebDeliveryTest, stoppingCutsATransferThatHangs) {
  Recorder slow("[" + reply(200, "", {{"delay_s", 60}}) + "]");
  Deliveries deliveries(*test_.database, {stow(slow)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return !slow.bodies().empty(); }));
  const double started_s = monotonic_s();
  deliveries.stop(0.5);
  EXPECT_LT(monotonic_s() - started_s, 5);
  EXPECT_EQ(count_of(deliveries, DeliveryState::due), 5U) << "handed back";
}

TEST_F(WebDeliveryTest, tokensAndPasswordsAreReadFromTheirFiles) {
  Recorder recorder(kGood);
  write_file_atomic(test_.folder / "token", "s3cret\n");
  write_file_atomic(test_.folder / "password", "open sesame\n");
  auto bearer = only_report(recorder);
  bearer.bearer_token_file = (test_.folder / "token").string();
  auto basic = only_report(recorder);
  basic.name = "basic";
  basic.user = "rouage";
  basic.password_file = (test_.folder / "password").string();
  Deliveries deliveries(*test_.database, {bearer, basic}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 2; }));
  const auto headers = recorder.headers();
  const std::string both = headers[0] + headers[1];
  EXPECT_NE(both.find("authorization: Bearer s3cret\n"), std::string::npos) << both;
  EXPECT_NE(both.find("authorization: Basic cm91YWdlOm9wZW4gc2VzYW1l"), std::string::npos) << both;
}

TEST_F(WebDeliveryTest, aTokenThatIsRefusedKeepsEverythingDue) {
  Recorder recorder("[" + reply(401) + "," + reply(401) + "," + reply(200) + "]");
  Deliveries deliveries(*test_.database, {stow(recorder)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 5; }));
  EXPECT_EQ(recorder.bodies().size(), 7U);
}

TEST_F(WebDeliveryTest, aCertificateIsCheckedAgainstTheNamedAuthorities) {
  const auto folder = fresh_folder("tls");
  const std::string key = (folder / "key.pem").string(), certificate = (folder / "cert.pem").string();
  if (run_command("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext "
                  "subjectAltName=IP:127.0.0.1 -keyout " +
                  key + " -out " + certificate)
          .status != 0)
    GTEST_SKIP() << "openssl is not installed";
  Recorder recorder(kGood, {"--tls", certificate, key});
  auto trusted = only_report(recorder);
  trusted.url = "https://127.0.0.1:" + std::to_string(recorder.port()) + "/studies";
  trusted.tls = results::TlsPaths{"", "", certificate};
  auto stranger = trusted;
  stranger.name = "stranger";
  stranger.tls.reset();
  Deliveries deliveries(*test_.database, {trusted, stranger}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered, "archive") == 1; }));
  ASSERT_TRUE(wait_until([&] { return !deliveries.queues()[1].reachable; }));
  EXPECT_NE(deliveries.queues()[1].last_error.find("certificate"), std::string::npos)
      << deliveries.queues()[1].last_error;
  EXPECT_EQ(recorder.bodies().size(), 1U) << "nothing went to the server that nobody vouches for";
}

TEST_F(WebDeliveryTest, fhirBundlesBecomeTransactionsOfPuts) {
  Recorder recorder(kGood);
  auto destination = quick_destination("ris", DestinationKind::fhir);
  destination.url = recorder.url() + "/fhir/";
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
  EXPECT_TRUE(recorder.headers()[0].starts_with("POST /fhir HTTP/1.1"));
  EXPECT_NE(recorder.headers()[0].find("content-type: application/fhir+json"), std::string::npos);
  const Json sent = Json::parse(recorder.bodies()[0]);
  const Json planned = Json::parse(read_text(set_.objects.back().file));
  EXPECT_EQ(sent["type"], "transaction");
  ASSERT_EQ(sent["entry"].size(), planned["entry"].size());
  std::set<std::string> urls;
  for (std::size_t i = 0; i < sent["entry"].size(); ++i) {
    const Json& entry = sent["entry"][i];
    EXPECT_EQ(entry["resource"], planned["entry"][i]["resource"]);
    EXPECT_EQ(entry["request"]["method"], "PUT") << "a repeat has effect once";
    const std::string url =
        entry["resource"]["resourceType"].get<std::string>() + "/" + entry["resource"]["id"].get<std::string>();
    EXPECT_EQ(entry["request"]["url"], url);
    EXPECT_TRUE(urls.insert(url).second);
  }
}

TEST_F(WebDeliveryTest, aFhirServersDiagnosticsAreShown) {
  const Json outcome = {{"resourceType", "OperationOutcome"},
                        {"issue", {{{"severity", "error"}, {"code", "invalid"}, {"diagnostics", "no such profile"}}}}};
  Recorder recorder("[" + reply(422, outcome.dump()) + "," + reply(200) + "]");
  auto destination = quick_destination("ris", DestinationKind::fhir);
  destination.url = recorder.url();
  destination.longest_wait_s = 3600;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return deliveries.queues()[0].refused == 1; }));
  const auto refused = delivery_of(deliveries, "ris", "fhir");
  EXPECT_EQ(refused.message, "HTTP 422: no such profile");
  EXPECT_TRUE(deliveries.retry(refused.id));
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
}

TEST_F(WebDeliveryTest, aBundleWithAnIdThatIsNoneIsNotSent) {
  Recorder recorder(kGood);
  auto destination = quick_destination("ris", DestinationKind::fhir);
  destination.url = recorder.url();
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  auto& bundle = set_.objects.back();
  write_file_atomic(bundle.file,
                    R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"../x"}}]})");
  bundle.digest.clear();
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return deliveries.queues()[0].refused == 1; }));
  EXPECT_TRUE(recorder.bodies().empty());
}

TEST_F(WebDeliveryTest, hostileAnswersDoNoHarm) {
  // Not JSON, JSON of the wrong shape, JSON that nests, a body far over the cap.
  std::string deep;
  for (int i = 0; i < 20000; ++i) deep += "[";
  Recorder recorder("[" + reply(409, "{\"00081198\": 5}") + "," + reply(409, "[[{\"00081198\":{\"Value\":7}}]]") + "," +
                    reply(500, deep) + "," + reply(500, std::string(3 * kMebibyte, 'x')) + "," + reply(200, "[]") +
                    "]");
  auto destination = only_report(recorder);
  destination.longest_wait_s = 0.3;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
  EXPECT_EQ(recorder.bodies().size(), 5U);
}

}  // namespace
}  // namespace rouage::test
