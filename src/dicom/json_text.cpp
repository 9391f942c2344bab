#include "dicom/json_text.h"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/values.h"
#include "dicom/object.h"

namespace rouage::dicom {
namespace json {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  const std::string_view taken = text.substr(0, n);
  text.remove_prefix(n);
  return taken;
}

/// F.2.2: {"Alphabetic":..,"Ideographic":..,"Phonetic":..}, empty groups left out.
std::string person_name(std::string_view name) {
  static constexpr const char* kGroups[] = {"Alphabetic", "Ideographic", "Phonetic"};
  std::string object = "{";
  const std::vector<std::string> groups = split(name, '=');
  for (std::size_t i = 0; i < groups.size() && i < 3; ++i) {
    const std::string_view group = trimmed(groups[i]);
    if (group.empty()) continue;
    if (object.size() > 1) object += ',';
    object += std::string("\"") + kGroups[i] + "\":" + quoted(group);
  }
  return object.size() == 1 ? "null" : object + "}";
}

/// Space around is no part of these (PS3.5 table 6.2-1); before a text it may be meant.
std::string_view significant(std::string_view text, std::string_view vr) {
  if (vr == "ST" || vr == "LT" || vr == "UT" || vr == "UC" || vr == "UR") {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) text.remove_suffix(1);
    return text;
  }
  return trimmed(text);
}

}  // namespace

std::string quoted(std::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = bytes.size() - at;
    const unsigned second = left > 1 ? bytes[at + 1] : 0U, third = left > 2 ? bytes[at + 2] : 0U;
    const unsigned three = static_cast<unsigned>(bytes[at]) << 16 | second << 8 | third;
    text += kLetters[three >> 18];
    text += kLetters[three >> 12 & 63];
    text += left > 1 ? kLetters[three >> 6 & 63] : '=';
    text += left > 2 ? kLetters[three & 63] : '=';
  }
  return text;
}

std::string non_finite(double number) {
  if (std::isnan(number)) return "\"NaN\"";
  return number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

std::string json_number(std::string_view text) {
  std::string number;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    if (text.front() == '-') number = "-";
    text.remove_prefix(1);
  }
  std::string_view whole = digits(text);
  std::string_view fraction;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    fraction = digits(text);
  }
  if (whole.empty() && fraction.empty()) return {};
  while (whole.size() > 1 && whole.front() == '0') whole.remove_prefix(1);
  number += whole.empty() ? std::string("0") : std::string(whole);
  if (!fraction.empty()) number += "." + std::string(fraction);
  if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
    text.remove_prefix(1);
    number += 'e';
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
      number += text.front();
      text.remove_prefix(1);
    }
    const std::string_view exponent = digits(text);
    if (exponent.empty()) return {};
    number += exponent;
  }
  if (!text.empty() || number.size() > 64) return {};
  return std::isfinite(std::strtod(number.c_str(), nullptr)) ? number : std::string();
}

std::vector<std::string> text_values(std::string_view utf8, std::string_view vr) {
  if (vr == "ST" || vr == "LT" || vr == "UT" || vr == "UR") {
    const std::string_view whole = significant(utf8, vr);
    if (whole.empty()) return {};
    return {quoted(whole)};
  }
  std::vector<std::string> values;
  for (const std::string& part : split(utf8, '\\')) {
    const std::string_view text = significant(part, vr);
    std::string value = "null";
    if (vr == "PN") {
      value = person_name(text);
    } else if (vr == "DS" || vr == "IS") {
      value = json_number(text);
      if (value.empty()) value = text.empty() ? "null" : quoted(text);
    } else if (!text.empty()) {
      value = quoted(text);
    }
    values.push_back(std::move(value));
  }
  if (values.size() == 1 && values.front() == "null") return {};
  return values;
}

void append_values(std::string& out, const std::vector<std::string>& values) {
  if (values.empty()) return;
  out += ",\"Value\":[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    out += values[i];
  }
  out += ']';
}

}  // namespace json

namespace {

using Json = nlohmann::json;

bool one_of(std::string_view vr, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), vr) != list.end();
}

/// A value of the JSON model as text of a query.
std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.is_number_float() ? number_text(value.get<double>()) : value.dump();
  if (value.is_null()) return {};
  if (!value.is_object()) throw Error(ErrorCode::RequestInvalid, "a value is neither text, number nor name");
  std::string name;
  int empty = 0;
  for (const char* group : {"Alphabetic", "Ideographic", "Phonetic"}) {
    const auto found = value.find(group);
    const bool there = found != value.end() && found->is_string() && !found->get<std::string>().empty();
    if (there) name += std::string(static_cast<std::size_t>(empty), '=') + found->get<std::string>();
    empty = there ? 1 : empty + 1;
  }
  return name;
}

std::uint32_t tag_of_key(const std::string& key) {
  const bool digits = key.size() == 8 && std::all_of(key.begin(), key.end(), [](char c) {
                        return std::isxdigit(static_cast<unsigned char>(c)) != 0;
                      });
  if (!digits) throw Error(ErrorCode::RequestInvalid, "a key is no tag of eight hexadecimal digits");
  return static_cast<std::uint32_t>(std::stoul(key, nullptr, 16));
}

}  // namespace

std::string dicom_json(const Attributes& attributes) {
  std::string out = "{";
  for (const auto& [tag, text] : attributes) {
    const std::string vr = vr_of(tag);
    if (out.size() > 1) out += ',';
    char key[16];
    std::snprintf(key, sizeof key, "\"%08X\"", static_cast<unsigned>(tag));
    out += std::string(key) + ":{\"vr\":\"" + vr + "\"";
    std::vector<std::string> values;
    if (one_of(vr, {"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})) {
      values = json::text_values(text, "DS");
    } else if (!one_of(vr, {"SQ", "OB", "OW", "OD", "OF", "OL", "OV", "UN"})) {
      values = json::text_values(text, vr);
    }
    json::append_values(out, values);
    out += '}';
  }
  return out + "}";
}

Attributes attributes_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::RequestInvalid, "no DICOM JSON object");
  Attributes attributes;
  for (const auto& [key, element] : json.items()) {
    const std::uint32_t tag = tag_of_key(key);
    if (!element.is_object()) throw Error(ErrorCode::RequestInvalid, "an attribute is no JSON object");
    std::string& joined = attributes[tag];
    const auto vr = element.find("vr"), values = element.find("Value");
    const bool sequence = vr != element.end() && vr->is_string() && vr->get<std::string>() == "SQ";
    if (sequence || values == element.end()) continue;
    if (!values->is_array()) throw Error(ErrorCode::RequestInvalid, "Value is no array");
    for (std::size_t i = 0; i < values->size(); ++i) joined += (i > 0 ? "\\" : "") + text_of((*values)[i]);
  }
  return attributes;
}

}  // namespace rouage::dicom
