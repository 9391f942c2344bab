#include "dimse/transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "base/error.h"
#include "base/values.h"
#include "dcmtk/dcmtls/tlslayer.h"
#include "dcmtk/ofstd/ofstd.h"

namespace rouage::dimse {
namespace {

/// A transport layer that tells of the sockets that it is given.
template <typename Layer>
class TellingLayer : public Layer {
 public:
  template <typename... Arguments>
  explicit TellingLayer(std::function<void(int)> opened, Arguments... arguments)
      : Layer(arguments...), opened_(std::move(opened)) {}
  DcmTransportConnection* createConnection(DcmNativeSocketType socket, OFBool secure) override {
    DcmTransportConnection* const connection = Layer::createConnection(socket, secure);
    opened_(socket);
    return connection;
  }

 private:
  std::function<void(int)> opened_;
};

void require(const OFCondition& condition, const std::string& file) {
  if (condition.bad()) throw Error(ErrorCode::ConfigInvalid, condition.text()).file(file);
}

}  // namespace

std::unique_ptr<DcmTransportLayer> make_transport_layer(bool server, const std::optional<TlsFiles>& tls,
                                                        std::function<void(int)> opened) {
  if (!tls) return std::make_unique<TellingLayer<DcmTransportLayer>>(std::move(opened));
  const char* const no_seed_file = nullptr;
  auto layer = std::make_unique<TellingLayer<DcmTLSTransportLayer>>(
      std::move(opened), server ? NET_ACCEPTOR : NET_REQUESTOR, no_seed_file, OFTrue);
  if (!tls->authorities.empty())
    require(layer->addTrustedCertificateFile(tls->authorities.c_str(), DCF_Filetype_PEM), tls->authorities);
  if (!tls->certificate.empty()) {
    require(layer->setPrivateKeyFile(tls->key.c_str(), DCF_Filetype_PEM), tls->key);
    require(layer->setCertificateFile(tls->certificate.c_str(), DCF_Filetype_PEM), tls->certificate);
    if (!layer->checkPrivateKeyMatchesCertificate())
      throw Error(ErrorCode::ConfigInvalid, "the private key is not that of the certificate").file(tls->key);
  } else if (server) {
    throw Error(ErrorCode::ConfigInvalid, "TLS needs a certificate and its private key");
  }
  require(layer->setTLSProfile(TSP_Profile_BCP195_ND), tls->certificate);  // TLS 1.2 and later: BCP 195
  require(layer->activateCipherSuites(), tls->certificate);
  layer->setCertificateVerification(tls->verify_peer ? DCV_requireCertificate : DCV_ignoreCertificate);
  return layer;
}

std::string certificate_subject(T_ASC_Association* association) {
  OFString dump;
  ASC_dumpConnectionParameters(dump, association);
  for (const std::string& line : split(std::string_view(dump.c_str(), dump.length()), '\n')) {
    const std::string_view text = trimmed(line);
    const std::size_t colon = text.find(':');
    if (text.starts_with("Subject") && colon != std::string_view::npos)
      return std::string(trimmed(text.substr(colon + 1)));
  }
  return {};
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof(four));
    ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof(six));
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
      ::inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], text, sizeof(text));
    else
      ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
  }
  return text;
}

const std::string& implementation_class_uid() {
  static const std::string uid = derived_uid({"rouage", "implementation class"});
  return uid;
}

void name_implementation(char* class_uid, char* version_name) {
  OFStandard::strlcpy(class_uid, implementation_class_uid().c_str(), sizeof(DIC_UI));
  OFStandard::strlcpy(version_name, kImplementationVersionName, sizeof(DIC_SH));
}

}  // namespace rouage::dimse
