/// DIMSE messages (PS3.7): a command set, and the data set that may follow it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/values.h"
#include "dimse/association.h"
#include "dimse/dimse.h"

namespace rouage::dimse {

/// Elements of group 0000 (PS3.7 E.1).
enum class Field : std::uint16_t {
  affected_sop_class = 0x0002,
  requested_sop_class = 0x0003,
  command = 0x0100,
  message_id = 0x0110,
  responded_to = 0x0120,
  move_destination = 0x0600,
  priority = 0x0700,
  data_set_type = 0x0800,
  status = 0x0900,
  error_comment = 0x0902,
  affected_sop_instance = 0x1000,
  requested_sop_instance = 0x1001,
  event_type = 0x1002,
  action_type = 0x1008,
  remaining = 0x1020,
  completed = 0x1021,
  failed = 0x1022,
  warning = 0x1023,
  move_originator = 0x1030,
  move_originator_id = 0x1031
};

enum class Verb : std::uint16_t {
  c_store = 0x0001,
  c_get = 0x0010,
  c_find = 0x0020,
  c_move = 0x0021,
  c_echo = 0x0030,
  n_event_report = 0x0100,
  n_get = 0x0110,
  n_set = 0x0120,
  n_action = 0x0130,
  n_create = 0x0140,
  n_delete = 0x0150,
  c_cancel = 0x0FFF,
  response = 0x8000  ///< added to the verb that is answered
};

namespace codes {
inline constexpr std::uint16_t kSuccess = 0x0000, kCancelled = 0xFE00, kPending = 0xFF00, kNoSuchSopClass = 0x0118,
                               kInvalidInstance = 0x0117, kProcessingFailure = 0x0110, kSopClassNotSupported = 0x0122,
                               kUnrecognisedOperation = 0x0211, kOutOfResources = 0xA700,
                               kMoveDestinationUnknown = 0xA801, kMismatch = 0xA900, kCannotUnderstand = 0xC000,
                               kSubOperationsFailed = 0xB000, kNoSuchAction = 0x0123;
}

class Command {
 public:
  Command() = default;
  Command(Verb verb, const std::string& sop_class, std::uint16_t message_id);
  /// The answer to `request`: its message id and affected class and instance are taken over.
  static Command answer(const Command& request, const Status& status);
  /// Errors: RequestInvalid (a length goes beyond the bytes, a group is not 0000).
  static Command decoded(std::span<const std::uint8_t> bytes);
  Bytes encoded() const;  ///< Implicit VR Little Endian, with its group length

  std::uint16_t number(Field field, std::uint16_t otherwise = 0) const;
  std::string text(Field field) const;  ///< without padding; "" when absent
  bool has(Field field) const { return elements_.contains(field); }
  Command& set(Field field, std::uint16_t value);
  Command& set_uid(Field field, std::string_view uid);    ///< padded with NUL
  Command& set_text(Field field, std::string_view text);  ///< printable ASCII, at most 64; padded with a space
  std::uint16_t verb() const { return number(Field::command); }
  bool is(Verb verb) const { return this->verb() == static_cast<std::uint16_t>(verb); }
  bool answers(Verb verb) const;
  bool with_data() const { return number(Field::data_set_type, kNoData) != kNoData; }
  Status status() const;

  static constexpr std::uint16_t kNoData = 0x0101;

 private:
  std::map<Field, std::string> elements_;
};

struct Message {
  std::uint8_t context = 0;
  Command command;
};

/// The next command; its data set, if any, is still to be received. Errors: Ended.
Message receive_command(Association& association, double wait_s);
/// A data set in pieces, as they come. Errors: Ended; what `take` throws.
void receive_data(Association& association, std::uint8_t context,
                  const std::function<void(std::span<const std::uint8_t>)>& take);
/// A whole data set in memory. Errors: Ended (over `most` bytes too).
Bytes receive_data(Association& association, std::uint8_t context, std::size_t most);

/// data absent: a command alone (the command's own data set type is set accordingly).
void send_message(Association& association, std::uint8_t context, Command command,
                  std::optional<std::span<const std::uint8_t>> data = {});

}  // namespace rouage::dimse
