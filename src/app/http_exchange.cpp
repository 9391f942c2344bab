#include "app/http_exchange.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "app/http_values.h"
#include "base/service.h"

namespace rouage::app {
namespace {

constexpr std::size_t kPiece = 256 * 1024;

/// An open file; closed with the last copy of its pointer.
struct OpenFile {
  explicit OpenFile(const std::filesystem::path& path) : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor >= 0) ::close(descriptor);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  std::optional<std::uint64_t> size() const {
    struct stat figures {};
    if (descriptor < 0 || ::fstat(descriptor, &figures) != 0 || !S_ISREG(figures.st_mode)) return {};
    return static_cast<std::uint64_t>(figures.st_size);
  }
  const int descriptor;
};

/// Reads `range` of a file piece by piece. A file that became shorter breaks the connection: the length is promised.
std::function<bool(std::string&)> pieces_of(const std::shared_ptr<OpenFile>& file, ByteRange range) {
  return [file, at = range.first, left = range.length](std::string& piece) mutable {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
    std::size_t got = 0;
    while (got < piece.size()) {
      const ssize_t n = ::pread(file->descriptor, piece.data() + got, piece.size() - got, static_cast<off_t>(at + got));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw Error(ErrorCode::StoreDamaged, "a file became shorter while it was sent");
      got += static_cast<std::size_t>(n);
    }
    at += got;
    left -= got;
    return left > 0;
  };
}

void set_file(Outgoing& out, const std::filesystem::path& path, const Request& request) {
  const auto file = std::make_shared<OpenFile>(path);
  const auto size = file->size();
  if (!size) throw Error(ErrorCode::NotFound, "its file is not there");
  ByteRange range{0, *size};
  out.headers.emplace_back("Accept-Ranges", "bytes");
  if (const auto asked = byte_range(request.header("range"), *size); asked && out.status == 200) {
    if (asked->length == 0) {
      out.status = 416;
      out.headers.emplace_back("Content-Range", "bytes */" + std::to_string(*size));
      out.length = 0;
      return;
    }
    range = *asked;
    out.status = 206;
    out.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                  std::to_string(range.first + range.length - 1) + "/" +
                                                  std::to_string(*size));
  }
  out.length = range.length;
  if (range.length > 0) out.more = pieces_of(file, range);
}

/// A value out of a study's header must not end the line.
std::string header_value(std::string value) {
  for (char& c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return value;
}

}  // namespace

std::span<const std::uint8_t> PulledBody::next() {
  std::unique_lock lock(mutex_);
  if (error_) throw Error(*error_);
  if (!fresh_) {
    if (last_) return {};
    lock.unlock();
    ask_();
    lock.lock();
    changed_.wait(lock, [this] { return fresh_ || error_; });
    if (error_) throw Error(*error_);
  }
  fresh_ = false;
  return piece_;
}

void PulledBody::put(std::vector<std::uint8_t> piece, bool last) {
  {
    const std::lock_guard lock(mutex_);
    piece_ = std::move(piece);
    last_ = last;
    fresh_ = true;
  }
  changed_.notify_all();
}

void PulledBody::fail(Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  changed_.notify_all();
}

std::vector<std::uint8_t> PulledBody::take_buffer() {
  const std::lock_guard lock(mutex_);
  return std::move(piece_);
}

Response answer_of(const Handler& handler, const Request& request, Body& body) {
  try {
    return handler(request, body);
  } catch (const Error& error) {
    const ErrorEntry& entry = error_entry(error.code());
    if (entry.http >= 500)
      log_event(entry.retry ? LogLevel::warning : LogLevel::error, "app", "request failed",
                {{"method", request.method},
                 patient_field("path", request.path),
                 {"error", std::string(entry.name)},
                 patient_field("why", error.what())});
    return error_response(error);
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "app", "request failed",
              {{"method", request.method}, patient_field("path", request.path), {"why", error.what()}});
    return error_response(Error(ErrorCode::Internal));
  }
}

Outgoing outgoing_of(Response response, const Request& request) {
  Outgoing out;
  out.status = response.status;
  for (auto& [name, value] : response.headers) out.headers.emplace_back(name, header_value(std::move(value)));
  if (!response.file.empty()) {
    try {
      set_file(out, response.file, request);
    } catch (const Error& error) {
      return outgoing_of(error_response(error), request);
    }
  } else if (response.stream) {
    out.more = std::move(response.stream);
  } else {
    out.length = response.body.size();
    out.whole = std::move(response.body);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> cors_headers(const HttpOptions& options, const Request& request) {
  const std::string origin = request.header("origin");
  if (origin.empty() || options.origins.empty()) return {};
  const auto listed = [&](const std::string& one) { return one == "*" || one == origin; };
  if (std::none_of(options.origins.begin(), options.origins.end(), listed)) return {};
  return {{"Access-Control-Allow-Origin", origin},
          {"Vary", "Origin"},
          {"Access-Control-Expose-Headers", "Content-Type, Content-Length, Content-Location, Warning, Retry-After"}};
}

Response preflight_response(const std::vector<std::string>& allowed) {
  std::string methods = "OPTIONS";
  for (const std::string& method : allowed) methods += ", " + method + (method == "GET" ? ", HEAD" : "");
  Response response;
  response.status = 204;
  response.headers = {{"Allow", methods},
                      {"Access-Control-Allow-Methods", methods},
                      {"Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Range"},
                      {"Access-Control-Max-Age", "600"}};
  return response;
}

std::optional<Response> refused_early(const HttpOptions& options, const Request& request) {
  // Nothing is ever inflated on the way in: that is the defence against zip and gzip bombs.
  const std::string encoding = lower_case(request.header("content-encoding"));
  if (!encoding.empty() && encoding != "identity") {
    Response response = json_response(
        415, R"({"error":"RequestInvalid","message":"Content-Encoding is not accepted: send the body as it is"})");
    response.headers.emplace_back("Accept-Encoding", "identity");
    return response;
  }
  if (!options.bearer_token.empty() && request.path != "/health" && request.path != "/ready") {
    constexpr std::string_view kScheme = "bearer ";
    const std::string given = request.header("authorization");
    const bool scheme = lower_case(given.substr(0, kScheme.size())) == kScheme;
    if (!scheme || !same_secret(trimmed(std::string_view(given).substr(kScheme.size())), options.bearer_token)) {
      Response response =
          json_response(401, R"({"error":"NotAuthorised","message":"a bearer token is asked for, and this is none"})");
      response.headers.emplace_back("WWW-Authenticate", "Bearer");
      return response;
    }
  }
  return {};
}

}  // namespace rouage::app
