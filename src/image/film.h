/// One projection picture, as a value: what every cog that looks at films is given.
///
///   const image::Film& film = ...;
///   float grey = film.at(column, row);          // display value 0..1, bright = dense (MONOCHROME2)
///
/// The matrix is the stored image's own: index (0,0) is the top-left pixel, and the point (0.0, 0.0) its outer corner.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rouage::image {

/// Where a pixel spacing comes from, and so how far it may be trusted.
enum class SpacingKind {
  none,         ///< no spacing: lengths must not be given
  at_patient,   ///< (0028,0030) calibrated by geometry or fiducial, or imager spacing / magnification
  at_detector,  ///< (0018,1164) only: lengths are magnified
  doubtful,     ///< (0028,0030) of unknown calibration on a projection, or disagreeing values
};

struct PixelSpacing {
  double row_mm = 0;     ///< distance of the centres of two adjacent rows
  double column_mm = 0;  ///< distance of the centres of two adjacent columns
  SpacingKind kind = SpacingKind::none;
};

/// Grey picture; `values` is row-major, rows * columns display values in 0..1 after modality LUT, VOI LUT or window and
/// presentation LUT shape, polarity MONOCHROME2 (bright = dense). Pixel padding is 0 there and counted in `padded`.
struct Film {
  std::uint32_t columns = 0, rows = 0;
  std::vector<float> values;
  std::optional<PixelSpacing> spacing;
  /// Patient directions of a row (towards the last column) and of a column (towards the last row), e.g. {"L","F"};
  /// empty strings where the file does not say.
  std::array<std::string, 2> patient_orientation;
  std::uint64_t padded = 0;  ///< pixels that were padding
  int stored_bits = 8;       ///< bits a pixel had, 8..16
  bool from_colour = false;  ///< made from an RGB picture whose channels were equal (or nearly, then warned)

  float at(std::uint32_t column, std::uint32_t row) const { return values[std::size_t{row} * columns + column]; }
};

}  // namespace rouage::image
