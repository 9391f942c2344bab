/// Against decoration: does a map point at the finding, and does it depend on what the net learnt?
///
///   pointing game (Zhang et al. 2016, arXiv:1608.00507): is the map's maximum inside the expert's box?
///   randomisation (Adebayo et al. 2018, arXiv:1810.03292): a map that stays the same with shuffled weights explains
///   nothing.
#pragma once
#include <array>
#include <cstdint>

#include "base/values.h"
#include "cogs/chest/explanation.h"
#include "cogs/cog.h"

namespace rouage::cogs::chest {

/// Centre of the map's highest cell (the first in reading order among equals), in film pixels.
std::array<double, 2> pointed_at(const Map& map, std::uint32_t film_columns, std::uint32_t film_rows);
/// True when that point lies inside the box, its left and upper edge included.
bool pointing_hit(const Map& map, const Box& box, std::uint32_t film_columns, std::uint32_t film_rows);

/// hits of n with Wilson's score interval (Wilson 1927; without continuity correction), level 0.95.
/// n = 0 gives 0 with the interval 0..1.
Estimate hit_rate(int hits, int n);

/// Spearman's rank correlation of two maps of one size, ties by mean ranks; 0 where one of them is constant.
double rank_correlation(const Map& a, const Map& b);

/// Box in film pixels of the lungs of an ordinary film: the guess "lung centre" points at the middle of one of them.
struct LungCentres {
  std::array<double, 2> right, left;  ///< the patient's; right is at the picture's left
};
LungCentres lung_centres(std::uint32_t film_columns, std::uint32_t film_rows);

}  // namespace rouage::cogs::chest
