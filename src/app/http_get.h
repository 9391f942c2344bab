/// One GET of a gateway's own status: plain HTTP/1.0, for the command line. What talks to other machines is libcurl in
/// `results` and `receive`.
#pragma once
#include <string>

namespace rouage::app {

struct HttpAnswer {
  int status = 0;
  std::string body;
};
/// Errors: PeerUnreachable (nobody listens, no answer in time), RequestInvalid (not an HTTP answer).
HttpAnswer http_get(const std::string& host, int port, const std::string& path, const std::string& bearer_token,
                    double patience_s);

}  // namespace rouage::app
