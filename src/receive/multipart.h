/// Multipart bodies as they come: bytes in, events out, bounded memory whatever the size (RFC 2046, RFC 2387, RFC
/// 7578).
///
///   const MediaType type = media_type(request.header("content-type"));       // multipart/related; boundary=...
///   MultipartParser parser(type.parameter("boundary"), {}, {.begin = ..., .data = ..., .end = ...});
///   while (...) parser.feed(piece);
///   parser.finish();                                                          // RequestInvalid: it ended in a part
///
/// Held back are at most one delimiter and one part's header; no length that a sender claims is believed. Line ends are
/// CRLF, as the standard has it: a bare LF in binary data is data. Plain C++17 style: clang-14 fuzzes it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rouage::receive {

/// "multipart/related; type=\"application/dicom\"; boundary=x" and of the same form: Content-Disposition, Accept.
struct MediaType {
  std::string type;                                             ///< lower case: "multipart/related"
  std::vector<std::pair<std::string, std::string>> parameters;  ///< lower-case names; values without quotes
  std::string parameter(const std::string& name) const;         ///< "" when absent
};
/// What cannot be parsed gives an empty type.
MediaType media_type(std::string_view text);
/// The elements of a list ("Accept: a, b;q=0.5"), commas inside quotes kept.
std::vector<MediaType> media_types(std::string_view list);

struct PartHeaders {
  std::vector<std::pair<std::string, std::string>> fields;  ///< lower-case names, in order
  std::string field(const std::string& name) const;         ///< "" when absent
};

struct MultipartLimits {
  std::size_t header_bytes = 16 * 1024;  ///< of one part
  std::size_t header_fields = 64;
  std::size_t parts = 100'000;
};

/// Errors of feed and finish: RequestInvalid (malformed), RequestTooLarge (a limit). After an error the parser is done.
/// What a handler throws passes through.
class MultipartParser {
 public:
  struct Events {
    std::function<void(const PartHeaders&)> begin;
    std::function<void(std::span<const std::uint8_t>)> data;  ///< valid during the call only
    std::function<void()> end;
  };
  /// Errors: RequestInvalid (no boundary by RFC 2046, but of up to 200 characters where it allows 70).
  MultipartParser(std::string_view boundary, MultipartLimits limits, Events events);
  void feed(std::span<const std::uint8_t> bytes);
  /// The body is over. Errors: RequestInvalid (without the closing delimiter).
  void finish();
  std::size_t parts() const { return parts_; }

 private:
  enum class State { preamble, header, body, epilogue };
  enum class Tail { none, open, carriage_return, dash };
  std::size_t scan(std::span<const std::uint8_t> bytes);
  std::size_t after_delimiter(std::uint8_t byte);
  std::size_t read_header(std::span<const std::uint8_t> bytes);
  void delimiter_was_data();
  void part_ends();
  void part_begins();

  std::string delimiter_;  ///< "\r\n--boundary"
  MultipartLimits limits_;
  Events events_;
  State state_ = State::preamble;
  Tail tail_ = Tail::none;
  std::size_t matched_ = 2;  ///< of the delimiter; the CRLF before the first one is only thought
  std::size_t thought_ = 2;  ///< how many of the matched characters were not really there
  std::string padding_;      ///< white space behind a delimiter, until it is known to be one
  std::string header_;
  std::size_t parts_ = 0;
};

}  // namespace rouage::receive
