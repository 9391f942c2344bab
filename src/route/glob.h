/// Words as people compare them, and the nearest known word to a misspelt one. No regular expressions: rules meet
/// texts from the network, and a backtracking expression can be made to run for hours.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace rouage::route {

/// Lower case, accents and combining marks removed (Latin letters; "Œdème" -> "oedeme"); at most kLongestText bytes.
std::string folded(std::string_view utf8);
inline constexpr std::size_t kLongestText = 1024, kLongestPattern = 256;

/// `*`: any characters, `?`: one character. Both sides folded by the caller. O(text x pattern) at worst.
bool glob_matches(std::string_view pattern, std::string_view text);
bool has_wild_cards(std::string_view pattern);

/// "; did you mean "modality"?", or "" when none of `known` is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// `CR, DX`.
std::string listed(const std::vector<std::string>& words);

}  // namespace rouage::route
