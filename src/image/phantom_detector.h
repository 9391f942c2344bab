/// From attenuation to the picture: scatter, quantum noise, detector blur, film curve.
#pragma once
#include <cstdint>
#include <vector>

#include "image/phantom_trace.h"

namespace rouage::image::phantom {

struct Exposure {
  Grid grid;
  std::uint64_t seed = 1;
  double noise = 1;  ///< standard deviation, relative to 2.5 microgray behind the lungs; 0: none
};

/// anatomy: mu times chord a pixel of the patient alone.  added: what is inserted, to be added to it (0: nothing
/// there). Scatter and the display's local contrast are taken from `anatomy`, so that an insertion changes the picture
/// where it is and nowhere else (but for the detector's blur, less than two pixels).  Returns display values 0..1 in
/// 4095 steps.
std::vector<float> expose(const std::vector<float>& anatomy, const std::vector<float>& added, const Exposure& exposure);

}  // namespace rouage::image::phantom
