#include "image/phantom_anatomy.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rouage::image::phantom {
namespace {

constexpr double kApexY = -138, kFullY = 52;  ///< where a lung begins and where it has its full width

/// A quarter of a superellipse: 0 at t = 0, 1 at t >= 1, vertical at the start.
double quarter(double t) {
  const double s = 1 - std::clamp(t, 0.0, 1.0);
  return std::sqrt(1 - s * s);
}

/// Walls of a lung whose apex is `lower_mm` lower and whose lateral wall has moved by `inward(y)`.
template <class Inward>
Cavity shape_cavity(double sign, double size, double width, double lower_mm, Inward inward) {
  const double apex = (kApexY + lower_mm) * size, full = kFullY * size;
  const double base = 121 * size;  // where the posterior recess ends
  const double lateral_mm = (sign > 0 ? 137.0 : 141.0) * width, start_mm = 46 * width;
  const auto progress = [=](double y) { return (y - apex) / (full - apex); };
  Cavity cavity;
  cavity.sign = sign;
  cavity.lateral = Course([=](double y) {
    const double t = progress(y);
    return start_mm + (lateral_mm - start_mm) * (0.88 * quarter(t) + 0.12 * smooth_step(0, 1.25, t)) - inward(y);
  });
  cavity.medial = Course([=](double y) { return start_mm - (start_mm - 5) * quarter(progress(y) / 0.55); });
  cavity.half_depth =
      Course([=](double y) { return 82 * size * quarter(progress(y) / 0.8) * quarter((base - y) / 75); });
  cavity.centre_z = Course([=](double y) { return 146 + 22 * (1 - quarter(progress(y) / 0.7)); });
  return cavity;
}

Variation vary(std::uint64_t seed) {
  Draws draws(seed, 1);
  Variation v;
  v.size = draws.between(0.97, 1.03);
  v.width = v.size * draws.between(0.97, 1.03);
  v.tall = draws.between(1.10, 1.16);
  v.heart = draws.between(0.96, 1.05);
  v.dome_mm = draws.between(-5, 5);
  v.rib_mm = draws.between(-4, 4);
  v.soft_mm = draws.between(-3, 6);
  v.breasts = draws.uniform() < 0.45;
  return v;
}

std::vector<Ellipsoid> make_heart(const Variation& v, bool enlarged) {
  const double k = v.heart * v.width * (enlarged ? 1.43 : 1.0), low = v.dome_mm + (enlarged ? 2 : 0);
  const double shift = enlarged ? 3 : 0;
  return {
      tilted({{(22 + shift) * v.width, 40 + low, 104}, 65 * k, 45 * k, 44 * k}, 37),   // ventricles, apex to the left
      tilted({{(-15 - shift) * v.width, 36 + low, 116}, 25 * k, 38 * k, 40 * k}, -8),  // right atrium
      {{4 * v.width, 6 + low, 140}, 34 * k, 26 * k, 32 * k},                           // left atrium
  };
}

std::vector<Ellipsoid> make_mediastinum(const Variation& v) {
  const double w = v.width;
  return {
      {{0, 30, 195}, 20 * w, 330, 34},                    // spine
      {{0, 0, 160}, 15 * w, 190, 50},                     // oesophagus and what lies around the windpipe
      {{-1, -58, 138}, 27 * w, 86, 56},                   // great vessels
      tilted({{21 * w, -52, 158}, 17 * w, 20, 34}, 12),   // aortic knob
      tilted({{20 * w, 40, 190}, 13 * w, 112, 13}, 2.0),  // descending aorta
      tilted({{22 * w, -20, 118}, 17 * w, 33, 26}, -12),  // pulmonary trunk
      tilted({{-20 * w, -42, 130}, 13 * w, 62, 18}, -3),  // superior vena cava
      tilted({{-13 * w, -8, 112}, 22 * w, 34, 26}, -12),  // ascending aorta
      {{4, 80, 120}, 38 * w, 34, 56},                     // heart's rest on the diaphragm, inferior cava
  };
}

std::vector<Ellipsoid> make_limbs() {
  std::vector<Ellipsoid> limbs;
  for (const double s : {-1.0, 1.0}) {
    limbs.push_back(tilted({{s * 150, -96, 155}, 84, 44, 78}, s * 14));  // shoulder
    limbs.push_back(tilted({{s * 210, 30, 156}, 46, 190, 66}, s * -4));  // arm
  }
  return limbs;
}

}  // namespace

Span cut(const Cavity& cavity, const Ray& ray) {
  // The walls bend slowly with y and the beam is nearly parallel to z, so the oval is solved at the height at which the
  // ray meets the wall, found in two steps.
  const auto wall = [&](double z, double direction) {
    for (int step = 0; step < 2; ++step) {
      const double y = ray.y(z), x = ray.x(z) * cavity.sign;
      const double lateral = cavity.lateral.at(y), medial = cavity.medial.at(y), half = (lateral - medial) / 2;
      if (half <= 0) return -1e9;
      const double u = (x - medial - half) / half, u2 = u * u;
      // Full towards the side, thin towards the midline, where the lungs end in front of and behind the mediastinum.
      const double flat = u > 0 ? 1 - u2 * (0.55 + 0.45 * u2) : (1 - u2) * (1 - u2);
      if (std::abs(u) >= 1) return -1e9;
      z = cavity.centre_z.at(y) + direction * cavity.half_depth.at(y) * std::sqrt(flat);
    }
    return z;
  };
  const double last = wall(190, 1);
  if (last < 0) return {};
  const double first = wall(100, -1);
  return first < 0 ? Span{} : Span{first, last};
}

Span cut_dome(const Ellipsoid& dome, const Ray& ray) {
  if (ray.y(dome.centre.z) <= dome.centre.y) return cut(dome, ray);
  Ellipsoid wall = dome;
  wall.ry = 1e7;
  return cut(wall, ray);
}

Aerated aerate(const Anatomy& anatomy, std::size_t side, Span cavity, const Ray& ray) {
  if (cavity.empty()) return {};
  std::array<Span, 16> solid;
  std::size_t count = 0;
  const auto take = [&](Span span) {
    span = common(span, cavity);
    if (span.empty() || count == solid.size()) return;
    std::size_t at = count++;
    for (; at > 0 && solid[at - 1].first > span.first; --at) solid[at] = solid[at - 1];
    solid[at] = span;
  };
  take(cut_dome(anatomy.domes[side], ray));
  for (const Ellipsoid& part : anatomy.heart) take(cut(part, ray));
  for (const Ellipsoid& part : anatomy.mediastinum) take(cut(part, ray));
  Aerated air;
  double z = cavity.first;
  const auto gap = [&](double until) {
    const Span piece{z, until};
    if (piece.empty()) return;
    air.length += piece.length();
    if (piece.length() > air.longest.length()) air.longest = piece;
  };
  for (std::size_t i = 0; i < count; ++i) {
    gap(solid[i].first);
    z = std::max(z, solid[i].last);
  }
  gap(cavity.last);
  return air;
}

double body_length(const Anatomy& anatomy, const Ray& ray) {
  double fourth = 0;
  const auto blend = [&](double length) {
    const double squared = length * length;
    fourth += squared * squared;
  };
  const double y = ray.y(anatomy.trunk_z), x = ray.x(anatomy.trunk_z);
  const double width = anatomy.trunk_width.at(y), u2 = x * x / (width * width), flat = 1 - u2 * (0.45 + 0.55 * u2 * u2);
  if (flat > 0) blend(2 * anatomy.trunk_depth.at(y) * std::sqrt(flat));
  for (const Ellipsoid& part : anatomy.body) blend(cut(part, ray).length());
  double length = std::sqrt(std::sqrt(fourth));
  for (const Ellipsoid& mound : anatomy.breasts) {
    const double bx = (ray.x(mound.centre.z) - mound.centre.x) / mound.rx,
                 by = (ray.y(mound.centre.z) - mound.centre.y) / mound.ry;
    const double inside = 1 - bx * bx - by * by;
    if (inside > 0) length += mound.rz * inside * std::sqrt(inside);
  }
  return length;
}

Cavity collapsed(const Cavity& cavity) {
  Cavity lung = cavity;
  // The lung falls by 24 mm at the apex and leaves a band of up to 17 mm beside it that closes towards the base.
  constexpr double kFall = 24, kBand = 17, kClosed = 60;
  const auto fall = [](double y) { return kFall * (1 - smooth_step(kApexY, kClosed, y)); };
  const auto band = [](double y) { return kBand * (1 - smooth_step(-60, kClosed, y)); };
  lung.lateral = Course([&](double y) { return cavity.lateral.at(y - fall(y)) - band(y); });
  lung.medial = Course([&](double y) { return cavity.medial.at(y - fall(y)); });
  lung.half_depth = Course([&](double y) { return cavity.half_depth.at(y - fall(y)); });
  return lung;
}

Cavity over_fluid(const Cavity& cavity, const Ellipsoid& dome) {
  Cavity lung = cavity;
  // A thin layer begins 64 mm above the level and thickens downwards: its tangential view is the meniscus.
  const double level = dome.centre.y - dome.ry + 3;
  const auto layer = [level](double y) {
    const double t = std::max(0.0, (y - (level - 64)) / 64);
    const double t2 = t * t;
    return 13 * t2 + 125 * t2 * t2 * t2;
  };
  lung.lateral = Course([&](double y) { return cavity.lateral.at(y) - layer(y); });
  lung.half_depth = Course([&](double y) { return std::max(0.0, cavity.half_depth.at(y) - layer(y)); });
  return lung;
}

Anatomy make_anatomy(std::uint64_t seed, bool cardiomegaly) {
  const Variation v = vary(seed);
  const double w = v.width;
  Anatomy a;
  a.variation = v;
  const auto still = [](double) { return 0.0; };
  a.cavities = {shape_cavity(1, v.size, w, 0, still), shape_cavity(-1, v.size, w, 0, still)};
  a.domes = {Ellipsoid{{68 * w, 132 + v.dome_mm, 132}, 77 * w, 56, 92},
             Ellipsoid{{-69 * w, 126 + v.dome_mm, 132}, 80 * w, 60, 92}};
  a.heart = make_heart(v, cardiomegaly);
  a.mediastinum = make_mediastinum(v);
  a.body = make_limbs();
  if (v.breasts)
    for (const double s : {-1.0, 1.0}) a.breasts.push_back({{s * 80, 58, 45}, 72, 74, 34});
  a.trunk_width = Course([&](double y) {
    const double slope = 50 + (w * 152 - 50) * smooth_step(-186, -112, y);
    return slope + (w * 32 + v.soft_mm) * smooth_step(-130, -40, y) + 3 * smooth_step(60, 200, y);
  });
  a.trunk_depth = Course([&](double y) { return 56 + (58 + v.soft_mm) * smooth_step(-190, 80, y); });
  a.stomach = tilted({{58 * w, 110 + v.dome_mm, 122}, 30 * w, 23, 15}, 10);
  a.fluid_level_y = 106 + v.dome_mm;
  const double carina_y = -48;
  a.airways = {
      {smooth_path({{{0, -260, 170}, 9.2, 11.5},
                    {{0, -150, 160}, 9.2, 11.5},
                    {{-2, -80, 164}, 9.4, 12},
                    {{-1, carina_y, 168}, 9.2, 11}},
                   8),
       0},
      {smooth_path({{{-2, carina_y - 4, 168}, 7.5, 7}, {{-18, -30, 168}, 6.8, 6.5}, {{-34, -8, 166}, 5.5, 5.5}}, 6), 0},
      {smooth_path({{{2, carina_y - 4, 168}, 6.8, 6.5}, {{20, -32, 168}, 6, 6}, {{42, -18, 166}, 5, 5}}, 6), 0},
  };
  return a;
}

}  // namespace rouage::image::phantom
