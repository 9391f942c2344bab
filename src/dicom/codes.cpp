#include "dicom/code.h"
#include "dicom/code_rows.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/values.h"

namespace rouage::dicom {
namespace {

/// ChestX-ray14's spelling to that of chest_findings.csv.
std::string table_label(std::string_view label) {
  if (label == "Effusion") return "Pleural Effusion";
  std::string name(label);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::optional<Code> site_row(std::string_view name) {
  const std::string key = "site." + std::string(name);
  for (const CodeRow& row : kCodeRows)
    if (row.key == key) return Code{std::string(row.value), std::string(row.scheme), std::string(row.meaning)};
  return std::nullopt;
}

/// Site that the row's own condition or the label's definition asks for; "" for none.
std::string_view site_name(const std::string& name) {
  if (name == "Nodule" || name == "Mass" || name == "Lung Opacity") return "lung";
  if (name == "Pleural Thickening") return "pleura";
  return "";
}

/// A row may be used when it asks for nothing, or for the site that `finding_site` puts beside it. What needs
/// knowledge that a label does not carry ("when single", "with note", "for abstention"...) is never met here.
bool condition_met(std::string_view condition, const std::string& name) {
  if (condition.empty()) return true;
  const std::string_view site = site_name(name);
  return !site.empty() && condition.starts_with("with site=" + std::string(site));
}

int rank_of(std::string_view scheme) {
  return scheme == "SCT" ? 0 : scheme == "DCM" ? 1 : scheme == "RADLEX" ? 2 : 3;
}

std::map<std::string, Code, std::less<>> concept_map() {
  static constexpr std::string_view kPrefix = "concept.";
  std::map<std::string, Code, std::less<>> map;
  for (const CodeRow& row : kCodeRows)
    if (row.key.starts_with(kPrefix))
      map.emplace(row.key.substr(kPrefix.size()),
                  Code{std::string(row.value), std::string(row.scheme), std::string(row.meaning)});
  return map;
}

}  // namespace

Code finding_code(std::string_view label) {
  const std::string name = table_label(label);
  const std::string key = "finding." + name;
  const CodeRow* best = nullptr;
  for (const CodeRow& row : kCodeRows)
    if (row.key == key && condition_met(row.condition, name) && (!best || rank_of(row.scheme) < rank_of(best->scheme)))
      best = &row;
  if (best) return {std::string(best->value), std::string(best->scheme), std::string(best->meaning)};
  // Code Value is SH: 16 characters at most, so a long private label is shortened by its digest.
  const std::string value = label.size() <= 16 ? std::string(label) : "L" + sha256(label).short_hex().substr(0, 15);
  return {value, "99ROUAGE", name};
}

std::optional<Code> finding_site(std::string_view label) {
  const std::string_view site = site_name(table_label(label));
  return site.empty() ? std::nullopt : site_row(site);
}

const Code& concept_code(std::string_view name) {
  static const auto map = concept_map();
  const auto found = map.find(name);
  if (found == map.end()) throw Error(ErrorCode::Internal, "no concept named " + std::string(name) + " in codes.toml");
  return found->second;
}

/// Verhoeff's dihedral check (J. Verhoeff, Error Detecting Decimal Codes, 1969), as SNOMED CT's identifiers use it.
bool valid_sct_identifier(std::string_view digits) {
  static constexpr int kPermuted[10] = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
  if (digits.size() < 6 || digits.size() > 18 || digits.front() == '0') return false;
  // Product in the dihedral group D5: rotations 0-4, reflections 5-9.
  const auto product = [](int a, int b) {
    if (a < 5) return b < 5 ? (a + b) % 5 : 5 + (a + b - 5) % 5;
    return b < 5 ? 5 + (a - 5 - b + 5) % 5 : (a - b + 5) % 5;
  };
  int check = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[digits.size() - 1 - i];
    if (c < '0' || c > '9') return false;
    int digit = c - '0';
    for (std::size_t k = 0; k < i % 8; ++k) digit = kPermuted[digit];
    check = product(check, digit);
  }
  return check == 0;
}

std::vector<CodeRow> code_table() {
  return {kCodeRows.begin(), kCodeRows.end()};
}

}  // namespace rouage::dicom
