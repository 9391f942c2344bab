/// How the front starts its listener: which descriptors it finds open, and the socket that it listens on.
#pragma once
#include <sys/socket.h>
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "receive/dimse_channel.h"

namespace rouage::receive {

inline constexpr int kListeningDescriptor = 3, kControlDescriptor = 4;

/// Errors: AddressInUse, ConfigInvalid (not numeric).
Descriptor listen_on(const std::string& address, int port);
int port_of(int socket);
std::string numeric_address(const sockaddr_storage& address);  ///< IPv4 in IPv6 as IPv4

struct StartedListener {
  pid_t process = -1;
  Descriptor control;
};
/// Starts PROGRAM with the two descriptors and `options` on its standard input. Errors: WorkerEnded.
StartedListener start_listener(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                               int listening, const std::string& options);

}  // namespace rouage::receive
