/// Orthanc as DICOMweb client: it stores to us, searches here, fetches back, and has the same bytes.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>

#include "app/dicomweb_fixture.h"

extern char** environ;

namespace {

using namespace dicomweb;
using namespace rouage;

int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

class Orthanc : public DicomWeb {
 protected:
  void SetUp() override {
    if (!fs::exists("/usr/sbin/Orthanc") || !fs::exists("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"))
      GTEST_SKIP() << "no orthanc with orthanc-dicomweb";
    DicomWeb::SetUp();
    if (IsSkipped()) return;
    http_ = free_port();
    const std::string config = folder_ / "orthanc.json";
    const Json json{{"StorageDirectory", (folder_ / "orthanc").string()},
                    {"IndexDirectory", (folder_ / "orthanc").string()},
                    {"HttpPort", http_},
                    {"DicomPort", free_port()},
                    {"AuthenticationEnabled", false},
                    {"Plugins", {"/usr/share/orthanc/plugins/libOrthancDicomWeb.so"}},
                    {"DicomWeb",
                     {{"Enable", true},
                      {"Servers", {{"us", {{"Url", "http://127.0.0.1:" + std::to_string(port()) + "/dicomweb/"}}}}}}}};
    std::ofstream(config) << json;
    fs::create_directories(folder_ / "orthanc");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    std::string name = "Orthanc", file = config;
    char* arguments[] = {name.data(), file.data(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, "/usr/sbin/Orthanc", &actions, nullptr, arguments, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 200 && ask("GET", "/system", "").status != 200; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    DicomWeb::TearDown();
  }
  http_client::Answer ask(const std::string& method, const std::string& target, const std::string& body) {
    return http_client::ask(http_,
                            method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body,
                            30);
  }
  int http_ = 0;
  pid_t pid_ = -1;
};

TEST_F(Orthanc, StoresSearchesAndFetchesBackTheSameBytes) {
  const std::vector<fs::path> files = {kDicom / "dcmqi_seg/ct-3slice/01.dcm", kDicom / "charset/chrFren.dcm",
                                       kDicom / "pydicom_data/emri_small_RLE.dcm"};
  for (const fs::path& file : files) ASSERT_EQ(ask("POST", "/instances", slurp(file)).status, 200) << file;
  const Json studies = Json::parse(ask("GET", "/studies", "").body);
  const auto sent =
      ask("POST", "/dicom-web/servers/us/stow", Json{{"Resources", studies}, {"Synchronous", true}}.dump());
  ASSERT_EQ(sent.status, 200) << sent.body;
  EXPECT_EQ(store_->status().instances, files.size());

  const auto found =
      ask("POST", "/dicom-web/servers/us/qido", R"({"Uri":"/studies","Arguments":{"PatientName":"Buc*"}})");
  ASSERT_EQ(found.status, 200) << found.body;
  EXPECT_EQ(Json::parse(found.body).size(), 1u);

  for (const Json& study : studies) ask("DELETE", "/studies/" + study.get<std::string>(), "");
  for (const fs::path& file : files) {
    const std::string study = dicom::index_entry(file).study_instance_uid;
    const auto fetched = ask("POST", "/dicom-web/servers/us/retrieve",
                             Json{{"Resources", {{{"Study", study}}}}, {"Synchronous", true}}.dump());
    ASSERT_EQ(fetched.status, 200) << fetched.body;
  }
  std::multiset<std::string> back, original;
  for (const Json& instance : Json::parse(ask("GET", "/instances", "").body))
    back.insert(sha256(ask("GET", "/instances/" + instance.get<std::string>() + "/file", "").body).hex());
  for (const fs::path& file : files) original.insert(sha256(slurp(file)).hex());
  EXPECT_EQ(back, original);
}

}  // namespace
