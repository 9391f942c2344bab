/// Pieces of the DICOM JSON model (PS3.18 F.2) as text. Internal to the room.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rouage::dicom::json {

/// A JSON string with its quotes. `text`: UTF-8 (what is not becomes U+FFFD).
std::string quoted(std::string_view text);
std::string base64(std::span<const std::uint8_t> bytes);
/// "NaN", "Infinity", "-Infinity", in quotes: JSON has no such numbers.
std::string non_finite(double number);

/// The values of a text in UTF-8, each as JSON; "null" for an empty one between others (F.2.5). Person names become
/// objects of their component groups; DS and IS numbers, where they are such; what is long is one value.
std::vector<std::string> text_values(std::string_view utf8, std::string_view vr);

/// ,"Value":[...] when there are any.
void append_values(std::string& out, const std::vector<std::string>& values);

/// A decimal or integer string as a JSON number, "" when it is none: "+1." -> "1", ".5" -> "0.5", "007" -> "7".
std::string json_number(std::string_view text);

}  // namespace rouage::dicom::json
