/// One association over DCMTK's upper layer (PS3.8): negotiation and P-DATA. What the messages mean stands in
/// message.h.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "dimse/dimse.h"

namespace rouage::dimse {

/// The association is over, in the middle of what was to be done or between two messages.
enum class End { released, aborted, timed_out, broken };
class Ended : public Error {
 public:
  Ended(End how, const std::string& why) : Error(ErrorCode::PeerUnreachable, why), how_(how) {}
  End how() const { return how_; }

 private:
  End how_;
};

/// An accepted presentation context. requestor_scp: the side that asked for the association may be SCP on it.
struct Context {
  std::uint8_t id = 0;
  std::string sop_class, transfer_syntax;
  bool requestor_scp = false;
};

/// A presentation data value. `bytes` are valid until the next call.
struct Fragment {
  std::uint8_t context = 0;
  bool command = false, last = false;
  std::span<const std::uint8_t> bytes;
};

/// Why an association is not taken (PS3.8 9.3.4).
enum class Rejection { called_title, calling_title, no_reason, busy };

class Association {
 public:
  /// As client. Errors: PeerUnreachable, PeerRefused.
  Association(const Peer& peer, const std::string& calling_ae, const std::vector<Proposal>& proposals);
  /// As server, of an accepted connection (taken over): reads the request, answers nothing yet. Errors: Ended.
  Association(int socket, const ServerOptions& options);
  ~Association();
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;

  const Caller& caller() const;
  void accept(const ServerOptions& options);
  void reject(Rejection reason);

  const std::vector<Context>& contexts() const;
  const Context* context(std::uint8_t id) const;
  /// The context on which a class (and, unless empty, a transfer syntax) was accepted, or null. peer_receives: we, who
  /// accepted the association, send objects on it (C-GET).
  const Context* context_for(const std::string& sop_class, const std::string& transfer_syntax = {},
                             bool peer_receives = false) const;

  /// The next fragment; waits at most wait_s for its first byte, then stall_s for all of it. Errors: Ended.
  Fragment next(double wait_s);
  bool waiting() const;  ///< something has come and is not read yet
  /// Splits into PDUs of the peer's size. Errors: Ended.
  void send(std::uint8_t context, bool command, std::span<const std::uint8_t> bytes, bool last);

  void release();              ///< as client
  void acknowledge_release();  ///< as server
  void abort();
  double answer_timeout_s() const;
  bool over() const;  ///< nothing more can be sent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Transfer syntax to accept of those that are proposed, in their order, for a class; absent: none.
/// known_class: false when the class is not served at all.
struct Choice {
  bool known_class = false;
  std::string transfer_syntax;
};
Choice choose_transfer_syntax(const std::string& sop_class, const std::vector<std::string>& proposed,
                              bool accept_unknown);
bool uncompressed(const std::string& transfer_syntax);  ///< native pixels, deflated included

}  // namespace rouage::dimse
