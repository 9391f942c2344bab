#include "receive/hl7_syntax.h"

#include <iconv.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <utility>

namespace rouage::receive {
namespace {

constexpr std::size_t kLongestEscape = 512;

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Three characters that can name a segment, then a separator; or nothing, after a carriage return only: "IRM" alone
/// on a line of a report is text.
bool starts_segment(std::string_view line, char separator, bool after_return) {
  if (line.size() < 3 || !is_upper(line[0])) return false;
  for (const char c : line.substr(1, 2))
    if (!is_upper(c) && !is_digit(c)) return false;
  return line.size() == 3 ? after_return : line[3] == separator;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/// \Xhhhh..\: bytes in the message's own character set.
std::string hex_text(std::string_view digits, const std::string& charset) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high * 16 + low);
  }
  const std::string set = charset.empty() ? "ISO-8859-1" : charset;
  return to_utf8(bytes, set).value_or(std::string{});
}

std::string escape_meaning(std::string_view code, const SplitMessage& message) {
  const Hl7Header& h = message.header;
  const auto one = [](char c) { return c == '\0' ? std::string{} : std::string(1, c); };
  if (code == "F") return one(h.field);
  if (code == "S") return one(h.component);
  if (code == "T") return one(h.subcomponent);
  if (code == "R") return one(h.repetition);
  if (code == "E") return one(h.escape);
  if (code == "P") return "#";
  if (code == ".br" || code.substr(0, 3) == ".sp" || code == ".ce") return "\n";
  if (code.size() > 1 && code[0] == 'X') return hex_text(code.substr(1), message.iconv_charset);
  return {};  // highlighting, indents, local ones: they carry no text
}

std::string cleaned(std::string text) {
  for (char& c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) c = ' ';
  const std::string_view trim = trimmed(text);
  return trim == "\"\"" ? std::string{} : std::string(trim);
}

bool refuse(Verdict& verdict, Verdict::Kind kind, int condition, std::string location, std::string text) {
  verdict = {kind, condition, std::move(text), std::move(location)};
  return false;
}

/// The delimiters of MSH-1 and MSH-2: all different, none a letter, digit, blank or control character.
bool read_delimiters(std::string_view bytes, Hl7Header& header, Verdict& verdict) {
  if (bytes.size() < 8 || bytes.substr(0, 3) != "MSH")
    return refuse(verdict, Verdict::Kind::rejected, 100, "MSH", "the message does not begin with MSH");
  const auto unusable = [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code <= 0x20 || code >= 0x7F || std::isalnum(code) != 0;
  };
  const char field = bytes[3];
  if (unusable(field))
    return refuse(verdict, Verdict::Kind::rejected, 102, "MSH-1", "the field separator is not usable");
  const std::size_t end = bytes.find(field, 4);
  const std::string_view set = bytes.substr(4, end == std::string_view::npos ? 0 : end - 4);
  if (set.empty() || set.size() > 5)
    return refuse(verdict, Verdict::Kind::rejected, 102, "MSH-2", "the encoding characters are not 1 to 5 characters");
  std::string all(1, field);
  for (const char c : set) {
    if (unusable(c) || all.find(c) != std::string::npos)
      return refuse(verdict, Verdict::Kind::rejected, 102, "MSH-2", "the encoding characters are not usable");
    all += c;
  }
  const auto at = [&](std::size_t i) { return i < set.size() ? set[i] : '\0'; };
  header.field = field;
  header.component = at(0);
  header.repetition = at(1);
  header.escape = at(2);
  header.subcomponent = at(3);
  return true;
}

/// MSH-18 of the bytes as they came: its own text is ASCII in every repertoire that HL7 allows.
std::string_view charset_field(std::string_view bytes, const Hl7Header& header) {
  const std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n"));
  return part(part(line, header.field, 18), header.repetition, 1);
}

/// The first repertoire counts, save that a later one with code extensions (JIS escapes) decodes the first one too.
std::string message_charset(std::string_view bytes, const Hl7Header& header, std::vector<std::string>& warnings) {
  const std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n"));
  std::string chosen;
  for (const std::string_view name : parts(part(line, header.field, 18), header.repetition)) {
    const auto known = iconv_name(trimmed(name));
    if (!known)
      warnings.push_back("MSH-18 names a character set that is not known");
    else if (chosen.empty() || *known == "ISO-2022-JP-2")
      chosen = *known;
  }
  return chosen;
}

bool all_ascii(std::string_view bytes) {
  for (const char c : bytes)
    if (static_cast<unsigned char>(c) > 0x7F) return false;
  return true;
}

std::string decoded(std::string_view bytes, const Hl7Options& options, SplitMessage& message,
                    std::vector<std::string>& warnings) {
  message.iconv_charset = message_charset(bytes, message.header, warnings);
  if (!message.iconv_charset.empty()) {
    if (auto text = to_utf8(bytes, message.iconv_charset)) return *text;
    warnings.push_back("the text is not of the character set that MSH-18 names");
  } else if (!all_ascii(bytes) && charset_field(bytes, message.header).empty()) {
    warnings.push_back("characters above 127 without MSH-18");
  }
  if (valid_utf8(bytes)) {
    message.iconv_charset = "UTF-8";
    return std::string(bytes);
  }
  message.iconv_charset = options.default_charset;
  if (auto text = to_utf8(bytes, message.iconv_charset)) return *text;
  message.iconv_charset = "ISO-8859-1";
  return to_utf8(bytes, message.iconv_charset).value_or(std::string{});
}

/// Lines of the decoded text as segments, each ended by '\r'. A line that cannot begin a segment goes on with the text
/// of the one before it: some senders write line feeds inside reports.
std::string normalised(std::string_view text, char separator, bool& mended) {
  std::string out;
  out.reserve(text.size() + 1);
  std::size_t at = 0;
  bool after_return = true;
  while (at < text.size()) {
    std::size_t end = text.find_first_of("\r\n", at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(at, end - at);
    if (out.empty() || starts_segment(line, separator, after_return)) {
      if (!out.empty()) out += '\r';
      out.append(line);
    } else if (!trimmed(line).empty()) {
      out += '\n';
      out.append(line);
      mended = true;
    }
    after_return = end < text.size() && (text[end] == '\r' || (line.empty() && after_return));
    at = end + 1;
  }
  out += '\r';
  return out;
}

bool split_segments(const Hl7Limits& limits, SplitMessage& message, Verdict& verdict) {
  const std::string_view text = message.text;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\r', at);
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) continue;
    if (message.segments.size() >= limits.segments)
      return refuse(verdict, Verdict::Kind::rejected, 207, "", "more segments than the limit");
    Segment segment;
    segment.name = line.substr(0, 3);
    std::size_t from = 0;
    while (true) {
      const std::size_t stop = line.find(message.header.field, from);
      if (segment.fields.size() >= limits.fields)
        return refuse(verdict, Verdict::Kind::rejected, 207, std::string(segment.name), "more fields than the limit");
      segment.fields.push_back(line.substr(from, stop == std::string_view::npos ? stop : stop - from));
      if (stop == std::string_view::npos) break;
      from = stop + 1;
    }
    message.segments.push_back(std::move(segment));
  }
  return true;
}

}  // namespace

std::optional<std::string> iconv_name(std::string_view hl7_charset) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 24> kNames = {{
      {"", ""},
      {"ASCII", ""},
      {"8859/1", "ISO-8859-1"},
      {"8859/2", "ISO-8859-2"},
      {"8859/3", "ISO-8859-3"},
      {"8859/4", "ISO-8859-4"},
      {"8859/5", "ISO-8859-5"},
      {"8859/6", "ISO-8859-6"},
      {"8859/7", "ISO-8859-7"},
      {"8859/8", "ISO-8859-8"},
      {"8859/9", "ISO-8859-9"},
      {"8859/15", "ISO-8859-15"},
      {"UNICODE UTF-8", "UTF-8"},
      {"UNICODE", "UTF-8"},
      {"UTF-8", "UTF-8"},
      {"UTF8", "UTF-8"},
      {"ISO IR6", ""},
      {"ISO IR14", "ISO-2022-JP-2"},
      {"ISO IR87", "ISO-2022-JP-2"},
      {"ISO IR159", "ISO-2022-JP-2"},
      {"GB 18030-2000", "GB18030"},
      {"KS X 1001", "EUC-KR"},
      {"BIG-5", "BIG5"},
      {"ISO-8859-1", "ISO-8859-1"},
  }};
  for (const auto& [hl7, iconv] : kNames)
    if (hl7 == hl7_charset) return std::string(iconv);
  return std::nullopt;
}

std::optional<std::string> to_utf8(std::string_view bytes, const std::string& iconv_charset) {
  const iconv_t converter = ::iconv_open("UTF-8", iconv_charset.c_str());
  if (converter == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
  std::string in(bytes), out(bytes.size() + 16, '\0');
  char* from = in.data();
  std::size_t left = in.size(), written = 0;
  bool good = true;
  while (left > 0) {
    char* to = out.data() + written;
    std::size_t room = out.size() - written;
    const std::size_t result = ::iconv(converter, &from, &left, &to, &room);
    const int cause = errno;
    written = out.size() - room;
    if (result != static_cast<std::size_t>(-1)) break;
    if (cause != E2BIG) {
      good = false;
      break;
    }
    out.resize(out.size() * 2);  // no repertoire grows more than threefold
  }
  ::iconv_close(converter);
  if (!good) return std::nullopt;
  out.resize(written);
  return out;
}

std::string_view raw_field(const Segment& segment, std::size_t n) {
  const std::size_t index = segment.name == "MSH" ? n - 1 : n;  // MSH-1 is the separator itself
  return index < segment.fields.size() ? segment.fields[index] : std::string_view{};
}

std::string_view part(std::string_view text, char separator, std::size_t n) {
  if (separator == '\0') return n == 1 ? text : std::string_view{};
  std::size_t from = 0;
  for (std::size_t i = 1;; ++i) {
    const std::size_t stop = text.find(separator, from);
    if (i == n) return text.substr(from, stop == std::string_view::npos ? stop : stop - from);
    if (stop == std::string_view::npos) return {};
    from = stop + 1;
  }
}

std::vector<std::string_view> parts(std::string_view text, char separator) {
  std::vector<std::string_view> all;
  if (separator == '\0') return {text};
  std::size_t from = 0;
  while (true) {
    const std::size_t stop = text.find(separator, from);
    all.push_back(text.substr(from, stop == std::string_view::npos ? stop : stop - from));
    if (stop == std::string_view::npos) return all;
    from = stop + 1;
  }
}

std::string unescaped(std::string_view text, const SplitMessage& message) {
  const char escape = message.header.escape;
  if (escape == '\0' || text.find(escape) == std::string_view::npos) return cleaned(std::string(text));
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t begin = text.find(escape, at);
    out.append(text.substr(at, begin == std::string_view::npos ? begin : begin - at));
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find(escape, begin + 1);
    if (end == std::string_view::npos || end - begin > kLongestEscape) {
      out += escape;  // a lone backslash, as in a path: text
      at = begin + 1;
      continue;
    }
    out += escape_meaning(text.substr(begin + 1, end - begin - 1), message);
    at = end + 1;
  }
  return cleaned(std::move(out));
}

std::string component_of(const SplitMessage& message, std::string_view repetition, std::size_t c) {
  const std::string_view found = part(repetition, message.header.component, c);
  return unescaped(part(found, message.header.subcomponent, 1), message);
}

std::string component(const SplitMessage& message, const Segment& segment, std::size_t n, std::size_t c) {
  return component_of(message, part(raw_field(segment, n), message.header.repetition, 1), c);
}

std::string escaped(std::string_view text, const Hl7Header& header) {
  std::string out;
  for (const char c : text) {
    const char* code = nullptr;
    if (c == header.field) code = "F";
    if (c == header.component) code = "S";
    if (c == header.subcomponent) code = "T";
    if (c == header.repetition) code = "R";
    if (c == header.escape) code = "E";
    const bool control = static_cast<unsigned char>(c) < 0x20;
    if (c == '\0' || control)
      out += ' ';
    else if (code == nullptr)
      out += c;
    else if (header.escape == '\0')
      out += ' ';
    else
      out.append(1, header.escape).append(code).append(1, header.escape);
  }
  return out;
}

bool split_message(std::string_view bytes, const Hl7Options& options, SplitMessage& message, Verdict& verdict,
                   std::vector<std::string>& warnings) {
  if (bytes.size() > options.limits.message_bytes)
    return refuse(verdict, Verdict::Kind::rejected, 207, "", "the message is larger than the limit");
  if (bytes.substr(0, 3) == "\xEF\xBB\xBF") bytes.remove_prefix(3);
  while (!bytes.empty() && (bytes.front() == '\r' || bytes.front() == '\n' || bytes.front() == ' '))
    bytes.remove_prefix(1);
  if (!read_delimiters(bytes, message.header, verdict)) return false;
  const std::string text = decoded(bytes, options, message, warnings);
  bool mended = false;
  message.text = normalised(text, message.header.field, mended);
  if (mended) warnings.push_back("lines that begin no segment were taken as text of the segment before");
  return split_segments(options.limits, message, verdict);
}

}  // namespace rouage::receive
