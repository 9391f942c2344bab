/// Between the gateway and its DIMSE processes: lines of JSON over a socket pair, and descriptors handed over.
#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "dimse/dimse.h"
#include "receive/dimse_front.h"

namespace rouage::receive {

/// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  int number() const { return number_; }
  int release();
  void close();
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

/// One line a message. One thread on each side.
class LineChannel {
 public:
  explicit LineChannel(Descriptor socket) : socket_(std::move(socket)) {}
  int number() const { return socket_.number(); }
  /// `attachment`, unless empty: a line of its own behind the message (so it holds no line end).
  /// Errors: PeerUnreachable (the other side is gone).
  void say(const nlohmann::json& message, std::string_view attachment = {});
  /// The next message; absent at the end. Errors: RequestInvalid (no JSON object, or longer than `most`).
  std::optional<nlohmann::json> hear(std::size_t most);
  /// The line behind a message that has one. Errors: RequestInvalid (longer than `most`).
  std::optional<std::string> hear_attachment(std::size_t most);

 private:
  Descriptor socket_;
  std::string ahead_;
};

/// A short message (with a descriptor, unless -1) over a SOCK_SEQPACKET pair; false when the other side is gone.
bool hand_over(int channel, const std::string& message, int descriptor = -1);
struct Handed {
  std::string message;
  Descriptor descriptor;
};
/// Waits. Absent: the other side is gone.
std::optional<Handed> take_over(int channel);

// What crosses. The readers check what they read: RequestInvalid.
nlohmann::json to_json(const dicom::Attributes& attributes);
dicom::Attributes attributes_from(const nlohmann::json& json);
nlohmann::json to_json(const dimse::Status& status);
dimse::Status status_from(const nlohmann::json& json);
nlohmann::json to_json(const dimse::Caller& caller);
dimse::Caller caller_from(const nlohmann::json& json);
nlohmann::json to_json(const dimse::Services::Retrieval& retrieval);
dimse::Services::Retrieval retrieval_from(const nlohmann::json& json);
nlohmann::json to_json(const DimseFrontOptions& options);  ///< what the listener needs
DimseFrontOptions options_from(const nlohmann::json& json);

}  // namespace rouage::receive
