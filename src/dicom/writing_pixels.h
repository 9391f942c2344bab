/// Image Pixel module of unsigned grey or RGB pictures.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "dicom/writing_item.h"

namespace rouage::dicom {

struct PixelMatrix {
  std::uint32_t columns = 0, rows = 0, samples = 1;  ///< samples: 1 (MONOCHROME2) or 3 (RGB, by pixel)
  int bits_stored = 8;
};
/// All attributes but PixelData; returns columns * rows * samples.  Errors: WriteInvalid.
std::size_t add_matrix(Item& item, const PixelMatrix& matrix);
/// DS pair "row\column", nothing when absent.
void add_spacing(Item& item, const DcmTagKey& tag, const std::optional<std::pair<double, double>>& row_column_mm);

}  // namespace rouage::dicom
