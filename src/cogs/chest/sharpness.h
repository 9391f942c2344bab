/// Is the film sharp? A classical measure at 256 px, so that noise and compression weigh little.
#pragma once
#include <cstdint>

#include "image/film.h"

namespace rouage::cogs::chest {

/// Longer side at which the measure is taken, pixels (settings `sharpness.size` of the gate package must agree).
inline constexpr std::uint32_t kSharpnessSide = 256;
/// Both sides must have at least this many pixels for the measure to exist.
inline constexpr std::uint32_t kSharpnessLeastSide = 40;

/// Smallest over four directions of ln(median over 8 x 8 blocks of fine / coarse second differences); about -1.1 for a
/// sharp film, -2.3 after a Gaussian blur of 1 % of its width. No unit; the film's scale and offset do not matter.
/// Errors: Internal for a film below kSharpnessLeastSide.  Source: training/chest_gate/sharpness.py, step by step.
double sharpness(const image::Film& film);

}  // namespace rouage::cogs::chest
