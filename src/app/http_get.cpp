#include "app/http_get.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace {

constexpr std::size_t kLargestAnswer = 64 * kMebibyte;

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Socket connected(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unknown = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (unknown != 0) throw Error(ErrorCode::PeerUnreachable, fmt::format("{}: {}", host, ::gai_strerror(unknown)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int cause = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Socket socket(::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol));
    if (socket.get() >= 0 && ::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0) return socket;
    cause = errno;
  }
  throw Error(ErrorCode::PeerUnreachable, fmt::format("{}:{}: {}", host, port, std::strerror(cause)))
      .remedy("is rouage serve running there? see --url");
}

std::string read_all(const Socket& socket, double until_s) {
  std::string all;
  std::array<char, 65536> piece{};
  while (true) {
    pollfd wait{socket.get(), POLLIN, 0};
    const double left_s = until_s - monotonic_s();
    if (left_s <= 0 || ::poll(&wait, 1, static_cast<int>(left_s * 1000) + 1) == 0)
      throw Error(ErrorCode::PeerUnreachable, "no answer in time");
    const ssize_t got = ::recv(socket.get(), piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::PeerUnreachable, std::strerror(errno));
    if (got == 0) return all;
    all.append(piece.data(), static_cast<std::size_t>(got));
    if (all.size() > kLargestAnswer) throw Error(ErrorCode::RequestTooLarge, "the answer does not end");
  }
}

}  // namespace

HttpAnswer http_get(const std::string& host, int port, const std::string& path, const std::string& bearer_token,
                    double patience_s) {
  const double until_s = monotonic_s() + patience_s;
  const Socket socket = connected(host, port);
  std::string request = fmt::format("GET {} HTTP/1.0\r\nHost: {}\r\n", path, host);
  if (!bearer_token.empty()) request += "Authorization: Bearer " + bearer_token + "\r\n";
  request += "\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != std::ssize(request))
    throw Error(ErrorCode::PeerUnreachable, "the request cannot be sent");
  const std::string all = read_all(socket, until_s);
  const std::size_t end = all.find("\r\n\r\n");
  HttpAnswer answer;
  if (end == std::string::npos || !all.starts_with("HTTP/1.") || all.size() < 12)
    throw Error(ErrorCode::RequestInvalid, "what listens there does not speak HTTP");
  answer.status = std::atoi(all.substr(9, 3).c_str());
  answer.body = all.substr(end + 4);
  return answer;
}

}  // namespace rouage::app
