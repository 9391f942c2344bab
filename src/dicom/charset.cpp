#include "dicom/charset.h"

#include <dcmtk/dcmdata/dcspchrs.h>

#include <algorithm>

#include "base/values.h"

namespace rouage::dicom::reading {
namespace {

std::string latin_1_to_utf8(std::string_view text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xC0 | byte >> 6);
      utf8 += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return utf8;
}

/// Spellings that are in use beside the defined terms: "ISO IR 100", "ISO-IR-100", "UTF-8", "latin1".
std::string defined_term(std::string_view term) {
  std::string name(trimmed(term));
  for (char& c : name)
    if (c == '-' || c == '_') c = ' ';
  const std::string small = lower_case(name);
  if (small == "utf 8" || small == "utf8" || small == "iso 10646") return "ISO_IR 192";
  if (small == "latin1" || small == "iso 8859 1" || small == "iso8859 1") return "ISO_IR 100";
  if (small.starts_with("iso 2022 ir ")) return "ISO 2022 IR " + small.substr(12);
  if (small.starts_with("iso ir ")) return "ISO_IR " + small.substr(7);
  return std::string(trimmed(term));
}

std::string defined_terms(std::string_view character_set) {
  std::string joined;
  bool first = true;
  for (const std::string& term : split(character_set, '\\')) {
    if (!first) joined += '\\';
    first = false;
    joined += defined_term(term);
  }
  return joined;
}

void warn_once(std::vector<std::string>& warnings, std::string text) {
  if (std::find(warnings.begin(), warnings.end(), text) == warnings.end()) warnings.push_back(std::move(text));
}

std::string without_escapes(std::string text) {
  std::erase(text, '\x1B');
  return text;
}

}  // namespace

std::string to_utf8(std::string_view text, std::string_view character_set, std::vector<std::string>& warnings) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\x1B'; });
  // ISO_IR 13 puts yen and overline where ASCII has backslash and tilde; everything else agrees below 0x80.
  if (plain) return std::string(text);
  const std::string terms = defined_terms(character_set);
  if (!terms.empty() && terms != "ISO_IR 6" && terms != "ISO_IR 192") {
    DcmSpecificCharacterSet converter;
    OFString utf8;
    if (converter.selectCharacterSet(OFString(terms.data(), terms.size())).good() &&
        converter.convertString(text.data(), text.size(), utf8, "\\^=").good()) {
      const std::string converted(utf8.data(), utf8.size());
      if (valid_utf8(converted)) return converted;
    }
  }
  const std::string_view set = character_set.empty() ? "none" : character_set;
  if (valid_utf8(text)) {
    if (terms != "ISO_IR 192") warn_once(warnings, "(0008,0005) Specific Character Set says " + std::string(set) + "; a text was read as UTF-8");
    return without_escapes(std::string(text));
  }
  warn_once(warnings, "(0008,0005) Specific Character Set says " + std::string(set) + "; a text was read as Latin-1");
  return without_escapes(latin_1_to_utf8(text));
}

}  // namespace rouage::dicom::reading
