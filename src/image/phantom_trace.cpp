#include "image/phantom_trace.h"

#include <algorithm>
#include <cmath>

namespace rouage::image::phantom {
namespace {

/// Pixels [first, last) whose centres lie between two matrix coordinates.
std::pair<std::uint32_t, std::uint32_t> pixel_range(double low, double high, std::uint32_t count) {
  const double first = std::clamp(std::floor(low - 0.5), 0.0, static_cast<double>(count));
  const double last = std::clamp(std::ceil(high + 0.5), 0.0, static_cast<double>(count));
  return {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(std::max(first, last))};
}

}  // namespace

Span cut(const Ellipsoid& body, const Ray& ray) {
  // Most rays pass by: over the half depth rz a ray shifts by rz |px| / L from where it is at the centre's depth.
  const double turned = std::max(body.rx, body.ry), rx = body.sin_tilt == 0 ? body.rx : turned,
               ry = body.sin_tilt == 0 ? body.ry : turned;
  if (std::abs(ray.x(body.centre.z) - body.centre.x) > rx + body.rz * std::abs(ray.px) / kSourceMm ||
      std::abs(ray.y(body.centre.z) - body.centre.y) > ry + body.rz * std::abs(ray.py) / kSourceMm)
    return {};

  // The ray is linear in z: (px, py, 0) + z (-px/L, -py/L, 1). In the ellipsoid's frame, scaled to the unit ball, it
  // meets |o + z d| = 1.
  const double ox = ray.px - body.centre.x, oy = ray.py - body.centre.y, oz = -body.centre.z;
  const double dx = -ray.px / kSourceMm, dy = -ray.py / kSourceMm;
  const double o[3] = {(ox * body.cos_tilt + oy * body.sin_tilt) / body.rx,
                       (-ox * body.sin_tilt + oy * body.cos_tilt) / body.ry, oz / body.rz};
  const double d[3] = {(dx * body.cos_tilt + dy * body.sin_tilt) / body.rx,
                       (-dx * body.sin_tilt + dy * body.cos_tilt) / body.ry, 1 / body.rz};
  const double a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
  const double b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2];
  const double c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1;
  const double discriminant = b * b - a * c;
  if (discriminant <= 0) return {};
  const double root = std::sqrt(discriminant);
  return {(-b - root) / a, (-b + root) / a};
}

double sphere_transmission(Point centre, double radius_mm, double mu_per_mm, double px_mm, double py_mm) {
  const Ray ray{px_mm, py_mm};
  const Span inside = cut({centre, radius_mm, radius_mm, radius_mm}, ray);
  return exponential(-mu_per_mm * inside.length() * ray.stretch());
}

void TubeTracer::piece(const TubePoint& a, const TubePoint& b, double wall_mm) {
  const double ma = kSourceMm / (kSourceMm - a.at.z), mb = kSourceMm / (kSourceMm - b.at.z);
  const double ax = a.at.x * ma, ay = a.at.y * ma, bx = b.at.x * mb, by = b.at.y * mb;
  const double reach = std::max(a.radius * ma, b.radius * mb);
  const auto [c0, c1] =
      pixel_range(grid_.column(std::min(ax, bx) - reach), grid_.column(std::max(ax, bx) + reach), grid_.columns);
  const auto [r0, r1] =
      pixel_range(grid_.row(std::min(ay, by) - reach), grid_.row(std::max(ay, by) + reach), grid_.rows);
  if (c0 >= c1 || r0 >= r1) return;
  c0_ = std::min(c0_, c0), c1_ = std::max(c1_, c1), r0_ = std::min(r0_, r0), r1_ = std::max(r1_, r1);

  const double vx = bx - ax, vy = by - ay, squared = vx * vx + vy * vy;
  const double flat = std::sqrt(squared) / ma, dz = b.at.z - a.at.z;
  // A tube that runs along the ray shows a longer chord, at most twice (its length is finite).
  const double lengthening = std::min(2.0, std::sqrt(flat * flat + dz * dz) / std::max(flat, 1e-6));
  for (std::uint32_t r = r0; r < r1; ++r) {
    const double y = grid_.y(r);
    for (std::uint32_t c = c0; c < c1; ++c) {
      const double x = grid_.x(c);
      const double t = squared > 0 ? std::clamp(((x - ax) * vx + (y - ay) * vy) / squared, 0.0, 1.0) : 0.0;
      const double ex = x - ax - t * vx, ey = y - ay - t * vy;
      const double distance2 = ex * ex + ey * ey;
      const double radius = (a.radius + t * (b.radius - a.radius)) * (ma + t * (mb - ma));
      if (distance2 >= radius * radius) continue;
      const double depth = a.depth + t * (b.depth - a.depth);
      const double outer = 2 * depth * lengthening * std::sqrt(1 - distance2 / (radius * radius));
      TubeChord& chord = chords_[std::size_t{r} * grid_.columns + c];
      if (outer <= static_cast<double>(chord.outer)) continue;
      const double core = radius - wall_mm, core_depth = depth - wall_mm;
      double inner = 0;
      if (wall_mm > 0 && core > 0 && core_depth > 0 && distance2 < core * core)
        inner = 2 * core_depth * lengthening * std::sqrt(1 - distance2 / (core * core));
      chord = {static_cast<float>(outer), static_cast<float>(inner), static_cast<float>(a.at.z + t * dz)};
    }
  }
}

std::vector<TubePoint> smooth_path(const std::vector<TubePoint>& knots, int steps) {
  std::vector<TubePoint> path;
  const auto count = static_cast<int>(knots.size());
  const auto knot = [&](int i) -> const TubePoint& {
    return knots[static_cast<std::size_t>(std::clamp(i, 0, count - 1))];
  };
  const auto blend = [](double p0, double p1, double p2, double p3, double t) {
    return p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)));
  };
  for (int i = 0; i + 1 < count; ++i)
    for (int s = 0; s <= steps; ++s) {
      if (s == steps && i + 2 < count) continue;
      const double t = static_cast<double>(s) / steps;
      const auto mixed = [&](auto field) {
        return blend(field(knot(i - 1)), field(knot(i)), field(knot(i + 1)), field(knot(i + 2)), t);
      };
      path.push_back(
          {{mixed([](const TubePoint& p) { return p.at.x; }), mixed([](const TubePoint& p) { return p.at.y; }),
            mixed([](const TubePoint& p) { return p.at.z; })},
           mixed([](const TubePoint& p) { return p.radius; }),
           mixed([](const TubePoint& p) { return p.depth; })});
    }
  return path;
}

}  // namespace rouage::image::phantom
