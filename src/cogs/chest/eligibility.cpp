#include "cogs/chest/eligibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/values.h"
#include "cogs/chest/header_rules.h"
#include "cogs/chest/reasons.h"
#include "cogs/chest/sharpness.h"

namespace rouage::cogs::chest {
namespace {

constexpr std::uint32_t kLeastSide = 32;  ///< pixels; 64 x 64 films are known to be read, smaller ones are icons
constexpr float kBlankSpan = 1e-3F;       ///< of the display range 0..1

std::optional<double> number(const infer::Package& package, const char* key) {
  const auto at = package.numbers.find(key);
  return at == package.numbers.end() ? std::nullopt : std::optional(at->second);
}

void append(Eligibility& all, Eligibility part) {
  all.reasons.insert(all.reasons.end(), part.reasons.begin(), part.reasons.end());
  all.warnings.insert(all.warnings.end(), part.warnings.begin(), part.warnings.end());
  all.eligible = all.reasons.empty();
}

/// Stops at the first pixel that differs: on a real film at once.
bool blank(const image::Film& film) {
  if (film.values.empty()) return true;
  const float first = film.values.front();
  return std::none_of(film.values.begin(), film.values.end(),
                      [first](float v) { return std::abs(v - first) >= kBlankSpan; });
}

void sharp(const image::Film& film, const infer::Package& gate, Eligibility& result) {
  const std::optional<double> threshold = number(gate, "sharpness.threshold");
  if (!threshold) return;
  if (number(gate, "sharpness.size").value_or(kSharpnessSide) != kSharpnessSide)
    throw Error(ErrorCode::PackageInvalid, fmt::format("this version measures sharpness at {} px", kSharpnessSide))
        .file(gate.folder)
        .tag("sharpness.size");
  const double least_side =
      std::max<double>(kSharpnessLeastSide, number(gate, "sharpness.minimum_matrix_px").value_or(0));
  if (std::min(film.columns, film.rows) < least_side) {
    result.warnings.push_back(
        fmt::format("low resolution ({} x {} pixels): small findings cannot be seen and sharpness was not judged",
                    film.columns, film.rows));
    return;
  }
  const double measured = sharpness(film);
  if (measured < *threshold)
    result.reasons.push_back(
        reason("blurred", fmt::format("sharpness {:.2f}, at least {:.2f} is needed", measured, *threshold)));
}

/// An adult by the header is not refused because the picture looks young: the header counts, the doubt is said.
void trust_age(const Picture& picture, const infer::Package& package, Eligibility& gate) {
  const std::optional<double>& age = picture.header.age_a;
  if (!age || !package.minimum_age_a || *age < *package.minimum_age_a) return;
  const auto child =
      std::find_if(gate.reasons.begin(), gate.reasons.end(), [](const Ineligibility& r) { return r.code == "child"; });
  if (child == gate.reasons.end()) return;
  gate.warnings.push_back(fmt::format("the header says {} years, the picture looks like a child's (probability {:.2f})",
                                      fixed_text(*age, 0), child->probability.value_or(0)));
  gate.reasons.erase(child);
  gate.eligible = gate.reasons.empty();
}

}  // namespace

Eligibility picture_eligibility(const image::Film& film, const infer::Package& gate) {
  Eligibility result;
  if (std::min(film.columns, film.rows) < kLeastSide) {
    result.reasons.push_back(reason("low_resolution", fmt::format("{} x {}", film.columns, film.rows)));
  } else if (blank(film)) {
    result.reasons.push_back(reason("blank"));
  } else {
    const double aspect = double{1} * film.columns / film.rows;
    if (aspect < number(gate, "aspect.minimum").value_or(0) || aspect > number(gate, "aspect.maximum").value_or(1e9))
      result.reasons.push_back(reason("aspect", fmt::format("{} x {}", film.columns, film.rows)));
    sharp(film, gate, result);
  }
  result.eligible = result.reasons.empty();
  return result;
}

Eligibility gate_eligibility(const infer::Tensor& input, const infer::LoadedModel& gate) {
  const infer::Package& package = gate.package();
  const infer::Tensor logits = gate.answer(input, {package.logits}).front();
  Eligibility result;
  for (const infer::PackageOutput& output : package.outputs) {
    if (output.kind != "refusal") continue;
    const infer::PackageOperatingPoint* point = output.operating_point("refuse");
    const std::vector<std::string>& codes = reason_codes();
    if (point == nullptr || !output.platt_a || std::find(codes.begin(), codes.end(), output.label) == codes.end())
      throw Error(ErrorCode::PackageInvalid,
                  "a refusal needs a known code, a calibration and the operating point \"refuse\"")
          .file(package.folder)
          .tag("outputs." + output.label);
    const double probability =
        *output.probability(static_cast<double>(logits.values.at(static_cast<std::size_t>(output.index))));
    if (probability >= point->threshold) result.reasons.push_back(reason(output.label, {}, probability));
  }
  // The most probable reason first: that is the one that a person acts on.
  std::stable_sort(result.reasons.begin(), result.reasons.end(),
                   [](const Ineligibility& a, const Ineligibility& b) { return a.probability > b.probability; });
  // A picture that is no chest film, lies on its side or holds two films makes the other answers meaningless.
  for (const char* decisive : {"not_chest", "two_films", "rotated_90", "rotated_270", "rotated_180"}) {
    const auto found = std::find_if(result.reasons.begin(), result.reasons.end(),
                                    [&](const Ineligibility& r) { return r.code == decisive; });
    if (found == result.reasons.end()) continue;
    result.reasons = {Ineligibility(*found)};
    break;
  }
  result.eligible = result.reasons.empty();
  return result;
}

FilmJudgement judge_film(const Picture& picture, const infer::LoadedModel& model, const infer::LoadedModel& gate) {
  FilmJudgement made;
  append(made.eligibility, header_eligibility(picture, model.package()));
  if (!made.eligibility.eligible) return made;
  append(made.eligibility, picture_eligibility(*picture.film(), gate.package()));
  if (!made.eligibility.eligible) return made;
  made.gate_input = infer::film_tensor(*picture.film(), gate.package().input);
  Eligibility seen = gate_eligibility(made.gate_input, gate);
  trust_age(picture, model.package(), seen);
  append(made.eligibility, std::move(seen));
  return made;
}

}  // namespace rouage::cogs::chest
