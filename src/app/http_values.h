/// What an HTTP request says before anybody is asked: target, ranges, tokens. No socket, no Beast.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/http.h"

namespace rouage::app {

/// "%41" -> "A"; in a query '+' too -> ' '. Nothing when a '%' is not followed by two hexadecimal digits, when the text
/// is not UTF-8 afterwards, or when it holds a control character (NUL among them).
std::optional<std::string> percent_decoded(std::string_view text, bool is_query);
/// Everything but unreserved characters and '/' as %XX.
std::string percent_encoded(std::string_view text);

/// Fills path and query of `request` from an origin-form target ("/a/b?c=d"). False when it is malformed: not origin
/// form, an encoded '/', a part "." or "..", too many parameters.
bool parse_target(std::string_view target, Request& request);

/// "/a/b/" -> {"a", "b"}.
std::vector<std::string> path_parts(std::string_view path);

struct ByteRange {
  std::uint64_t first = 0, length = 0;
};
/// One range of "bytes=a-b", "bytes=a-", "bytes=-n" (RFC 9110 14.1.2). Nothing when the header asks for something else,
/// which is then ignored; length 0 when it cannot be satisfied (416).
std::optional<ByteRange> byte_range(std::string_view header, std::uint64_t size);

/// Compares in a time that depends on neither text.
bool same_secret(std::string_view given, std::string_view expected);

std::string_view reason_phrase(int status);

}  // namespace rouage::app
