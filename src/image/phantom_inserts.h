/// What can be put into the phantom, and the boxes that tell where it is.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image/phantom_anatomy.h"

namespace rouage::image::phantom {

/// Grows to the smallest box (outer corners) of the pixels that it is shown.
struct Extent {
  std::uint32_t c0 = 0xFFFFFFFF, r0 = 0xFFFFFFFF, c1 = 0, r1 = 0;
  void add(std::uint32_t column, std::uint32_t row) {
    c0 = std::min(c0, column), c1 = std::max(c1, column + 1), r0 = std::min(r0, row), r1 = std::max(r1, row + 1);
  }
  bool empty() const { return c1 <= c0 || r1 <= r0; }
  PhantomTruth truth(std::string label, std::optional<Side> side) const;
};

/// The longest air-filled piece of a pixel's ray, by z; empty outside the lungs.
struct LungPixel {
  float first = 1, last = 0;
};

/// A sphere of soft tissue in the middle of the lung behind the detector point. Errors: Usage when no lung is there.
PhantomTruth add_nodule(const PhantomNodule& nodule, const Grid& grid, const std::vector<LungPixel>& lung,
                        std::vector<float>& added);

/// A fold of the skin of the back: density that rises over 30 mm and ends at a sharp oblique edge, from inside the lung
/// across the ribs' border into the chest wall.
PhantomTruth add_skin_fold(Side side, const Grid& grid, const Variation& variation, std::vector<float>& added);

/// The letter L in lead over the patient's left shoulder, upright as the film is looked at. Absent truth: off the film.
std::optional<PhantomTruth> add_marker(const Grid& grid, std::vector<float>& added);

}  // namespace rouage::image::phantom
