/// Syslog transport of audit messages: RFC 5424 lines by UDP (RFC 5426), TCP (RFC 6587 octet counting) or TLS (RFC
/// 5425). One object, one thread.
#pragma once
#include <memory>
#include <string>

namespace rouage::app {

struct SyslogAddress {
  enum class Transport { udp, tcp, tls } transport = Transport::udp;
  std::string host;
  int port = 514;
};
/// "udp://host[:514]", "tcp://host[:601]", "tls://host[:6514]", "[v6]" in brackets. Errors: ConfigInvalid.
SyslogAddress syslog_address(const std::string& url);

/// "<85>1 TIME HOST rouage PID DICOM+RFC3881 - BOM xml" (PS3.15 A.6: facility authpriv, severity notice).
std::string syslog_line(const std::string& xml, double utc_s);

struct SyslogSecurity {
  std::string authorities, certificate, key;  ///< PEM files; authorities "": the system's
};

class SyslogSender {
 public:
  SyslogSender(SyslogAddress address, SyslogSecurity security, double timeout_s);
  ~SyslogSender();
  SyslogSender(const SyslogSender&) = delete;
  SyslogSender& operator=(const SyslogSender&) = delete;
  /// Connects when needed. Errors: PeerUnreachable, RequestTooLarge (UDP), ConfigInvalid (certificates). Syslog has no
  /// answer: what was sent into a connection that had died unnoticed is lost; a closed one is noticed before sending.
  void send(const std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::app
