/// Blocks of network addresses: "192.168.1.0/24", "10.0.0.7", "fd00::/8".
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace rouage::receive {

class AddressBlock {
 public:
  /// Errors: ConfigInvalid.
  explicit AddressBlock(const std::string& text);
  bool holds(const std::string& numeric_address) const;

 private:
  std::array<std::uint8_t, 16> bytes_{};  ///< IPv4 as IPv4-mapped IPv6
  int bits_ = 128;
};

bool any_holds(const std::vector<AddressBlock>& blocks, const std::string& numeric_address);

}  // namespace rouage::receive
