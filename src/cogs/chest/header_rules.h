/// What the header alone decides: modality, body part, view, orientation, age. Pure; no pixel is looked at.
#pragma once
#include <array>
#include <string>

#include "cogs/cog.h"
#include "infer/package.h"

namespace rouage::cogs::chest {

enum class View { unknown, pa, ap, other };
/// (0018,5101) View Position: PA; AP and its kinds (AP SUPINE, AP PORTABLE...); LL, RL, LAT, obliques and decubitus:
/// other.
View view_of(const std::string& view_position);

/// How a film hangs, by (0020,0020) Patient Orientation, against {"L","F"} (upright, seen from the front).
/// upright, mirrored, rotated_90 (quarter turn to the left), rotated_180, rotated_270, not_frontal; "" when not said.
/// mirrored_too: it is also seen from behind (rotated_* only).  Source: DICOM PS3.3 C.7.6.1.1.1.
struct Hanging {
  std::string code;
  bool mirrored_too = false;
};
Hanging hanging_of(const std::array<std::string, 2>& patient_orientation);

/// True for CHEST, THORAX, LUNG and their forms; an empty body part is accepted by the caller.
bool chest_like(const std::string& body_part);

/// Reasons and warnings that need no pixel. `package`: the lists of modalities and views and the least age.
Eligibility header_eligibility(const Picture& picture, const infer::Package& package);

}  // namespace rouage::cogs::chest
