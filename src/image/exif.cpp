#include "image/exif.h"

#include <array>
#include <cstring>

namespace rouage::image {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;
constexpr std::uint16_t kShort = 3;
constexpr std::array<std::uint8_t, 6> kMark{'E', 'x', 'i', 'f', 0, 0};

/// Numbers of a TIFF structure in its own byte order; zero beyond its end.
class Tiff {
 public:
  explicit Tiff(std::span<const std::uint8_t> bytes) : bytes_(bytes), big_(bytes.size() > 1 && bytes[0] == 'M') {}
  std::uint16_t u16(std::size_t at) const {
    if (at + 2 > bytes_.size()) return 0;
    return static_cast<std::uint16_t>(big_ ? bytes_[at] << 8 | bytes_[at + 1] : bytes_[at + 1] << 8 | bytes_[at]);
  }
  std::uint32_t u32(std::size_t at) const {
    const std::uint32_t first = u16(at), second = u16(at + 2);
    return big_ ? first << 16 | second : second << 16 | first;
  }
  bool valid() const {
    return bytes_.size() >= 8 && (bytes_[0] == 'I' || bytes_[0] == 'M') && bytes_[0] == bytes_[1] && u16(2) == 42;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool big_;
};

}  // namespace

int exif_orientation(std::span<const std::uint8_t> app1) {
  if (app1.size() < kMark.size() || std::memcmp(app1.data(), kMark.data(), kMark.size()) != 0) return 1;
  const Tiff tiff(app1.subspan(kMark.size()));
  if (!tiff.valid()) return 1;
  const std::size_t directory = tiff.u32(4);
  const std::size_t entries = tiff.u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (tiff.u16(entry) != kOrientationTag) continue;
    const int value = tiff.u16(entry + 8);
    return tiff.u16(entry + 2) == kShort && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Picture upright(Picture picture, int orientation) {
  if (orientation < 2 || orientation > 8) return picture;
  const std::uint32_t columns = picture.columns, rows = picture.rows;
  const bool swaps = orientation >= 5;
  Picture turned = picture;
  turned.columns = swaps ? rows : columns;
  turned.rows = swaps ? columns : rows;
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::uint32_t y = 0; y < turned.rows; ++y)
    for (std::uint32_t x = 0; x < turned.columns; ++x) {
      // Where the pixel stood: 2-4 mirror or turn by half, 5-8 exchange rows and columns first.
      std::uint32_t from_x = swaps ? y : x, from_y = swaps ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) from_x = columns - 1 - from_x;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) from_y = rows - 1 - from_y;
      const std::size_t from = (std::size_t{from_y} * columns + from_x) * channels;
      const std::size_t to = (std::size_t{y} * turned.columns + x) * channels;
      for (std::size_t c = 0; c < channels; ++c) turned.samples[to + c] = picture.samples[from + c];
    }
  return turned;
}

}  // namespace rouage::image
