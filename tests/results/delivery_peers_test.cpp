// Deliveries to real peers: DCMTK's storescp, Orthanc by DIMSE, by STOW-RS and with Storage Commitment; results read
// back equal; a child that is killed at random moments.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "dimse/dimse.h"
#include "results/delivery_support.h"
#include "results/dicom_dump.h"
#include "results/external.h"

namespace rouage::test {
namespace {

using results::Deliveries;
using results::DeliveryState;
using results::Destination;
using results::DestinationKind;
using Json = nlohmann::json;

constexpr std::size_t kDicomObjects = 5;  // of sample_set

/// The data set without the file's header, which a peer writes anew.
std::string data_set(const Bytes& file) {
  const std::string text = dump(file);
  return text.substr(text.find("# Dicom-Data-Set"));
}

Bytes bytes_of(const std::filesystem::path& file) {
  return read_file(file, 64 * kMebibyte);
}

struct StoreScp {
  std::filesystem::path folder;
  int port = free_port();
  Child child;
  void start(const std::vector<std::string>& more = {"+xa"}) {
    std::vector<std::string> command{"storescp", "-od", folder.string(), "-aet", "PACS", "+B", "-dhl"};
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(std::to_string(port));
    child = Child(command, folder.parent_path() / (folder.filename().string() + ".log"));
    ASSERT_TRUE(wait_until([&] { return port_answers(port); })) << "storescp does not start";
  }
  /// SOP Instance UID -> file.
  std::map<std::string, std::filesystem::path> received() const {
    std::map<std::string, std::filesystem::path> files;
    for (const auto& file : files_below(folder)) {
      const std::string name = file.filename().string();
      if (name.find('.') != std::string::npos) files[name.substr(name.find('.') + 1)] = file;
    }
    return files;
  }
};

class Orthanc {
 public:
  explicit Orthanc(int our_port) : folder_(fresh_folder("orthanc-" + std::to_string(free_port()))) {
    const Json config{{"Name", "test"},
                      {"StorageDirectory", (folder_ / "storage").string()},
                      {"IndexDirectory", (folder_ / "storage").string()},
                      {"Plugins", {"/usr/share/orthanc/plugins/libOrthancDicomWeb.so"}},
                      {"HttpPort", http_port},
                      {"DicomPort", dicom_port},
                      {"DicomAet", "PACS"},
                      {"RemoteAccessAllowed", false},
                      {"AuthenticationEnabled", false},
                      {"DicomCheckCalledAet", false},
                      {"OverwriteInstances", false},
                      {"DicomModalities", {{"rouage", {"ROUAGE", "127.0.0.1", our_port}}}}};
    write_file_atomic(folder_ / "orthanc.json", config.dump());
    child_ = Child({"Orthanc", (folder_ / "orthanc.json").string()}, folder_ / "log.txt");
    if (!wait_until([&] { return run_command("curl -sf " + url() + "/system").status == 0; }))
      throw std::runtime_error("Orthanc does not start: " + read_text(folder_ / "log.txt"));
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(http_port); }
  Json get(const std::string& path) const { return Json::parse(run_command("curl -sf " + url() + path).output); }
  /// SOP Instance UID -> the file as Orthanc's REST API gives it.
  std::map<std::string, Bytes> instances() const {
    std::map<std::string, Bytes> files;
    for (const Json& id : get("/instances")) {
      const std::string path = "/instances/" + id.get<std::string>();
      const auto file = folder_ / "back.dcm";
      run_command("curl -sf -o " + file.string() + " " + url() + path + "/file");
      files[get(path)["MainDicomTags"]["SOPInstanceUID"].get<std::string>()] = bytes_of(file);
    }
    return files;
  }
  void remove(const std::string& sop_instance_uid) const {
    for (const Json& id : get("/instances")) {
      const std::string path = "/instances/" + id.get<std::string>();
      if (get(path)["MainDicomTags"]["SOPInstanceUID"] == sop_instance_uid)
        run_command("curl -sf -X DELETE " + url() + path);
    }
  }
  const int http_port = free_port(), dicom_port = free_port();

 private:
  std::filesystem::path folder_;
  Child child_;
};

bool orthanc_is_here() {
  return program_exists("Orthanc") && std::filesystem::exists("/usr/share/orthanc/plugins/libOrthancDicomWeb.so");
}

class PeerDeliveryTest : public ::testing::Test {
 protected:
  Destination pacs(int port, const std::string& name = "pacs") {
    Destination destination = quick_destination(name, DestinationKind::dicom);
    destination.port = port;
    return destination;
  }
  StoreScp storescp(const std::string& name) {
    StoreScp scp;
    scp.folder = fresh_folder(name);
    return scp;
  }
  TestDatabase test_ = new_database("delivery-peers");
  HandPermit permit_;
  results::ResultSet set_ = sample_set(test_.folder, 1);
};

TEST_F(PeerDeliveryTest, storescpGetsEveryObjectEqual) {
  if (!program_exists("storescp")) GTEST_SKIP() << "storescp (Debian package dcmtk) is not installed";
  StoreScp scp = storescp("storescp");
  scp.start();
  Deliveries deliveries(*test_.database, {pacs(scp.port)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == kDicomObjects; }))
      << deliveries.queues()[0].last_error;
  const auto received = scp.received();
  ASSERT_EQ(received.size(), kDicomObjects);
  for (const auto& object : set_.objects) {
    if (object.sop_class_uid.empty()) continue;
    ASSERT_TRUE(received.contains(object.sop_instance_uid)) << object.role;
    EXPECT_EQ(data_set(bytes_of(received.at(object.sop_instance_uid))), data_set(bytes_of(object.file)));
  }
}

TEST_F(PeerDeliveryTest, aDeadPeerBesideALivingOneAndItsReturn) {
  if (!program_exists("storescp")) GTEST_SKIP() << "storescp (Debian package dcmtk) is not installed";
  StoreScp living = storescp("living"), dead = storescp("dead");
  living.start();
  Deliveries deliveries(*test_.database, {pacs(dead.port, "dead"), pacs(living.port, "living")}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered, "living") == kDicomObjects; }));
  ASSERT_TRUE(wait_until([&] { return !deliveries.queues()[0].reachable; }));
  EXPECT_EQ(count_of(deliveries, DeliveryState::delivered, "dead"), 0U);
  dead.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered, "dead") == kDicomObjects; }));
  EXPECT_EQ(dead.received().size(), kDicomObjects);
}

TEST_F(PeerDeliveryTest, aPeerThatTakesReportsOnlyGetsReportsAndTheRestIsShown) {
  if (!program_exists("storescp")) GTEST_SKIP() << "storescp (Debian package dcmtk) is not installed";
  const auto profile = test_.folder / "reports.cfg";
  write_file_atomic(profile, R"([[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Reports]
PresentationContext1 = VerificationSOPClass\Plain
PresentationContext2 = Comprehensive3DSRStorage\Plain
[[Profiles]]
[Only]
PresentationContexts = Reports
)");
  StoreScp scp = storescp("reports-only");
  scp.start({"-xf", profile.string(), "Only"});
  auto destination = pacs(scp.port);
  destination.longest_wait_s = 3600;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return deliveries.queues()[0].refused == kDicomObjects - 1; }));
  EXPECT_EQ(count_of(deliveries, DeliveryState::delivered), 1U);
  EXPECT_TRUE(deliveries.queues()[0].reachable);
  // A set of nothing but what it refuses: the whole association is refused, and the destination still counts as here.
  auto other = sample_set(test_.folder, 2);
  std::erase_if(other.objects, [](const results::OutgoingObject& object) { return object.role != "seg"; });
  plan(*test_.database, deliveries, other);
  ASSERT_TRUE(wait_until([&] { return deliveries.queues()[0].refused == kDicomObjects; }));
  EXPECT_TRUE(deliveries.queues()[0].reachable);
}

TEST_F(PeerDeliveryTest, orthancByDimseGivesEveryResultBackEqual) {
  if (!orthanc_is_here()) GTEST_SKIP() << "Orthanc with its DICOMweb plugin is not installed";
  Orthanc orthanc(free_port());
  Deliveries deliveries(*test_.database, {pacs(orthanc.dicom_port)}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == kDicomObjects; }))
      << deliveries.queues()[0].last_error;
  const auto back = orthanc.instances();
  ASSERT_EQ(back.size(), kDicomObjects);
  for (const auto& object : set_.objects)
    if (!object.sop_class_uid.empty())
      EXPECT_EQ(data_set(back.at(object.sop_instance_uid)), data_set(bytes_of(object.file))) << object.role;
}

TEST_F(PeerDeliveryTest, orthancByStowGivesEveryResultBackEqualAlsoWhenSentTwice) {
  if (!orthanc_is_here()) GTEST_SKIP() << "Orthanc with its DICOMweb plugin is not installed";
  Orthanc orthanc(free_port());
  auto destination = quick_destination("archive", DestinationKind::stow);
  destination.url = orthanc.url() + "/dicom-web/studies";
  for (const std::string round : {"first", "second"}) {
    TestDatabase test = new_database("delivery-stow-" + round);  // the second knows nothing of the first
    Deliveries deliveries(*test.database, {destination}, permit_, "ROUAGE");
    plan(*test.database, deliveries, set_);
    deliveries.start();
    ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == kDicomObjects; }))
        << round << deliveries.list(std::nullopt, 9).front().message;
  }
  const auto back = orthanc.instances();
  ASSERT_EQ(back.size(), kDicomObjects) << "delivered twice, there once";
  for (const auto& object : set_.objects)
    if (!object.sop_class_uid.empty())
      EXPECT_EQ(data_set(back.at(object.sop_instance_uid)), data_set(bytes_of(object.file))) << object.role;
}

// ---- Storage Commitment
// ----------------------------------------------------------------------------------------------

/// The part of our own SCP that hears answers to commitments; everything else is refused.
class AnswerListener : public dimse::Services {
 public:
  using Answer =
      std::function<void(const std::string&, const std::vector<std::string>&, const std::vector<std::string>&)>;
  explicit AnswerListener(Answer answer) : answer_(std::move(answer)) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(descriptor_, 5) != 0)
      throw std::runtime_error("cannot listen");
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int peer = 0; (peer = ::accept(descriptor_, nullptr, nullptr)) >= 0;) {
        try {
          dimse::serve_association(peer, {}, *this);
        } catch (const Error&) {
          continue;  // a peer that broke off
        }
      }
    });
  }
  ~AnswerListener() override {
    ::shutdown(descriptor_, SHUT_RDWR);
    thread_.join();
    ::close(descriptor_);
  }
  std::optional<std::string> refuses(const dimse::Caller&) override { return std::nullopt; }
  std::optional<dimse::Status> refuses_object(const std::string&, const std::string&) override { return no(); }
  std::filesystem::path new_file() override { return "/dev/null"; }
  dimse::Status arrived(const std::filesystem::path&, std::uint64_t, const Digest&) override { return no(); }
  dimse::Status find(const std::string&, const dicom::Attributes&,
                     const std::function<bool(const dicom::Attributes&)>&) override {
    return no();
  }
  Retrieval retrieve(const std::string&, const dicom::Attributes&, const std::string&) override {
    return {no(), {}, {}};
  }
  dimse::Status commitment(const std::string&, const std::vector<std::pair<std::string, std::string>>&) override {
    return no();
  }
  dimse::Status committed(const std::string& transaction, const std::vector<std::string>& committed,
                          const std::vector<std::string>& failed) override {
    answer_(transaction, committed, failed);
    return {};
  }
  dimse::Status series_lists(const std::vector<SeriesList>&) override { return no(); }
  void ended(bool) override {}
  int port = 0;

 private:
  static dimse::Status no() { return {0x0122, "not here"}; }
  Answer answer_;
  int descriptor_ = -1;
  std::thread thread_;
};

// RES-11: where commitment is configured, a result counts as delivered only after the peer has committed to keep it.
TEST_F(PeerDeliveryTest, orthancCommitsAndWhatItLostIsSentAgain) {
  if (!orthanc_is_here()) GTEST_SKIP() << "Orthanc with its DICOMweb plugin is not installed";
  Deliveries* current = nullptr;
  std::mutex mutex;
  std::size_t failures = 0;
  const Orthanc* peer = nullptr;
  AnswerListener listener([&](const std::string& uid, const auto& committed, const auto& failed) {
    const std::lock_guard lock(mutex);
    failures += failed.size();
    if (current != nullptr) current->committed(uid, committed, failed);
  });
  Orthanc orthanc(listener.port);
  peer = &orthanc;
  auto destination = pacs(orthanc.dicom_port);
  destination.commitment = true;
  destination.commitment_wait_s = 3600;
  {
    // Delivered, then the process ends before it asked, and the peer loses an object.
    auto without = destination;
    without.commitment_wait_s = 1;
    Deliveries deliveries(*test_.database, {without}, permit_, "ROUAGE");
    plan(*test_.database, deliveries, set_);
    deliveries.start();
    ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::waiting_commitment) == kDicomObjects; }));
    deliveries.stop(5);
    EXPECT_EQ(count_of(deliveries, DeliveryState::delivered), 0U) << "stored is not committed";
  }
  peer->remove(set_.objects[0].sop_instance_uid);
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  {
    const std::lock_guard lock(mutex);
    current = &deliveries;
  }
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == kDicomObjects; }))
      << deliveries.list(DeliveryState::waiting_commitment, 1).front().message;
  EXPECT_EQ(orthanc.instances().size(), kDicomObjects) << "what it had lost is there again";
  EXPECT_EQ(deliveries.queues()[0].delivered, kDicomObjects);
  const std::lock_guard lock(mutex);
  EXPECT_GE(failures, 1U);
  current = nullptr;
}

TEST_F(PeerDeliveryTest, aCommitmentThatIsNotAnsweredIsAskedForAgain) {
  if (!orthanc_is_here()) GTEST_SKIP() << "Orthanc with its DICOMweb plugin is not installed";
  Orthanc orthanc(free_port());  // its answers go where nobody listens
  auto destination = pacs(orthanc.dicom_port);
  destination.commitment = true;
  destination.commitment_wait_s = 0.3;
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.start();
  const auto asked = [&] {
    return test_.database->read(
        [](store::Transaction& tx) { return tx.first("SELECT COUNT(*) FROM delivery_commitment")->integer(0); });
  };
  ASSERT_TRUE(wait_until([&] { return asked() >= 3; }));
  EXPECT_EQ(count_of(deliveries, DeliveryState::waiting_commitment), kDicomObjects);
  EXPECT_EQ(orthanc.instances().size(), kDicomObjects) << "asked again, not sent again";
}

TEST_F(PeerDeliveryTest, anAnswerToACommitmentThatNobodyAskedForChangesNothing) {
  Deliveries deliveries(*test_.database, {pacs(free_port())}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set_);
  deliveries.committed("1.2.3.4.5", {set_.objects[0].sop_instance_uid}, {});
  EXPECT_EQ(count_of(deliveries, DeliveryState::due), kDicomObjects);
}

// ---- Killed
// ----------------------------------------------------------------------------------------------------------

TEST_F(PeerDeliveryTest, aProcessKilledAtRandomMomentsLosesAndDoublesNothing) {
  if (!program_exists("storescp")) GTEST_SKIP() << "storescp (Debian package dcmtk) is not installed";
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  StoreScp scp = storescp("killed");
  scp.start();
  std::set<std::string> planned;
  {
    Deliveries deliveries(*test_.database, {pacs(scp.port)}, permit_, "ROUAGE");
    for (int study = 1; study <= 30; ++study) {
      const auto set = sample_set(test_.folder, study);
      plan(*test_.database, deliveries, set);
      for (const auto& object : set.objects)
        if (!object.sop_class_uid.empty()) planned.insert(object.sop_instance_uid);
    }
  }
  test_.database.reset();
  for (int round = 0; round < 8; ++round) {
    Child child([&] {
      test_.reopen();
      Deliveries deliveries(*test_.database, {pacs(scp.port)}, permit_, "ROUAGE");
      deliveries.start();
      std::this_thread::sleep_for(std::chrono::minutes(5));
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<>(5, 250)(random)));
  }
  test_.reopen();
  Deliveries deliveries(*test_.database, {pacs(scp.port)}, permit_, "ROUAGE");
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == planned.size(); }, 60))
      << "seed " << seed;
  std::set<std::string> received;
  for (const auto& [uid, file] : scp.received()) received.insert(uid);
  EXPECT_EQ(received, planned) << "seed " << seed;
  EXPECT_EQ(deliveries.queues()[0].delivered, planned.size()) << "seed " << seed;
}

}  // namespace
}  // namespace rouage::test
