#include "cogs/chest/reasons.h"

#include <array>
#include <optional>

#include "base/error.h"

namespace rouage::cogs::chest {
namespace {

struct Row {
  const char* code;
  const char* text;
};
constexpr std::array<Row, 18> kRows{{
    {"wrong_modality", "not a projection film of a modality that the model knows"},
    {"wrong_body_part", "the header names another body part"},
    {"not_frontal", "not a frontal view (PA or AP)"},
    {"child", "the patient is a child; the model was made for adults"},
    {"aspect", "the picture is too wide or too tall for one chest film"},
    {"low_resolution", "the picture has too few pixels"},
    {"blank", "the picture shows nothing"},
    {"blurred", "the film is not sharp enough"},
    {"not_chest", "this does not look like a chest film"},
    {"two_films", "the picture holds more than one film"},
    {"inverted", "black and white are exchanged; give the film with the right photometric interpretation"},
    {"mirrored", "left and right are exchanged; turn the film over"},
    {"rotated_90", "the film lies on its side, turned a quarter to the left; turn it a quarter to the right"},
    {"rotated_180", "the film stands on its head; turn it by half"},
    {"rotated_270", "the film lies on its side, turned a quarter to the right; turn it a quarter to the left"},
    {"cropped_apex", "the upper part of the lungs is cut off"},
    {"cropped_base", "the lower part of the lungs is cut off"},
    {"no_film", "the examination has no film that this cog was given"},
}};

}  // namespace

const std::vector<std::string>& reason_codes() {
  static const std::vector<std::string> kCodes = [] {
    std::vector<std::string> list;
    list.reserve(std::size(kRows));
    for (const Row& row : kRows) list.emplace_back(row.code);
    return list;
  }();
  return kCodes;
}

Ineligibility reason(const std::string& code, const std::string& detail, std::optional<double> probability) {
  for (const Row& row : kRows)
    if (code == row.code)
      return {code, detail.empty() ? row.text : std::string(row.text) + " (" + detail + ")", probability};
  throw Error(ErrorCode::Internal, "unknown reason " + code);
}

}  // namespace rouage::cogs::chest
