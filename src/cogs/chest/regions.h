/// Boxes out of a map, in the film's own matrix.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cogs/chest/explanation.h"
#include "cogs/cog.h"

namespace rouage::cogs::chest {

/// A region holds what stands at or above this fraction of the way from the map's mean to its maximum.
inline constexpr double kRegionFraction = 0.5;
/// The map is enlarged so many times before it is cut: a lone cell then gives exactly its own box. Odd, so that the
/// centre of a cell, and with it the maximum, is kept.
inline constexpr std::uint32_t kRegionEnlarging = 9;
/// At most so many regions a finding, the strongest first.
inline constexpr std::size_t kRegionLimit = 3;

struct FoundRegion {
  Box box;           ///< film matrix; (0,0) is the outer corner of the top-left pixel
  double score = 0;  ///< highest relief inside, 0..1
};
/// Connected (8 neighbours) parts of the enlarged relief at or above kRegionFraction, strongest first, then larger,
/// then upper left. A map without relief gives the whole film with score 0: the net prefers no place.
std::vector<FoundRegion> find_regions(const Map& map, std::uint32_t film_columns, std::uint32_t film_rows);
/// The sentence that goes into Region::derivation.
std::string region_derivation(const std::string& role);

/// The patient's side on which a box lies, its centre against the film's midline. Within 1/20 of the width of it: none
/// (median). A box that reaches 1/5 of the width beyond the midline on both sides: bilateral.
/// patient_orientation: (0020,0020); where it is empty, {"L","F"}: an upright film that is not mirrored.
Laterality side_of(const Box& box, std::uint32_t film_columns, std::uint32_t film_rows,
                   const std::array<std::string, 2>& patient_orientation);
/// left + right = bilateral; none adds nothing.
Laterality joined(Laterality a, Laterality b);
/// True for labels that name one median organ (Cardiomegaly, Hernia, Enlarged Cardiomediastinum): they have no side.
bool median_label(const std::string& label);

}  // namespace rouage::cogs::chest
