#include "dicom/charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/values.h"

namespace rouage::dicom::reading {
namespace {

/// One coded character set of PS3.3 C.12.1.1.2 as iconv knows it.
struct Repertoire {
  std::string_view number;  ///< of the defined term: "100" in ISO_IR 100 and ISO 2022 IR 100
  std::string_view escape;  ///< behind ESC; empty where the set has none of its own
  const char* encoding;     ///< iconv's name
  int width = 1;            ///< bytes a character
  bool right_half = true;   ///< G1: its bytes have the high bit; the left half stays ASCII
  std::uint8_t lead = 0;    ///< byte that EUC puts before each character
};

// DCMTK hands the Japanese sets to iconv under names that glibc does not know; EUC-JP holds both with the high bits
// set.
constexpr Repertoire kRepertoires[] = {
    {"6", "(B", "ASCII", 1, false},   {"100", "-A", "ISO-8859-1"},
    {"101", "-B", "ISO-8859-2"},      {"109", "-C", "ISO-8859-3"},
    {"110", "-D", "ISO-8859-4"},      {"144", "-L", "ISO-8859-5"},
    {"127", "-G", "ISO-8859-6"},      {"126", "-F", "ISO-8859-7"},
    {"138", "-H", "ISO-8859-8"},      {"148", "-M", "ISO-8859-9"},
    {"203", "-b", "ISO-8859-15"},     {"166", "-T", "TIS-620"},
    {"13", ")I", "SHIFT_JIS"},        {"14", "(J", "SHIFT_JIS", 1, false},
    {"87", "$B", "EUC-JP", 2, false}, {"159", "$(D", "EUC-JP", 2, false, 0x8F},
    {"149", "$)C", "EUC-KR", 2},      {"58", "$)A", "EUC-CN", 2},
};

struct Terms {
  std::vector<std::string> values;  ///< defined terms, spelt as the standard does
  bool whole(std::string_view term) const { return values.size() == 1 && values.front() == term; }
};

/// Spellings that are in use beside the defined terms: "ISO IR 100", "ISO-IR-100", "UTF-8", "latin1".
std::string defined_term(std::string_view term) {
  std::string name = lower_case(trimmed(term));
  for (char& c : name)
    if (c == '-' || c == '_') c = ' ';
  if (name == "utf 8" || name == "utf8" || name == "iso 10646") return "ISO_IR 192";
  if (name == "latin1" || name == "iso 8859 1" || name == "iso8859 1") return "ISO_IR 100";
  if (name.starts_with("iso 2022 ir ")) return "ISO 2022 IR " + name.substr(12);
  if (name.starts_with("iso ir ")) return "ISO_IR " + name.substr(7);
  return std::string(trimmed(term));
}

Terms defined_terms(std::string_view character_set) {
  Terms terms;
  for (const std::string& term : split(character_set, '\\')) terms.values.push_back(defined_term(term));
  return terms;
}

/// Nothing when a byte has no meaning in the encoding.
std::optional<std::string> converted(std::string_view text, const char* encoding) {
  const iconv_t converter = iconv_open("UTF-8", encoding);
  if (converter == reinterpret_cast<iconv_t>(-1)) return {};  // NOLINT: iconv's own mark of failure
  std::string out(text.size() * 4 + 16, '\0');
  char* in = const_cast<char*>(text.data());  // iconv only reads through it
  std::size_t in_left = text.size(), out_left = out.size();
  char* end = out.data();
  const bool done = iconv(converter, &in, &in_left, &end, &out_left) != static_cast<std::size_t>(-1) && in_left == 0;
  iconv_close(converter);
  if (!done) return {};
  out.resize(out.size() - out_left);
  return out;
}

const Repertoire* by_number(std::string_view term) {
  const auto space = term.rfind(' ');
  if (space == std::string_view::npos) return nullptr;
  for (const Repertoire& row : kRepertoires)
    if (row.number == term.substr(space + 1)) return &row;
  return nullptr;
}

const Repertoire* by_escape(std::string_view behind_escape) {
  for (const Repertoire& row : kRepertoires)
    if (behind_escape.starts_with(row.escape)) return &row;
  if (behind_escape.starts_with("$@")) return by_number("ISO 2022 IR 87");  // JIS C 6226, the older set of the same
  return nullptr;
}

/// The two halves that are switched in while a text is read (ISO 2022 with G0 in GL and G1 in GR).
struct Halves {
  const Repertoire* left = &kRepertoires[0];
  const Repertoire* right = nullptr;
};

Halves first_halves(const Terms& terms) {
  Halves halves;
  const Repertoire* first = terms.values.empty() ? nullptr : by_number(terms.values.front());
  if (first != nullptr && first->right_half) halves.right = first;
  return halves;
}

/// A run of characters of one half.
std::optional<std::string> run_to_utf8(std::string run, const Repertoire& set) {
  if (set.width == 1) return converted(run, set.encoding);
  if (run.size() % 2 != 0) return {};
  std::string euc;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (set.lead != 0 && i % 2 == 0) euc += static_cast<char>(set.lead);
    euc += static_cast<char>(static_cast<unsigned char>(run[i]) | 0x80);
  }
  return converted(euc, set.encoding);
}

bool high(char c) {
  return (static_cast<unsigned char>(c) & 0x80) != 0;
}

/// PS3.5 6.1.2.5: code extensions. Delimiters put the first halves back.
std::optional<std::string> iso_2022_to_utf8(std::string_view text, const Terms& terms) {
  const Halves first = first_halves(terms);
  Halves halves = first;
  std::string utf8;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\x1B') {
      const Repertoire* set = by_escape(text.substr(at + 1));
      if (set == nullptr) return {};
      (set->right_half ? halves.right : halves.left) = set;
      at += 1 + (text.substr(at + 1).starts_with("$@") ? 2 : set->escape.size());
      continue;
    }
    // Behind ESC $ B every byte is half a character, also those that look like a delimiter.
    const bool wide_left = halves.left->width == 2 && !high(c) && c > 0x20;
    if (!wide_left && (c == '^' || c == '=' || c == '\\' || c == '\r' || c == '\n' || c == '\t' || c == '\f')) {
      halves = first;
      utf8 += c;
      ++at;
      continue;
    }
    const Repertoire* set = high(c) ? halves.right : halves.left;
    if (set == nullptr) return {};
    if (!high(c) && (set->width == 1 || c <= 0x20)) {
      // JIS X 0201's left half is ASCII but for yen and overline, which Shift-JIS maps.
      const auto one =
          set->encoding == std::string_view("ASCII") ? std::string(1, c) : run_to_utf8(std::string(1, c), *set);
      if (!one) return {};
      utf8 += *one;
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && text[end] != '\x1B' && high(text[end]) == high(c) && (high(c) || text[end] > 0x20))
      ++end;
    const auto run = run_to_utf8(std::string(text.substr(at, end - at)), *set);
    if (!run) return {};
    utf8 += *run;
    at = end;
  }
  return utf8;
}

std::optional<std::string> by_terms(std::string_view text, const Terms& terms) {
  if (terms.whole("ISO_IR 192")) return valid_utf8(text) ? std::optional(std::string(text)) : std::nullopt;
  if (terms.whole("GB18030") || terms.whole("GBK")) return converted(text, "GB18030");
  if (terms.whole("") || terms.whole("ISO_IR 6")) return {};  // the text is known not to be ASCII
  return iso_2022_to_utf8(text, terms);
}

void warn_once(std::vector<std::string>& warnings, std::string text) {
  if (std::find(warnings.begin(), warnings.end(), text) == warnings.end()) warnings.push_back(std::move(text));
}

}  // namespace

std::string to_utf8(std::string_view text, std::string_view character_set, std::vector<std::string>& warnings) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return !high(c) && c != '\x1B'; });
  if (plain) return std::string(text);
  const auto known = by_terms(text, defined_terms(character_set));
  if (known && valid_utf8(*known)) return *known;
  const std::string set(character_set.empty() ? "nothing" : character_set.substr(0, 64));
  const bool utf8 = valid_utf8(text);
  warn_once(warnings,
            "(0008,0005) Specific Character Set says " + set + "; a text was read as " + (utf8 ? "UTF-8" : "Latin-1"));
  std::string guess = utf8 ? std::string(text) : converted(text, "ISO-8859-1").value_or(std::string());
  std::erase(guess, '\x1B');
  return guess;
}

}  // namespace rouage::dicom::reading
