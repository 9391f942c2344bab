#include "receive/mllp.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

namespace rouage::receive {
namespace {

constexpr char kBegin = 0x0B, kEnd = 0x1C, kReturn = 0x0D, kFeed = 0x0A;

/// IPv4 as the 16 bytes of ::ffff:a.b.c.d.
struct Address {
  std::array<std::uint8_t, 16> bytes{};
  bool four = false;
};

std::optional<Address> address_of(const std::string& text) {
  Address address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data() + 12) == 1) {
    address.bytes[10] = address.bytes[11] = 0xFF;
    address.four = true;
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) != 1) return std::nullopt;
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  address.four = std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
  return address;
}

struct Block {
  Address address;
  int bits = 128;
};

std::optional<Block> block_of(const std::string& rule) {
  const std::size_t slash = rule.find('/');
  const auto address = address_of(rule.substr(0, slash));
  if (!address) return std::nullopt;
  Block block{*address, 128};
  if (slash == std::string::npos) return block;
  const std::string digits = rule.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  const int bits = std::stoi(digits);
  if (bits > (address->four ? 32 : 128)) return std::nullopt;
  block.bits = address->four ? bits + 96 : bits;
  return block;
}

bool inside(const Address& address, const Block& block) {
  for (int bit = 0; bit < block.bits; bit += 8) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int used = std::min(8, block.bits - bit);
    const auto mask = static_cast<std::uint8_t>(0xFF << (8 - used));
    if ((address.bytes[byte] & mask) != (block.address.bytes[byte] & mask)) return false;
  }
  return true;
}

}  // namespace

void MllpFramer::break_off(const char* why) {
  state_ = State::broken;
  why_ = why;
  message_ = {};
}

std::size_t MllpFramer::push(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && (state_ == State::between || state_ == State::inside)) {
    if (state_ == State::between) {
      const std::size_t begin = bytes.find(kBegin, at);
      const std::size_t end = begin == std::string_view::npos ? bytes.size() : begin;
      const std::string_view skipped = bytes.substr(at, end - at);
      noise_ += static_cast<std::size_t>(
          std::count_if(skipped.begin(), skipped.end(), [](char c) { return c != kReturn && c != kFeed && c != ' '; }));
      at = end;
      if (noise_ > kNoiseCap) {
        break_off("this is not MLLP: no message begins");
        return at;
      }
      if (begin == std::string_view::npos) return at;
      ++at;
      state_ = State::inside;
      noise_ = 0;
      continue;
    }
    if (ending_) {
      ending_ = false;
      if (bytes[at] == kReturn || bytes[at] == kFeed)
        state_ = State::complete;
      else
        break_off("the end of a message (0x1C) is not followed by 0x0D");
      ++at;
      return at;
    }
    std::size_t stop = at;
    while (stop < bytes.size() && bytes[stop] != kEnd && bytes[stop] != kBegin) ++stop;
    if (message_.size() + (stop - at) > cap_) {
      break_off("the message is larger than the limit");
      return stop;
    }
    message_.append(bytes.substr(at, stop - at));
    at = stop;
    if (at == bytes.size()) return at;
    if (bytes[at] == kBegin) {
      message_.clear();
      ++restarts_;
    } else {
      ending_ = true;
    }
    ++at;
  }
  return at;
}

std::string MllpFramer::take() {
  state_ = State::between;
  std::string whole;
  whole.swap(message_);
  return whole;
}

bool valid_address_rule(const std::string& rule) {
  return block_of(rule).has_value();
}

bool address_allowed(const std::string& address, const std::vector<std::string>& rules) {
  if (rules.empty()) return true;
  const auto caller = address_of(address.substr(0, address.find('%')));
  if (!caller) return false;
  return std::any_of(rules.begin(), rules.end(), [&](const std::string& rule) {
    const auto block = block_of(rule);
    return block && inside(*caller, *block);
  });
}

}  // namespace rouage::receive
