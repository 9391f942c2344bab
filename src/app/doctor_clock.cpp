// Is this machine's clock right? By one SNTP exchange (RFC 4330), or by what the kernel says of its own discipline.
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>

#include "app/doctor.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace {

constexpr double kSince1900 = 2208988800.0;  // 1970-01-01 in NTP's seconds
constexpr std::size_t kPacket = 48;
using Packet = std::array<std::uint8_t, kPacket>;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

void put_time(Packet& packet, std::size_t at, double utc_s) {
  const double ntp = utc_s + kSince1900;
  const auto seconds = static_cast<std::uint64_t>(ntp);
  const auto fraction = static_cast<std::uint64_t>((ntp - std::floor(ntp)) * 4294967296.0);
  for (std::size_t i = 0; i < 4; ++i) {
    packet[at + i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
    packet[at + 4 + i] = static_cast<std::uint8_t>(fraction >> (24 - 8 * i));
  }
}

/// UTC seconds; the era after 2036 begins at 0 again (RFC 4330 section 3).
double time_at(const Packet& packet, std::size_t at) {
  std::uint64_t seconds = 0, fraction = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    seconds = (seconds << 8) | packet[at + i];
    fraction = (fraction << 8) | packet[at + 4 + i];
  }
  if (seconds < 0x80000000ULL) seconds += 0x100000000ULL;
  return static_cast<double>(seconds) + static_cast<double>(fraction) / 4294967296.0 - kSince1900;
}

/// "host", "host:port", "[v6]:port".
std::pair<std::string, std::string> host_and_port(const std::string& server) {
  if (!server.empty() && server.front() == '[') {
    const std::size_t end = server.find(']');
    if (end == std::string::npos) return {server, "123"};
    const std::string port = end + 1 < server.size() && server[end + 1] == ':' ? server.substr(end + 2) : "123";
    return {server.substr(1, end - 1), port};
  }
  const std::size_t colon = server.find(':');
  if (colon == std::string::npos || server.find(':', colon + 1) != std::string::npos) return {server, "123"};
  return {server.substr(0, colon), server.substr(colon + 1)};
}

/// Why the answer is none that tells the time; "" when it does.
std::string unusable(const Packet& sent, const Packet& answer) {
  if ((answer[0] & 0x7) != 4) return "the answer is not a server's";
  if (answer[1] == 0) return "the server refuses (kiss of death)";
  if ((answer[0] >> 6) == 3 || answer[1] > 15) return "the server is not synchronised itself";
  if (!std::equal(sent.begin() + 40, sent.end(), answer.begin() + 24)) return "the answer is to another question";
  return {};
}

/// A connected UDP socket takes answers of this server only.
int connected_socket(const std::string& server) {
  const auto [host, port] = host_and_port(server);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* raw = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw) != 0) return -1;
  const std::unique_ptr<addrinfo, FreeAddresses> list(raw);
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    const int socket = ::socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket >= 0 && ::connect(socket, one->ai_addr, one->ai_addrlen) == 0) return socket;
    if (socket >= 0) ::close(socket);
  }
  return -1;
}

ClockState by_server(const std::string& server, double timeout_s) {
  ClockState state;
  state.source = "NTP server " + server;
  const int socket = connected_socket(server);
  if (socket < 0) {
    state.detail = "the server's name or address cannot be used";
    return state;
  }
  Packet question{};
  question[0] = (4 << 3) | 3;  // version 4, client
  const double sent_utc = utc_now_s(), sent_at = monotonic_s();
  put_time(question, 40, sent_utc);
  state.detail = "the server did not answer";
  Packet answer{};
  if (::send(socket, question.data(), question.size(), 0) == static_cast<ssize_t>(kPacket)) {
    pollfd polled{socket, POLLIN, 0};
    const bool came = ::poll(&polled, 1, static_cast<int>(timeout_s * 1000)) == 1 &&
                      ::recv(socket, answer.data(), answer.size(), 0) == static_cast<ssize_t>(kPacket);
    const double round_s = monotonic_s() - sent_at;
    if (came) {
      state.detail = unusable(question, answer);
      if (state.detail.empty()) {
        const double received = time_at(answer, 32), returned = time_at(answer, 40);
        const double back = sent_utc + round_s;  // by the monotonic clock: a step meanwhile does not count
        state.offset_s = ((received - sent_utc) + (returned - back)) / 2;
        state.uncertainty_s = std::max(0.0, round_s - (returned - received)) / 2;
        state.synchronised = std::abs(*state.offset_s) <= kClockTolerance_s + state.uncertainty_s;
      }
    }
  }
  ::close(socket);
  return state;
}

ClockState by_kernel() {
  ClockState state;
  state.source = "kernel";
  timex figures{};
  const int result = ::adjtimex(&figures);  // modes 0: reads only
  if (result < 0) {
    state.detail = fmt::format("the kernel does not say: {}", std::strerror(errno));
    return state;
  }
  state.synchronised = result != TIME_ERROR && (figures.status & STA_UNSYNC) == 0;
  if (*state.synchronised) {
    const double unit = (figures.status & STA_NANO) != 0 ? 1e-9 : 1e-6;
    state.offset_s = static_cast<double>(figures.offset) * unit;
    state.uncertainty_s = static_cast<double>(figures.esterror) * 1e-6;
  } else {
    state.detail = "no program (chrony, systemd-timesyncd, ntpd, the host) disciplines the clock";
  }
  return state;
}

}  // namespace

ClockState clock_state(const std::optional<std::string>& ntp_server, double timeout_s) {
  if (ntp_server && !ntp_server->empty()) return by_server(*ntp_server, timeout_s);
  return by_kernel();
}

std::string clock_text(const ClockState& state) {
  std::string text = state.source + ": ";
  if (state.offset_s)
    text += fmt::format("off by {} s (±{} s)", fixed_text(*state.offset_s, 3), fixed_text(state.uncertainty_s, 3));
  else
    text += "offset not known";
  if (state.synchronised) text += *state.synchronised ? ", synchronised" : ", NOT synchronised";
  if (!state.detail.empty()) text += "; " + state.detail;
  return text;
}

}  // namespace rouage::app
