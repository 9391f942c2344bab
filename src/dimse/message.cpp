#include "dimse/message.h"

#include <fmt/format.h>

namespace rouage::dimse {
namespace {

constexpr std::size_t kMostCommandBytes = 64 * 1024;  // the longest real one has some hundred

std::uint32_t little(std::span<const std::uint8_t> bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = (value << 8) | bytes[at + static_cast<std::size_t>(i)];
  return value;
}

void put_little(Bytes& out, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>((value >> (8 * i)) & 0xFF));
}

}  // namespace

Command::Command(Verb verb, const std::string& sop_class, std::uint16_t message_id) {
  set(Field::command, static_cast<std::uint16_t>(verb));
  set(Field::message_id, message_id);
  if (!sop_class.empty()) set_uid(Field::affected_sop_class, sop_class);
}

Command Command::answer(const Command& request, const Status& status) {
  Command answer;
  answer.set(Field::command, static_cast<std::uint16_t>(request.verb() | static_cast<std::uint16_t>(Verb::response)));
  answer.set(Field::responded_to, request.number(Field::message_id));
  // N-SET and N-ACTION name them "requested"; the answer says "affected".
  for (const auto& [from, to] : {std::pair{Field::affected_sop_class, Field::affected_sop_class},
                                 std::pair{Field::requested_sop_class, Field::affected_sop_class},
                                 std::pair{Field::affected_sop_instance, Field::affected_sop_instance},
                                 std::pair{Field::requested_sop_instance, Field::affected_sop_instance}})
    if (request.has(from)) answer.set_uid(to, request.text(from));
  for (const Field type : {Field::event_type, Field::action_type})
    if (request.has(type)) answer.set(type, request.number(type));
  answer.set(Field::status, status.code);
  if (status.code != 0 && !status.text.empty()) answer.set_text(Field::error_comment, status.text);
  return answer;
}

Command Command::decoded(std::span<const std::uint8_t> bytes) {
  Command command;
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at < 8) throw Error(ErrorCode::RequestInvalid, "a command set is cut short");
    const std::uint32_t group = little(bytes, at, 2), element = little(bytes, at + 2, 2),
                        length = little(bytes, at + 4, 4);
    at += 8;
    if (group != 0 || length > bytes.size() - at)
      throw Error(ErrorCode::RequestInvalid,
                  fmt::format("a command set holds ({:04X},{:04X}) of {} bytes", group, element, length));
    const auto value = bytes.subspan(at, length);
    command.elements_[static_cast<Field>(element)] = std::string(value.begin(), value.end());
    at += length;
  }
  return command;
}

Bytes Command::encoded() const {
  Bytes body;
  for (const auto& [field, value] : elements_) {
    put_little(body, 0, 2);
    put_little(body, static_cast<std::uint16_t>(field), 2);
    put_little(body, static_cast<std::uint32_t>(value.size()), 4);
    body.insert(body.end(), value.begin(), value.end());
  }
  Bytes out;
  put_little(out, 0, 4);
  put_little(out, 4, 4);
  put_little(out, static_cast<std::uint32_t>(body.size()), 4);
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

std::uint16_t Command::number(Field field, std::uint16_t otherwise) const {
  const auto found = elements_.find(field);
  if (found == elements_.end() || found->second.size() < 2) return otherwise;
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(found->second[0]) |
                                    (static_cast<std::uint8_t>(found->second[1]) << 8));
}

std::string Command::text(Field field) const {
  const auto found = elements_.find(field);
  return found == elements_.end() ? std::string() : std::string(trimmed(found->second));
}

Command& Command::set(Field field, std::uint16_t value) {
  elements_[field] = {static_cast<char>(value & 0xFF), static_cast<char>(value >> 8)};
  return *this;
}

Command& Command::set_uid(Field field, std::string_view uid) {
  std::string padded(uid);
  if (padded.size() % 2 != 0) padded.push_back('\0');
  elements_[field] = std::move(padded);
  return *this;
}

Command& Command::set_text(Field field, std::string_view text) {
  std::string padded(text.substr(0, 64));
  for (char& c : padded)
    if (c < 0x20 || c > 0x7E || c == '\\') c = '?';
  if (padded.size() % 2 != 0) padded.push_back(' ');
  elements_[field] = std::move(padded);
  return *this;
}

bool Command::answers(Verb verb) const {
  return this->verb() == (static_cast<std::uint16_t>(verb) | static_cast<std::uint16_t>(Verb::response));
}

Status Command::status() const {
  Status status{number(Field::status, codes::kProcessingFailure), text(Field::error_comment)};
  if (status.text.empty() && status.code != 0) status.text = fmt::format("status 0x{:04X}", status.code);
  return status;
}

Message receive_command(Association& association, double wait_s) {
  Bytes bytes;
  std::uint8_t context = 0;
  for (double wait = wait_s;; wait = 0) {
    const Fragment fragment = association.next(wait);
    if (!fragment.command) throw Ended(End::broken, "a data set came without its command");
    if (context != 0 && fragment.context != context) throw Ended(End::broken, "a command in two contexts");
    context = fragment.context;
    if (bytes.size() + fragment.bytes.size() > kMostCommandBytes) throw Ended(End::broken, "a command set is too long");
    bytes.insert(bytes.end(), fragment.bytes.begin(), fragment.bytes.end());
    if (fragment.last) break;
  }
  if (association.context(context) == nullptr) throw Ended(End::broken, "a message in a context that was not accepted");
  try {
    return {context, Command::decoded(bytes)};
  } catch (const Error& error) {
    throw Ended(End::broken, error.detail());
  }
}

void receive_data(Association& association, std::uint8_t context,
                  const std::function<void(std::span<const std::uint8_t>)>& take) {
  for (;;) {
    const Fragment fragment = association.next(0);
    if (fragment.command) throw Ended(End::broken, "a command came instead of a data set");
    if (fragment.context != context) throw Ended(End::broken, "a data set in another context than its command");
    take(fragment.bytes);
    if (fragment.last) return;
  }
}

Bytes receive_data(Association& association, std::uint8_t context, std::size_t most) {
  Bytes bytes;
  receive_data(association, context, [&](std::span<const std::uint8_t> piece) {
    if (bytes.size() + piece.size() > most)
      throw Ended(End::broken, fmt::format("a data set of a message is over {} bytes", most));
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  });
  return bytes;
}

void send_message(Association& association, std::uint8_t context, Command command,
                  std::optional<std::span<const std::uint8_t>> data) {
  command.set(Field::data_set_type, data ? 0x0001 : Command::kNoData);
  association.send(context, true, command.encoded(), true);
  if (data) association.send(context, false, *data, true);
}

}  // namespace rouage::dimse
