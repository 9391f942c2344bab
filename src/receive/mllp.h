/// MLLP framing, apart from the server so that it is tested and fuzzed alone. Internal to the room.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace rouage::receive {

/// Cuts a stream into messages: 0x0B message 0x1C 0x0D (HL7 Transport Specification: MLLP, Release 1). Bytes between
/// messages are skipped up to a limit; a second 0x0B inside a message begins it again (its sender started over); 0x1C
/// 0x0A is taken as an end too; 0x1C before anything else breaks the stream: where a message ends is never guessed.
class MllpFramer {
 public:
  explicit MllpFramer(std::size_t message_cap) : cap_(message_cap) {}
  enum class State {
    between,   ///< no message has begun
    inside,    ///< one has begun
    complete,  ///< take() it, then push() the rest
    broken     ///< the connection is of no more use: why()
  };
  /// Consumes bytes up to the end of a message; returns how many.
  std::size_t push(std::string_view bytes);
  State state() const { return state_; }
  std::string take();  ///< `complete` only
  const std::string& why() const { return why_; }
  std::size_t buffered() const { return message_.size(); }
  int restarts() const { return restarts_; }

 private:
  void break_off(const char* why);
  static constexpr std::size_t kNoiseCap = 64 * 1024;
  std::size_t cap_, noise_ = 0;
  std::string message_, why_;
  State state_ = State::between;
  bool ending_ = false;  ///< 0x1C was the last byte
  int restarts_ = 0;
};

}  // namespace rouage::receive
