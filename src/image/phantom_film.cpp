// The phantom film: patient, rays, insertions, exposure, truth.
#include "image/phantom_film.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "image/phantom_anatomy.h"
#include "image/phantom_detector.h"
#include "image/phantom_inserts.h"

namespace rouage::image {
namespace {

using namespace phantom;  // NOLINT(google-build-using-namespace): the room's own parts

constexpr std::uint32_t kSmallest = 32, kLargest = 8192;

void check(const PhantomOptions& o) {
  if (o.columns < kSmallest || o.rows < kSmallest || o.columns > kLargest || o.rows > kLargest)
    throw Error(ErrorCode::Usage, "a phantom film has 32 to 8192 columns and rows");
  if (!(o.width_mm >= 50 && o.width_mm <= 1000)) throw Error(ErrorCode::Usage, "a phantom film is 50 to 1000 mm wide");
  if (o.rows * (o.width_mm / o.columns) > 1000) throw Error(ErrorCode::Usage, "a phantom film is at most 1000 mm high");
  if (!(o.noise >= 0 && o.noise <= 100)) throw Error(ErrorCode::Usage, "the phantom's noise is a factor from 0 to 100");
  for (const PhantomNodule& n : o.nodules)
    if (!(n.diameter_mm >= 1 && n.diameter_mm <= 120) || !(std::abs(n.x_mm) < 1e4) || !(std::abs(n.y_mm) < 1e4))
      throw Error(ErrorCode::Usage, "a phantom nodule has a diameter of 1 to 120 mm and a finite place");
}

/// Fine mottle of the lung beyond the vessels that are drawn: value noise on lattices of 1.6, 3 and 7 mm, mean 0,
/// about -1..1. The finest is what keeps a phantom as crisp as a real film when a gate judges it at 256 pixels.
double mottle(double x, double y, std::uint64_t key) {
  double sum = 0;
  for (const double cell : {1.6, 3.0, 7.0}) {
    const double u = x / cell + 4096, v = y / cell + 4096;
    const double iu = std::floor(u), iv = std::floor(v), fu = smooth_step(0, 1, u - iu), fv = smooth_step(0, 1, v - iv);
    const auto corner = [&](int i, int j) {
      const auto a = static_cast<std::uint64_t>(iu) + static_cast<std::uint64_t>(i),
                 b = static_cast<std::uint64_t>(iv) + static_cast<std::uint64_t>(j);
      return static_cast<double>(mix(key + a * 8192 + b) >> 11) * 0x1.0p-53 * 2 - 1;
    };
    const double top = corner(0, 0) + fu * (corner(1, 0) - corner(0, 0)),
                 bottom = corner(0, 1) + fu * (corner(1, 1) - corner(0, 1));
    sum += 0.5 * (top + fv * (bottom - top));
  }
  return sum;
}

LungPixel lung_pixel(const Aerated& air) {
  return {static_cast<float>(air.longest.first), static_cast<float>(air.longest.last)};
}

/// A pleural cavity that is not filled by its lung alone.
struct Pleura {
  std::optional<Cavity> over_fluid, collapsed, inside_pleura;  ///< inside_pleura: `collapsed` without its pleural line
};

constexpr double kFatMm = 24, kMuFat = 0.0180;    ///< under the skin, front and back together
constexpr double kPleuraMm = 0.9, kSeenMm = 0.5;  ///< thickness of the pleural line; thinner air or fluid is left out

std::array<Pleura, 2> make_pleura(const Anatomy& a, const PhantomOptions& o) {
  std::array<Pleura, 2> pleura;
  for (std::size_t side : {0, 1}) {
    if (o.effusion == static_cast<Side>(side)) pleura[side].over_fluid = over_fluid(a.cavities[side], a.domes[side]);
    if (o.pneumothorax != static_cast<Side>(side)) continue;
    const Cavity lung = collapsed(a.cavities[side]);
    Cavity inner = lung;
    inner.lateral = Course([&](double y) { return lung.lateral.at(y) - kPleuraMm; });
    inner.half_depth = Course([&](double y) { return std::max(0.0, lung.half_depth.at(y) - kPleuraMm); });
    pleura[side].collapsed = lung;
    pleura[side].inside_pleura = inner;
  }
  return pleura;
}

/// Traces the patient's organs pixel by pixel, then bones and vessels tube by tube.
class Tracing {
 public:
  Tracing(const PhantomOptions& options, const Grid& grid)
      : patient_(make_anatomy(options.seed, options.cardiomegaly)),
        grid_{grid.columns, grid.rows, grid.mm, patient_.variation.tall},
        pleura_(make_pleura(patient_, options)),
        seed_(options.seed),
        tracer_(grid_),
        anatomy(grid.size()),
        added(grid.size()),
        plain(grid.size()),
        present(grid.size()) {
    for (std::uint32_t r = 0; r < grid.rows; ++r)
      for (std::uint32_t c = 0; c < grid.columns; ++c) organs(c, r);
    add_bones(patient_, grid_, tracer_, anatomy);
    airways();
    vessels();
  }
  const Anatomy& patient() const { return patient_; }

 private:
  void organs(std::uint32_t c, std::uint32_t r);
  void pleura(std::size_t side, std::uint32_t c, std::uint32_t r, Span cavity, const Aerated& lung, double mu);
  void airways();
  void vessels();

  Anatomy patient_;
  Grid grid_;  ///< with the patient's stature
  std::array<Pleura, 2> pleura_;
  std::uint64_t seed_;
  TubeTracer tracer_;

 public:
  std::vector<float> anatomy, added;      ///< mu times chord of the patient, and of what is inserted
  std::vector<LungPixel> plain, present;  ///< lungs without and with the insertions
  Extent heart, lungs[2], effusion, pneumothorax;
};

void Tracing::organs(std::uint32_t c, std::uint32_t r) {
  const Ray ray{grid_.x(c), grid_.y(r)};
  const double stretch = ray.stretch();
  const std::size_t pixel = std::size_t{r} * grid_.columns + c;
  const double body = body_length(patient_, ray);
  double attenuation = body * kMuSoft - std::min(body, kFatMm) * (kMuSoft - kMuFat);
  if (body > 0) {
    for (std::size_t side : {0, 1}) {
      const Span cavity = cut(patient_.cavities[side], ray);
      if (cavity.empty()) continue;
      const Aerated lung = aerate(patient_, side, cavity, ray);
      if (lung.length <= 0) continue;
      // Bases are less inflated than apices.
      const double mu =
          kMuLung * (0.86 + 0.3 * smooth_step(-140, 110, ray.py)) * (1 + 0.10 * mottle(ray.px, ray.py, seed_));
      attenuation -= lung.length * (kMuSoft - mu);
      if (lung.length > static_cast<double>(plain[pixel].last) - static_cast<double>(plain[pixel].first))
        plain[pixel] = present[pixel] = lung_pixel(lung);
      if (lung.length > 3) lungs[side].add(c, r);
      pleura(side, c, r, cavity, lung, mu);
    }
    const double above = smooth_step(-0.6, 0.6, patient_.fluid_level_y - ray.y(patient_.stomach.centre.z));
    if (above > 0) attenuation -= above * cut(patient_.stomach, ray).length() * kMuSoft;
    for (const Ellipsoid& part : patient_.heart)
      if (!cut(part, ray).empty()) {
        heart.add(c, r);
        break;
      }
  }
  anatomy[pixel] = static_cast<float>(std::max(0.0, attenuation) * stretch);
}

void Tracing::pleura(std::size_t side, std::uint32_t c, std::uint32_t r, Span cavity, const Aerated& lung, double mu) {
  const Pleura& p = pleura_[side];
  if (!p.over_fluid && !p.collapsed) return;
  const Ray ray{grid_.x(c), grid_.y(r)};
  const std::size_t pixel = std::size_t{r} * grid_.columns + c;
  double change = 0;
  Aerated now = lung;
  if (p.over_fluid) {
    const Span above = common(cavity, cut(*p.over_fluid, ray));
    const Aerated rest = aerate(patient_, side, above, ray);
    const double fluid = lung.length - rest.length;
    if (fluid > kSeenMm) {
      change += fluid * (kMuSoft - mu);
      effusion.add(c, r);
      cavity = above;
      now = rest;
    }
  }
  if (p.collapsed) {
    const Aerated rest = aerate(patient_, side, common(cavity, cut(*p.collapsed, ray)), ray);
    const double air = now.length - rest.length;
    if (air > kSeenMm) {
      const double line = rest.length - aerate(patient_, side, common(cavity, cut(*p.inside_pleura, ray)), ray).length;
      change += line * smooth_step(0, 6, air) * (kMuSoft - mu) - air * mu;
      pneumothorax.add(c, r);
      now = rest;
    }
  }
  if (change == 0) return;
  added[pixel] += static_cast<float>(change * ray.stretch());
  present[pixel] = lung_pixel(now);
}

void Tracing::airways() {
  for (const Tube& tube : patient_.airways)
    tracer_.trace(tube, [&](std::size_t pixel, const TubeChord& chord) {
      const bool in_lung = chord.z > plain[pixel].first && chord.z < plain[pixel].last;
      const double mu = in_lung ? kMuLung : kMuSoft;
      anatomy[pixel] = static_cast<float>(
          std::max(0.0, static_cast<double>(anatomy[pixel]) - static_cast<double>(chord.outer) * mu));
    });
}

void Tracing::vessels() {
  for (const Tube& tube : make_vessels(patient_, seed_))
    tracer_.trace(tube, [&](std::size_t pixel, const TubeChord& chord) {
      if (!(chord.z > plain[pixel].first && chord.z < plain[pixel].last)) return;
      const auto blood = static_cast<float>(static_cast<double>(chord.outer) * (kMuSoft - kMuLung));
      anatomy[pixel] += blood;
      if (!(chord.z > present[pixel].first && chord.z < present[pixel].last)) added[pixel] -= blood;
    });
}

double cardiothoracic_ratio(const Tracing& t, const Grid& grid) {
  const std::uint32_t first = std::min(t.lungs[0].c0, t.lungs[1].c0), last = std::max(t.lungs[0].c1, t.lungs[1].c1);
  if (t.heart.empty() || last <= first || first == 0 || last == grid.columns) return 0;
  return static_cast<double>(t.heart.c1 - t.heart.c0) / (last - first);
}

}  // namespace

PhantomFilm make_phantom_film(const PhantomOptions& options) {
  check(options);
  const Grid grid{options.columns, options.rows, options.width_mm / options.columns};
  Tracing t(options, grid);
  PhantomFilm phantom;
  auto& truth = phantom.truth;
  for (const PhantomNodule& nodule : options.nodules) truth.push_back(add_nodule(nodule, grid, t.present, t.added));
  if (!t.effusion.empty()) truth.push_back(t.effusion.truth("Effusion", options.effusion));
  if (!t.pneumothorax.empty()) truth.push_back(t.pneumothorax.truth("Pneumothorax", options.pneumothorax));
  if (options.skin_fold) truth.push_back(add_skin_fold(*options.skin_fold, grid, t.patient().variation, t.added));
  if (options.cardiomegaly && !t.heart.empty()) truth.push_back(t.heart.truth("Cardiomegaly", std::nullopt));
  if (!t.heart.empty()) truth.push_back(t.heart.truth("Heart", std::nullopt));
  if (!t.lungs[0].empty()) truth.push_back(t.lungs[0].truth("Lung_Left", Side::left));
  if (!t.lungs[1].empty()) truth.push_back(t.lungs[1].truth("Lung_Right", Side::right));
  if (options.marker)
    if (auto marker = add_marker(grid, t.added)) truth.push_back(*marker);
  phantom.cardiothoracic_ratio = cardiothoracic_ratio(t, grid);

  Film& film = phantom.film;
  film.columns = options.columns, film.rows = options.rows;
  film.values = expose(t.anatomy, t.added, {grid, options.seed, options.noise});
  film.spacing = PixelSpacing{grid.mm, grid.mm, SpacingKind::at_detector};
  film.patient_orientation = {"L", "F"};
  film.stored_bits = 12;
  return phantom;
}

}  // namespace rouage::image
