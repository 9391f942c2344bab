/// A chest film of a mathematical patient, with known truth. Synthetic: every result on it is called so.
///
///   PhantomFilm phantom = make_phantom_film({.columns = 1024, .rows = 1024, .nodules = {{...}}});
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image/film.h"

namespace rouage::image {

enum class Side { left, right };  ///< the patient's

struct PhantomNodule {
  double x_mm = 60,
         y_mm = 0;  ///< from the centre of the film in the patient's left (+x, viewer's right) and foot (+y) direction
  double diameter_mm = 20;
};
struct PhantomOptions {
  std::uint32_t columns = 1024, rows = 1024;
  double width_mm = 400;   ///< of the whole film at the detector
  std::uint64_t seed = 1;  ///< anatomy's small variations and quantum noise
  std::vector<PhantomNodule> nodules = {};
  std::optional<Side> effusion = {}, pneumothorax = {}, skin_fold = {};
  bool cardiomegaly = false;
  double noise = 1.0;  ///< 1: about 2.5 microgray at the detector
  bool marker = true;  ///< a lead "L" at the patient's left shoulder
};
struct PhantomTruth {
  std::string label;  ///< ChestX-ray14 names; "Skin_Fold", "Marker_L", "Heart", "Lung_Left", "Lung_Right"
  std::optional<Side> side;
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< box in the film's matrix, (0,0) = outer corner of the top-left pixel
};
struct PhantomFilm {
  Film film;  ///< patient_orientation {"L","F"}, spacing at_detector
  std::vector<PhantomTruth> truth;
  double cardiothoracic_ratio = 0;  ///< widest heart over widest thorax inside; 0 when the film cuts the lungs
};

/// Beer-Lambert projection of ellipsoids (soft tissue, lung, bone) with divergent beam, scatter and Poisson noise.
/// Pure and deterministic for the same options. Errors: Usage for impossible sizes.
PhantomFilm make_phantom_film(const PhantomOptions& options);

}  // namespace rouage::image
