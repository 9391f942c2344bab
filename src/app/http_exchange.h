/// One request between the connection that carries it and the handler that answers it. The handler runs on a thread of
/// a pool and may wait for the body; the connection is a coroutine that never waits for a handler without an alarm.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/http.h"

namespace rouage::app {

/// The body as the handler sees it. What comes is put there by the connection, one piece at a time: nothing is read
/// from the socket before it is asked for, which is how a sender is held back.
class PulledBody : public Body {
 public:
  /// ask: called on the handler's thread when a piece is wanted; must be quick.
  explicit PulledBody(std::function<void()> ask) : ask_(std::move(ask)) {}
  std::span<const std::uint8_t> next() override;

  /// The connection's side. `last`: nothing comes after it.
  void put(std::vector<std::uint8_t> piece, bool last);
  void fail(Error error);
  /// The buffer of the piece before, to be filled again.
  std::vector<std::uint8_t> take_buffer();

 private:
  std::function<void()> ask_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint8_t> piece_;
  bool fresh_ = false, last_ = false;
  std::optional<Error> error_;
};

/// An answer ready to be written: its head, and pieces until there are no more.
struct Outgoing {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> length;  ///< absent: chunked
  std::string whole;                    ///< when `more` is empty
  std::function<bool(std::string& piece)> more;
};

/// Opens the file of a response, applies Range, checks header values. A file that is gone becomes 404.
Outgoing outgoing_of(Response response, const Request& request);

/// Runs a handler; what it throws becomes an answer.
Response answer_of(const Handler& handler, const Request& request, Body& body);

/// Headers of CORS for this request, and the answer to a preflight.
std::vector<std::pair<std::string, std::string>> cors_headers(const HttpOptions& options, const Request& request);
Response preflight_response(const std::vector<std::string>& allowed);

/// What is refused before any route is asked: encodings that would have to be inflated, a wrong token. Nothing: go on.
std::optional<Response> refused_early(const HttpOptions& options, const Request& request);

}  // namespace rouage::app
