/// PNG and JPEG files, in and out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::image {

/// Interleaved samples, 1 (grey) or 3 (RGB) channels of 8 or 16 bits, row-major; alpha is dropped, palettes expanded.
struct Picture {
  std::uint32_t columns = 0, rows = 0;
  int channels = 1;
  int bits = 8;                        ///< 8 or 16
  int exif_orientation = 1;            ///< as the file said (1..8); the samples are already turned upright
  std::vector<std::uint16_t> samples;  ///< 8-bit values stand in the low byte
};

/// Errors: NotPicture, ImageTooLarge (checked from the header, before memory is taken), PixelDataTruncated.
Picture read_png(std::span<const std::uint8_t> bytes, std::uint64_t pixel_limit);
Picture read_jpeg(std::span<const std::uint8_t> bytes, std::uint64_t pixel_limit);
/// 8-bit grey or RGB PNG. Deterministic. `texts`: tEXt chunks (latin keywords, UTF-8 values as iTXt).
Bytes write_png(std::uint32_t columns, std::uint32_t rows, int channels, std::span<const std::uint8_t> samples,
                const std::vector<std::pair<std::string, std::string>>& texts = {});
/// 8-bit grey or RGB JPEG, quality 1..100 (90: no visible loss), at most 65,500 pixels a side.
Bytes write_jpeg(std::uint32_t columns, std::uint32_t rows, int channels, std::span<const std::uint8_t> samples,
                 int quality);

}  // namespace rouage::image
