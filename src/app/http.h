/// The HTTP door: Boost.Beast behind plain values (http_connection.cpp, http_server.cpp). One file of routes a room.
///
///   Routes routes;
///   routes.add("GET", "/dicomweb/studies/{study}/metadata", [&](const Request& r, Body&) { return json(200, ...); });
///   HttpServer server({.address = "127.0.0.1", .port = 8042}, std::move(routes));  server.start();  server.stop(10);
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace rouage::app {

struct Request {
  std::string method, path;                  ///< path without query, percent-decoded
  std::map<std::string, std::string> parts;  ///< {study} of the route's pattern; may not hold '/', NUL or ".."
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order, names may repeat
  std::map<std::string, std::string> headers;              ///< lower-case names
  std::string client;                                      ///< numeric IP
  std::string certificate_subject;                         ///< TLS with a client certificate; else ""
  bool secure = false;                                     ///< came by TLS
  std::string header(const std::string& name) const;       ///< "" when absent
  std::optional<std::string> parameter(const std::string& name) const;
};

/// The request's body as it comes: bounded memory whatever its size.
class Body {
 public:
  virtual ~Body() = default;
  /// The next piece; empty at the end. Errors: RequestTooLarge, RequestInvalid (the client went away or stalled).
  virtual std::span<const std::uint8_t> next() = 0;
  std::string all(std::size_t cap);  ///< Errors: RequestTooLarge.
};

/// An answer. One of: `body`; `file` (sent from disk, parts of it by Range); `stream` (called until it returns false;
/// appends a piece; on a handler's thread, not for longer than a piece takes; what it throws breaks the connection).
struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::filesystem::path file;
  std::function<bool(std::string& piece)> stream;
};
Response json_response(int status, std::string body);        ///< application/json
Response dicom_json_response(int status, std::string body);  ///< application/dicom+json
/// {"error": name, "message", "remedy"} with the error's HTTP status; Retry-After where a retry helps.
Response error_response(const Error& error);

using Handler = std::function<Response(const Request&, Body&)>;

class Routes {
 public:
  /// pattern: fixed parts and {names}. The most specific wins.
  void add(const std::string& method, const std::string& pattern, Handler handler);
  struct Found {
    const Handler* handler = nullptr;
    std::map<std::string, std::string> parts;
    bool other_method = false;  ///< 405
    std::vector<std::string> allowed;
  };
  Found find(const std::string& method, const std::string& path) const;

 private:
  struct Entry {
    std::string method;
    std::vector<std::string> parts;
    Handler handler;
  };
  static bool fits(const Entry& entry, const std::vector<std::string>& parts);
  std::vector<Entry> entries_;
};

struct HttpOptions {
  std::string address = "127.0.0.1";
  int port = 8042;
  int io_threads = 1, handler_threads = 8;
  std::size_t max_header_bytes = 32 * 1024;
  std::uint64_t max_body_bytes = 16ULL * 1024 * 1024 * 1024;
  double header_deadline_s = 10;  ///< for the whole header
  double idle_timeout_s = 60;     ///< between pieces of a body, and between requests
  int max_connections = 1024, max_connections_per_address = 256;
  std::string certificate, key,
      authorities;                   ///< PEM; TLS when certificate is set; client certificates when authorities is
  std::string bearer_token;          ///< asked of every request but /health and /ready when set
  std::vector<std::string> origins;  ///< of CORS; "*" for any
  int upload_threads = 8;            ///< for bodies that do not come with their header: slow senders block nobody else
  double slowest_body_bytes_s = 8192, slow_body_patience_s = 30;  ///< a body that comes slower for so long is given up
};

class HttpServer {
 public:
  /// Errors: AddressInUse, ConfigInvalid (certificates).
  HttpServer(HttpOptions options, Routes routes);
  ~HttpServer();
  void start();
  void stop(double patience_s);
  int port() const;  ///< the one that was bound (0 was asked: any)

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::app
