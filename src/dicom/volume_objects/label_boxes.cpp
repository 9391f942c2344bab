#include "dicom/volume_objects/label_boxes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace rouage::dicom {
namespace {

constexpr std::uint16_t kNowhere = 0xFFFF;

/// Index into `values` by label; kNowhere for others.
std::vector<std::uint16_t> index_by_value(std::span<const std::uint16_t> values) {
  std::vector<std::uint16_t> index(65'536, kNowhere);
  for (std::size_t n = 0; n < values.size(); ++n) {
    if (values[n] == 0) throw Error(ErrorCode::WriteInvalid, "label 0 is the background and no segment");
    if (index[values[n]] != kNowhere)
      throw Error(ErrorCode::WriteInvalid, fmt::format("label {} is named twice", values[n]));
    index[values[n]] = static_cast<std::uint16_t>(n);
  }
  return index;
}

/// Boxes of one slice while its rows are walked.
class SliceBoxes {
 public:
  SliceBoxes(std::size_t labels, std::uint32_t k) : k_(k), place_(labels, -1) {}
  void touch(std::size_t n, std::size_t row, std::size_t first, std::size_t last) {
    const auto r = static_cast<std::uint16_t>(row), a = static_cast<std::uint16_t>(first),
               b = static_cast<std::uint16_t>(last);
    if (place_[n] < 0) {
      place_[n] = static_cast<int>(found_.size());
      found_.push_back({n, {k_, r, r, a, b}});
      return;
    }
    LabelBox& box = found_[static_cast<std::size_t>(place_[n])].box;
    box.row_last = r;
    box.column_first = std::min(box.column_first, a);
    box.column_last = std::max(box.column_last, b);
  }
  void give_to(std::vector<std::vector<LabelBox>>& boxes) const {
    for (const Found& found : found_) boxes[found.n].push_back(found.box);
  }

 private:
  struct Found {
    std::size_t n;
    LabelBox box;
  };
  std::uint32_t k_;
  std::vector<int> place_;
  std::vector<Found> found_;
};

/// Behind the last of the equal voxels from `i` on; four at a time, because most of a slice is one long run.
std::size_t run_end(const std::uint16_t* voxels, std::size_t i, std::size_t columns) {
  const std::uint16_t value = voxels[i];
  const std::uint64_t four = value * std::uint64_t{0x0001'0001'0001'0001};
  for (std::uint64_t next = 0; i + 4 <= columns; i += 4) {
    std::memcpy(&next, voxels + i, sizeof next);
    if (next != four) break;
  }
  while (i < columns && voxels[i] == value) ++i;
  return i;
}

void put_byte(std::span<std::uint8_t> out, std::uint64_t bit, unsigned byte) {
  const std::size_t at = static_cast<std::size_t>(bit / 8);
  const unsigned shift = static_cast<unsigned>(bit % 8);
  out[at] = static_cast<std::uint8_t>(out[at] | ((byte << shift) & 0xFF));
  if (shift != 0) out[at + 1] = static_cast<std::uint8_t>(out[at + 1] | (byte >> (8 - shift)));
}

unsigned eight_bits(const std::uint16_t* voxels, std::uint16_t value) {
#if defined(__SSE2__)
  const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(voxels));
  const __m128i equal = _mm_cmpeq_epi16(eight, _mm_set1_epi16(static_cast<short>(value)));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
  unsigned byte = 0;
  for (unsigned i = 0; i < 8; ++i) byte |= (voxels[i] == value ? 1U : 0U) << i;
  return byte;
#endif
}

}  // namespace

std::span<const std::uint16_t> plane_of(const LabelSource& labels, const image::Grid& grid, std::uint32_t k) {
  const std::span<const std::uint16_t> plane = labels(k);
  if (plane.size() != std::uint64_t{grid.size[0]} * grid.size[1])
    throw Error(ErrorCode::GridMismatch, fmt::format("label plane {} has {} voxels, its grid {} x {}", k, plane.size(),
                                                     grid.size[0], grid.size[1]));
  return plane;
}

std::vector<std::vector<LabelBox>> label_boxes(const image::Grid& grid, const LabelSource& labels,
                                               std::span<const std::uint16_t> values, bool refuse_others) {
  if (grid.voxels() == 0 || grid.size[0] > 0xFFFF || grid.size[1] > 0xFFFF)
    throw Error(ErrorCode::WriteInvalid, "the grid has no size that DICOM can hold").tag("(0028,0010) Rows");
  const std::vector<std::uint16_t> index = index_by_value(values);
  std::vector<std::vector<LabelBox>> boxes(values.size());
  const std::size_t columns = grid.size[0];
  for (std::uint32_t k = 0; k < grid.size[2]; ++k) {
    const auto plane = plane_of(labels, grid, k);
    SliceBoxes slice(values.size(), k);
    for (std::size_t row = 0; row < grid.size[1]; ++row) {
      const std::uint16_t* voxels = plane.data() + row * columns;
      for (std::size_t i = 0; i < columns;) {
        const std::size_t first = i;
        const std::uint16_t value = voxels[i];
        i = run_end(voxels, i, columns);
        if (value == 0) continue;
        const std::uint16_t n = index[value];
        if (n != kNowhere)
          slice.touch(n, row, first, i - 1);
        else if (refuse_others)
          throw Error(ErrorCode::WriteInvalid, fmt::format("label {} of slice {} has no segment", value, k))
              .tag("(0062,0002) SegmentSequence")
              .remedy("name a segment for every label of the map, or set the others to 0");
      }
    }
    slice.give_to(boxes);
  }
  return boxes;
}

void pack_box(std::span<const std::uint16_t> plane, std::uint32_t columns, const LabelBox& box, std::uint16_t value,
              std::uint64_t start_bit, std::span<std::uint8_t> out) {
  for (std::size_t row = box.row_first; row <= box.row_last; ++row) {
    const std::uint16_t* voxels = plane.data() + row * columns;
    const std::uint64_t bit = start_bit + row * columns;
    std::size_t i = box.column_first;
    const std::size_t end = std::size_t{box.column_last} + 1;
    for (; i + 8 <= end; i += 8)
      if (const unsigned byte = eight_bits(voxels + i, value)) put_byte(out, bit + i, byte);
    unsigned rest = 0;
    for (std::size_t k = 0; i + k < end; ++k) rest |= (voxels[i + k] == value ? 1U : 0U) << k;
    if (rest != 0) put_byte(out, bit + i, rest);
  }
}

void ref_pack_box(std::span<const std::uint16_t> plane, std::uint32_t columns, const LabelBox& box, std::uint16_t value,
                  std::uint64_t start_bit, std::span<std::uint8_t> out) {
  for (std::size_t row = box.row_first; row <= box.row_last; ++row)
    for (std::size_t i = box.column_first; i <= box.column_last; ++i) {
      const std::uint64_t bit = start_bit + row * columns + i;
      if (plane[row * columns + i] != value) continue;
      std::uint8_t& byte = out[static_cast<std::size_t>(bit / 8)];
      byte = static_cast<std::uint8_t>(byte | (1U << (bit % 8)));
    }
}

}  // namespace rouage::dicom
