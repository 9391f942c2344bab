#include "image/phantom_ct.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/values.h"
#include "image/phantom_numbers.h"

namespace rouage::image {
namespace {

enum Label : std::uint16_t {
  background,
  body,
  lung_left,
  lung_right,
  trachea,
  heart,
  aorta,
  liver,
  spleen,
  kidney_left,
  kidney_right,
  vertebrae,
  spinal_canal,
  ribs,
  sternum,
  table,
  marker
};
const std::vector<std::string> kNames = {
    "background",  "body",         "lung_left", "lung_right",   "trachea", "heart",   "aorta", "liver", "spleen",
    "kidney_left", "kidney_right", "vertebrae", "spinal_canal", "ribs",    "sternum", "table", "marker"};

constexpr double kAir = -1000, kFat = -95, kMuscle = 45;
constexpr double kBodyX = 165, kBodyY = 105, kFatMm = 14;
constexpr double kRibX = 132, kRibY = 82, kRibMm = 5;
constexpr double kDiaphragm = 20;  ///< mm above the middle: no lung below

double square(double x) {
  return x * x;
}

/// (p - centre) / half in squares: 1 on the surface of an ellipsoid.
double ellipsoid(const Point3& p, const Point3& centre, const Point3& half) {
  return square((p[0] - centre[0]) / half[0]) + square((p[1] - centre[1]) / half[1]) +
         square((p[2] - centre[2]) / half[2]);
}

/// An axis-aligned box in patient space that bounds a shape.
struct Bounds {
  Point3 low{}, high{};
};
Bounds around(const Point3& centre, const Point3& half) {
  Bounds b;
  for (std::size_t x = 0; x < 3; ++x) {
    b.low[x] = centre[x] - half[x];
    b.high[x] = centre[x] + half[x];
  }
  return b;
}

/// Paints shapes over one another: the later one wins.
class Painter {
 public:
  explicit Painter(PhantomCt& phantom) : phantom_(phantom) {}

  template <class Inside>
  void paint(const Bounds& bounds, Label label, double hu, const Inside& inside) {
    const Grid& grid = phantom_.hu.grid;
    std::array<std::uint32_t, 3> first{}, end{};
    for (std::size_t a = 0; a < 3; ++a) {
      const double step = grid.step_mm[a][a], last = grid.size[a] - 1.0;
      first[a] =
          static_cast<std::uint32_t>(std::clamp(std::floor((bounds.low[a] - grid.origin_mm[a]) / step), 0.0, last));
      const double high = std::ceil((bounds.high[a] - grid.origin_mm[a]) / step);
      end[a] = static_cast<std::uint32_t>(std::clamp(high, -1.0, last) + 1);
    }
    for (std::uint32_t k = first[2]; k < end[2]; ++k)
      for (std::uint32_t j = first[1]; j < end[1]; ++j)
        for (std::uint32_t i = first[0]; i < end[0]; ++i)
          if (inside(grid.position(i, j, k))) {
            phantom_.hu.at(i, j, k) = static_cast<float>(hu);
            phantom_.truth.at(i, j, k) = label;
          }
  }
  void ellipsoid_of(Label label, double hu, const Point3& centre, const Point3& half) {
    paint(around(centre, half), label, hu, [&](const Point3& p) { return ellipsoid(p, centre, half) <= 1; });
  }
  /// Vertical, from z low to z high.
  void cylinder(Label label, double hu, double x, double y, double radius, double low, double high) {
    paint({{x - radius, y - radius, low}, {x + radius, y + radius, high}}, label, hu, [&](const Point3& p) {
      return square(p[0] - x) + square(p[1] - y) <= square(radius) && p[2] >= low && p[2] <= high;
    });
  }

 private:
  PhantomCt& phantom_;
};

void paint_body(Painter& painter) {
  const Bounds whole{{-kBodyX, -kBodyY, -1e4}, {kBodyX, kBodyY, 1e4}};
  const auto oval = [](const Point3& p, double x, double y) { return square(p[0] / x) + square(p[1] / y) <= 1; };
  painter.paint(whole, body, kFat, [&](const Point3& p) { return oval(p, kBodyX, kBodyY); });
  painter.paint(whole, body, kMuscle, [&](const Point3& p) { return oval(p, kBodyX - kFatMm, kBodyY - kFatMm); });
}

/// Ten pairs of oval rings that fall to the front and end beside the sternum.
void paint_ribs(Painter& painter) {
  for (int pair = 0; pair < 10; ++pair) {
    const double back = 190 - 20.0 * pair;
    const Bounds bounds{{-kRibX - 10, -kRibY - 10, back - 60}, {kRibX + 10, kRibY + 10, back + 10}};
    painter.paint(bounds, ribs, 420, [&](const Point3& p) {
      const double around = std::sqrt(square(p[0] / kRibX) + square(p[1] / kRibY));
      const double radius = std::sqrt(square(p[0]) + square(p[1]));
      const double off = around > 0 ? radius * (1 - 1 / around) : 1e9;
      const double height = back - 25 * (1 - p[1] / kRibY);  // the front end lies 50 mm lower
      const bool beside_sternum = p[1] < 0 && std::abs(p[0]) < 28;
      return !beside_sternum && square(off) + square(p[2] - height) <= square(kRibMm);
    });
  }
  painter.paint({{-20, -90, 30}, {20, -76, 175}}, sternum, 260, [](const Point3& p) {
    return std::abs(p[0]) <= 18 && p[1] >= -88 && p[1] <= -78 && p[2] >= 35 && p[2] <= 170;
  });
}

void paint_chest(Painter& painter, double blood) {
  // Lungs are cut flat in the middle (the mediastinum) and by the dome of the diaphragm.
  const auto lung = [&](Label label, const Point3& centre, const Point3& half, double side) {
    const Point3 dome{centre[0], centre[1], kDiaphragm - 30}, dome_half{75, 80, 62};
    painter.paint(around(centre, half), label, -850, [&, side](const Point3& p) {
      return ellipsoid(p, centre, half) <= 1 && side * p[0] >= 20 && ellipsoid(p, dome, dome_half) > 1;
    });
  };
  lung(lung_left, {68, 0, 95}, {54, 68, 100}, 1);
  lung(lung_right, {-70, 0, 95}, {56, 70, 100}, -1);
  painter.ellipsoid_of(heart, blood, {28, -30, 75}, {46, 38, 42});
  painter.cylinder(aorta, blood, 14, 38, 11, -1e4, 150);
  painter.cylinder(trachea, -985, 0, 8, 9, 110, 1e4);
}

void paint_abdomen(Painter& painter) {
  const Point3 centre{-55, -10, -32}, half{70, 66, 60};
  painter.paint(around(centre, half), liver, 62, [&](const Point3& p) {
    // No liver where lung already is: below the dome only.
    return ellipsoid(p, centre, half) <= 1 && ellipsoid(p, {-70, 0, kDiaphragm - 30}, {73, 78, 58}) <= 1;
  });
  painter.ellipsoid_of(spleen, 52, {92, 36, -30}, {27, 34, 42});
  painter.ellipsoid_of(kidney_left, 34, {62, 45, -105}, {24, 22, 52});
  painter.ellipsoid_of(kidney_right, 34, {-60, 45, -122}, {24, 22, 52});
}

/// Vertebral bodies of 26 mm with discs of 6 mm between them (soft tissue, not labelled bone), and the canal behind.
void paint_spine(Painter& painter) {
  for (int level = -8; level < 8; ++level) {
    const double low = level * 32.0;
    painter.cylinder(vertebrae, 230, 0, 64, 19, low, low + 26);
    painter.paint({{-22, 82, low}, {22, 98, low + 26}}, vertebrae, 320, [&](const Point3& p) {
      const double ring = square(p[0] / 16) + square((p[1] - 84) / 13);
      return ring <= 1 && p[2] >= low && p[2] <= low + 26;
    });
  }
  painter.cylinder(spinal_canal, 20, 0, 84, 8, -1e4, 1e4);
}

/// A shell of carbon fibre around foam, under the patient.
void paint_table(Painter& painter) {
  const auto slab = [](const Point3& p, double inset) {
    const double top = kBodyY + 6 - 0.0006 * square(p[0]);  // a shallow trough: its sides rise to the front
    return std::abs(p[0]) <= 180 - inset && p[1] >= top + inset && p[1] <= top + 26 - inset;
  };
  const Bounds bounds{{-180, kBodyY - 20, -1e4}, {180, kBodyY + 40, 1e4}};
  painter.paint(bounds, table, -150, [&](const Point3& p) { return slab(p, 0); });
  painter.paint(bounds, background, -900, [&](const Point3& p) { return slab(p, 4); });
}

/// A normal variate for voxel n: twelve uniforms of 16 bits, mean and variance taken out (no library function, so that
/// the bytes are the same everywhere).
double normal_variate(std::uint64_t key, std::uint64_t n) {
  std::int64_t sum = 0;
  for (std::uint64_t word = 0; word < 3; ++word) {
    const std::uint64_t bits = phantom::mix(key + 3 * n + word);
    for (int shift = 0; shift < 64; shift += 16) sum += static_cast<std::int64_t>((bits >> shift) & 0xFFFF);
  }
  return (static_cast<double>(sum) - 6 * 65535.0) / 65536.0;  // the variance of twelve uniforms on 0..1 is 1
}

void add_noise(Volume<float>& hu, const PhantomCtOptions& options) {
  const std::uint64_t key = phantom::mix(options.seed ^ phantom::mix(77));
  for (std::size_t n = 0; n < hu.values.size(); ++n) {
    const double noise = options.noise_hu > 0 ? options.noise_hu * normal_variate(key, n) : 0;
    hu.values[n] = static_cast<float>(std::clamp(std::floor(double{hu.values[n]} + noise + 0.5), -1024.0, 3071.0));
  }
}

Grid centred_grid(const PhantomCtOptions& options) {
  Grid grid;
  grid.size = options.size;
  for (std::size_t a = 0; a < 3; ++a) {
    if (options.size[a] < 1 || options.size[a] > 1024 || !(options.spacing_mm[a] > 0) ||
        !std::isfinite(options.spacing_mm[a]))
      throw Error(ErrorCode::VolumeInvalid, "the phantom needs 1..1024 voxels a side and a positive spacing");
    grid.step_mm[a][a] = options.spacing_mm[a];
    grid.origin_mm[a] = -options.spacing_mm[a] * (options.size[a] - 1.0) / 2;
  }
  return grid;
}

}  // namespace

PhantomCt phantom_ct(const PhantomCtOptions& options) {
  PhantomCt phantom;
  phantom.names = kNames;
  phantom.hu.grid = phantom.truth.grid = centred_grid(options);
  phantom.hu.unit = "[hnsf'U]";
  const auto voxels = static_cast<std::size_t>(phantom.hu.grid.voxels());
  phantom.hu.values.assign(voxels, static_cast<float>(kAir));
  phantom.truth.values.assign(voxels, background);
  const double blood = options.contrast ? 180 : 42;
  Painter painter(phantom);
  paint_body(painter);
  paint_ribs(painter);
  paint_chest(painter, blood);
  paint_abdomen(painter);
  paint_spine(painter);
  paint_table(painter);
  painter.paint(around(kPhantomMarker, kPhantomMarkerHalf), marker, 2000, [](const Point3& p) {
    for (std::size_t x = 0; x < 3; ++x)
      if (std::abs(p[x] - kPhantomMarker[x]) > kPhantomMarkerHalf[x]) return false;
    return true;
  });
  add_noise(phantom.hu, options);
  if (options.orientation != "LPS") {
    phantom.hu = reoriented(phantom.hu, options.orientation);
    phantom.truth = reoriented(phantom.truth, options.orientation);
  }
  return phantom;
}

}  // namespace rouage::image
