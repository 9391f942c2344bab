#include "infer/nnunet/crop.h"

#include <algorithm>

#include "infer/nnunet/parallel.h"

namespace rouage::infer::nnunet {
namespace {

/// Of one plane: the box of its nonzero voxels along axes 1 and 2; empty when there are none.
struct PlaneBox {
  std::uint32_t first1 = UINT32_MAX, end1 = 0, first2 = UINT32_MAX, end2 = 0;
};

void include_row(const float* row, std::ptrdiff_t step, std::uint32_t count, std::uint32_t index, PlaneBox& box) {
  const auto at = [&](std::uint32_t x) { return row[static_cast<std::ptrdiff_t>(x) * step]; };
  std::uint32_t first = 0;
  while (first < count && at(first) == 0.0F) ++first;
  if (first == count) return;
  std::uint32_t end = count;
  while (at(end - 1) == 0.0F) --end;
  box.first1 = std::min(box.first1, index);
  box.end1 = std::max(box.end1, index + 1);
  box.first2 = std::min(box.first2, first);
  box.end2 = std::max(box.end2, end);
}

constexpr std::uint8_t kOutside = 2;  ///< a zero joined to the border, while holes are sought

/// Marks zeros joined by faces to where it starts, a run of a row at a time.
class Flood {
 public:
  Flood(std::span<std::uint8_t> mask, const Shape3& size) : mask_(mask), size_(size) {}

  void from(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    if (row(a, b)[c] != 0) return;
    waiting_.push_back({a, b, c});
    while (!waiting_.empty()) {
      const auto [za, zb, zc] = waiting_.back();
      waiting_.pop_back();
      std::uint8_t* line = row(za, zb);
      if (line[zc] != 0) continue;
      std::uint32_t first = zc, end = zc + 1;
      while (first > 0 && line[first - 1] == 0) --first;
      while (end < size_[2] && line[end] == 0) ++end;
      std::fill(line + first, line + end, kOutside);
      if (za > 0) look(za - 1, zb, first, end);
      if (za + 1 < size_[0]) look(za + 1, zb, first, end);
      if (zb > 0) look(za, zb - 1, first, end);
      if (zb + 1 < size_[1]) look(za, zb + 1, first, end);
    }
  }

 private:
  std::uint8_t* row(std::uint32_t a, std::uint32_t b) {
    return mask_.data() + (std::size_t{a} * size_[1] + b) * size_[2];
  }
  /// One start for each run of zeros of the row within [first, end).
  void look(std::uint32_t a, std::uint32_t b, std::uint32_t first, std::uint32_t end) {
    const std::uint8_t* line = row(a, b);
    for (std::uint32_t c = first; c < end; ++c)
      if (line[c] == 0 && (c == first || line[c - 1] != 0)) waiting_.push_back({a, b, c});
  }

  std::span<std::uint8_t> mask_;
  Shape3 size_;
  std::vector<Shape3> waiting_;
};

void flood_from_border(std::span<std::uint8_t> mask, const Shape3& size) {
  Flood flood(mask, size);
  for (std::uint32_t a = 0; a < size[0]; ++a) {
    for (std::uint32_t b = 0; b < size[1]; ++b) {
      const bool face = a == 0 || a + 1 == size[0] || b == 0 || b + 1 == size[1];
      if (face) {
        for (std::uint32_t c = 0; c < size[2]; ++c) flood.from(a, b, c);
      } else {
        flood.from(a, b, 0);
        flood.from(a, b, size[2] - 1);
      }
    }
  }
}

}  // namespace

Box nonzero_box(const std::vector<View<float>>& channels, int threads) {
  const Shape3 size = channels.front().size;
  std::vector<PlaneBox> planes(size[0]);
  parallel_for(size[0], threads, [&](std::size_t a) {
    for (const View<float>& view : channels)
      for (std::uint32_t b = 0; b < size[1]; ++b)
        include_row(view.row(static_cast<std::uint32_t>(a), b), view.step[2], size[2], b, planes[a]);
  });
  PlaneBox all;
  Box box{{UINT32_MAX, 0, 0}, {0, 0, 0}};
  for (std::uint32_t a = 0; a < size[0]; ++a) {
    if (planes[a].end1 == 0) continue;
    box.first[0] = std::min(box.first[0], a);
    box.end[0] = a + 1;
    all.first1 = std::min(all.first1, planes[a].first1);
    all.end1 = std::max(all.end1, planes[a].end1);
    all.first2 = std::min(all.first2, planes[a].first2);
    all.end2 = std::max(all.end2, planes[a].end2);
  }
  if (all.end1 == 0) return {{0, 0, 0}, size};
  return {{box.first[0], all.first1, all.first2}, {box.end[0], all.end1, all.end2}};
}

std::vector<std::uint8_t> filled_mask(const std::vector<View<float>>& cropped, int threads) {
  const Shape3 size = cropped.front().size;
  std::vector<std::uint8_t> mask(voxels(size), 0);
  parallel_for(size[0], threads, [&](std::size_t a) {
    for (const View<float>& view : cropped) {
      for (std::uint32_t b = 0; b < size[1]; ++b) {
        const float* row = view.row(static_cast<std::uint32_t>(a), b);
        std::uint8_t* line = mask.data() + (a * size[1] + b) * size[2];
        for (std::uint32_t c = 0; c < size[2]; ++c)
          if (row[static_cast<std::ptrdiff_t>(c) * view.step[2]] != 0.0F) line[c] = 1;
      }
    }
  });
  flood_from_border(mask, size);
  for (std::uint8_t& value : mask) value = value == kOutside ? 0 : 1;
  return mask;
}

}  // namespace rouage::infer::nnunet
