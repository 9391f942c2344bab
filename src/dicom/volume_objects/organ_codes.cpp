/// Structures by name -> codes (codes.toml [organ], made of organs_snomed.csv), TG-263 names, display colours.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom {
namespace {

constexpr std::string_view kPrivateScheme = "99ROUAGE";

/// Side that the words of a name say ("rib_left_3", "Kidney Left"); "" for none or both.
std::string_view side_of(std::string_view structure) {
  std::string name = lower_case(structure);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  bool left = false, right = false;
  for (const std::string& word : split(name, '_')) {
    left = left || word == "left";
    right = right || word == "right";
  }
  if (left == right) return "";
  return left ? "left" : "right";
}

bool says_side(const Code& code, std::string_view side) {
  return lower_case(code.meaning).find(side) != std::string::npos;
}

bool is_side(const std::optional<Code>& code) {
  return code && (*code == concept_code("left") || *code == concept_code("right"));
}

Code private_code(std::string_view structure) {
  // Code Value is SH: 16 characters at most, so a long private name is shortened by its digest.
  const std::string value =
      structure.size() <= 16 ? std::string(structure) : "S" + sha256(structure).short_hex().substr(0, 15);
  std::string meaning(structure);
  std::replace(meaning.begin(), meaning.end(), '_', ' ');
  return {value, std::string(kPrivateScheme), meaning};
}

/// The side goes to what it says: to the type when that is the structure itself, to the region when the type is
/// something inside a region.
void add_side(OrganCodes& codes, std::string_view structure) {
  const std::string_view side = side_of(structure);
  if (side.empty() || is_side(codes.modifier) || is_side(codes.region_modifier)) return;
  if (codes.region) {
    codes.region_modifier = concept_code(side);
  } else if ((codes.type.scheme == kPrivateScheme || !says_side(codes.type, side)) && !codes.modifier) {
    codes.modifier = concept_code(side);
  }
}

struct StandardName {
  std::string_view structure, name;
};
// Names by the rules of AAPM TG-263 (2018): type first, "_L" and "_R" last. Only those that its list has as a primary
// name.
constexpr std::array kStandardNames = {
    StandardName{"adrenal_gland_left", "Glnd_Adrenal_L"},
    StandardName{"adrenal_gland_right", "Glnd_Adrenal_R"},
    StandardName{"aorta", "A_Aorta"},
    StandardName{"brain", "Brain"},
    StandardName{"colon", "Colon"},
    StandardName{"duodenum", "Duodenum"},
    StandardName{"esophagus", "Esophagus"},
    StandardName{"femur_left", "Femur_L"},
    StandardName{"femur_right", "Femur_R"},
    StandardName{"gallbladder", "Gallbladder"},
    StandardName{"heart", "Heart"},
    StandardName{"humerus_left", "Humerus_L"},
    StandardName{"humerus_right", "Humerus_R"},
    StandardName{"kidney_left", "Kidney_L"},
    StandardName{"kidney_right", "Kidney_R"},
    StandardName{"liver", "Liver"},
    StandardName{"lung_left", "Lung_L"},
    StandardName{"lung_right", "Lung_R"},
    StandardName{"pancreas", "Pancreas"},
    StandardName{"prostate", "Prostate"},
    StandardName{"sacrum", "Sacrum"},
    StandardName{"small_bowel", "Bowel_Small"},
    StandardName{"spinal_cord", "SpinalCord"},
    StandardName{"spleen", "Spleen"},
    StandardName{"sternum", "Sternum"},
    StandardName{"stomach", "Stomach"},
    StandardName{"thyroid_gland", "Glnd_Thyroid"},
    StandardName{"trachea", "Trachea"},
    StandardName{"urinary_bladder", "Bladder"},
};

double linear(std::uint8_t channel) {
  const double c = channel / 255.0;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

double lab_curve(double t) {
  return t > 216.0 / 24389 ? std::cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

}  // namespace

OrganCodes organ_codes(std::string_view structure) {
  static const std::vector<CodeRow> table = code_table();
  OrganCodes codes;
  const std::string key = "organ." + std::string(structure);
  for (const CodeRow& row : table) {
    if (row.key != key) continue;
    const Code code{std::string(row.value), std::string(row.scheme), std::string(row.meaning)};
    if (row.condition == "type") codes.type = code;
    if (row.condition == "category") codes.category = code;
    if (row.condition == "modifier") codes.modifier = code;
    if (row.condition == "region") codes.region = code;
  }
  if (codes.type.value.empty()) codes.type = private_code(structure);
  if (codes.category.value.empty()) codes.category = concept_code("anatomical_structure");
  add_side(codes, structure);
  return codes;
}

std::optional<Code> laterality_of(const OrganCodes& codes) {
  if (is_side(codes.modifier)) return codes.modifier;
  if (is_side(codes.region_modifier)) return codes.region_modifier;
  return std::nullopt;
}

std::string tg263_name(std::string_view structure) {
  for (const StandardName& row : kStandardNames)
    if (row.structure == structure) return std::string(row.name);
  return {};
}

/// sRGB (IEC 61966-2-1) to XYZ, adapted to D50 (Bradford), to CIE L*a*b*, scaled to 16 bits as ICC does: L 0..100, a
/// and b -128..127.
std::array<std::uint16_t, 3> cielab_of(const Rgb& colour) {
  const double r = linear(colour[0]), g = linear(colour[1]), b = linear(colour[2]);
  const double x = (0.4360747 * r + 0.3850649 * g + 0.1430804 * b) / 0.96422;
  const double y = 0.2225045 * r + 0.7168786 * g + 0.0606169 * b;
  const double z = (0.0139322 * r + 0.0971045 * g + 0.7141733 * b) / 0.82521;
  const double l_star = 116 * lab_curve(y) - 16, a_star = 500 * (lab_curve(x) - lab_curve(y)),
               b_star = 200 * (lab_curve(y) - lab_curve(z));
  const auto scaled = [](double value) {
    return static_cast<std::uint16_t>(std::clamp(std::lround(value), 0L, 65'535L));
  };
  return {scaled(l_star / 100 * 65'535), scaled((a_star + 128) / 255 * 65'535), scaled((b_star + 128) / 255 * 65'535)};
}

}  // namespace rouage::dicom
