/// Rays of a divergent beam through ellipsoids and tubes.
///
/// Patient space of the phantom, mm: x to the patient's left, y to the feet, z from the detector towards the source.
/// The detector is the plane z = 0, the source the point (0, 0, kSourceMm): a PA film, so the sternum has the small z.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "image/phantom_numbers.h"

namespace rouage::image::phantom {

inline constexpr double kSourceMm = 1800;

/// Linear attenuation coefficients in 1/mm at 65 keV effective energy: mass coefficients of NIST's XCOM tables between
/// their 60 and 80 keV entries, as generally known (soft tissue 0.198, cortical bone 0.28 cm2/g), times density
/// (soft tissue 1.04, inflated lung 0.27, cortical bone 1.9, spongy bone with marrow 1.15 g/cm3).
inline constexpr double kMuSoft = 0.0206, kMuLung = 0.0054, kMuCortical = 0.0530, kMuSpongy = 0.0275;

struct Point {
  double x = 0, y = 0, z = 0;
};

/// The ray to the detector point (px, py): x = px (1 - z/L), y = py (1 - z/L).
struct Ray {
  double px = 0, py = 0;
  double x(double z) const { return px * (1 - z / kSourceMm); }
  double y(double z) const { return py * (1 - z / kSourceMm); }
  /// Length along the ray of one mm along z.
  double stretch() const { return std::sqrt(1 + (px * px + py * py) / (kSourceMm * kSourceMm)); }
};

/// Part of a ray, by its z; empty when not first < last.
struct Span {
  double first = 1, last = 0;
  bool empty() const { return !(first < last); }
  double length() const { return empty() ? 0 : last - first; }
};
inline Span common(Span a, Span b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}
/// Half axes rx, ry, rz; rx and ry turned in the film plane by the angle of which cosine and sine are held (from +x
/// towards +y).
struct Ellipsoid {
  Point centre;
  double rx = 1, ry = 1, rz = 1;
  double cos_tilt = 1, sin_tilt = 0;
};
inline Ellipsoid tilted(Ellipsoid body, double degrees) {
  body.cos_tilt = cosine(degrees * kPi / 180);
  body.sin_tilt = sine(degrees * kPi / 180);
  return body;
}
/// Exact intersection, empty when the ray misses.
Span cut(const Ellipsoid& body, const Ray& ray);

/// exp(-mu * chord) through one sphere, as the tracer computes it: for the test against the closed form.
double sphere_transmission(Point centre, double radius_mm, double mu_per_mm, double px_mm, double py_mm);

/// The detector's pixels.
struct Grid {
  std::uint32_t columns = 0, rows = 0;
  double mm = 1;    ///< pixel pitch
  double tall = 1;  ///< a patient is drawn this many times as long as it is described: stature without other shapes
  double x(double column) const { return (column + 0.5 - columns / 2.0) * mm; }
  double y(double row) const { return (row + 0.5 - rows / 2.0) * mm / tall; }
  double column(double x_mm) const { return x_mm / mm + columns / 2.0; }  ///< matrix coordinate, outer corner = 0
  double row(double y_mm) const { return y_mm * tall / mm + rows / 2.0; }
  std::size_t size() const { return std::size_t{columns} * rows; }
};

/// A bent tube with an elliptic section: `radius` across in the film plane, `depth` half thickness along the ray.
struct TubePoint {
  Point at;
  double radius = 1, depth = 1;
};
struct Tube {
  std::vector<TubePoint> points;
  double wall_mm = 0;  ///< of the shell; 0: solid
};

/// What a ray sees of a tube: chord through it, through the inside of its shell, and where.
struct TubeChord {
  float outer = 0, inner = 0, z = 0;
};

/// Draws tubes on the grid one after the other; where parts of one tube overlap the longest chord counts, so that the
/// joints between its straight pieces do not show.
class TubeTracer {
 public:
  explicit TubeTracer(const Grid& grid) : grid_(grid), chords_(grid.size()) {}

  /// Calls seen(pixel index, TubeChord) for each pixel that the tube covers.
  template <class Seen>
  void trace(const Tube& tube, Seen seen) {
    c0_ = grid_.columns, c1_ = 0, r0_ = grid_.rows, r1_ = 0;
    for (std::size_t i = 0; i + 1 < tube.points.size(); ++i) piece(tube.points[i], tube.points[i + 1], tube.wall_mm);
    for (std::uint32_t r = r0_; r < r1_; ++r)
      for (std::uint32_t c = c0_; c < c1_; ++c) {
        TubeChord& chord = chords_[std::size_t{r} * grid_.columns + c];
        if (chord.outer > 0) seen(std::size_t{r} * grid_.columns + c, chord);
        chord = {};
      }
  }

 private:
  void piece(const TubePoint& a, const TubePoint& b, double wall_mm);
  Grid grid_;
  std::vector<TubeChord> chords_;
  std::uint32_t c0_ = 0, c1_ = 0, r0_ = 0, r1_ = 0;  ///< pixels touched by the present tube
};

/// A smooth curve through the points (Catmull-Rom), `steps` pieces between two of them.
std::vector<TubePoint> smooth_path(const std::vector<TubePoint>& knots, int steps);

}  // namespace rouage::image::phantom
