#include "receive/multipart.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/values.h"

namespace rouage::receive {
namespace {

// RFC 2046 allows 70 characters; Orthanc's DICOMweb plugin 1.7 sends 73 (two UUIDs and a hyphen).
constexpr std::size_t kLongestBoundary = 200;
constexpr std::size_t kLongestPadding = 64, kMostParameters = 32;

bool token_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}
bool boundary_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != '\0' && std::strchr("'()+_,-./:=? ", c) != nullptr);
}

void skip_space(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

/// A token or a quoted string from the front of `text`.
std::string take_value(std::string_view& text) {
  std::string value;
  if (text.empty() || text.front() != '"') {
    while (!text.empty() && text.front() != ';' && text.front() != ',' && text.front() != ' ' && text.front() != '\t') {
      value += text.front();
      text.remove_prefix(1);
    }
    return value;
  }
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"') {
    if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
    value += text.front();
    text.remove_prefix(1);
  }
  if (!text.empty()) text.remove_prefix(1);
  return value;
}

/// One media type up to a comma or the end. What is odd inside ends it there.
MediaType take_type(std::string_view& text) {
  MediaType found;
  skip_space(text);
  while (!text.empty() && (token_character(text.front()) || text.front() == '/')) {
    found.type += text.front();
    text.remove_prefix(1);
  }
  found.type = lower_case(found.type);
  while (true) {
    skip_space(text);
    if (text.empty() || text.front() != ';' || found.parameters.size() >= kMostParameters) break;
    text.remove_prefix(1);
    skip_space(text);
    std::string name;
    while (!text.empty() && token_character(text.front())) {
      name += text.front();
      text.remove_prefix(1);
    }
    skip_space(text);
    if (text.empty() || text.front() != '=') continue;
    text.remove_prefix(1);
    skip_space(text);
    if (!name.empty()) found.parameters.emplace_back(lower_case(name), take_value(text));
  }
  return found;
}

[[noreturn]] void malformed(const char* what) {
  throw Error(ErrorCode::RequestInvalid, std::string("multipart: ") + what);
}
[[noreturn]] void too_large(const char* what) {
  throw Error(ErrorCode::RequestTooLarge, std::string("multipart: ") + what);
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};  // NOLINT: text seen as bytes
}

std::string value_of(const std::vector<std::pair<std::string, std::string>>& pairs, const std::string& name) {
  for (const auto& [key, value] : pairs)
    if (key == name) return value;
  return {};
}

/// Lines "name: value"; a line that begins with white space goes on with the one before (RFC 822).
PartHeaders header_fields(std::string_view text, std::size_t most) {
  PartHeaders headers;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    for (const char c : line)
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t') malformed("a control character in a part's header");
    if (line.empty()) continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (headers.fields.empty()) malformed("a part's header begins with a continuation line");
      headers.fields.back().second += " " + std::string(trimmed(line));
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) malformed("a line of a part's header has no name");
    const std::string_view name = line.substr(0, colon);
    if (!std::all_of(name.begin(), name.end(), token_character)) malformed("a name in a part's header");
    if (headers.fields.size() >= most) too_large("too many header fields");
    headers.fields.emplace_back(lower_case(name), std::string(trimmed(line.substr(colon + 1))));
  }
  return headers;
}

}  // namespace

std::string MediaType::parameter(const std::string& name) const {
  return value_of(parameters, name);
}
std::string PartHeaders::field(const std::string& name) const {
  return value_of(fields, name);
}

MediaType media_type(std::string_view text) {
  MediaType found = take_type(text);
  skip_space(text);
  return text.empty() ? found : MediaType{};
}

std::vector<MediaType> media_types(std::string_view list) {
  constexpr std::size_t kMost = 64;
  std::vector<MediaType> found;
  while (!list.empty() && found.size() < kMost) {
    MediaType one = take_type(list);
    if (!one.type.empty()) found.push_back(std::move(one));
    const auto comma = list.find(',');
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return found;
}

MultipartParser::MultipartParser(std::string_view boundary, MultipartLimits limits, Events events)
    : delimiter_("\r\n--" + std::string(boundary)), limits_(limits), events_(std::move(events)) {
  if (boundary.empty() || boundary.size() > kLongestBoundary || boundary.back() == ' ' ||
      !std::all_of(boundary.begin(), boundary.end(), boundary_character))
    malformed("the boundary is not one (RFC 2046 5.1.1)");
}

void MultipartParser::feed(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    if (state_ == State::epilogue) return;  // to be ignored
    std::size_t used = 0;
    if (state_ == State::header) {
      used = read_header(bytes);
    } else if (tail_ != Tail::none) {
      used = after_delimiter(bytes.front());
    } else {
      used = scan(bytes);
    }
    bytes = bytes.subspan(used);
  }
}

/// Data up to the next delimiter. The only CR of a delimiter is its first character, so that a failed match never hides
/// the start of another one.
std::size_t MultipartParser::scan(std::span<const std::uint8_t> bytes) {
  if (matched_ == 0) {
    const void* found = std::memchr(bytes.data(), '\r', bytes.size());
    const std::size_t plain = found == nullptr
                                  ? bytes.size()
                                  : static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes.data());
    if (plain > 0 && state_ == State::body && events_.data) events_.data(bytes.first(plain));
    if (found == nullptr) return plain;
    matched_ = 1;
    thought_ = 0;
    return plain + 1;
  }
  if (bytes.front() == static_cast<std::uint8_t>(delimiter_[matched_])) {
    if (++matched_ == delimiter_.size()) tail_ = Tail::open;
    return 1;
  }
  delimiter_was_data();
  return 0;
}

/// Behind "--boundary": white space and CRLF, or "--" and the end. Anything else: it was data that looked like it.
std::size_t MultipartParser::after_delimiter(std::uint8_t byte) {
  const char c = static_cast<char>(byte);
  const bool space = c == ' ' || c == '\t';
  if (tail_ == Tail::open && c == '-' && padding_.empty()) {
    tail_ = Tail::dash;
  } else if (tail_ == Tail::dash && c == '-') {
    // The closing delimiter needs no line end behind it: many senders leave it out.
    part_ends();
    state_ = State::epilogue;
    tail_ = Tail::none;
  } else if (tail_ == Tail::open && space && padding_.size() < kLongestPadding) {
    padding_ += c;
  } else if (tail_ == Tail::open && c == '\r') {
    tail_ = Tail::carriage_return;
  } else if (tail_ == Tail::carriage_return && c == '\n') {
    part_ends();
    state_ = State::header;
    tail_ = Tail::none;
    header_.clear();
  } else {
    const Tail seen = tail_;
    const bool was_return = seen == Tail::carriage_return;
    delimiter_was_data();
    if (was_return) {
      matched_ = 1;  // that CR may begin a delimiter
      thought_ = 0;
    } else if (seen == Tail::dash && state_ == State::body && events_.data) {
      events_.data(as_bytes("-"));
    }
    return 0;
  }
  return 1;
}

void MultipartParser::delimiter_was_data() {
  if (state_ == State::body && events_.data) {
    const std::string_view seen = std::string_view(delimiter_).substr(thought_, matched_ - thought_);
    if (!seen.empty()) events_.data(as_bytes(seen));
    if (!padding_.empty()) events_.data(as_bytes(padding_));
  }
  padding_.clear();
  tail_ = Tail::none;
  matched_ = thought_ = 0;
}

void MultipartParser::part_ends() {
  padding_.clear();
  matched_ = thought_ = 0;
  if (state_ == State::body && events_.end) events_.end();
}

std::size_t MultipartParser::read_header(std::span<const std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (header_.size() >= limits_.header_bytes) too_large("the header of a part is too long");
    header_ += static_cast<char>(bytes[i]);
    if (header_.back() != '\n') continue;
    const bool none = header_ == "\r\n";
    if (!none && !(header_.size() >= 4 && header_.compare(header_.size() - 4, 4, "\r\n\r\n") == 0)) continue;
    part_begins();
    return i + 1;
  }
  return bytes.size();
}

void MultipartParser::part_begins() {
  if (parts_ >= limits_.parts) too_large("too many parts");
  const PartHeaders headers = header_fields(header_, limits_.header_fields);
  header_.clear();
  ++parts_;
  state_ = State::body;
  // A part without a body: its blank line is also the line end of the next delimiter.
  matched_ = thought_ = 2;
  if (events_.begin) events_.begin(headers);
}

void MultipartParser::finish() {
  if (state_ == State::epilogue) return;
  malformed(state_ == State::preamble ? "no part at all" : "it ended inside a part, without its closing delimiter");
}

}  // namespace rouage::receive
