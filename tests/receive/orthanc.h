/// A real archive for tests: Debian's Orthanc with its DICOMweb plugin, started on free ports and ended by its id.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/host.h"

namespace rouage::receive::testing {

inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// A program in the background, its output in a file; ended by the destructor.
class Program {
 public:
  Program(std::vector<std::string> arguments, const std::filesystem::path& output) {
    std::vector<char*> raw;
    for (std::string& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    for (int fd = 3; fd < 1024; ++fd) ::close(fd);
    ::execvp(raw[0], raw.data());
    ::_exit(127);
  }
  ~Program() {
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 100; ++i) {
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) return;
      ::usleep(50'000);
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

 private:
  pid_t pid_ = -1;
};

class Orthanc {
 public:
  /// `rouage_port`: where it sends what a C-MOVE to ROUAGE asks for.
  Orthanc(const std::filesystem::path& folder, int rouage_port)
      : dicom_port(free_port()), http_port(free_port()), folder_(folder) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "orthanc.json")
        << R"({"Name": "test", "StorageDirectory": ")" << (folder / "db").string() << R"(", "HttpPort": )" << http_port
        << R"(, "DicomPort": )" << dicom_port << R"(, "DicomAet": "ORTHANC", "RemoteAccessAllowed": false,
      "AuthenticationEnabled": false, "DicomCheckCalledAet": false, "DicomAlwaysAllowFind": true,
      "DicomAlwaysAllowGet": true, "DicomAlwaysAllowMove": true, "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
      "DicomWeb": {"Enable": true, "Root": "/dicom-web/"},
      "DicomModalities": {"rouage": ["ROUAGE", "127.0.0.1", )"
        << rouage_port << R"(]}})";
    program_ = std::make_unique<Program>(std::vector<std::string>{"Orthanc", (folder / "orthanc.json").string()},
                                         folder / "orthanc.log");
  }
  static bool installed() {
    return std::system(
               "command -v Orthanc >/dev/null && command -v curl >/dev/null && command -v dcmodify >/dev/null "
               "&& test -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so") == 0;
  }
  bool ready(double patience_s = 30) const {
    const double until = monotonic_s() + patience_s;
    while (monotonic_s() < until) {
      if (std::system(("curl -sf " + url() + "/system >/dev/null").c_str()) == 0) return true;
      ::usleep(200'000);
    }
    return false;
  }
  bool upload(const std::filesystem::path& file) const {
    return std::system(
               ("curl -sf -X POST --data-binary @" + file.string() + " " + url() + "/instances >/dev/null").c_str()) ==
           0;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(http_port); }

  int dicom_port, http_port;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Program> program_;
};

}  // namespace rouage::receive::testing
