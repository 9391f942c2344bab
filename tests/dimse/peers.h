/// The programs of others at the other end of a connection, folders, real files: what the tests of `dimse` and of the
/// DIMSE front of `receive` share.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/host.h"

namespace rouage::test {

namespace fs = std::filesystem;

/// A fresh folder, removed at the end.
class Scratch {
 public:
  explicit Scratch(const std::string& name)
      : path_(fs::temp_directory_path() / ("rouage-dimse-" + name + "-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Scratch() { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct Outcome {
  int status = -1;
  std::string output;  ///< standard output and error together
};

/// DCMTK's programs as their makers ship them, Nagle's algorithm off as stack.md says.
inline Outcome shell(const std::string& command) {
  Outcome outcome;
  FILE* pipe = ::popen(("TCP_NODELAY=1 timeout 120 " + command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  for (std::size_t read = 0; (read = ::fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    outcome.output.append(buffer, read);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

inline bool program_exists(const std::string& name) {
  return ::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

/// A port that was free a moment ago.
inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(socket);
  return ::ntohs(address.sin_port);
}

/// A TCP connection to loopback, or -1.
inline int connect_to(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  address.sin_port = ::htons(static_cast<std::uint16_t>(port));
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return socket;
  ::close(socket);
  return -1;
}

template <typename Condition>
bool within(double seconds, Condition condition) {
  const double until = monotonic_s() + seconds;
  while (!condition()) {
    if (monotonic_s() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

/// True when the other side closes (or resets) within the time; what it sends is read away.
inline bool closed_within(int socket, double seconds) {
  return within(seconds, [socket] {
    char buffer[4096];
    const ssize_t got = ::recv(socket, buffer, sizeof(buffer), MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
  });
}

/// A program that runs beside the test, ended by its own id.
class Background {
 public:
  Background(const std::vector<std::string>& arguments, const fs::path& log) {
    child_ = ::fork();
    if (child_ != 0) return;
    ::setenv("TCP_NODELAY", "1", 1);
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    std::vector<char*> words;
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ~Background() {
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  bool listens(int port) const {
    return within(10, [port] {
      const int socket = connect_to(port);
      if (socket >= 0) ::close(socket);
      return socket >= 0;
    });
  }

 private:
  pid_t child_ = -1;
};

inline std::string dump_of(const fs::path& file) {
  return shell("dcmdump -q +L +R 4096 " + file.string()).output;
}

/// The bytes after the file's group 0002: the data set as it travels.
inline Bytes data_set_bytes(const fs::path& file) {
  const Bytes bytes = read_file(file, 512 * kMebibyte);
  std::size_t at = 132;
  const auto number = [&](std::size_t from, int count) {
    std::size_t value = 0;
    for (int i = count - 1; i >= 0; --i) value = (value << 8) | bytes[from + static_cast<std::size_t>(i)];
    return value;
  };
  while (at + 12 <= bytes.size() && number(at, 2) == 2) {
    const bool wide = bytes[at + 4] == 'O' && bytes[at + 5] == 'B';
    at += wide ? 12 + number(at + 8, 4) : 8 + number(at + 6, 2);
  }
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end());
}

inline fs::path shared(const std::string& name) {
  return fs::path(ROUAGE_SHARED_DIR) / "data" / name;
}

/// One self-signed authority with a certificate for `name`, by openssl: FOLDER/ca.pem, NAME.pem, NAME.key.
inline void make_certificate(const fs::path& folder, const std::string& name) {
  const std::string in = "cd " + folder.string() + " && ";
  if (!fs::exists(folder / "ca.pem"))
    shell("sh -c '" + in +
          "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Test-CA -keyout ca.key -out "
          "ca.pem'");
  shell("sh -c '" + in + "openssl req -newkey rsa:2048 -nodes -subj /O=Test/CN=" + name + " -keyout " + name +
        ".key -out " + name + ".csr && openssl x509 -req -in " + name +
        ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out " + name + ".pem'");
}

}  // namespace rouage::test
