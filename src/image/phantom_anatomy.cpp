#include "image/phantom_anatomy.h"

namespace rouage::image::phantom {
namespace {

constexpr double kApexY = -138, kFullY = 52;  ///< where a lung begins and where it has its full width
constexpr double kFatMm = 11;                 ///< subcutaneous fat on the trunk

/// A quarter of a superellipse: 0 at t = 0, 1 at t >= 1, vertical at the start.
double quarter(double t) {
  const double s = 1 - std::clamp(t, 0.0, 1.0);
  return std::sqrt(1 - s * s);
}

/// Walls of a lung whose apex is `lower_mm` lower and whose lateral wall has moved by `inward(y)`.
template <class Inward>
Cavity shape_cavity(double sign, double size, double width, double lower_mm, Inward inward) {
  const double apex = (kApexY + lower_mm) * size, full = kFullY * size;
  const double lateral_mm = (sign > 0 ? 132.0 : 136.0) * width, start_mm = 46 * width;
  const auto progress = [=](double y) { return (y - apex) / (full - apex); };
  Cavity cavity;
  cavity.sign = sign;
  cavity.lateral =
      Course([=](double y) { return start_mm + (lateral_mm - start_mm) * quarter(progress(y)) - inward(y); });
  cavity.medial = Course([=](double y) { return start_mm - (start_mm + 16) * quarter(progress(y) / 0.55); });
  cavity.half_depth = Course([=](double y) { return 82 * size * quarter(progress(y) / 0.8); });
  cavity.centre_z = Course([=](double y) { return 146 + 22 * (1 - quarter(progress(y) / 0.7)); });
  return cavity;
}

Variation vary(std::uint64_t seed) {
  Draws draws(seed, 1);
  Variation v;
  v.size = draws.between(0.97, 1.03);
  v.width = v.size * draws.between(0.97, 1.03);
  v.heart = draws.between(0.96, 1.05);
  v.dome_mm = draws.between(-5, 5);
  v.rib_mm = draws.between(-4, 4);
  v.soft_mm = draws.between(-3, 6);
  v.breasts = draws.uniform() < 0.45;
  return v;
}

std::vector<Ellipsoid> make_heart(const Variation& v, bool enlarged) {
  const double k = v.heart * v.width * (enlarged ? 1.33 : 1.0), low = v.dome_mm + (enlarged ? 2 : 0);
  const double shift = enlarged ? 3 : 0;
  return {
      tilted({{(21 + shift) * v.width, 40 + low, 104}, 66 * k, 45 * k, 44 * k}, 36),   // ventricles, apex to the left
      tilted({{(-15 - shift) * v.width, 36 + low, 116}, 25 * k, 38 * k, 40 * k}, -8),  // right atrium
      {{4 * v.width, 6 + low, 140}, 34 * k, 26 * k, 32 * k},                           // left atrium
  };
}

std::vector<Ellipsoid> make_mediastinum(const Variation& v) {
  const double w = v.width;
  return {
      {{0, 30, 172}, 24 * w, 330, 50},                    // spine, oesophagus, what lies before them
      {{-2, -52, 140}, 29 * w, 82, 60},                   // great vessels
      {{25 * w, -52, 158}, 16.5 * w, 17, 34},             // aortic knob
      tilted({{20 * w, 40, 190}, 13 * w, 112, 13}, 2.0),  // descending aorta
      tilted({{26 * w, -22, 118}, 18 * w, 24, 24}, 30),   // pulmonary trunk
      tilted({{-20 * w, -42, 130}, 13 * w, 62, 18}, -3),  // superior vena cava
      tilted({{-13 * w, -8, 112}, 22 * w, 34, 26}, -12),  // ascending aorta
      {{0, 78, 120}, 40 * w, 34, 56},                     // heart's rest on the diaphragm, inferior cava
  };
}

std::vector<Ellipsoid> make_body(const Variation& v) {
  std::vector<Ellipsoid> body;
  for (const double s : {-1.0, 1.0}) {
    body.push_back(tilted({{s * 128, -128, 160}, 92, 40, 52}, s * 19));  // shoulder
    body.push_back(tilted({{s * 212, 0, 158}, 40, 190, 44}, s * -4));    // arm
    body.push_back(tilted({{s * 150, -70, 140}, 34, 62, 58}, s * -12));  // folds of the armpit
    if (v.breasts) body.push_back(tilted({{s * 78, 62, 46}, 62, 56, 44}, s * 20));
  }
  return body;
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
      const double flat = 1 - u2 * (0.55 + 0.45 * u2);
      if (flat <= 0) return -1e9;
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
    air.whole = hull(air.whole, piece);
    if (piece.length() > air.longest.length()) air.longest = piece;
  };
  for (std::size_t i = 0; i < count; ++i) {
    gap(solid[i].first);
    z = std::max(z, solid[i].last);
  }
  gap(cavity.last);
  return air;
}

BodyChord cut_body(const Anatomy& anatomy, const Ray& ray) {
  const auto trunk = [&](double thinner) {
    Span span{anatomy.trunk_z - 1, anatomy.trunk_z - 1};
    const double y = ray.y(anatomy.trunk_z), x = ray.x(anatomy.trunk_z);
    const double width = anatomy.trunk_width.at(y) - thinner, depth = anatomy.trunk_depth.at(y) - thinner;
    const double u2 = x * x / (width * width), flat = 1 - u2 * (0.6 + 0.4 * u2);
    if (width <= 0 || depth <= 0 || flat <= 0) return Span{};
    const double half = depth * std::sqrt(flat);
    span = {anatomy.trunk_z - half, anatomy.trunk_z + half};
    return span;
  };
  Span whole = trunk(0);
  const Span muscle = trunk(kFatMm);
  Span inner = muscle;
  for (const Ellipsoid& part : anatomy.body) {
    const Span piece = cut(part, ray);
    if (piece.empty()) continue;
    whole = hull(whole, piece);
    const double shrink = std::min(kFatMm, piece.length() / 2);
    inner = hull(inner, {piece.first + shrink, piece.last - shrink});
  }
  return {whole.length(), std::min(inner.length(), whole.length())};
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
  // A thin layer begins 42 mm above the level and thickens downwards: its tangential view is the meniscus.
  const double level = dome.centre.y - dome.ry + 14;
  const auto layer = [level](double y) {
    const double t = std::max(0.0, (y - (level - 42)) / 42);
    const double t2 = t * t;
    return 7 * t2 + 130 * t2 * t2 * t2;
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
  a.domes = {Ellipsoid{{66 * w, 132 + v.dome_mm, 132}, 72 * w, 56, 90},
             Ellipsoid{{-67 * w, 126 + v.dome_mm, 132}, 75 * w, 60, 90}};
  a.heart = make_heart(v, cardiomegaly);
  a.mediastinum = make_mediastinum(v);
  a.body = make_body(v);
  a.trunk_width = Course([&](double y) {
    const double shoulder = 52 + (w * 160 + v.soft_mm - 52) * quarter((y + 178) / 120);
    return shoulder + 4 * smooth_step(60, 200, y);
  });
  a.trunk_depth = Course([&](double y) { return 56 + (52 + v.soft_mm) * smooth_step(-190, -70, y); });
  a.gas = {tilted({{52 * w, 108 + v.dome_mm, 118}, 27, 17, 26}, -12), {{84 * w, 128 + v.dome_mm, 110}, 17, 14, 16}};
  const double carina_y = -48;
  a.airways = {
      {smooth_path({{{0, -260, 170}, 8.5, 8},
                    {{0, -150, 160}, 8.5, 8},
                    {{-2, -80, 164}, 8.3, 8},
                    {{-1, carina_y, 168}, 8.5, 8}},
                   8),
       0},
      {smooth_path({{{-2, carina_y - 4, 168}, 7.5, 7}, {{-18, -30, 168}, 6.8, 6.5}, {{-34, -8, 166}, 5.5, 5.5}}, 6), 0},
      {smooth_path({{{2, carina_y - 4, 168}, 6.8, 6.5}, {{20, -32, 168}, 6, 6}, {{42, -18, 166}, 5, 5}}, 6), 0},
  };
  return a;
}

}  // namespace rouage::image::phantom
