/// An HTTP(S) client for deliveries, by libcurl: uploads streamed from a file, answers capped. Internal.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "results/delivery.h"
#include "results/delivery_sender.h"

namespace rouage::results {

/// The body is head, then the file (where one is named), then tail; its length is sent.
struct Upload {
  std::string url;
  std::vector<std::string> headers;  ///< "Content-Type: ..."
  std::string head, tail;
  std::filesystem::path file;
};
struct HttpAnswer {
  int status = 0;            ///< 0: no answer
  std::string body;          ///< at most 1 MiB
  double retry_after_s = 0;  ///< 0: not said
  bool connected = false;
  std::string error;  ///< where status is 0
};

/// TLS by the destination's files, a bearer token or a password read anew for each request (they may be renewed).
/// No redirection is followed: a token would go to a stranger. One thread.
class HttpClient {
 public:
  HttpClient(const Destination& destination, const std::atomic<bool>& cut);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  /// Errors: FileMissing (the file, a token, a password).
  HttpAnswer post(const Upload& upload);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What an answer means where its body says nothing more: 2xx delivered; no connection, 401, 403, 404, 408, 429, 502,
/// 503 and 504 away (a setting or the service, not this object); other 4xx refused; the rest again.
Attempt attempt_of(const HttpAnswer& answer);
/// The start of a text from the network for a message: one line, valid UTF-8.
std::string excerpt(const std::string& text);

}  // namespace rouage::results
