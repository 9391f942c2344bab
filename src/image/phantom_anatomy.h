/// The mathematical patient: shapes and materials, before any ray is traced.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "image/phantom_film.h"
#include "image/phantom_trace.h"

namespace rouage::image::phantom {

/// A function of y (mm, towards the feet), tabulated; constant beyond its ends.
class Course {
 public:
  template <class F>
  explicit Course(F value) : values_(kCount) {
    for (int i = 0; i < kCount; ++i) values_[static_cast<std::size_t>(i)] = value(kFirst + i * kStep);
  }
  Course() = default;
  double at(double y) const {
    const double position = std::clamp((y - kFirst) / kStep, 0.0, kCount - 1.001);
    const auto i = static_cast<std::size_t>(position);
    return values_[i] + (position - static_cast<double>(i)) * (values_[i + 1] - values_[i]);
  }

 private:
  static constexpr double kFirst = -300, kStep = 0.5;
  static constexpr int kCount = 1200;
  std::vector<double> values_;
};

/// One lung's pleural cavity: at each height an oval between a medial and a lateral wall, of a half depth around a
/// depth.
struct Cavity {
  double sign = 1;                               ///< +1: the patient's left
  Course lateral, medial, half_depth, centre_z;  ///< lateral and medial: distance from the midline
};
Span cut(const Cavity& cavity, const Ray& ray);

/// What the random numbers of the seed vary, all modestly.
struct Variation {
  double size = 1;   ///< of the whole thorax
  double width = 1;  ///< of the thorax across
  double tall = 1;   ///< lengths along the body
  double heart = 1;
  double dome_mm = 0;  ///< diaphragm lower (+) or higher (-)
  double rib_mm = 0;
  double soft_mm = 0;  ///< thicker (+) chest wall
  bool breasts = false;
};

struct Anatomy {
  Variation variation;
  std::array<Cavity, 2> cavities;      ///< left, right (as enum Side)
  std::array<Ellipsoid, 2> domes;      ///< diaphragm; straight walls below the centre
  std::vector<Ellipsoid> heart;        ///< its silhouette: ventricles, atria
  std::vector<Ellipsoid> mediastinum;  ///< vessels and spine column, soft
  std::vector<Ellipsoid> body;         ///< shoulders and arms beside the trunk
  std::vector<Ellipsoid> breasts;      ///< smooth mounds on the trunk: centre, half axes, height rz
  Course trunk_width, trunk_depth;     ///< half axes of the trunk
  double trunk_z = 140;
  Ellipsoid stomach;         ///< its gas, above the level of the fluid
  double fluid_level_y = 0;  ///< the patient stands
  std::vector<Tube> airways;
};

/// `cardiomegaly` widens the heart until the cardiothoracic ratio exceeds 0.55.
Anatomy make_anatomy(std::uint64_t seed, bool cardiomegaly);

Span cut_dome(const Ellipsoid& dome, const Ray& ray);

/// What a ray meets in one cavity: aerated length along z, and the longest aerated piece.
struct Aerated {
  double length = 0;
  Span longest;
};
/// The cavity's span without diaphragm, heart and mediastinum.
Aerated aerate(const Anatomy& anatomy, std::size_t side, Span cavity, const Ray& ray);

/// Length of soft tissue along z, lungs and bones not yet taken out. Trunk, shoulders and arms are blended
/// (fourth-power mean), so that no seam shows between them.
double body_length(const Anatomy& anatomy, const Ray& ray);

/// Adds attenuation (mu times chord) of ribs, clavicles, scapulae, humeral heads, sternum and spine.
void add_bones(const Anatomy& anatomy, const Grid& grid, TubeTracer& tracer, std::vector<float>& attenuation);

/// Pulmonary vessels as tubes, from the hila to the outer third.
std::vector<Tube> make_vessels(const Anatomy& anatomy, std::uint64_t seed);

/// Pleural cavity of a lung that air (pneumothorax) has pushed from its wall, or over whose base fluid stands.
Cavity collapsed(const Cavity& cavity);
Cavity over_fluid(const Cavity& cavity, const Ellipsoid& dome);

}  // namespace rouage::image::phantom
