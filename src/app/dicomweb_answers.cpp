#include "app/dicomweb_answers.h"

#include <algorithm>
#include <atomic>
#include <charconv>

#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace {

constexpr std::uint64_t kPiece = 256 * 1024;

double quality_of(const receive::MediaType& type) {
  const std::string text = type.parameter("q");
  double q = 1;
  if (!text.empty()) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), q);
    if (problem != std::errc()) q = 1;
  }
  return q;
}

/// Not to be foreseen by who sends an object that would hold it.
std::string new_boundary() {
  static std::atomic<std::uint64_t> count{0};
  static const std::string start = number_text(utc_now_s()) + number_text(monotonic_s());
  return "rouage-" +
         sha256(start + " " + std::to_string(++count) + " " + number_text(monotonic_s())).hex().substr(0, 40);
}

/// A host as a browser sends it; anything else is not repeated.
bool host_like(const std::string& host) {
  return !host.empty() && host.size() < 256 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == ':' ||
           c == '-' || c == '_' || c == '[' || c == ']';
  });
}

}  // namespace

std::vector<Wanted> wanted_by(const Request& request) {
  const std::string asked = request.parameter("accept").value_or(request.header("accept"));
  std::vector<std::pair<double, Wanted>> rated;
  for (const receive::MediaType& type : receive::media_types(asked)) {
    const double q = quality_of(type);
    if (q <= 0) continue;
    Wanted one{type.type, {}, type.parameter("transfer-syntax")};
    if (one.type.starts_with("multipart/")) {
      one.part = lower_case(type.parameter("type"));
      if (one.part.empty()) one.part = "*/*";
    }
    rated.emplace_back(q, std::move(one));
  }
  std::stable_sort(rated.begin(), rated.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Wanted> wanted;
  for (auto& [q, one] : rated) wanted.push_back(std::move(one));
  if (wanted.empty() && asked.empty()) wanted.push_back({"*/*", {}, {}});
  return wanted;
}

bool takes(const std::vector<Wanted>& wanted, std::initializer_list<std::string_view> types) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& one) {
    if (one.type == "*/*") return true;
    return std::any_of(types.begin(), types.end(), [&](std::string_view type) {
      return one.type == type || one.type == std::string(type.substr(0, type.find('/'))) + "/*";
    });
  });
}

void require_json(const Request& request) {
  if (takes(wanted_by(request), {"application/dicom+json", "application/json"})) return;
  throw Error(ErrorCode::NotAcceptable, "only application/dicom+json is offered");
}

std::string uid_part(const Request& request, const std::string& name) {
  const auto found = request.parts.find(name);
  if (found == request.parts.end()) return {};
  if (!dicom::valid_uid(found->second)) throw Error(ErrorCode::RequestInvalid, "the path's " + name + " is no UID");
  return found->second;
}

std::string base_url(const DicomWebContext& context, const Request& request) {
  if (!context.public_url.empty()) return context.public_url + context.prefix;
  const std::string host = request.header("host");
  if (!host_like(host)) return context.prefix;
  return (request.secure ? "https://" : "http://") + host + context.prefix;
}

std::string study_url(const std::string& base, const std::string& study) {
  return base + "/studies/" + study;
}

std::string instance_url(const std::string& base, const store::StoredObject& object) {
  return study_url(base, object.study_instance_uid) + "/series/" + object.series_instance_uid + "/instances/" +
         object.sop_instance_uid;
}

std::vector<store::StoredObject> objects_of(const DicomWebContext& context, const Request& request) {
  store::Selection selection;
  selection.study_instance_uid = uid_part(request, "study");
  selection.series_instance_uid = uid_part(request, "series");
  selection.sop_instance_uid = uid_part(request, "instance");
  selection.exit = "dicomweb";
  selection.policy = context.policy;
  std::vector<store::StoredObject> found = context.store.objects(selection);
  if (found.empty()) throw Error(ErrorCode::NotFound, "no such object");
  return found;
}

std::function<bool(std::string&)> whole_piece(std::string text) {
  return [text = std::move(text)](std::string& piece) {
    piece += text;
    return false;
  };
}

std::function<bool(std::string&)> file_pieces(const std::filesystem::path& file, std::uint64_t bytes) {
  return [file, bytes, at = std::uint64_t{0}](std::string& piece) mutable {
    const auto length = static_cast<std::size_t>(std::min(kPiece, bytes - at));
    const Bytes read = read_file_range(file, at, length);
    if (read.size() != length)
      throw Error(ErrorCode::StoreDamaged, "an object is shorter than its index says").file(file);
    piece.append(read.begin(), read.end());
    at += length;
    return at < bytes;
  };
}

Response multipart_response(const std::string& part_type, std::function<std::optional<OutgoingPart>()> next) {
  const std::string boundary = new_boundary();
  Response response;
  response.headers.emplace_back("Content-Type", "multipart/related; type=\"" + part_type + "\"; boundary=" + boundary);
  struct State {
    std::function<std::optional<OutgoingPart>()> next;
    std::optional<OutgoingPart> part;
    bool first = true;
  };
  const auto state = std::make_shared<State>();
  state->next = std::move(next);
  response.stream = [state, boundary](std::string& piece) {
    if (!state->part) {
      state->part = state->next();
      piece += state->first ? "" : "\r\n";
      state->first = false;
      piece += "--" + boundary;
      if (!state->part) {
        piece += "--\r\n";
        return false;
      }
      piece += "\r\nContent-Type: " + state->part->content_type + "\r\n";
      if (!state->part->location.empty()) piece += "Content-Location: " + state->part->location + "\r\n";
      piece += "\r\n";
    }
    if (!state->part->body(piece)) state->part.reset();
    return true;
  };
  return response;
}

}  // namespace rouage::app
