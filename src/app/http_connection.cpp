// One connection: reads heads and bodies, writes answers. A coroutine on a strand of its own; handlers run on two pools
// (http_exchange.h). With http_server.cpp the only file that knows Beast.
#include <utility>  // std::exchange, which Boost 1.74 forgets

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>

#include "app/http_exchange.h"
#include "app/http_hall.h"
#include "app/http_values.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = net::ip::tcp;
using Code = boost::system::error_code;
using Plain = beast::tcp_stream;
using Secure = beast::ssl_stream<beast::tcp_stream>;
using Parser = http::request_parser<http::buffer_body>;

constexpr std::size_t kFirstPiece = 16 * 1024;  ///< of a body: read before a handler's thread is taken
constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kWholeBody = 1024 * 1024;    ///< a longer answer is written in pieces
constexpr std::uint64_t kDrained = 8 * kMebibyte;  ///< of a body that nobody wanted, before the connection is closed
constexpr double kLinger_s = 3;

std::chrono::nanoseconds seconds(double s) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(s * 1e9));
}

Counter& requests_total(const std::string& method, int status) {
  return metrics().counter("rouage_http_requests_total", "HTTP requests answered",
                           {{"method", method}, {"status", std::to_string(status)}});
}

/// Turns Beast's head into ours. False: malformed.
bool take_head(const Parser& parser, Request& request) {
  const auto& head = parser.get();
  request.method = std::string(head.method_string());
  for (const auto& field : head) {
    const std::string name = lower_case(std::string_view(field.name_string().data(), field.name_string().size()));
    const std::string value(field.value());
    std::string& here = request.headers[name];
    here += here.empty() ? value : ", " + value;
  }
  if (head.version() == 11 && request.headers.count("host") == 0) return false;
  const auto target = head.target();
  return parse_target(std::string_view(target.data(), target.size()), request);
}

/// A method that is no word of ours must not become a label of a metric.
std::string known_method(const std::string& method) {
  for (const char* known : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
    if (method == known) return method;
  return "other";
}

Response plain_refusal(int status, const char* message) {
  return json_response(status, std::string(R"({"error":"RequestInvalid","message":")") + message + R"("})");
}

template <typename Stream>
class Connection : public Link, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  Connection(Hall& hall, Stream stream, std::string address)
      : hall_(hall),
        stream_(std::move(stream)),
        address_(std::move(address)),
        alarm_(stream_.get_executor()),
        buffer_(hall.options.max_header_bytes + kFirstPiece) {}

  void start() override {
    auto self = this->shared_from_this();
    net::co_spawn(
        stream_.get_executor(), [self]() -> net::awaitable<void> { return self->live(); }, net::detached);
  }
  void close_when_idle() override {
    net::post(stream_.get_executor(), [self = this->shared_from_this()] {
      if (self->idle_) self->lowest().close();
    });
  }
  void abort() override {
    net::post(stream_.get_executor(), [self = this->shared_from_this()] { self->lowest().close(); });
    const std::lock_guard lock(body_mutex_);
    if (body_) body_->fail(Error(ErrorCode::Stopping));
  }

 private:
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }
  void set_deadline(double s) { lowest().expires_after(seconds(s)); }

  net::awaitable<void> live() {
    const std::shared_ptr<Link> self = this->shared_from_this();
    try {
      bool open = co_await shake_hands();
      while (open) open = co_await serve_one();
      co_await say_goodbye();
    } catch (const std::exception& error) {
      log_event(LogLevel::warning, "app", "connection failed", {{"address", address_}, {"why", error.what()}});
    }
    hall_.leave(self, address_);
  }

  net::awaitable<bool> shake_hands() {
    if constexpr (std::is_same_v<Stream, Secure>) {
      Code code;
      set_deadline(hall_.options.header_deadline_s);
      co_await stream_.async_handshake(net::ssl::stream_base::server, net::redirect_error(net::use_awaitable, code));
      if (code) {
        log_event(LogLevel::info, "app", "TLS refused", {{"address", address_}, {"why", code.message()}});
        co_return false;
      }
      // Declared by what Asio includes; the name of the certificate that was verified.
      if (X509* certificate = SSL_get1_peer_certificate(stream_.native_handle())) {
        std::array<char, 512> text{};
        X509_NAME_oneline(X509_get_subject_name(certificate), text.data(), static_cast<int>(text.size()));
        subject_ = text.data();
        X509_free(certificate);
      }
    }
    co_return true;
  }

  net::awaitable<bool> serve_one() {
    const bool first = std::exchange(first_, false);
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(hall_.options.max_header_bytes));
    parser.body_limit(hall_.options.max_body_bytes);
    const Code code = co_await read_head(parser, first);
    if (code == http::error::end_of_stream || hall_.stopping) co_return false;
    const double began_s = monotonic_s();
    Request request;
    request.client = address_;
    request.certificate_subject = subject_;
    request.secure = std::is_same_v<Stream, Secure>;
    if (code) co_return co_await refuse_head(code, request);
    if (!take_head(parser, request)) co_return co_await refuse(400, "the request line or the header", request);
    const std::string transfer = lower_case(request.header("transfer-encoding"));
    if (!transfer.empty() && transfer != "chunked")
      co_return co_await refuse(501, "no transfer encoding but chunked", request);
    const bool open = co_await answer(parser, request);
    static Histogram& took = metrics().histogram("rouage_http_seconds", "from the head of a request to its last byte");
    took.observe(monotonic_s() - began_s);
    co_return open;
  }

  /// Waits for the first byte as long as an idle connection may live, then for the whole head as long as a head may
  /// take: a drip of bytes does not lengthen it.
  net::awaitable<Code> read_head(Parser& parser, bool first) {
    Code code;
    if (!first && buffer_.size() == 0) {
      idle_ = true;
      if (hall_.stopping) co_return http::error::end_of_stream;
      set_deadline(hall_.options.idle_timeout_s);
      const auto room = buffer_.prepare(4096);
      const std::size_t got = co_await stream_.async_read_some(room, net::redirect_error(net::use_awaitable, code));
      idle_ = false;
      if (code) co_return http::error::end_of_stream;
      buffer_.commit(got);
    }
    set_deadline(hall_.options.header_deadline_s);
    idle_ = first && buffer_.size() == 0;
    co_await http::async_read_header(stream_, buffer_, parser, net::redirect_error(net::use_awaitable, code));
    idle_ = false;
    co_return code;
  }

  /// A deadline that passed has closed the socket: there is nobody left to tell.
  net::awaitable<bool> refuse_head(Code code, const Request& request) {
    int status = 0;
    if (code == http::error::header_limit || code == http::error::buffer_overflow) status = 431;
    if (code == http::error::body_limit) status = 413;
    if (status == 0 && code.category() == make_error_code(http::error::bad_method).category() &&
        code != http::error::partial_message)
      status = 400;
    if (status == 0) co_return false;
    co_return co_await refuse(status, "the head of the request is malformed or too long", request);
  }

  net::awaitable<bool> refuse(int status, const char* message, const Request& request) {
    Outgoing out = outgoing_of(plain_refusal(status, message), request);
    co_await write(std::move(out), request, false, 11);
    linger_ = true;
    co_return false;
  }

  /// From the head on. Returns whether the connection goes on.
  net::awaitable<bool> answer(Parser& parser, Request& request) {
    const unsigned version = parser.get().version();
    bool keep = parser.get().keep_alive();
    const auto body = std::make_shared<PulledBody>([weak = this->weak_from_this()] {
      if (const auto self = weak.lock()) self->ask_for(Wanted::piece);
    });
    {
      const std::lock_guard lock(body_mutex_);
      body_ = body;
    }
    std::optional<Outgoing> ready = early_answer(request);
    if (!ready) {
      bool whole = true;
      const bool readable = co_await first_piece(parser, request, *body, whole);
      if (!readable) co_return false;
      ready = co_await handled(parser, request, body, whole);
    }
    keep = keep && parser.is_done() && !hall_.stopping;
    if (!parser.is_done()) linger_ = true;
    const bool written = co_await write(std::move(*ready), request, keep, version);
    const std::lock_guard lock(body_mutex_);
    body_.reset();
    co_return written&& keep;
  }

  std::optional<Outgoing> early_answer(Request& request) {
    cors_ = cors_headers(hall_.options, request);
    const std::string wanted = request.method == "HEAD" ? "GET" : request.method;
    Routes::Found found = hall_.routes.find(wanted, request.path);
    if (request.method == "OPTIONS" && found.handler == nullptr && !found.allowed.empty())
      return outgoing_of(preflight_response(found.allowed), request);
    if (auto refusal = refused_early(hall_.options, request)) return outgoing_of(std::move(*refusal), request);
    if (found.other_method) {
      Response response = plain_refusal(405, "this method is not offered here");
      std::string allowed;
      for (const std::string& method : found.allowed) allowed += (allowed.empty() ? "" : ", ") + method;
      response.headers.emplace_back("Allow", allowed);
      return outgoing_of(std::move(response), request);
    }
    if (found.handler == nullptr)
      return outgoing_of(error_response(Error(ErrorCode::NotFound, "no such address")), request);
    handler_ = found.handler;
    request.parts = std::move(found.parts);
    return {};
  }

  /// Reads what a short body has, so that only long or slow ones take a thread of the uploads.
  net::awaitable<bool> first_piece(Parser& parser, const Request& request, PulledBody& body, bool& whole) {
    waited_s_ = 0;
    received_ = 0;
    if (!parser.is_done() && lower_case(request.header("expect")) == "100-continue" && buffer_.size() == 0) {
      static const std::string kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      Code code;
      set_deadline(hall_.options.idle_timeout_s);
      co_await net::async_write(stream_, net::buffer(kContinue), net::redirect_error(net::use_awaitable, code));
      if (code) co_return false;
    }
    std::vector<std::uint8_t> piece(parser.is_done() ? 0 : kFirstPiece);
    std::size_t filled = 0;
    while (!parser.is_done() && filled < piece.size()) {
      const std::size_t got = co_await read_some(parser, piece.data() + filled, piece.size() - filled);
      if (problem_) co_return co_await refuse_body(request);
      filled += got;
    }
    whole = parser.is_done();
    piece.resize(filled);
    if (filled > 0)
      body.put(std::move(piece), whole);
    else
      body.put({}, true);
    co_return true;
  }

  net::awaitable<bool> refuse_body(const Request& request) {
    const Error error = *problem_;
    problem_.reset();
    Outgoing out = outgoing_of(error_response(error), request);
    co_await write(std::move(out), request, false, 11);
    linger_ = true;
    co_return false;
  }

  /// Some bytes of the body; problem_ when there are none to come.
  net::awaitable<std::size_t> read_some(Parser& parser, std::uint8_t* to, std::size_t room) {
    parser.get().body().data = to;
    parser.get().body().size = room;
    const double began_s = monotonic_s();
    Code code;
    set_deadline(hall_.options.idle_timeout_s);
    co_await http::async_read_some(stream_, buffer_, parser, net::redirect_error(net::use_awaitable, code));
    const std::size_t got = room - parser.get().body().size;
    waited_s_ += monotonic_s() - began_s;
    received_ += got;
    if (code == http::error::need_buffer) code = {};
    const bool slow = waited_s_ > hall_.options.slow_body_patience_s &&
                      static_cast<double>(received_) < hall_.options.slowest_body_bytes_s * waited_s_;
    if (code == http::error::body_limit) {
      problem_ = Error(ErrorCode::RequestTooLarge, "the body is over the server's limit");
    } else if (code == beast::error::timeout || (slow && !parser.is_done())) {
      problem_ = Error(ErrorCode::RequestInvalid, "the body came too slowly");
    } else if (code) {
      problem_ = Error(ErrorCode::RequestInvalid, "the body ended early or is malformed");
    }
    co_return got;
  }

  enum class Wanted { nothing, piece, answered };

  /// From a handler's thread.
  void ask_for(Wanted what) {
    net::post(stream_.get_executor(), [self = this->shared_from_this(), what] {
      self->wanted_ = what;
      self->alarm_.cancel();
    });
  }

  net::awaitable<Wanted> next_wish() {
    while (wanted_ == Wanted::nothing) {
      Code ignored;
      alarm_.expires_at(net::steady_timer::time_point::max());
      co_await alarm_.async_wait(net::redirect_error(net::use_awaitable, ignored));
    }
    co_return std::exchange(wanted_, Wanted::nothing);
  }

  /// Hands the request to a handler and feeds it until it has answered.
  net::awaitable<Outgoing> handled(Parser& parser, const Request& request, std::shared_ptr<PulledBody> body,
                                   bool whole) {
    const auto made = std::make_shared<Outgoing>();
    const auto asked = std::make_shared<const Request>(request);
    TaskPool& pool = whole ? *hall_.quick : *hall_.uploads;
    pool.submit([made, asked, body, handler = handler_, self = this->shared_from_this()] {
      *made = outgoing_of(answer_of(*handler, *asked, *body), *asked);
      self->ask_for(Wanted::answered);
    });
    while (true) {
      const Wanted wish = co_await next_wish();
      if (wish == Wanted::answered) break;
      co_await feed(parser, *body);
    }
    co_return std::move(*made);
  }

  net::awaitable<void> feed(Parser& parser, PulledBody& body) {
    std::vector<std::uint8_t> piece = body.take_buffer();
    piece.resize(kPiece);
    std::size_t filled = 0;
    // Fill it: a handler is woken for a quarter of a megabyte, not for each packet.
    while (!parser.is_done() && filled < piece.size()) {
      filled += co_await read_some(parser, piece.data() + filled, piece.size() - filled);
      if (!problem_) continue;
      body.fail(*problem_);
      problem_.reset();
      co_return;
    }
    piece.resize(filled);
    body.put(std::move(piece), parser.is_done());
  }

  template <typename BodyType>
  void fill_head(http::response<BodyType>& message, const Outgoing& out, bool keep, unsigned version) const {
    message.version(version);
    message.result(static_cast<unsigned>(out.status));
    const auto reason = reason_phrase(out.status);
    message.reason({reason.data(), reason.size()});
    message.set(http::field::server, "rouage");
    message.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : out.headers) message.insert(name, value);
    for (const auto& [name, value] : cors_) message.insert(name, value);
    if (message.find(http::field::cache_control) == message.end()) message.set(http::field::cache_control, "no-store");
    message.keep_alive(keep);
  }

  net::awaitable<bool> write(Outgoing out, const Request& request, bool keep, unsigned version) {
    requests_total(known_method(request.method), out.status).add();
    log_event(
        LogLevel::debug, "app", "request",
        {{"method", request.method}, patient_field("path", request.path), {"status", std::to_string(out.status)}});
    const bool no_body = request.method == "HEAD" || out.status == 204 || out.status == 304;
    if (no_body || (!out.more && out.whole.size() <= kWholeBody))
      co_return co_await write_whole(out, no_body, keep, version);
    // Before HTTP/1.1 the end of a body without length is the end of the connection.
    if (!out.length && version < 11) keep = false;
    const bool written = co_await write_pieces(out, keep, version);
    co_return written&& keep;
  }

  net::awaitable<bool> write_whole(Outgoing& out, bool no_body, bool keep, unsigned version) {
    http::response<http::string_body> message;
    fill_head(message, out, keep, version);
    if (no_body) {
      if (out.length && out.status != 204 && out.status != 304) message.content_length(*out.length);
    } else {
      message.body() = std::move(out.whole);
      message.prepare_payload();
    }
    Code code;
    set_deadline(hall_.options.idle_timeout_s);
    http::response_serializer<http::string_body> serializer(message);
    co_await http::async_write(stream_, serializer, net::redirect_error(net::use_awaitable, code));
    co_return !code;
  }

  /// Each piece is made on a handler's thread and written here: a slow reader holds a connection, not a thread.
  net::awaitable<bool> write_pieces(Outgoing& out, bool keep, unsigned version) {
    http::response<http::buffer_body> message;
    fill_head(message, out, keep, version);
    if (out.length)
      message.content_length(*out.length);
    else if (version == 11)
      message.chunked(true);
    message.body().data = nullptr;
    message.body().more = true;
    http::response_serializer<http::buffer_body> serializer(message);
    Code code;
    set_deadline(hall_.options.idle_timeout_s);
    co_await http::async_write_header(stream_, serializer, net::redirect_error(net::use_awaitable, code));
    const auto made = std::make_shared<Made>();
    if (!out.more) out.more = slices(std::move(out.whole));
    made->more = std::move(out.more);
    while (!code && !made->last) {
      co_await make_piece(made);
      if (made->failed) co_return false;
      if (made->piece.empty()) continue;
      message.body().data = made->piece.data();
      message.body().size = made->piece.size();
      set_deadline(hall_.options.idle_timeout_s);
      co_await http::async_write(stream_, serializer, net::redirect_error(net::use_awaitable, code));
      if (code == http::error::need_buffer) code = {};
    }
    if (code) co_return false;
    message.body().data = nullptr;
    message.body().size = 0;
    message.body().more = false;
    set_deadline(hall_.options.idle_timeout_s);
    co_await http::async_write(stream_, serializer, net::redirect_error(net::use_awaitable, code));
    co_return !code;
  }

  struct Made {
    std::function<bool(std::string&)> more;
    std::string piece;
    bool last = false, failed = false;
  };

  net::awaitable<void> make_piece(std::shared_ptr<Made> made) {
    hall_.quick->submit([made, self = this->shared_from_this()] {
      made->piece.clear();
      try {
        made->last = !made->more(made->piece);
      } catch (const std::exception& error) {
        made->failed = true;
        log_event(LogLevel::error, "app", "an answer broke off", {patient_field("why", error.what())});
      }
      self->ask_for(Wanted::answered);
    });
    co_await next_wish();
  }

  static std::function<bool(std::string&)> slices(std::string whole) {
    return [whole = std::move(whole), at = std::size_t{0}](std::string& piece) mutable {
      piece = whole.substr(at, kPiece);
      at += piece.size();
      return at < whole.size();
    };
  }

  /// Closes so that a client that is still sending can read our answer: a socket closed with unread data resets.
  net::awaitable<void> say_goodbye() {
    Code code;
    set_deadline(kLinger_s);
    if constexpr (std::is_same_v<Stream, Secure>) {
      if (!linger_) co_await stream_.async_shutdown(net::redirect_error(net::use_awaitable, code));
    }
    lowest().socket().shutdown(tcp::socket::shutdown_send, code);
    std::vector<char> unwanted(linger_ ? kFirstPiece : 0);
    for (std::uint64_t drained = 0; linger_ && drained < kDrained;) {
      const std::size_t got =
          co_await lowest().async_read_some(net::buffer(unwanted), net::redirect_error(net::use_awaitable, code));
      if (code) break;
      drained += got;
    }
    lowest().close();
  }

  Hall& hall_;
  Stream stream_;
  std::string address_, subject_;
  net::steady_timer alarm_;
  beast::flat_buffer buffer_;
  std::mutex body_mutex_;
  std::shared_ptr<PulledBody> body_;
  std::vector<std::pair<std::string, std::string>> cors_;
  const Handler* handler_ = nullptr;
  Wanted wanted_ = Wanted::nothing;
  std::optional<Error> problem_;
  double waited_s_ = 0;
  std::uint64_t received_ = 0;
  bool first_ = true, idle_ = true, linger_ = false;
};

}  // namespace

std::shared_ptr<Link> connection_of(Hall& hall, tcp::socket socket, net::ssl::context* tls,
                                    const std::string& address) {
  if (tls != nullptr)
    return std::make_shared<Connection<Secure>>(hall, Secure(beast::tcp_stream(std::move(socket)), *tls), address);
  return std::make_shared<Connection<Plain>>(hall, Plain(std::move(socket)), address);
}

}  // namespace rouage::app
