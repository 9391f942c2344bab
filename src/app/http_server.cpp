// Listens, accepts, stops. A connection's life is in http_connection.cpp.
#include <utility>  // std::exchange, which Boost 1.74 forgets

#include <fcntl.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <thread>

#include "app/http_hall.h"
#include "base/service.h"

namespace rouage::app {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using Code = boost::system::error_code;

}  // namespace

struct HttpServer::State {
  Hall hall;
  net::io_context io;
  std::optional<net::executor_work_guard<net::io_context::executor_type>> work;
  std::optional<net::ssl::context> tls;
  std::optional<tcp::acceptor> acceptor;
  int port = 0;
  std::vector<std::thread> threads;

  void listen();
  void run();
  net::awaitable<void> accept_all();
  void admit(tcp::socket socket);
};

namespace {

/// Asio does not: a child process that inherits a connection would keep it open after we closed it.
void keep_from_children(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void load_certificates(net::ssl::context& tls, const HttpOptions& options) {
  const auto check = [](const Code& code, const std::string& file) {
    if (code) throw Error(ErrorCode::ConfigInvalid, "TLS: " + code.message()).file(file);
  };
  tls.set_options(net::ssl::context::default_workarounds | net::ssl::context::no_sslv2 | net::ssl::context::no_sslv3 |
                  net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1 | net::ssl::context::single_dh_use);
  Code code;
  tls.use_certificate_chain_file(options.certificate, code);
  check(code, options.certificate);
  tls.use_private_key_file(options.key, net::ssl::context::pem, code);
  check(code, options.key);
  if (options.authorities.empty()) return;
  tls.load_verify_file(options.authorities, code);
  check(code, options.authorities);
  tls.set_verify_mode(net::ssl::verify_peer | net::ssl::verify_fail_if_no_peer_cert, code);
  check(code, options.authorities);
}

}  // namespace

void HttpServer::State::listen() {
  Code code;
  const std::string name = hall.options.address == "localhost" ? "127.0.0.1" : hall.options.address;
  const auto address = net::ip::make_address(name, code);
  if (code) throw Error(ErrorCode::ConfigInvalid, "the HTTP address is no IP address: " + hall.options.address);
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(hall.options.port));
  acceptor.emplace(net::make_strand(io));
  const std::string where = hall.options.address + ":" + std::to_string(hall.options.port);
  const auto check = [&] {
    if (code) throw Error(ErrorCode::AddressInUse, where + ": " + code.message());
  };
  acceptor->open(endpoint.protocol(), code);
  check();
  keep_from_children(acceptor->native_handle());
  acceptor->set_option(tcp::acceptor::reuse_address(true), code);
  acceptor->bind(endpoint, code);
  check();
  acceptor->listen(net::socket_base::max_listen_connections, code);
  check();
  port = acceptor->local_endpoint().port();
}

net::awaitable<void> HttpServer::State::accept_all() {
  while (!hall.stopping) {
    tcp::socket socket(net::make_strand(io));
    Code code;
    co_await acceptor->async_accept(socket, net::redirect_error(net::use_awaitable, code));
    if (code == net::error::operation_aborted || hall.stopping) co_return;
    if (!code) {
      admit(std::move(socket));
      continue;
    }
    // No descriptors left, most likely: wait for some to come back.
    log_event(LogLevel::warning, "app", "HTTP accept failed", {{"why", code.message()}});
    net::steady_timer pause(acceptor->get_executor(), std::chrono::milliseconds(100));
    co_await pause.async_wait(net::redirect_error(net::use_awaitable, code));
  }
}

void HttpServer::State::admit(tcp::socket socket) {
  Code code;
  keep_from_children(socket.native_handle());
  const tcp::endpoint remote = socket.remote_endpoint(code);
  if (code) return;
  const net::ip::address from = remote.address();
  const bool mapped = from.is_v6() && from.to_v6().is_v4_mapped();
  const std::string address =
      mapped ? net::ip::make_address_v4(net::ip::v4_mapped, from.to_v6()).to_string() : from.to_string();
  if (!hall.may_enter(address)) return;  // the socket's destructor closes it
  socket.set_option(tcp::no_delay(true), code);
  const std::shared_ptr<Link> link = connection_of(hall, std::move(socket), tls ? &*tls : nullptr, address);
  hall.enter(link);
  link->start();
}

void HttpServer::State::run() {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception& error) {
      log_event(LogLevel::error, "app", "HTTP thread", {{"why", error.what()}});
    }
  }
}

HttpServer::HttpServer(HttpOptions options, Routes routes) : state_(std::make_unique<State>()) {
  state_->hall.options = std::move(options);
  state_->hall.routes = std::move(routes);
  if (!state_->hall.options.certificate.empty()) {
    state_->tls.emplace(net::ssl::context::tls_server);
    load_certificates(*state_->tls, state_->hall.options);
  }
  state_->listen();
}

HttpServer::~HttpServer() {
  stop(0);
}

void HttpServer::start() {
  State& state = *state_;
  state.hall.quick = std::make_unique<TaskPool>(state.hall.options.handler_threads);
  state.hall.uploads = std::make_unique<TaskPool>(state.hall.options.upload_threads);
  state.work.emplace(net::make_work_guard(state.io));
  net::co_spawn(
      state.acceptor->get_executor(), [&state]() -> net::awaitable<void> { return state.accept_all(); }, net::detached);
  for (int i = 0; i < std::max(1, state.hall.options.io_threads); ++i)
    state.threads.emplace_back([&state] { state.run(); });
}

void HttpServer::stop(double patience_s) {
  State& state = *state_;
  if (state.threads.empty()) return;
  state.hall.stopping = true;
  net::post(state.acceptor->get_executor(), [&state] {
    Code ignored;
    state.acceptor->close(ignored);
  });
  for (const auto& link : state.hall.inside()) link->close_when_idle();
  if (!state.hall.wait_empty(patience_s)) {
    constexpr double kLastWords_s = 2;
    for (const auto& link : state.hall.inside()) link->abort();
    state.hall.wait_empty(kLastWords_s);
  }
  state.hall.uploads->stop();
  state.hall.quick->stop();
  state.work.reset();
  state.io.stop();
  for (std::thread& thread : state.threads) thread.join();
  state.threads.clear();
  for (const auto& link : state.hall.inside()) state.hall.leave(link, {});
}

int HttpServer::port() const {
  return state_->port;
}

}  // namespace rouage::app
