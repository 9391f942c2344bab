// Pulmonary arteries and veins: trees that divide unequally and thin out towards the pleura.
#include "image/phantom_anatomy.h"

#include <algorithm>
#include <cmath>

namespace rouage::image::phantom {
namespace {

constexpr double kThinnest = 0.36;  ///< mm: what a film still shows

Point unit(Point p) {
  const double n = std::sqrt(p.x * p.x + p.y * p.y + p.z * p.z);
  return {p.x / n, p.y / n, p.z / n};
}

/// `direction` bent by `degrees` towards a random side.
Point bend(const Point& direction, double degrees, Draws& draws) {
  const Point any = unit({draws.between(-1, 1), draws.between(-1, 1), draws.between(-1, 1) + 1e-3});
  const double along = any.x * direction.x + any.y * direction.y + any.z * direction.z;
  const Point across =
      unit({any.x - along * direction.x, any.y - along * direction.y, any.z - along * direction.z + 1e-9});
  const double c = cosine(degrees * kPi / 180), s = sine(degrees * kPi / 180);
  return unit({direction.x * c + across.x * s, direction.y * c + across.y * s, direction.z * c + across.z * s});
}

struct Growth {
  const Cavity& cavity;
  Draws& draws;
  std::vector<Tube>& tubes;
};

bool inside(const Cavity& cavity, const Point& p, double margin) {
  const double x = p.x * cavity.sign, half_depth = cavity.half_depth.at(p.y);
  return x < cavity.lateral.at(p.y) - margin && std::abs(p.z - cavity.centre_z.at(p.y)) < half_depth && half_depth > 4;
}

void grow(Growth& g, Point from, Point direction, double radius) {
  if (radius < kThinnest || !inside(g.cavity, from, 5)) return;
  const double length = std::clamp(radius * 11, 9.0, 34.0) * g.draws.between(0.8, 1.2);
  std::vector<TubePoint> knots{{from, radius, radius}};
  constexpr int kKnots = 3;
  for (int i = 1; i <= kKnots; ++i) {
    direction = bend(direction, g.draws.between(2, 11), g.draws);
    // Walls turn a vessel back into the lung.
    const double z_off = (from.z - g.cavity.centre_z.at(from.y)) / (g.cavity.half_depth.at(from.y) + 1);
    direction = unit({direction.x, direction.y, direction.z - 0.35 * z_off});
    from = {from.x + direction.x * length / kKnots, from.y + direction.y * length / kKnots,
            from.z + direction.z * length / kKnots};
    const double r = radius * (1 - 0.16 * i / kKnots);
    knots.push_back({from, r, r});
  }
  g.tubes.push_back({smooth_path(knots, 3), 0});
  const double end = radius * 0.84;
  grow(g, from, bend(direction, g.draws.between(8, 24), g.draws), end * 0.84);
  grow(g, from, bend(direction, g.draws.between(32, 62), g.draws), end * g.draws.between(0.5, 0.7));
}

}  // namespace

std::vector<Tube> make_vessels(const Anatomy& anatomy, std::uint64_t seed) {
  std::vector<Tube> tubes;
  for (std::size_t side : {0, 1}) {
    const Cavity& cavity = anatomy.cavities[side];
    Draws draws(seed, 16 + side);
    Growth growth{cavity, draws, tubes};
    const double s = cavity.sign, w = anatomy.variation.width;
    const Point hilum{s * 37 * w, s > 0 ? -20.0 : -8.0, 152};
    // Lateral, footward and source-ward parts of a direction; radius in mm. Upright, the bases are better perfused.
    struct Root {
      Point direction;
      double radius;
    };
    const Root roots[] = {
        {{0.40, -1.0, -0.3}, 2.3}, {{0.75, -0.8, 0.5}, 2.2}, {{0.95, -0.4, -0.5}, 2.2}, {{0.25, -1.0, 0.35}, 1.8},
        {{1.0, 0.0, 0.4}, 2.3},    {{1.0, 0.3, -0.6}, 2.5},  {{0.70, 0.75, 0.5}, 3.0},  {{0.42, 1.0, 0.45}, 3.4},
        {{0.90, 0.55, -0.2}, 2.7}, {{0.18, 1.0, 0.25}, 2.6}, {{0.60, 0.9, -0.35}, 2.6}, {{0.85, -0.15, 0.7}, 2.0},
    };
    for (const Root& root : roots)
      for (const double share : {1.0, 0.85}) {  // artery and vein
        const Point start{hilum.x + s * draws.between(-5, 7), hilum.y + 14 * root.direction.y + draws.between(-5, 6),
                          hilum.z + draws.between(-9, 9)};
        const Point way = unit({s * root.direction.x, root.direction.y, root.direction.z});
        grow(growth, start, bend(way, draws.between(0, share < 1 ? 26 : 10), draws), 1.3 * root.radius * share);
      }
    // Main and interlobar arteries, upper veins: the density of the hilum.
    const auto at = [&](double x, double y, double z, double r) { return TubePoint{{s * x * w, y, z}, r, r}; };
    const double lift = s > 0 ? -13 : 0;
    tubes.push_back({smooth_path({at(22, -14 + lift, 145, 9), at(36, -8 + lift, 152, 8), at(46, 12 + lift, 160, 6.2),
                                  at(53, 38 + lift, 166, 4.4)},
                                 6),
                     0});
    tubes.push_back(
        {smooth_path({at(24, -18 + lift, 140, 8), at(40, -24 + lift, 138, 5.5), at(52, -44 + lift, 138, 3.6)}, 6), 0});
    tubes.push_back({smooth_path({at(20, 24, 150, 6), at(40, 22, 158, 5), at(58, 36, 164, 3.4)}, 6), 0});
  }
  return tubes;
}

}  // namespace rouage::image::phantom
