#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/http.h"
#include "app/http_values.h"

namespace rouage::app {
namespace {

bool is_name(const std::string& part) {
  return part.size() > 2 && part.front() == '{' && part.back() == '}';
}

Response typed(int status, std::string type, std::string body) {
  Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

}  // namespace

std::string Request::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

std::optional<std::string> Request::parameter(const std::string& name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return {};
}

std::string Body::all(std::size_t cap) {
  std::string whole;
  while (true) {
    const std::span<const std::uint8_t> piece = next();
    if (piece.empty()) return whole;
    if (piece.size() > cap - whole.size())
      throw Error(ErrorCode::RequestTooLarge, "the body has more than " + std::to_string(cap) + " bytes");
    whole.append(piece.begin(), piece.end());
  }
}

Response json_response(int status, std::string body) {
  return typed(status, "application/json", std::move(body));
}

Response dicom_json_response(int status, std::string body) {
  return typed(status, "application/dicom+json", std::move(body));
}

Response error_response(const Error& error) {
  const ErrorEntry& entry = error_entry(error.code());
  std::string message(entry.en);
  if (!error.tag().empty()) message = error.tag() + ": " + message;
  if (!error.detail().empty()) message += ": " + error.detail();
  // The file's name stays here: it tells a caller how the disk is laid out.
  const nlohmann::ordered_json json{
      {"error", std::string(entry.name)}, {"message", message}, {"remedy", error.remedy()}};
  Response response = json_response(entry.http, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (entry.retry) response.headers.emplace_back("Retry-After", "10");
  return response;
}

void Routes::add(const std::string& method, const std::string& pattern, Handler handler) {
  entries_.push_back({method, path_parts(pattern), std::move(handler)});
}

bool Routes::fits(const Entry& entry, const std::vector<std::string>& parts) {
  if (entry.parts.size() != parts.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!is_name(entry.parts[i]) && entry.parts[i] != parts[i]) return false;
  return true;
}

Routes::Found Routes::find(const std::string& method, const std::string& path) const {
  Found found;
  const std::vector<std::string> parts = path_parts(path);
  const Entry* best = nullptr;
  // A fixed part is more specific than a name; the first difference decides.
  const auto more_specific = [](const Entry& one, const Entry& other) {
    for (std::size_t i = 0; i < one.parts.size(); ++i)
      if (is_name(one.parts[i]) != is_name(other.parts[i])) return is_name(other.parts[i]);
    return false;
  };
  for (const Entry& entry : entries_) {
    if (!fits(entry, parts)) continue;
    if (std::find(found.allowed.begin(), found.allowed.end(), entry.method) == found.allowed.end())
      found.allowed.push_back(entry.method);
    if (entry.method != method) continue;
    if (best == nullptr || more_specific(entry, *best)) best = &entry;
  }
  found.other_method = best == nullptr && !found.allowed.empty();
  if (best == nullptr) return found;
  found.handler = &best->handler;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (is_name(best->parts[i])) found.parts[best->parts[i].substr(1, best->parts[i].size() - 2)] = parts[i];
  return found;
}

}  // namespace rouage::app
