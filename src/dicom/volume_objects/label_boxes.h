/// Where each label lies, slice by slice, and its bits. Internal.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom {

/// Rows and columns that one label touches in slice k; both ends included.
struct LabelBox {
  std::uint32_t k = 0;
  std::uint16_t row_first = 0, row_last = 0, column_first = 0, column_last = 0;
};

/// Plane k, its size checked.  Errors: GridMismatch.
std::span<const std::uint16_t> plane_of(const LabelSource& labels, const image::Grid& grid, std::uint32_t k);

/// result[n]: boxes of values[n], k ascending, slices without the label left out. refuse_others: a label that is not in
/// `values` (0 apart) is WriteInvalid. Errors: WriteInvalid (values 0 or twice, more than 65535 rows or columns),
/// GridMismatch.
std::vector<std::vector<LabelBox>> label_boxes(const image::Grid& grid, const LabelSource& labels,
                                               std::span<const std::uint16_t> values, bool refuse_others);

/// Sets bit `start_bit + row * columns + column` of `out` (lowest bit first, PS3.5 8.1.1) where plane == value inside
/// the box. `out` is zero there, and one byte longer than the bits need.
void pack_box(std::span<const std::uint16_t> plane, std::uint32_t columns, const LabelBox& box, std::uint16_t value,
              std::uint64_t start_bit, std::span<std::uint8_t> out);
/// The same, bit by bit: what pack_box is tested against.
void ref_pack_box(std::span<const std::uint16_t> plane, std::uint32_t columns, const LabelBox& box, std::uint16_t value,
                  std::uint64_t start_bit, std::span<std::uint8_t> out);

}  // namespace rouage::dicom
