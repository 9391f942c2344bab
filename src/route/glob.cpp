#include "route/glob.h"

#include <algorithm>
#include <array>

#include "base/toml_section.h"
#include "base/values.h"

namespace rouage::route {
namespace {

/// U+00C0 to U+00FF without case and accents; "" keeps the character as it is.
constexpr std::array<std::string_view, 32> kLatin{"a", "a", "a", "a", "a", "a", "ae", "c", "e",  "e", "e",
                                                  "e", "i", "i", "i", "i", "d", "n",  "o", "o",  "o", "o",
                                                  "o", "",  "o", "u", "u", "u", "u",  "y", "th", "ss"};

bool continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

/// The folded form of the two-byte character `first second`; false when it has none.
bool fold_pair(unsigned char first, unsigned char second, std::string& out) {
  if (first == 0xC3) {  // U+00C0 to U+00FF
    if (second == 0xBF) return out += 'y', true;
    const std::string_view letter = kLatin.at((second - 0x80U) % 32U);
    if (second >= 0xA0 && second == 0xB7) return false;  // the sign of division
    out += letter;
    return !letter.empty();
  }
  if (first == 0xC5 && (second == 0x92 || second == 0x93)) return out += "oe", true;
  // Combining marks U+0300 to U+036F: "e" and an accent of its own.
  return (first == 0xCC && second >= 0x80) || (first == 0xCD && second <= 0xAF);
}

}  // namespace

std::string folded(std::string_view utf8) {
  std::string out;
  utf8 = utf8.substr(0, kLongestText);
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      out += static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    } else if (i + 1 < utf8.size() && fold_pair(byte, static_cast<unsigned char>(utf8[i + 1]), out)) {
      ++i;
    } else {
      out += utf8[i];
    }
  }
  return out;
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  const auto next_character = [&](std::size_t at) {
    ++at;
    while (at < text.size() && continues(text[at])) ++at;
    return at;
  };
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      t = next_character(t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {  // the last star takes one more
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool has_wild_cards(std::string_view pattern) {
  return pattern.find_first_of("*?") != std::string_view::npos;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string wanted = folded(word.substr(0, 64));
  std::vector<std::string> plain;
  for (const std::string& candidate : known) plain.push_back(folded(candidate));
  const std::string nearest = nearest_word(wanted, plain);
  if (nearest.empty()) return "";
  const auto at = std::find(plain.begin(), plain.end(), nearest) - plain.begin();
  return "; did you mean \"" + known[static_cast<std::size_t>(at)] + "\"?";
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace rouage::route
