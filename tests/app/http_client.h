/// A client that may misbehave: raw bytes over a socket.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/values.h"

namespace http_client {

inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< lower-case names
  std::string body;
  bool whole = false;  ///< ended as its length or its last chunk says
};

class Socket {
 public:
  explicit Socket(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    connected_ = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        connected_(other.connected_),
        buffer_(std::move(other.buffer_)) {}
  Socket& operator=(Socket&&) = delete;
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  bool connected() const { return connected_; }

  /// False when the server does not take it within the time.
  bool send(std::string_view bytes, double within_s = 10) {
    const double until_s = now_s() + within_s;
    while (!bytes.empty()) {
      pollfd wait{descriptor_, POLLOUT, 0};
      const double left_s = until_s - now_s();
      if (left_s <= 0 || ::poll(&wait, 1, static_cast<int>(left_s * 1000)) <= 0) return false;
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) continue;
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Some bytes more; false at the end of the connection or of the time.
  bool fill(double within_s) {
    pollfd wait{descriptor_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(within_s * 1000)) <= 0) return false;
    char piece[65536];
    const ssize_t got = ::recv(descriptor_, piece, sizeof piece, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(piece, static_cast<std::size_t>(got));
    return true;
  }
  /// True when the server closes within the time.
  bool closed_within(double s) {
    const double until_s = now_s() + s;
    while (!ended_ && now_s() < until_s) fill(until_s - now_s());
    return ended_;
  }

  std::optional<Answer> answer(double within_s = 10, bool no_body = false) {
    const double until_s = now_s() + within_s;
    const auto more = [&] { return now_s() < until_s && fill(until_s - now_s()); };
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return {};
    Answer found = head_of(buffer_.substr(0, end));
    buffer_.erase(0, end + 4);
    if (found.status == 100) return found;
    if (no_body || found.status == 204) {
      found.whole = true;
      return found;
    }
    if (found.headers.count("transfer-encoding") != 0) {
      while (true) {
        std::size_t line = 0;
        while ((line = buffer_.find("\r\n")) == std::string::npos)
          if (!more()) return found;
        const std::size_t length = std::stoul(buffer_.substr(0, line), nullptr, 16);
        while (buffer_.size() < line + 4 + length)
          if (!more()) return found;
        found.body += buffer_.substr(line + 2, length);
        buffer_.erase(0, line + 4 + length);
        if (length == 0) break;
      }
      found.whole = true;
      return found;
    }
    const auto length = found.headers.find("content-length");
    const std::size_t wanted = length == found.headers.end() ? std::string::npos : std::stoul(length->second);
    while (buffer_.size() < wanted && more()) {
    }
    found.body = buffer_.substr(0, wanted);
    found.whole = wanted == std::string::npos ? ended_ : found.body.size() == wanted;
    buffer_.erase(0, wanted);
    return found;
  }

 private:
  static Answer head_of(const std::string& text) {
    Answer found;
    const auto lines = rouage::split(text, '\n');
    found.status = std::stoi(lines.at(0).substr(9, 3));
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto colon = lines[i].find(':');
      if (colon == std::string::npos) continue;
      found.headers[rouage::lower_case(lines[i].substr(0, colon))] =
          std::string(rouage::trimmed(std::string_view(lines[i]).substr(colon + 1)));
    }
    return found;
  }
  int descriptor_ = -1;
  bool connected_ = false, ended_ = false;
  std::string buffer_;
};

inline Answer ask(int port, const std::string& request, double within_s = 10, bool no_body = false) {
  Socket socket(port);
  if (!socket.send(request)) return {};
  return socket.answer(within_s, no_body).value_or(Answer{});
}
inline Answer get(int port, const std::string& target, const std::string& headers = "") {
  return ask(port, "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n");
}

}  // namespace http_client
