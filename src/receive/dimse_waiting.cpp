#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "receive/dimse_listener.h"

namespace rouage::receive {
namespace {

constexpr std::uint8_t kAssociateRequest = 0x01, kTlsHandshake = 0x16;
constexpr std::size_t kPduHead = 6, kTlsHead = 5;
/// Longer requests than this are no requests (128 contexts with 50 syntaxes each are some 400 KB).
constexpr std::size_t kLongestRequest = 1024 * 1024;
/// So much of a long request is waited for here; the rest may come to the association's process.
constexpr std::size_t kEnough = 16 * 1024;

}  // namespace

Beginning beginning_of(int socket, bool tls) {
  std::uint8_t head[kPduHead] = {};
  const std::size_t wanted = tls ? kTlsHead : kPduHead;
  const ssize_t got = ::recv(socket, head, wanted, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Beginning::incomplete;
  if (got <= 0) return Beginning::garbage;
  if (head[0] != (tls ? kTlsHandshake : kAssociateRequest)) return Beginning::garbage;
  if (static_cast<std::size_t>(got) < wanted) return Beginning::incomplete;
  const std::size_t length = tls ? static_cast<std::size_t>(head[3]) << 8 | head[4]
                                 : static_cast<std::size_t>(head[2]) << 24 | static_cast<std::size_t>(head[3]) << 16 |
                                       static_cast<std::size_t>(head[4]) << 8 | head[5];
  if (length > kLongestRequest) return Beginning::garbage;
  int here = 0;
  if (::ioctl(socket, FIONREAD, &here) != 0) return Beginning::garbage;
  return static_cast<std::size_t>(here) >= std::min(wanted + length, kEnough) ? Beginning::request
                                                                              : Beginning::incomplete;
}

std::size_t WaitingRoom::add(Waiting connection) {
  std::size_t dropped = 0;
  while (per_address_[connection.address] >= most_per_address_ && drop_oldest(&connection.address)) ++dropped;
  while (order_.size() >= most_ && drop_oldest(nullptr)) ++dropped;
  ++per_address_[connection.address];
  by_socket_[connection.socket.number()] = arrivals_;
  order_.emplace(arrivals_++, std::move(connection));
  return dropped;
}

Waiting* WaitingRoom::find(int socket) {
  const auto found = by_socket_.find(socket);
  return found == by_socket_.end() ? nullptr : &order_.at(found->second);
}

std::optional<Waiting> WaitingRoom::take(int socket) {
  const auto found = by_socket_.find(socket);
  if (found == by_socket_.end()) return {};
  const auto place = order_.find(found->second);
  Waiting connection = std::move(place->second);
  order_.erase(place);
  by_socket_.erase(found);
  if (--per_address_[connection.address] == 0) per_address_.erase(connection.address);
  return connection;
}

bool WaitingRoom::drop_oldest(const std::string* address) {
  for (const auto& [arrival, connection] : order_) {
    if (address != nullptr && connection.address != *address) continue;
    take(connection.socket.number());
    return true;
  }
  return false;
}

std::size_t WaitingRoom::close_due(double now_s) {
  std::vector<int> due;
  for (const auto& [arrival, connection] : order_)
    if (connection.until_s <= now_s) due.push_back(connection.socket.number());
  for (const int socket : due) take(socket);
  return due.size();
}

double WaitingRoom::next_due_s() const {
  double next = std::numeric_limits<double>::infinity();
  for (const auto& [arrival, connection] : order_) next = std::min(next, connection.until_s);
  return next;
}

void WaitingRoom::clear() {
  order_.clear();
  by_socket_.clear();
  per_address_.clear();
}

}  // namespace rouage::receive
