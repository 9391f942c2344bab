/// HL7's delimiters and character sets: bytes to segments, fields, components in UTF-8. Internal to the room.
///
/// Plain C++17, so that clang's fuzzer builds it. Segments are split lazily: a field is looked up where it is used, and
/// no tree of a hostile message is ever built.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "receive/hl7.h"

namespace rouage::receive {

/// One segment: views into the message's text.
struct Segment {
  std::string_view name;                 ///< "PID"
  std::vector<std::string_view> fields;  ///< [0] is the name; MSH-1 (the separator itself) is left out: see field()
};

/// A message that is split, its text in UTF-8 with one '\r' after each segment.
struct SplitMessage {
  std::string text;
  std::vector<Segment> segments;
  Hl7Header header;  ///< delimiters only
  std::string iconv_charset;
};

/// The repertoire that MSH-18 names, as iconv calls it; absent when it is not known. "" -> "".
std::optional<std::string> iconv_name(std::string_view hl7_charset);
/// Bytes of that repertoire in UTF-8; absent when they are not of it.
std::optional<std::string> to_utf8(std::string_view bytes, const std::string& iconv_charset);

/// Field n (1-based, as the standard counts; MSH-1 is not available), "" when absent.
std::string_view raw_field(const Segment& segment, std::size_t n);
/// The n-th part (1-based) of a text split at `separator`; the whole as part 1 when the separator is '\0'.
std::string_view part(std::string_view text, char separator, std::size_t n);
std::vector<std::string_view> parts(std::string_view text, char separator);

/// Escape sequences resolved (\F\ \S\ \T\ \R\ \E\ \P\ \Xhh..\ \.br\ \.sp\), others dropped, control characters but line
/// feeds and tabs turned into blanks, outer white space and the HL7 null ("") removed.
std::string unescaped(std::string_view text, const SplitMessage& message);
/// Field n, repetition 1, component c, subcomponent 1, unescaped.
std::string component(const SplitMessage& message, const Segment& segment, std::size_t n, std::size_t c);
std::string component_of(const SplitMessage& message, std::string_view repetition, std::size_t c);
/// The text with our delimiters escaped, for acknowledgements.
std::string escaped(std::string_view text, const Hl7Header& header);

/// Splits. On failure `verdict` says why (and `message.header` holds what could be read of MSH).
bool split_message(std::string_view bytes, const Hl7Options& options, SplitMessage& message, Verdict& verdict,
                   std::vector<std::string>& warnings);

}  // namespace rouage::receive
