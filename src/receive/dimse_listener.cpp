#include "receive/dimse_listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "dicom/reading.h"
#include "receive/dimse_address.h"
#include "receive/dimse_association.h"
#include "receive/dimse_pipes.h"

namespace rouage::receive {
namespace {

constexpr double kLeave_s = 2;
constexpr double kComplaint_s = 10;  // one log line in so many seconds for what a hostile network may cause at will

class Listener {
 public:
  Listener(DimseFrontOptions options, Descriptor listening, Descriptor control)
      : options_(std::move(options)),
        listening_(std::move(listening)),
        control_(std::move(control)),
        waiting_(static_cast<std::size_t>(options_.max_waiting),
                 static_cast<std::size_t>(options_.max_waiting_per_address)) {
    bool any = options_.allowed.empty();
    for (const AllowedPeer& peer : options_.allowed) {
      any = any || peer.addresses.empty();
      for (const std::string& block : peer.addresses) allowed_.emplace_back(block);
    }
    if (any) allowed_.clear();
  }

  void run();

 private:
  void watch(int descriptor, std::uint32_t events);
  void accept_all();
  void look_at(int socket);
  void serve(Waiting connection);
  void reject(Waiting connection);
  void become_association(int connection, Descriptor channel);
  void reap();
  void stop();
  void complain(const std::string& what, const std::string& address);
  int patience_ms() const;

  DimseFrontOptions options_;
  std::vector<AddressBlock> allowed_;
  Descriptor listening_, control_, epoll_, signals_;
  WaitingRoom waiting_;
  std::map<pid_t, std::string> children_;  ///< associations: their addresses
  std::map<std::string, int> per_address_;
  double complained_s_ = -kComplaint_s;
  bool stopping_ = false;
};

void Listener::watch(int descriptor, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &event);
}

void Listener::complain(const std::string& what, const std::string& address) {
  if (monotonic_s() - complained_s_ < kComplaint_s) return;
  complained_s_ = monotonic_s();
  log_event(LogLevel::warning, "receive", what, {{"address", address}});
}

int Listener::patience_ms() const {
  const double next = waiting_.next_due_s();
  if (!std::isfinite(next)) return -1;
  return static_cast<int>(std::clamp((next - monotonic_s()) * 1000 + 1, 0.0, 60'000.0));
}

void Listener::run() {
  sigset_t child_ended;
  ::sigemptyset(&child_ended);
  ::sigaddset(&child_ended, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child_ended, nullptr);
  signals_ = Descriptor(::signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK));
  epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  ::fcntl(listening_.number(), F_SETFL, ::fcntl(listening_.number(), F_GETFL) | O_NONBLOCK);
  watch(listening_.number(), EPOLLIN);
  watch(control_.number(), EPOLLIN);
  watch(signals_.number(), EPOLLIN);
  while (!stopping_ || !children_.empty()) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.number(), events, 64, patience_ms());
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[i].data.fd;
      if (descriptor == control_.number()) {
        const std::optional<Handed> order = take_over(descriptor);
        if (!order) return;  // the gateway is gone: so are its associations
        stop();
      } else if (descriptor == signals_.number()) {
        reap();
      } else if (descriptor == listening_.number()) {
        accept_all();
      } else {
        look_at(descriptor);
      }
    }
    waiting_.close_due(monotonic_s());
  }
}

void Listener::stop() {
  stopping_ = true;
  waiting_.clear();
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, listening_.number(), nullptr);
}

void Listener::accept_all() {
  while (!stopping_) {
    sockaddr_storage from{};
    socklen_t length = sizeof(from);
    Descriptor socket(
        ::accept4(listening_.number(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      // Out of descriptors: whoever waits longest gives way, or this would be asked again and again.
      if ((errno == EMFILE || errno == ENFILE) && waiting_.size() > 0) waiting_.close_due(waiting_.next_due_s());
      return;
    }
    std::string address = numeric_address(from);
    if (!allowed_.empty() && !any_holds(allowed_, address)) {
      complain("connection refused: its address is not in the list", address);
      continue;
    }
    const int number = socket.number();
    if (waiting_.add({std::move(socket), address, monotonic_s() + options_.server.association_timeout_s}) > 0)
      complain("many silent connections: the oldest were closed", address);
    watch(number, EPOLLIN | EPOLLRDHUP | EPOLLET);
  }
}

void Listener::look_at(int socket) {
  Waiting* const connection = waiting_.find(socket);
  if (connection == nullptr) return;
  if (connection->leaving) {
    char rest[4096];
    ssize_t got = 0;
    while ((got = ::recv(socket, rest, sizeof(rest), MSG_DONTWAIT)) > 0) {
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) waiting_.take(socket);
    return;
  }
  switch (beginning_of(socket, options_.server.tls.has_value())) {
    case Beginning::incomplete:
      return;
    case Beginning::garbage:
      waiting_.take(socket);
      return;
    case Beginning::request:
      ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, socket, nullptr);
      serve(std::move(*waiting_.take(socket)));
  }
}

void Listener::serve(Waiting connection) {
  if (static_cast<int>(children_.size()) >= options_.max_associations ||
      per_address_[connection.address] >= options_.max_per_address) {
    complain("association rejected: too many are open", connection.address);
    return reject(std::move(connection));
  }
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return reject(std::move(connection));
  Descriptor ours(pair[0]), theirs(pair[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    ours.close();  // or this process would hold its own channel open
    become_association(connection.socket.release(), std::move(theirs));
  }
  if (child < 0) return reject(std::move(connection));
  children_[child] = connection.address;
  ++per_address_[connection.address];
  hand_over(control_.number(), fmt::format("{}", child), ours.number());
}

/// PS3.8 9.3.4: transient, by the presentation related provider, local limit exceeded. Over TLS there is no saying it.
void Listener::reject(Waiting connection) {
  if (options_.server.tls) return;
  constexpr std::uint8_t kLimitExceeded[] = {3, 0, 0, 0, 0, 4, 0, 2, 3, 2};
  const int socket = connection.socket.number();
  char request[4096];
  while (::recv(socket, request, sizeof(request), MSG_DONTWAIT) > 0) {
  }
  ::send(socket, kLimitExceeded, sizeof(kLimitExceeded), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket, SHUT_WR);
  connection.leaving = true;
  connection.until_s = monotonic_s() + kLeave_s;
  waiting_.add(std::move(connection));
  watch(socket, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

/// In the child: nothing of the listener's is kept open, or a silent client would hang on to it.
void Listener::become_association(int connection, Descriptor channel) {
  waiting_.clear();
  for (Descriptor* descriptor : {&listening_, &control_, &epoll_, &signals_}) descriptor->close();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::fcntl(connection, F_SETFL, ::fcntl(connection, F_GETFL) & ~O_NONBLOCK);
  run_association(connection, std::move(channel), options_);
  ::_exit(0);
}

void Listener::reap() {
  signalfd_siginfo told{};
  while (::read(signals_.number(), &told, sizeof(told)) > 0) {
  }
  int status = 0;
  for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = children_.find(child);
    if (found == children_.end()) continue;
    if (WIFSIGNALED(status))
      log_event(LogLevel::error, "receive", "an association's process was ended by a signal",
                {{"signal", std::to_string(WTERMSIG(status))}, {"address", found->second}});
    if (--per_address_[found->second] == 0) per_address_.erase(found->second);
    children_.erase(found);
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int dimse_listener_as_child() {
  std::signal(SIGINT, SIG_IGN);  // the gateway decides when to stop; its end closes our channel
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(STDIN_FILENO, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  DimseFrontOptions options = options_from(nlohmann::json::parse(text, nullptr, false));
  set_log_options(options.log);
  raise_descriptor_limit();
  dicom::initialise();  // the dictionary is loaded once, and shared by all associations
  Listener(std::move(options), Descriptor(kListeningDescriptor), Descriptor(kControlDescriptor)).run();
  return 0;
}

}  // namespace rouage::receive
