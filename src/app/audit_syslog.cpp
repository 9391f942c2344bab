#include <utility>  // Asio 1.74 uses std::exchange without asking for it

#include "app/audit_syslog.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <chrono>
#include <functional>

#include "base/error.h"
#include "base/service.h"

namespace rouage::app {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using Failure = boost::system::error_code;

constexpr std::size_t kLargestDatagram = 65'000;

[[noreturn]] void unreachable(const std::string& host, const std::string& why) {
  throw Error(ErrorCode::PeerUnreachable, "audit repository " + host + ": " + why);
}

/// RFC 5424 names hold printable ASCII only.
std::string printable(std::string text, std::size_t longest) {
  std::erase_if(text, [](char c) { return c <= 0x20 || c >= 0x7F; });
  if (text.size() > longest) text.resize(longest);
  return text.empty() ? "-" : text;
}

}  // namespace

SyslogAddress syslog_address(const std::string& url) {
  const auto fail = [&]() -> SyslogAddress {
    throw Error(ErrorCode::ConfigInvalid, "not a syslog address (udp://, tcp:// or tls://host:port): " + url);
  };
  SyslogAddress address;
  const std::size_t mark = url.find("://");
  if (mark == std::string::npos) return fail();
  const std::string scheme = url.substr(0, mark);
  using Transport = SyslogAddress::Transport;
  if (scheme == "udp")
    address = {Transport::udp, "", 514};
  else if (scheme == "tcp")
    address = {Transport::tcp, "", 601};
  else if (scheme == "tls")
    address = {Transport::tls, "", 6514};
  else
    return fail();
  std::string rest = url.substr(mark + 3);
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  std::string port;
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t end = rest.find(']');
    if (end == std::string::npos) return fail();
    address.host = rest.substr(1, end - 1);
    if (end + 1 < rest.size()) {
      if (rest[end + 1] != ':') return fail();
      port = rest.substr(end + 2);
    }
  } else {
    const std::size_t colon = rest.find(':');
    address.host = rest.substr(0, colon);
    if (colon != std::string::npos) port = rest.substr(colon + 1);
    if (colon != std::string::npos && port.empty()) return fail();
  }
  if (!port.empty()) {
    if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos) return fail();
    address.port = std::stoi(port);
  }
  if (address.host.empty() || address.port < 1 || address.port > 65535) return fail();
  return address;
}

std::string syslog_line(const std::string& xml, double utc_s) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("<85>1 {} {} rouage {} DICOM+RFC3881 - \xEF\xBB\xBF{}", utc_text(utc_s),
                     printable(host.data(), 255), ::getpid(), xml);
}

struct SyslogSender::State {
  SyslogAddress address;
  SyslogSecurity security;
  std::chrono::milliseconds timeout;
  asio::io_context io;
  std::unique_ptr<udp::socket> datagrams;
  std::unique_ptr<tcp::socket> plain;
  std::unique_ptr<asio::ssl::context> tls;
  std::unique_ptr<asio::ssl::stream<tcp::socket>> secure;

  void close() {
    Failure ignored;
    if (secure) secure->lowest_layer().close(ignored);
    if (plain) plain->close(ignored);
    if (datagrams) datagrams->close(ignored);
  }

  /// Runs one asynchronous step within the time; Asio's synchronous calls know none.
  void within_time(const char* doing, const std::function<void(std::function<void(Failure)>)>& start) {
    Failure result = asio::error::would_block;
    start([&](Failure failure) { result = failure; });
    io.restart();
    io.run_for(timeout);
    if (result == asio::error::would_block) {
      close();
      io.run_for(std::chrono::seconds(1));  // the step ends: its handler refers to this frame
      unreachable(address.host, std::string(doing) + " takes too long");
    }
    if (result) unreachable(address.host, std::string(doing) + ": " + result.message());
  }

  template <typename Protocol>
  typename Protocol::resolver::results_type resolved() {
    auto resolver = std::make_shared<typename Protocol::resolver>(io);
    typename Protocol::resolver::results_type found;
    within_time("finding the host", [&](auto done) {
      resolver->async_resolve(address.host, std::to_string(address.port),
                              [&found, done](Failure failure, typename Protocol::resolver::results_type results) {
                                found = std::move(results);
                                done(failure);
                              });
    });
    return found;
  }

  void connect_socket(tcp::socket& socket) {
    const auto endpoints = resolved<tcp>();
    within_time("connecting", [&](auto done) {
      asio::async_connect(socket, endpoints, [done](Failure failure, const tcp::endpoint&) { done(failure); });
    });
    Failure ignored;
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
  }

  void make_tls() {
    try {
      tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
      tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                       asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
      tls->set_verify_mode(asio::ssl::verify_peer);
      if (security.authorities.empty())
        tls->set_default_verify_paths();
      else
        tls->load_verify_file(security.authorities);
      if (!security.certificate.empty()) {
        tls->use_certificate_chain_file(security.certificate);
        tls->use_private_key_file(security.key, asio::ssl::context::pem);
      }
    } catch (const boost::system::system_error& error) {
      tls.reset();
      throw Error(ErrorCode::ConfigInvalid, std::string("certificates of the audit transport: ") + error.what());
    }
  }

  void connect() {
    if (address.transport == SyslogAddress::Transport::udp) {
      const auto endpoints = resolved<udp>();
      datagrams = std::make_unique<udp::socket>(io);
      Failure failure;
      datagrams->connect(endpoints.begin()->endpoint(), failure);
      if (failure) unreachable(address.host, failure.message());
      return;
    }
    if (address.transport == SyslogAddress::Transport::tcp) {
      plain = std::make_unique<tcp::socket>(io);
      connect_socket(*plain);
      return;
    }
    if (!tls) make_tls();
    secure = std::make_unique<asio::ssl::stream<tcp::socket>>(io, *tls);
    secure->set_verify_callback(asio::ssl::host_name_verification(address.host));
    connect_socket(secure->next_layer());
    within_time("the TLS handshake", [&](auto done) {
      secure->async_handshake(asio::ssl::stream_base::client, [done](Failure failure) { done(failure); });
    });
  }

  bool alive() {
    tcp::socket* socket = plain ? plain.get() : secure ? &secure->next_layer() : nullptr;
    if (socket == nullptr) return datagrams != nullptr;
    if (!socket->is_open()) return false;
    char byte = 0;  // a repository sends nothing but the end of the connection (and TLS records, which may stay)
    const ssize_t n = ::recv(socket->native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  }

  void drop() {
    close();
    secure.reset();
    plain.reset();
    datagrams.reset();
  }

  void send(const std::string& line) {
    if (address.transport == SyslogAddress::Transport::udp && line.size() > kLargestDatagram)
      throw Error(ErrorCode::RequestTooLarge, fmt::format("an audit message of {} bytes for UDP", line.size()));
    if (!alive()) {
      drop();
      connect();
    }
    if (datagrams) {
      within_time("sending", [&](auto done) {
        datagrams->async_send(asio::buffer(line), [done](Failure failure, std::size_t) { done(failure); });
      });
      return;
    }
    const std::string counted = std::to_string(line.size()) + " " + line;
    within_time("sending", [&](auto done) {
      const auto sent = [done](Failure failure, std::size_t) { done(failure); };
      if (plain)
        asio::async_write(*plain, asio::buffer(counted), sent);
      else
        asio::async_write(*secure, asio::buffer(counted), sent);
    });
  }
};

SyslogSender::SyslogSender(SyslogAddress address, SyslogSecurity security, double timeout_s)
    : state_(std::make_unique<State>()) {
  state_->address = std::move(address);
  state_->security = std::move(security);
  state_->timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout_s * 1000));
}

SyslogSender::~SyslogSender() = default;

void SyslogSender::send(const std::string& line) {
  try {
    state_->send(line);
  } catch (const Error&) {
    state_->drop();
    throw;
  } catch (const std::exception& error) {
    state_->drop();
    unreachable(state_->address.host, error.what());
  }
}

}  // namespace rouage::app
