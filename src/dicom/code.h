/// Coded concepts (DICOM PS3.3 section 8) and the table of codes that Rouage uses, src/dicom/codes.toml.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rouage::dicom {

struct Code {
  std::string value;    ///< Code Value (or Long Code Value), e.g. "60046008"
  std::string scheme;   ///< Coding Scheme Designator, e.g. "SCT"
  std::string meaning;  ///< Code Meaning, English
  friend bool operator==(const Code& a, const Code& b) { return a.value == b.value && a.scheme == b.scheme; }
};

/// The code of a ChestX-ray14/CheXpert label as results use it: SCT first, then DCM, then RADLEX, from rows of
/// codes.toml whose condition is met (a site code goes beside it, see `finding_site`). A label without such a row gets
/// scheme 99ROUAGE, never a wrong standard code. Never throws.
Code finding_code(std::string_view label);
/// Where the finding sits (lung, pleura, heart...) when the code alone does not say it.
std::optional<Code> finding_site(std::string_view label);
/// A concept by its short name in codes.toml [concept.*], e.g. concept("imaging_measurement_report").
/// Errors: Internal for an unknown name (a programming error, covered by a test over all names used).
const Code& concept_code(std::string_view name);
/// The Verhoeff check of a SNOMED CT identifier.
bool valid_sct_identifier(std::string_view digits);
/// Every row of codes.toml, for tests and `rouage doctor`.
struct CodeRow {
  std::string_view key, scheme, value, meaning, condition, source;
};
std::vector<CodeRow> code_table();

}  // namespace rouage::dicom
