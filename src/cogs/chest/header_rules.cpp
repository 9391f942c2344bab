#include "cogs/chest/header_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/values.h"
#include "cogs/chest/reasons.h"

namespace rouage::cogs::chest {
namespace {

/// Upper case, everything but letters and digits left out: "Chest-PA " -> "CHESTPA".
std::string plain(const std::string& text) {
  std::string made;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      made += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return made;
}

/// Values of (0018,0015) that name a chest film: the defined term, its French, German, Spanish, Portuguese and Italian
/// forms that modalities write, and the views that some of them add.
const std::set<std::string>& chest_words() {
  static const std::set<std::string> kWords{
      "CHEST",    "THORAX",    "LUNG",    "LUNGS",         "TORAX",         "TORACE",   "POUMON",    "POUMONS",
      "LUNGE",    "BRUSTKORB", "CHESTPA", "CHESTAP",       "PACHEST",       "APCHEST",  "CHESTPORT", "PORTCHEST",
      "THORAXPA", "THORAXAP",  "CXR",     "CHESTPORTABLE", "PORTABLECHEST", "BEDCHEST", "CHESTBED"};
  return kWords;
}

void modality(const Picture& picture, const infer::Package& package, Eligibility& result) {
  const std::string& modality = picture.header.modality;
  if (std::find(package.modalities.begin(), package.modalities.end(), modality) != package.modalities.end()) return;
  if (picture.header.made_from_picture) return;  // a PNG or JPEG said to be a film: the gate looks at it
  if (modality.empty())
    result.warnings.emplace_back("the header does not say the modality");
  else
    result.reasons.push_back(reason("wrong_modality", modality));
}

void body_part(const Picture& picture, Eligibility& result) {
  const std::string& part = picture.header.body_part;
  if (!trimmed(part).empty() && !chest_like(part)) result.reasons.push_back(reason("wrong_body_part", part));
}

void view(const Picture& picture, const infer::Package& package, Eligibility& result) {
  const std::string& position = picture.header.view_position;
  const View seen = view_of(position);
  const auto listed = [&package](const char* name) {
    return package.views.empty() || std::find(package.views.begin(), package.views.end(), name) != package.views.end();
  };
  if (seen == View::other || (seen == View::pa && !listed("PA")) || (seen == View::ap && !listed("AP")))
    result.reasons.push_back(reason("not_frontal", "view position " + position));
  else if (seen == View::unknown && !trimmed(position).empty())
    result.warnings.push_back("the view position \"" + position + "\" is not known; the picture decides");
}

void orientation(const Picture& picture, Eligibility& result) {
  const image::Film* film = picture.film();
  const auto& said = film != nullptr && !film->patient_orientation[0].empty() ? film->patient_orientation
                                                                              : picture.header.patient_orientation;
  const Hanging hanging = hanging_of(said);
  if (hanging.code.empty() || hanging.code == "upright") return;
  const std::string detail = fmt::format("the header says patient orientation {}\\{}", said[0], said[1]);
  result.reasons.push_back(reason(hanging.code, detail));
  if (hanging.mirrored_too) result.reasons.push_back(reason("mirrored", detail));
}

void age(const Picture& picture, const infer::Package& package, Eligibility& result) {
  if (!package.minimum_age_a) return;
  if (!picture.header.age_a)
    result.warnings.push_back(fmt::format("age unknown; the model was made for patients of {} years or more",
                                          number_text(*package.minimum_age_a)));
  else if (*picture.header.age_a < *package.minimum_age_a)
    result.reasons.push_back(
        reason("child", fmt::format("{} years by the header", fixed_text(*picture.header.age_a, 0))));
}

}  // namespace

View view_of(const std::string& view_position) {
  const std::string word = plain(view_position);
  static const std::set<std::string> kPa{"PA", "PAERECT", "PASTANDING", "PAUPRIGHT", "POSTEROANTERIOR"};
  static const std::set<std::string> kAp{"AP",    "APSUPINE",   "APERECT",   "APPORTABLE",      "APSITTING",
                                         "APBED", "PORTABLEAP", "APUPRIGHT", "ANTEROPOSTERIOR", "APSEMIERECT"};
  static const std::set<std::string> kOther{
      "LL",          "RL",           "LAT",        "LATERAL", "LLAT", "RLAT", "LATERALLEFT", "LATERALRIGHT",
      "LEFTLATERAL", "RIGHTLATERAL", "L",          "R",       "LAO",  "RAO",  "LPO",         "RPO",
      "RLO",         "LLO",          "OBLIQUE",    "OBL",     "LLD",  "RLD",  "DECUBITUS",   "LORDOTIC",
      "AXIAL",       "SAGITTAL",     "TRANSVERSE", "MLO",     "CC",   "ML",   "LM"};
  if (kPa.contains(word)) return View::pa;
  if (kAp.contains(word)) return View::ap;
  return kOther.contains(word) ? View::other : View::unknown;
}

Hanging hanging_of(const std::array<std::string, 2>& patient_orientation) {
  if (patient_orientation[0].empty() || patient_orientation[1].empty()) return {};
  // The first letter is the main direction; further letters say a tilt.
  const std::string pair{patient_orientation[0][0], patient_orientation[1][0]};
  if (pair == "LF") return {"upright"};
  if (pair == "RF") return {"mirrored"};
  if (pair == "FR") return {"rotated_90"};
  if (pair == "RH") return {"rotated_180"};
  if (pair == "HL") return {"rotated_270"};
  if (pair == "FL") return {"rotated_90", true};
  if (pair == "LH") return {"rotated_180", true};
  if (pair == "HR") return {"rotated_270", true};
  return {"not_frontal"};
}

bool chest_like(const std::string& body_part) {
  return chest_words().contains(plain(body_part));
}

Eligibility header_eligibility(const Picture& picture, const infer::Package& package) {
  Eligibility result;
  modality(picture, package, result);
  body_part(picture, result);
  view(picture, package, result);
  age(picture, package, result);
  orientation(picture, result);
  if (picture.header.presentation_intent == "FOR PROCESSING")
    result.warnings.emplace_back(
        "the film is meant for processing, not for presentation: its grey scale was made here");
  result.eligible = result.reasons.empty();
  return result;
}

}  // namespace rouage::cogs::chest
