/// Labels to outlines along the edges of voxels, and outlines back to voxels.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "dicom/volume_objects/label_boxes.h"

namespace rouage::dicom {
namespace {

/// Corner of voxels: (x, y) lies between the voxels (x - 1, y - 1) and (x, y) of the box.
struct Corner {
  int x = 0, y = 0;
  friend bool operator==(const Corner&, const Corner&) = default;
};
using Ring = std::vector<Corner>;

// East, south, west, north: y grows to the south, the label lies on the right hand of who walks.
constexpr std::array<int, 4> kStepX = {1, 0, -1, 0}, kStepY = {0, 1, 0, -1};

/// One label in its box.
class BoxMask {
 public:
  BoxMask(std::span<const std::uint16_t> plane, std::uint32_t columns, const LabelBox& box, std::uint16_t value)
      : width_(box.column_last - box.column_first + 1), height_(box.row_last - box.row_first + 1) {
    inside_.resize(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_));
    std::size_t at = 0;
    for (std::size_t row = box.row_first; row <= box.row_last; ++row)
      for (std::size_t i = box.column_first; i <= box.column_last; ++i)
        inside_[at++] = plane[row * columns + i] == value ? 1 : 0;
  }
  bool inside(int x, int y) const {
    if (x < 0 || y < 0 || x >= width_ || y >= height_) return false;
    return inside_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)] != 0;
  }
  int width() const { return width_; }
  int height() const { return height_; }

 private:
  int width_, height_;
  std::vector<std::uint8_t> inside_;
};

/// Direction to leave a corner reached in `direction`: right where the label ends on the right hand (so voxels that
/// touch in a corner only are parted), straight along it, left where it blocks the way.
int turned(const BoxMask& mask, Corner at, int direction) {
  // The voxels ahead to the right and to the left, for each direction.
  static constexpr std::array<int, 4> kRightX = {0, -1, -1, 0}, kRightY = {0, 0, -1, -1};
  static constexpr std::array<int, 4> kLeftX = {0, 0, -1, -1}, kLeftY = {-1, 0, 0, -1};
  const auto d = static_cast<std::size_t>(direction);
  if (!mask.inside(at.x + kRightX[d], at.y + kRightY[d])) return (direction + 1) % 4;
  if (!mask.inside(at.x + kLeftX[d], at.y + kLeftY[d])) return direction;
  return (direction + 3) % 4;
}

struct Rings {
  std::vector<Ring> outer, holes;
};

/// Every corner on the way, straight ones too: holes are joined at them.
Ring walk(const BoxMask& mask, int x, int y, std::vector<std::uint8_t>& seen) {
  Ring ring;
  Corner at{x, y};
  int direction = 0;
  do {
    ring.push_back(at);
    if (direction == 0)
      seen[static_cast<std::size_t>(at.y) * static_cast<std::size_t>(mask.width()) + static_cast<std::size_t>(at.x)] =
          1;
    const auto d = static_cast<std::size_t>(direction);
    at = {at.x + kStepX[d], at.y + kStepY[d]};
    direction = turned(mask, at, direction);
  } while (at.x != x || at.y != y || direction != 0);
  return ring;
}

long twice_area(const Ring& ring) {
  long area = 0;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Corner &a = ring[i], &b = ring[(i + 1) % ring.size()];
    area += static_cast<long>(a.x) * b.y - static_cast<long>(b.x) * a.y;
  }
  return area;
}

Rings rings_of(const BoxMask& mask) {
  Rings rings;
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(mask.width()) * static_cast<std::size_t>(mask.height()), 0);
  for (int y = 0; y < mask.height(); ++y)
    for (int x = 0; x < mask.width(); ++x) {
      const auto place =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width()) + static_cast<std::size_t>(x);
      if (seen[place] != 0 || !mask.inside(x, y) || mask.inside(x, y - 1)) continue;
      Ring ring = walk(mask, x, y, seen);
      (twice_area(ring) > 0 ? rings.outer : rings.holes).push_back(std::move(ring));
    }
  return rings;
}

/// Rings as chains of corners, so that a hole is spliced in at any corner.
class Keyholes {
 public:
  explicit Keyholes(const BoxMask& mask)
      : width_(mask.width() + 1),
        node_at_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(mask.height() + 1), -1) {}

  void add_outer(const Ring& ring) { heads_.push_back(add_chain(ring)); }

  /// The hole's leftmost corner looks to the left along the edges inside the label; the first ring that it meets is its
  /// own outline or a hole further left, which was joined before.
  void join_hole(Ring ring) {
    const auto leftmost = std::min_element(
        ring.begin(), ring.end(), [](const Corner& a, const Corner& b) { return a.x != b.x ? a.x < b.x : a.y < b.y; });
    std::rotate(ring.begin(), leftmost, ring.end());
    Corner met = ring.front();
    while (met.x >= 0 && place(met) < 0) --met.x;
    if (met.x < 0) throw Error(ErrorCode::Internal, "a hole without its outline");
    const int from = place(met);
    const int first = add_chain(ring);
    const int last = last_added();
    // from -> hole ... -> its first corner again -> from again -> where `from` went
    const int again = add_node(ring.front(), -1), back = add_node(met, next_[index(from)]);
    next_[index(last)] = again;
    next_[index(again)] = back;
    next_[index(from)] = first;
  }

  std::vector<Ring> rings() const {
    std::vector<Ring> all;
    for (const int head : heads_) {
      Ring ring;
      int node = head;
      do {
        ring.push_back(corners_[index(node)]);
        node = next_[index(node)];
      } while (node != head);
      all.push_back(std::move(ring));
    }
    return all;
  }

 private:
  static std::size_t index(int node) { return static_cast<std::size_t>(node); }
  int& place(const Corner& c) {
    return node_at_[static_cast<std::size_t>(c.y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(c.x)];
  }
  int last_added() const { return static_cast<int>(corners_.size()) - 1; }
  int add_node(const Corner& corner, int next) {
    corners_.push_back(corner);
    next_.push_back(next);
    return last_added();
  }
  int add_chain(const Ring& ring) {
    const int first = static_cast<int>(corners_.size());
    for (const Corner& corner : ring) {
      const int node = add_node(corner, static_cast<int>(corners_.size()) + 1);
      if (place(corner) < 0) place(corner) = node;
    }
    next_.back() = first;
    return first;
  }

  int width_;
  std::vector<int> node_at_, next_, heads_;
  std::vector<Corner> corners_;
};

/// Without the corners that the walk goes straight through.
Ring bends_of(const Ring& ring) {
  Ring bends;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Corner &before = ring[(i + ring.size() - 1) % ring.size()], &here = ring[i],
                 &after = ring[(i + 1) % ring.size()];
    const auto sign = [](int v) { return (v > 0) - (v < 0); };
    const bool straight =
        sign(here.x - before.x) == sign(after.x - here.x) && sign(here.y - before.y) == sign(after.y - here.y);
    if (!straight && !(here == before)) bends.push_back(here);
  }
  return bends;
}

std::vector<Ring> outlines(const BoxMask& mask) {
  Rings rings = rings_of(mask);
  Keyholes keyholes(mask);
  for (const Ring& ring : rings.outer) keyholes.add_outer(ring);
  const auto leftmost = [](const Ring& ring) {
    return std::min_element(ring.begin(), ring.end(), [](const Corner& a, const Corner& b) { return a.x < b.x; })->x;
  };
  std::stable_sort(rings.holes.begin(), rings.holes.end(),
                   [&](const Ring& a, const Ring& b) { return leftmost(a) < leftmost(b); });
  for (Ring& hole : rings.holes) keyholes.join_hole(std::move(hole));
  std::vector<Ring> result;
  for (const Ring& ring : keyholes.rings()) result.push_back(bends_of(ring));
  return result;
}

/// Corners of one contour in index space, all in one slice; nothing when it is no closed contour.
struct PlanarRing {
  std::uint32_t k = 0;
  std::vector<std::array<double, 2>> points;
};

std::optional<PlanarRing> planar_ring(const Contour& contour, const image::Grid& grid) {
  if (!contour.type.starts_with("CLOSED") || contour.points_mm.size() < 3) return std::nullopt;
  PlanarRing ring;
  double least = 0, most = 0;
  for (const image::Point3& point : contour.points_mm) {
    const image::Point3 at = grid.index_of(point);
    least = ring.points.empty() ? at[2] : std::min(least, at[2]);
    most = ring.points.empty() ? at[2] : std::max(most, at[2]);
    ring.points.push_back({at[0], at[1]});
  }
  if (!(most - least <= 0.5))
    throw Error(ErrorCode::GridMismatch, "a contour does not lie in a slice of the grid")
        .tag("(3006,0050) ContourData");
  const double slice = std::round((least + most) / 2);
  if (slice < 0 || slice > static_cast<double>(grid.size[2]) - 1)
    throw Error(ErrorCode::GridMismatch, fmt::format("a contour lies at slice {} of {}", slice, grid.size[2]))
        .tag("(3006,0050) ContourData")
        .remedy("give the grid of the series on which the contours were drawn");
  ring.k = static_cast<std::uint32_t>(slice);
  return ring;
}

/// Toggles the voxels whose centres are inside (crossings left of a centre: an odd number).
void toggle(image::Volume<std::uint8_t>& mask, const PlanarRing& ring) {
  const auto& size = mask.grid.size;
  std::vector<std::vector<double>> crossings(size[1]);
  for (std::size_t p = 0; p < ring.points.size(); ++p) {
    auto a = ring.points[p], b = ring.points[(p + 1) % ring.points.size()];
    if (a[1] > b[1]) std::swap(a, b);
    // Rows j with a.y <= j < b.y, so that a corner on a row counts once.
    const double first = std::max(0.0, std::ceil(a[1])), end = std::min(static_cast<double>(size[1]), std::ceil(b[1]));
    for (double j = first; j < end; ++j)
      crossings[static_cast<std::size_t>(j)].push_back(a[0] + (j - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
  }
  for (std::uint32_t j = 0; j < size[1]; ++j) {
    auto& row = crossings[j];
    std::sort(row.begin(), row.end());
    for (std::size_t c = 0; c + 1 < row.size(); c += 2) {
      const double first = std::max(0.0, std::ceil(row[c]));
      const double end = std::min(static_cast<double>(size[0]), std::ceil(row[c + 1]));
      for (double i = first; i < end; ++i) mask.at(static_cast<std::uint32_t>(i), j, ring.k) ^= 1;
    }
  }
}

}  // namespace

std::vector<std::vector<Contour>> label_contours(const image::Grid& grid, const LabelSource& labels,
                                                 std::span<const std::uint16_t> values) {
  const auto boxes = label_boxes(grid, labels, values, false);
  std::vector<std::vector<Contour>> contours(values.size());
  std::vector<std::size_t> next(values.size(), 0);
  for (std::uint32_t k = 0; k < grid.size[2]; ++k)
    for (std::size_t n = 0; n < values.size(); ++n) {
      if (next[n] >= boxes[n].size() || boxes[n][next[n]].k != k) continue;
      const LabelBox& box = boxes[n][next[n]++];
      for (const Ring& ring : outlines(BoxMask(plane_of(labels, grid, k), grid.size[0], box, values[n]))) {
        Contour contour;
        contour.k = k;
        for (const Corner& corner : ring)
          contour.points_mm.push_back(
              grid.position(box.column_first + corner.x - 0.5, box.row_first + corner.y - 0.5, k));
        contours[n].push_back(std::move(contour));
      }
    }
  return contours;
}

image::Volume<std::uint8_t> rasterise(std::span<const Contour> contours, const image::Grid& grid) {
  image::Volume<std::uint8_t> mask;
  std::uint64_t voxels = 0;
  if (!multiply_checked({grid.size[0], grid.size[1], grid.size[2]}, voxels) || voxels > (std::uint64_t{1} << 33))
    throw Error(ErrorCode::GridMismatch, "the grid has no size that fits into memory");
  mask.grid = grid;
  mask.values.assign(static_cast<std::size_t>(voxels), 0);
  for (const Contour& contour : contours)
    if (const auto ring = planar_ring(contour, grid)) toggle(mask, *ring);
  return mask;
}

}  // namespace rouage::dicom
