/// The listener's table of connections that have not sent their association request.
#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "receive/dimse_channel.h"

namespace rouage::receive {

/// What the first bytes of a connection say, looked at without taking them.
enum class Beginning {
  incomplete,  ///< not yet
  request,     ///< an association request (or the first record of TLS) is there
  garbage      ///< something else, or the other side left
};
Beginning beginning_of(int socket, bool tls);

struct Waiting {
  Descriptor socket;
  std::string address;
  double until_s = 0;
  bool leaving = false;  ///< was answered with a rejection: closed when the other side closes, or at until_s
};

/// Connections by descriptor, oldest first. Over a limit the oldest gives way: who floods pushes out himself.
class WaitingRoom {
 public:
  WaitingRoom(std::size_t most, std::size_t most_per_address) : most_(most), most_per_address_(most_per_address) {}
  /// Returns how many had to go for it.
  std::size_t add(Waiting connection);
  Waiting* find(int socket);
  std::optional<Waiting> take(int socket);
  /// Closes what is due; returns how many.
  std::size_t close_due(double now_s);
  double next_due_s() const;  ///< infinity when empty
  std::size_t size() const { return order_.size(); }
  void clear();

 private:
  bool drop_oldest(const std::string* address);
  std::size_t most_, most_per_address_;
  std::map<std::uint64_t, Waiting> order_;  ///< by arrival
  std::map<int, std::uint64_t> by_socket_;
  std::map<std::string, std::size_t> per_address_;
  std::uint64_t arrivals_ = 0;
};

}  // namespace rouage::receive
