#include "receive/dimse_pipes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace rouage::receive {
namespace {

constexpr int kBacklog = 1024;

class SpawnActions {
 public:
  SpawnActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  void become(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
  void close_from(int first) { ::posix_spawn_file_actions_addclosefrom_np(&actions_, first); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// A child that blocks no signal and hears of its own children, whatever this program does.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawnattr_init(&settings_);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&settings_, &signals);
    ::sigaddset(&signals, SIGCHLD);
    ::posix_spawnattr_setsigdefault(&settings_, &signals);
    ::posix_spawnattr_setflags(&settings_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() { ::posix_spawnattr_destroy(&settings_); }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  const posix_spawnattr_t* get() const { return &settings_; }

 private:
  posix_spawnattr_t settings_{};
};

/// This program's environment, with all symbols bound at the start: else each association's process, a copy of the
/// listener, would bind its own, page by page.
std::vector<char*> bound_at_start() {
  static char now[] = "LD_BIND_NOW=1";
  std::vector<char*> all;
  for (char** one = environ; *one != nullptr; ++one) all.push_back(*one);
  all.push_back(now);
  all.push_back(nullptr);
  return all;
}

/// Above the numbers that are given a meaning, so that no dup2 overwrites a source.
Descriptor moved_up(int descriptor) {
  return Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 10));
}

}  // namespace

Descriptor listen_on(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    throw Error(ErrorCode::ConfigInvalid, fmt::format("\"{}\" is no numeric address", address));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Descriptor socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.number(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket.number(), kBacklog) != 0)
    throw Error(ErrorCode::AddressInUse, fmt::format("{}:{}: {}", address, port, std::strerror(errno)));
  return socket;
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof(six));
    return ::ntohs(six.sin6_port);
  }
  sockaddr_in four{};
  std::memcpy(&four, &address, sizeof(four));
  return ::ntohs(four.sin_port);
}

std::string numeric_address(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof(six));
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
      ::inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], text, sizeof(text));
    else
      ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof(four));
    ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
  }
  return text;
}

StartedListener start_listener(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                               int listening, const std::string& options) {
  int control[2], input[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
    throw Error(ErrorCode::WorkerEnded, std::strerror(errno));
  Descriptor ours(control[0]), theirs(control[1]);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) != 0)
    throw Error(ErrorCode::WorkerEnded, std::strerror(errno));
  Descriptor reading(input[0]), writing(input[1]);
  const Descriptor high_input = moved_up(reading.number()), high_listening = moved_up(listening),
                   high_control = moved_up(theirs.number());
  SpawnActions actions;
  actions.become(high_input.number(), STDIN_FILENO);
  actions.become(high_listening.number(), kListeningDescriptor);
  actions.become(high_control.number(), kControlDescriptor);
  actions.close_from(kControlDescriptor + 1);
  const std::string name = program.string();
  std::vector<char*> words = {const_cast<char*>(name.c_str())};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  const SpawnSettings settings;
  std::vector<char*> environment = bound_at_start();
  StartedListener started;
  const int failure =
      ::posix_spawn(&started.process, name.c_str(), actions.get(), settings.get(), words.data(), environment.data());
  if (failure != 0) throw Error(ErrorCode::WorkerEnded, std::strerror(failure)).file(program);
  reading.close();
  std::string_view rest = options;
  while (!rest.empty()) {
    const ssize_t written = ::send(writing.number(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (written <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  started.control = std::move(ours);
  return started;
}

}  // namespace rouage::receive
