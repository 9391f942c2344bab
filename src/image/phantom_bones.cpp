// Ribs, clavicles, scapulae, humeral heads, sternum and spine.
#include "image/phantom_anatomy.h"

#include <algorithm>
#include <cmath>

namespace rouage::image::phantom {
namespace {

constexpr int kRibs = 12;
constexpr double kFirstRibY = -128, kRibStep = 20.0;  ///< heights of the ribs' heads

/// Rib `number` (0 = first): from the spine round the back and the side to the cartilage in front.
Tube rib(const Anatomy& a, std::size_t side, int number) {
  const Cavity& cavity = a.cavities[side];
  const double size = a.variation.size;
  const double head_y = (kFirstRibY + kRibStep * number) * size + a.variation.rib_mm;
  const double fall = number == 0 ? 34 : number == 1 ? 62 : number < 10 ? 88 + 2.0 * number : 66;
  // Angle around the thorax: -80 degrees beside the spine, 0 at the side, positive in front; the last two ribs float.
  const double end = number == 0 ? 62 : number < 7 ? 46 : number < 10 ? 34 : number == 10 ? -6 : -38;
  Tube tube;
  tube.wall_mm = 1.25;
  constexpr int kPieces = 40;
  for (int i = 0; i <= kPieces; ++i) {
    const double t = static_cast<double>(i) / kPieces;
    const double angle = (-84 + (end + 84) * t) * kPi / 180;
    const double whole = (angle / kPi * 180 + 84) / 130;  // share of a full rib's way
    const double y = head_y - 3 * sine(std::min(1.0, whole * 4) * kPi) + fall * power(whole, 1.55);
    const double lateral = cavity.lateral.at(std::max(y, -118.0)) + 3.5;
    const double depth = cavity.half_depth.at(std::max(y, -105.0)) + 4;
    const double c = cosine(angle), s = sine(angle);
    const double x = std::max(15.0, lateral * power(std::abs(c), 0.72));
    const double z = cavity.centre_z.at(y) - depth * (s < 0 ? -1 : 1) * power(std::abs(s), 0.9);
    const double radius = (number == 0 ? 6.2 : 4.9) + 1.5 * smooth_step(0.35, 0.9, whole);
    tube.points.push_back({{cavity.sign * x, y, z}, radius, 3.7 - 2.2 * smooth_step(0.9, 1, t)});
  }
  return tube;
}

std::vector<Tube> shoulder(const Anatomy& a, double sign) {
  const double w = a.variation.width;
  const auto at = [&](double x, double y, double z, double r, double d) {
    return TubePoint{{sign * x * w, y, z}, r, d};
  };
  std::vector<Tube> tubes;
  tubes.push_back({smooth_path({at(13, -92, 70, 9.5, 7), at(30, -98, 64, 7, 6), at(62, -112, 66, 5.6, 5),
                                at(98, -116, 82, 5.4, 5), at(130, -116, 112, 6.4, 4.5), at(156, -122, 128, 8, 4.5)},
                               8),
                   1.3});  // clavicle
  tubes.push_back({smooth_path({at(124, -105, 215, 2.2, 1.2), at(129, -66, 222, 1.8, 1.4), at(137, -29, 222, 2.0, 1.5),
                                at(146, 6, 214, 3.4, 1.4)},
                               8),
                   0.6});  // medial border
  tubes.push_back({smooth_path({at(146, 6, 214, 3.4, 1.6), at(157, -39, 206, 2.6, 2.4), at(168, -78, 190, 4.5, 3)}, 8),
                   0.8});  // lateral border
  tubes.push_back({smooth_path({at(126, -93, 218, 2.5, 1.2), at(150, -110, 212, 4, 2), at(176, -127, 180, 6, 3)}, 8),
                   0.8});  // spine, acromion
  tubes.push_back({smooth_path({at(160, -98, 165, 8, 2.5), at(148, -107, 140, 5.5, 3), at(142, -104, 122, 5.5, 3)}, 6),
                   1.1});  // coracoid
  tubes.push_back({smooth_path({at(180, -107, 165, 22, 18), at(186, -100, 165, 22, 18), at(193, -81, 162, 15, 14),
                                at(204, -44, 160, 11.5, 11), at(212, 46, 158, 10.5, 10.5)},
                               8),
                   2.4});  // humerus
  return tubes;
}

/// Rounded block, as a vertebral body is seen: a solid with denser end plates and side walls.
struct Block {
  double x, y, z, half_width, half_height, depth;
};

void add_block(const Block& b, const Grid& grid, std::vector<float>& attenuation) {
  const double m = kSourceMm / (kSourceMm - b.z), mx = b.half_width * m, my = b.half_height * m;
  const auto clip = [](double v, std::uint32_t n) {
    return static_cast<std::uint32_t>(std::clamp(v, 0.0, static_cast<double>(n)));
  };
  const std::uint32_t c0 = clip(grid.column(b.x * m - mx), grid.columns),
                      c1 = clip(grid.column(b.x * m + mx) + 1, grid.columns);
  const std::uint32_t r0 = clip(grid.row(b.y * m - my), grid.rows), r1 = clip(grid.row(b.y * m + my) + 1, grid.rows);
  for (std::uint32_t r = r0; r < r1; ++r)
    for (std::uint32_t c = c0; c < c1; ++c) {
      const double dx = std::abs(grid.x(c) - b.x * m), u = dx / mx;
      // The waist: a body is narrower half way between its end plates.
      const double waist = 1 - 0.10 * (1 - smooth_step(0.2, 1, std::abs(grid.y(r) - b.y * m) / my));
      const double dy = std::abs(grid.y(r) - b.y * m), u4 = u / waist * u / waist;
      if (u4 >= 1 || dy >= my) continue;
      const double body = std::sqrt(1 - u4 * u4) * (1 - smooth_step(my - 1.0, my, dy));
      const double plate = smooth_step(my - 2.6, my - 1.2, dy) * body;
      attenuation[std::size_t{r} * grid.columns + c] +=
          static_cast<float>(b.depth * body * (kMuSpongy - kMuSoft) + 2.2 * plate * (kMuCortical - kMuSoft));
    }
}

void add_spine(const Anatomy& a, const Grid& grid, const auto& add_tube, std::vector<float>& attenuation) {
  const double size = a.variation.size;
  for (int i = -5; i < 15; ++i) {  // 0: first thoracic
    const double y = (kFirstRibY + 4 + kRibStep * i) * size + a.variation.rib_mm;
    const double half_width = std::clamp(13.2 + 0.42 * i, 10.5, 19.0);
    add_block({0, y, 190, half_width, kRibStep * size / 2 - 1.9, 20}, grid, attenuation);
    for (const double s : {-1.0, 1.0}) {
      const double px = s * (half_width - 4.2), tip = s * (half_width + 17 - 0.7 * std::max(0, i));
      add_tube({{{{px, y - 4.6, 212}, 2.9, 3.5}, {{px, y - 0.6, 212}, 2.9, 3.5}}, 1.0});  // pedicle
      add_tube({{{{px, y - 2, 218}, 3.2, 2.2}, {{tip, y - 6, 224}, 3.6, 1.7}}, 0.6});     // transverse process
    }
    add_tube({{{{0, y + 4, 225}, 1.8, 3}, {{0, y + 13, 236}, 2.6, 3.4}}, 0.8});  // spinous process
  }
}

}  // namespace

void add_bones(const Anatomy& anatomy, const Grid& grid, TubeTracer& tracer, std::vector<float>& attenuation) {
  const auto add_tube = [&](const Tube& tube) {
    tracer.trace(tube, [&](std::size_t pixel, const TubeChord& chord) {
      const double wall = static_cast<double>(chord.outer) - static_cast<double>(chord.inner);
      attenuation[pixel] +=
          static_cast<float>(wall * (kMuCortical - kMuSoft) + static_cast<double>(chord.inner) * (kMuSpongy - kMuSoft));
    });
  };
  for (std::size_t side : {0, 1}) {
    for (int number = 0; number < kRibs; ++number) add_tube(rib(anatomy, side, number));
    for (const Tube& tube : shoulder(anatomy, anatomy.cavities[side].sign)) add_tube(tube);
  }
  add_spine(anatomy, grid, add_tube, attenuation);
  add_tube({{{{0, -84, 62}, 20, 1.6}, {{0, -62, 56}, 15, 1.6}}, 0.3});  // manubrium
  add_tube({{{{0, -50, 54}, 14, 1.2}, {{0, 40, 48}, 14, 1.2}}, 0.2});   // sternum
}

}  // namespace rouage::image::phantom
