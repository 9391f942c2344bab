#include "infer/probe_films.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace rouage::infer {
namespace {

constexpr std::uint32_t kSide = 256;
constexpr int kFilms = 12;

/// Uniform 0..1 from the engine's own bits: std::uniform_real_distribution may differ between libraries.
double uniform(std::mt19937_64& engine) {
  return static_cast<double>(engine() >> 11) * 0x1.0p-53;
}

struct Ellipse {
  double x, y, a, b, depth;  ///< centre, half axes in -1..1; depth: grey added at the centre
};

double inside(const Ellipse& e, double x, double y) {
  const double r = std::hypot((x - e.x) / e.a, (y - e.y) / e.b);
  return e.depth / (1 + std::exp((r - 1) * 14));
}

image::Film blank() {
  image::Film film;
  film.columns = film.rows = kSide;
  film.patient_orientation = {"L", "F"};
  return film;
}

image::Film chest(std::mt19937_64& engine) {
  const auto between = [&engine](double low, double high) { return low + (high - low) * uniform(engine); };
  const double level = between(0.5, 0.75), contrast = between(0.7, 1.2);
  std::vector<Ellipse> shapes{
      {between(-0.5, -0.4), between(-0.1, 0.1), between(0.28, 0.36), between(0.55, 0.75), -0.42},
      {between(0.4, 0.5), between(-0.1, 0.1), between(0.26, 0.34), between(0.5, 0.72), -0.42},
      {0, 0, between(0.08, 0.12), 1.2, 0.2},
      {between(0.05, 0.2), between(0.2, 0.4), between(0.2, 0.42), between(0.25, 0.4), 0.35},
      {0, 1.1, 1.2, between(0.35, 0.55), 0.3}};
  const int opacities = static_cast<int>(between(0, 4));
  for (int i = 0; i < opacities; ++i)
    shapes.push_back(
        {between(-0.6, 0.6), between(-0.5, 0.5), between(0.05, 0.25), between(0.05, 0.25), between(0.1, 0.35)});
  const double rib_phase = between(0, 6), noise = between(0.01, 0.04);
  image::Film film = blank();
  film.values.reserve(std::size_t{kSide} * kSide);
  for (std::uint32_t r = 0; r < kSide; ++r)
    for (std::uint32_t c = 0; c < kSide; ++c) {
      const double x = (c + 0.5) * 2 / kSide - 1, y = (r + 0.5) * 2 / kSide - 1;
      double grey = level;
      for (const Ellipse& e : shapes) grey += contrast * inside(e, x, y);
      grey += 0.05 * std::sin(22 * (y - 0.25 * x * x) + rib_phase) * (std::abs(x) < 0.85 ? 1 : 0);
      grey += noise * (uniform(engine) + uniform(engine) + uniform(engine) - 1.5);
      film.values.push_back(static_cast<float>(std::clamp(grey, 0.0, 1.0)));
    }
  return film;
}

template <typename Grey>
image::Film pattern(const Grey& grey) {
  image::Film film = blank();
  for (std::uint32_t r = 0; r < kSide; ++r)
    for (std::uint32_t c = 0; c < kSide; ++c) film.values.push_back(static_cast<float>(grey(c, r)));
  return film;
}

}  // namespace

std::vector<image::Film> probe_films() {
  std::mt19937_64 engine(20261124);
  std::vector<image::Film> films;
  films.reserve(std::size_t{kFilms});
  for (int i = 0; i < kFilms; ++i) films.push_back(chest(engine));
  return films;
}

std::vector<image::Film> probe_patterns() {
  std::mt19937_64 engine(7);
  return {pattern([](std::uint32_t, std::uint32_t) { return 0.0; }),
          pattern([](std::uint32_t, std::uint32_t) { return 1.0; }),
          pattern([](std::uint32_t c, std::uint32_t) { return c / double{kSide - 1}; }),
          pattern([](std::uint32_t c, std::uint32_t r) { return ((c / 16 + r / 16) % 2) * 1.0; }),
          pattern([&engine](std::uint32_t, std::uint32_t) { return uniform(engine); })};
}

}  // namespace rouage::infer
