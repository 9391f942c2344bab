#include "dicom/writing_pixels.h"

#include <optional>

#include "base/error.h"

namespace rouage::dicom {

std::size_t add_matrix(Item& item, const PixelMatrix& matrix) {
  std::uint64_t samples = 0;
  const bool fits = multiply_checked({matrix.columns, matrix.rows, matrix.samples}, samples);
  if (!fits || samples == 0 || matrix.columns > 0xFFFF || matrix.rows > 0xFFFF)
    throw Error(ErrorCode::WriteInvalid, "the matrix has no size that DICOM can hold").tag("(0028,0010) Rows");
  if (matrix.bits_stored < 1 || matrix.bits_stored > 16)
    throw Error(ErrorCode::WriteInvalid, "bits stored must be 1 to 16").tag("(0028,0101) BitsStored");
  const auto bits = static_cast<std::uint16_t>(matrix.bits_stored);
  item.unsigned_shorts(DCM_SamplesPerPixel, {static_cast<std::uint16_t>(matrix.samples)});
  item.code_string(DCM_PhotometricInterpretation, matrix.samples == 3 ? "RGB" : "MONOCHROME2");
  if (matrix.samples == 3) item.unsigned_shorts(DCM_PlanarConfiguration, {0});
  item.unsigned_shorts(DCM_Rows, {static_cast<std::uint16_t>(matrix.rows)});
  item.unsigned_shorts(DCM_Columns, {static_cast<std::uint16_t>(matrix.columns)});
  item.unsigned_shorts(DCM_BitsAllocated, {static_cast<std::uint16_t>(bits > 8 ? 16 : 8)});
  item.unsigned_shorts(DCM_BitsStored, {bits});
  item.unsigned_shorts(DCM_HighBit, {static_cast<std::uint16_t>(bits - 1)});
  item.unsigned_shorts(DCM_PixelRepresentation, {0});
  return samples;
}

void add_spacing(Item& item, const DcmTagKey& tag, const std::optional<std::pair<double, double>>& row_column_mm) {
  if (!row_column_mm) return;
  item.text(tag, "DS", decimal_string(row_column_mm->first) + "\\" + decimal_string(row_column_mm->second));
}

}  // namespace rouage::dicom
