#include "receive/dimse_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"

namespace rouage::receive {
namespace {

constexpr int kMappedPrefix = 96;

std::optional<std::array<std::uint8_t, 16>> bytes_of(const std::string& text, bool& four) {
  std::array<std::uint8_t, 16> bytes{};
  four = ::inet_pton(AF_INET, text.c_str(), bytes.data() + 12) == 1;
  if (four) {
    bytes[10] = bytes[11] = 0xFF;
    return bytes;
  }
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  return {};
}

}  // namespace

AddressBlock::AddressBlock(const std::string& text) {
  const std::size_t slash = text.find('/');
  bool four = false;
  const auto bytes = bytes_of(text.substr(0, slash), four);
  const int most = four ? 32 : 128;
  int bits = most;
  if (slash != std::string::npos) {
    const auto [end, failure] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
    if (failure != std::errc() || end != text.data() + text.size()) bits = -1;
  }
  if (!bytes || bits < 0 || bits > most)
    throw Error(ErrorCode::ConfigInvalid, "\"" + text + "\" is neither a numeric address nor a CIDR block");
  bytes_ = *bytes;
  bits_ = bits + (four ? kMappedPrefix : 0);
}

bool AddressBlock::holds(const std::string& numeric_address) const {
  bool four = false;
  const auto bytes = bytes_of(numeric_address, four);
  if (!bytes) return false;
  for (int bit = 0; bit < bits_; ++bit) {
    const auto at = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((bytes_[at] & mask) != ((*bytes)[at] & mask)) return false;
  }
  return true;
}

bool any_holds(const std::vector<AddressBlock>& blocks, const std::string& numeric_address) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const AddressBlock& block) { return block.holds(numeric_address); });
}

}  // namespace rouage::receive
