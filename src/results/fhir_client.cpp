/// FHIR R4: the collection bundle of fhir.cpp as a transaction in which every resource is PUT under its derived id, so
/// that a repeat changes nothing.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/host.h"
#include "results/delivery_http.h"

namespace rouage::results {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMostBundle = 64 * kMebibyte;

bool all_of_set(const std::string& text, std::string_view letters, std::size_t most) {
  return !text.empty() && text.size() <= most && text.find_first_not_of(letters) == std::string::npos;
}

/// Errors: TableInvalid, when it is no bundle of resources with ids: it goes into URLs.
std::string transaction_of(const std::string& collection) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  static const std::string id_letters = std::string(kLetters) + "0123456789-.";
  Json bundle = Json::parse(collection, nullptr, false);
  if (!bundle.is_object() || bundle.value("resourceType", "") != "Bundle" || !bundle.contains("entry"))
    throw Error(ErrorCode::TableInvalid, "not a FHIR bundle");
  bundle["type"] = "transaction";
  for (Json& entry : bundle["entry"]) {
    const Json resource = entry.value("resource", Json::object());
    const std::string type = resource.value("resourceType", ""), id = resource.value("id", "");
    if (!all_of_set(type, kLetters, 64) || !all_of_set(id, id_letters, 64))
      throw Error(ErrorCode::TableInvalid, "a resource of the bundle has no type or no id");
    entry["request"] = {{"method", "PUT"}, {"url", fmt::format("{}/{}", type, id)}};
  }
  return bundle.dump();
}

/// What an OperationOutcome says, else the start of the body.
std::string outcome_text(const std::string& body) {
  const Json answer = Json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("issue") || !answer["issue"].is_array()) return excerpt(body);
  std::string text;
  for (const Json& issue : answer["issue"]) {
    if (!issue.is_object() || !issue.contains("diagnostics") || !issue["diagnostics"].is_string()) continue;
    text += (text.empty() ? "" : "; ") + issue["diagnostics"].get<std::string>();
  }
  return excerpt(text.empty() ? body : text);
}

/// The first entry of a transaction-response whose status is not 2xx; "" when all are, or the body says nothing.
std::string failed_entry(const std::string& body) {
  const Json answer = Json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("entry") || !answer["entry"].is_array()) return {};
  for (const Json& entry : answer["entry"]) {
    if (!entry.is_object() || !entry.contains("response") || !entry["response"].is_object()) continue;
    const Json& response = entry["response"];
    const std::string status =
        response.contains("status") && response["status"].is_string() ? response["status"].get<std::string>() : "";
    if (!status.empty() && status.front() != '2') return "an entry of the bundle was answered with " + excerpt(status);
  }
  return {};
}

class FhirSender : public Sender {
 public:
  FhirSender(const Destination& destination, const std::atomic<bool>& cut)
      : url_(destination.url), client_(destination, cut) {
    while (url_.ends_with('/')) url_.pop_back();
  }

  Attempt send(const DueObject& object) override {
    Upload upload;
    upload.url = url_;
    upload.headers = {"Content-Type: application/fhir+json", "Accept: application/fhir+json"};
    upload.head = transaction_of(read_text(object.file, kMostBundle));
    const HttpAnswer answer = client_.post(upload);
    Attempt attempt = attempt_of(answer);
    if (attempt.kind == Attempt::Kind::delivered) {
      if (std::string failure = failed_entry(answer.body); !failure.empty())
        return {Attempt::Kind::again, std::move(failure), 0};
    } else if (answer.status != 0) {
      attempt.message = fmt::format("HTTP {}: {}", answer.status, outcome_text(answer.body));
    }
    return attempt;
  }

 private:
  std::string url_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<Sender> make_fhir_sender(const Destination& destination, const std::atomic<bool>& cut) {
  return std::make_unique<FhirSender>(destination, cut);
}

}  // namespace rouage::results
