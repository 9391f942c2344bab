#include <cmath>

#include "base/values.h"
#include "cogs/organs/steps.h"

namespace rouage::cogs::organs {
namespace {

// What any CT of a trunk or a head holds, with room to spare.
constexpr double kAirHu = -850, kAirShare = 0.005;
constexpr double kSoftLowHu = -200, kSoftHighHu = 200, kSoftShare = 0.05;
constexpr double kCoarseMm = 12;  ///< a lung's fissures and a rib vanish
constexpr double kLeastMm = 20;   ///< along the patient
constexpr std::uint32_t kLeastVoxels = 16;

std::string percent(std::size_t part, std::size_t whole) {
  return fixed_text(100 * static_cast<double>(part) / static_cast<double>(whole), 2) + " %";
}

std::optional<Refusal> by_values(const image::Volume<float>& hu) {
  std::size_t air = 0, soft = 0;
  for (const float value : hu.values) {
    if (!std::isfinite(value)) return Refusal{"not_finite", "a value is not a number"};
    const auto v = static_cast<double>(value);
    air += v <= kAirHu;
    soft += v >= kSoftLowHu && v <= kSoftHighHu;
  }
  const std::size_t all = hu.values.size();
  if (static_cast<double>(air) < kAirShare * static_cast<double>(all))
    return Refusal{"no_air", "only " + percent(air, all) + " of the voxels are as thin as air (-850 HU and less)"};
  if (static_cast<double>(soft) < kSoftShare * static_cast<double>(all))
    return Refusal{"no_soft_tissue", "only " + percent(soft, all) + " of the voxels are soft tissue (-200 to 200 HU)"};
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> refusal_of(const image::Volume<float>& hu, const ClassicalOptions& options) {
  if (hu.unit.empty() && !options.assume_hounsfield) return Refusal{"unit_missing", "the volume does not say its unit"};
  if (!hu.unit.empty() && hu.unit != "[hnsf'U]") return Refusal{"not_hounsfield", "the unit is " + hu.unit};
  if (hu.grid.shear() > image::kMostShear)
    return Refusal{"tilted", "the axes are not perpendicular; resample the series first"};
  const image::Grid lps = image::reoriented(hu.grid, "LPS");
  const image::Point3 spacing = lps.spacing_mm();
  for (const double step : spacing) {
    if (!(step > 0)) return Refusal{"too_coarse", "a step of the grid has no length"};
    if (step > kCoarseMm) return Refusal{"too_coarse", "voxels of " + fixed_text(step, 1) + " mm"};
  }
  if (lps.size[2] * spacing[2] < kLeastMm)
    return Refusal{"too_few_slices",
                   "the volume covers " + fixed_text(lps.size[2] * spacing[2], 1) + " mm along the patient"};
  if (lps.size[0] < kLeastVoxels || lps.size[1] < kLeastVoxels)
    return Refusal{"too_coarse", "fewer than 16 voxels across the patient"};
  return by_values(hu);
}

}  // namespace rouage::cogs::organs
