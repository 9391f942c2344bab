#include "dimse/ipv6_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace rouage::dimse {
namespace {

std::string without_brackets(const std::string& host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

/// 0 or the cause.
int connect_within(int socket, const addrinfo& to, double timeout_s) {
  if (::connect(socket, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd made{socket, POLLOUT, 0};
  const int ready = ::poll(&made, 1, static_cast<int>(timeout_s * 1000));
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int cause = 0;
  socklen_t length = sizeof(cause);
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &cause, &length) == 0 ? cause : errno;
}

/// Its port; 0 when there is none.
int listen_on_loopback(int socket) {
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(here);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&here), length) != 0 || ::listen(socket, 1) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&here), &length) != 0)
    return 0;
  return ::ntohs(here.sin_port);
}

}  // namespace

bool is_ipv6_literal(const std::string& host) {
  return host.find(':') != std::string::npos;
}

Ipv6Connection::Ipv6Connection(const std::string& host, int port, double timeout_s) {
  addrinfo hints{};
  hints.ai_family = AF_INET6;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(without_brackets(host).c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    throw Error(ErrorCode::RequestInvalid, fmt::format("\"{}\" is no IPv6 address", host));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  connection_ = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int cause = connection_ < 0 || listener_ < 0 ? errno : connect_within(connection_, *found, timeout_s);
  const int stand_in = cause == 0 ? listen_on_loopback(listener_) : 0;
  if (cause == 0 && stand_in == 0) cause = errno;
  if (cause != 0) {
    ::close(connection_);
    ::close(listener_);
    throw Error(ErrorCode::PeerUnreachable, fmt::format("{} port {}: {}", host, port, std::strerror(cause)));
  }
  ::fcntl(connection_, F_SETFL, ::fcntl(connection_, F_GETFL) & ~O_NONBLOCK);
  stand_in_ = fmt::format("127.0.0.1:{}", stand_in);
}

Ipv6Connection::~Ipv6Connection() {
  ::close(connection_);
  ::close(listener_);
}

void Ipv6Connection::replace(int socket) const {
  ::dup3(connection_, socket, O_CLOEXEC);
}

}  // namespace rouage::dimse
