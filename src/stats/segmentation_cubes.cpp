// The area of marching cubes' polygons for each of the 256 ways in which eight corners can be set, found by tracing the
// polygons around the cube (Lorensen and Cline 1987, doi 10.1145/37402.37422) instead of from a table.
#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "stats/segmentation.h"

namespace rouage::stats {
namespace {

using image::Point3;

/// Corners of each face in the order in which one walks around it; corner bits: 1 x, 2 y, 4 z.
constexpr std::array<std::array<int, 4>, 6> kFaces{
    {{0, 2, 6, 4}, {1, 3, 7, 5}, {0, 1, 5, 4}, {2, 3, 7, 6}, {0, 1, 3, 2}, {4, 5, 7, 6}}};

/// An edge by its two corners: 8 * smaller + larger.
using Edge = int;
Edge edge_between(int a, int b) {
  return 8 * std::min(a, b) + std::max(a, b);
}

Point3 middle(Edge edge, const Point3& spacing) {
  Point3 p{};
  for (std::size_t x = 0; x < 3; ++x) p[x] = 0.5 * spacing[x] * ((edge / 8 >> x & 1) + (edge % 8 >> x & 1));
  return p;
}

/// The two edges that each crossing edge is tied to, one on each of its faces.
using Ties = std::array<std::array<Edge, 2>, 64>;

void tie(Ties& ties, Edge a, Edge b) {
  for (const auto& [from, to] : {std::pair{a, b}, {b, a}}) {
    auto& two = ties[static_cast<std::size_t>(from)];
    (two[0] < 0 ? two[0] : two[1]) = to;
  }
}

Ties tied_edges(unsigned code) {
  Ties ties;
  ties.fill({-1, -1});
  for (const auto& face : kFaces) {
    const auto set = [&](int c) { return (code >> face[static_cast<std::size_t>(c & 3)] & 1u) != 0; };
    const auto edge = [&](int c) {
      return edge_between(face[static_cast<std::size_t>(c & 3)], face[static_cast<std::size_t>((c + 1) & 3)]);
    };
    std::vector<int> crossed;
    for (int c = 0; c < 4; ++c)
      if (set(c) != set(c + 1)) crossed.push_back(c);
    if (crossed.size() == 2) tie(ties, edge(crossed[0]), edge(crossed[1]));
    if (crossed.size() == 4)  // two set corners on a diagonal: each is cut off alone
      for (int c = 0; c < 4; ++c)
        if (set(c)) tie(ties, edge(c + 3), edge(c));
  }
  return ties;
}

double triangle_area(const Point3& p, const Point3& q, const Point3& r) {
  const Point3 a{q[0] - p[0], q[1] - p[1], q[2] - p[2]}, b{r[0] - p[0], r[1] - p[1], r[2] - p[2]};
  return 0.5 * std::hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]);
}

/// The largest area of all its triangulations: for polygons that are not flat, and the same for a turned or mirrored
/// cube.
double polygon_area(const std::vector<Point3>& polygon) {
  const std::size_t n = polygon.size();
  std::vector<std::vector<double>> best(n, std::vector<double>(n));
  for (std::size_t span = 2; span < n; ++span)
    for (std::size_t i = 0; i + span < n; ++i)
      for (std::size_t j = i + 1; j < i + span; ++j)
        best[i][i + span] = std::max(best[i][i + span], best[i][j] + best[j][i + span] +
                                                            triangle_area(polygon[i], polygon[j], polygon[i + span]));
  return best[0][n - 1];
}

double cube_area(unsigned code, const Point3& spacing) {
  Ties ties = tied_edges(code);
  std::array<bool, 64> done{};
  double area = 0;
  for (Edge start = 0; start < 64; ++start) {
    if (ties[static_cast<std::size_t>(start)][0] < 0 || done[static_cast<std::size_t>(start)]) continue;
    std::vector<Point3> polygon;
    Edge before = -1, here = start;
    do {
      done[static_cast<std::size_t>(here)] = true;
      polygon.push_back(middle(here, spacing));
      const auto& two = ties[static_cast<std::size_t>(here)];
      const Edge next = two[0] != before ? two[0] : two[1];
      before = here;
      here = next;
    } while (here != start);
    area += polygon_area(polygon);
  }
  return area;
}

}  // namespace

std::vector<double> surfel_areas(const Point3& spacing_mm) {
  for (const double step : spacing_mm)
    if (!(step > 0) || !std::isfinite(step)) throw Error(ErrorCode::VolumeInvalid, "a spacing is not above 0");
  std::vector<double> areas(256);
  // More set than unset corners: as its complement, so that a mask and its complement have the same surface.
  for (unsigned code = 0; code < 256; ++code)
    areas[code] = cube_area(std::popcount(code) > 4 ? 255 - code : code, spacing_mm);
  return areas;
}

}  // namespace rouage::stats
