/// Synthetic films for probing a net: chest-like shapes and plain patterns, the same on every machine.
#pragma once
#include <vector>

#include "image/film.h"

namespace rouage::infer {

/// Chest-like: two dark lungs, a bright heart, ribs, a diaphragm, quantum noise; positions, contrast and opacities
/// vary.
std::vector<image::Film> probe_films();
/// Constant grey, ramps, checks, noise: what no chest looks like, for finiteness.
std::vector<image::Film> probe_patterns();

}  // namespace rouage::infer
