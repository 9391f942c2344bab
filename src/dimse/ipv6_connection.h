/// A connection to an IPv6 address for DCMTK, which reads "host:port" up to the first colon and so cannot be given one.
#pragma once
#include <string>

namespace rouage::dimse {

/// "::1", "fe80::1%eth0", "[::1]".
bool is_ipv6_literal(const std::string& host);

/// DCMTK is sent to a listener of ours on loopback, and its connection is replaced, before its first byte, by this one.
class Ipv6Connection {
 public:
  /// Connects. Errors: RequestInvalid (no address), PeerUnreachable.
  Ipv6Connection(const std::string& host, int port, double timeout_s);
  ~Ipv6Connection();
  Ipv6Connection(const Ipv6Connection&) = delete;
  Ipv6Connection& operator=(const Ipv6Connection&) = delete;
  const std::string& stand_in() const { return stand_in_; }  ///< "127.0.0.1:port"
  void replace(int socket) const;                            ///< from now on it is this connection

 private:
  int connection_ = -1, listener_ = -1;
  std::string stand_in_;
};

}  // namespace rouage::dimse
