/// The chest cog: one frontal chest film of an adult in; findings, a score of remarkable, an estimated age, maps and
/// regions out. A film that is not eligible gets its reasons and nothing else.
///
/// Options (CogContext::options): `model`: another package than rouage-chest; `operating_point`: balanced (default) or
/// sensitive; `explain`: labels (comma) or "all", whose maps are wanted even when they are not positive;
/// `guided`: "on" adds guided Grad-CAM for the same labels; `maps`: "off" leaves the maps out of the result (regions
/// stay).
#pragma once
#include <string>
#include <vector>

#include "cogs/cog.h"

namespace rouage::cogs::chest {

inline constexpr const char* kVersion = "1.0.0";
inline constexpr const char* kModel = "rouage-chest";
inline constexpr const char* kGate = "rouage-chest-gate";

Cog description();
/// Errors: RoleMissing unless there is exactly one film.
Eligibility eligible(const CogInput& input, const CogContext& context);
/// Errors: RoleMissing, OptionInvalid (names the choices), Cancelled, and what the packages throw.
CogResult run(const CogInput& input, const CogContext& context);
/// The examination's row: highest probability over the eligible films for each finding, every region kept; estimated
/// age weighted by 1 / variance, its uncertainty not reduced (films of one patient share their error). All films
/// ineligible: the study is ineligible, with every reason once.
CogResult combine(const std::vector<CogResult>& films, const std::string& study_instance_uid);

/// The one film of `current`.  Errors: RoleMissing.
const Picture& the_film(const CogInput& input);
/// An option, or its default.
std::string option(const CogContext& context, const std::string& name, const std::string& otherwise);
/// Errors: Cancelled when the process wants to end.
void stop_if_cancelled(const CogContext& context);

}  // namespace rouage::cogs::chest
