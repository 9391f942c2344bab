/// What lies below an association: the transport layer (TCP or TLS), who is at the other end, who we are.
#pragma once
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include "dcmtk/dcmnet/assoc.h"
#include "dcmtk/dcmnet/dcmlayer.h"
#include "dimse/dimse.h"

namespace rouage::dimse {

/// `opened` is told the socket of each connection before its first byte (and before a TLS handshake).
/// Errors: ConfigInvalid (a certificate or key cannot be used; names the file).
std::unique_ptr<DcmTransportLayer> make_transport_layer(bool server, const std::optional<TlsFiles>& tls,
                                                        std::function<void(int)> opened);
/// Subject of the peer's certificate, "" when it showed none.
std::string certificate_subject(T_ASC_Association* association);
/// Numeric; IPv4 in IPv6 as IPv4. "" for other families.
std::string address_text(const sockaddr_storage& address);
/// Rouage's implementation class UID and version name, as in the files that it writes.
const std::string& implementation_class_uid();
inline constexpr const char* kImplementationVersionName = "ROUAGE_0_1";
void name_implementation(char* class_uid, char* version_name);

}  // namespace rouage::dimse
