/// STOW-RS (PS3.18 section 10.5): one object a request, so that each has its own answer and asks for its own release.
#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "results/delivery_http.h"

namespace rouage::results {
namespace {

using Json = nlohmann::json;

/// (0008,1197) of the object in (0008,1198) Failed SOP Sequence, absent where it is not there or not understood.
std::optional<int> failure_reason(const std::string& body, const std::string& sop_instance_uid) {
  const Json answer = Json::parse(body, nullptr, false);
  if (answer.is_discarded()) return std::nullopt;
  const Json& dataset = answer.is_array() && !answer.empty() ? answer.front() : answer;
  if (!dataset.is_object() || !dataset.contains("00081198")) return std::nullopt;
  const Json items =
      dataset["00081198"].is_object() ? dataset["00081198"].value("Value", Json::array()) : Json::array();
  for (const Json& item : items) {
    if (!item.is_object()) continue;
    const auto first = [&item](const char* tag) -> Json {
      if (!item.contains(tag) || !item[tag].is_object()) return nullptr;
      const Json values = item[tag].value("Value", Json::array());
      return values.is_array() && !values.empty() ? values.front() : Json(nullptr);
    };
    const Json uid = first("00081155");
    // One object was sent: an item without UID is about it too.
    if (uid.is_string() && uid.get<std::string>() != sop_instance_uid) continue;
    const Json reason = first("00081197");
    return reason.is_number_integer() ? reason.get<int>() : 0x0110;
  }
  return std::nullopt;
}

/// Failure reasons: PS3.18 table 10.5.3-1 with PS3.4 CC.2.3-1; 45070 is "already stored" of Azure's DICOM service,
/// which answers 409 with it.
Attempt attempt_of_reason(int reason) {
  using Kind = Attempt::Kind;
  const std::string said = fmt::format("the peer failed it with reason 0x{:04X}", reason);
  if (reason == 0x0111 || reason == 45070) return {Kind::delivered, "the peer has had it already", 0};
  if ((reason & 0xFF00) == 0xA700) return {Kind::away, said + " (out of resources)", 0};
  if (reason == 0x0122 || reason == 0x0124 || (reason & 0xFF00) == 0xA900 || (reason & 0xF000) == 0xC000)
    return {Kind::refused, said, 0};
  return {Kind::again, said, 0};
}

class StowSender : public Sender {
 public:
  StowSender(const Destination& destination, const std::atomic<bool>& cut)
      : url_(destination.url), client_(destination, cut) {}

  Attempt send(const DueObject& object) override {
    Upload upload;
    upload.url = url_;
    // 128 bits that depend on the object: they do not stand in it by chance.
    const std::string boundary = "rouage-" + sha256(object.sop_instance_uid + object.digest).hex().substr(0, 32);
    upload.headers = {"Content-Type: multipart/related; type=\"application/dicom\"; boundary=" + boundary,
                      "Accept: application/dicom+json"};
    upload.head = "--" + boundary + "\r\nContent-Type: application/dicom\r\n\r\n";
    upload.tail = "\r\n--" + boundary + "--\r\n";
    upload.file = object.file;
    const HttpAnswer answer = client_.post(upload);
    // 200 with a failed object is no success, and a 409 may mean that it was there already.
    if (answer.status >= 200 && answer.status < 500)
      if (const auto reason = failure_reason(answer.body, object.sop_instance_uid)) return attempt_of_reason(*reason);
    return attempt_of(answer);
  }

 private:
  std::string url_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<Sender> make_stow_sender(const Destination& destination, const std::atomic<bool>& cut) {
  return std::make_unique<StowSender>(destination, cut);
}

}  // namespace rouage::results
