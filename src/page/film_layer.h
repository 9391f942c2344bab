/// Pixels of the film and of the map over it.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "image/film.h"

namespace rouage::page {

/// The film on a matrix of columns x rows, 8 bits: mean over each new pixel's area (exact shares at its borders); where
/// the film is enlarged each pixel is repeated. Values outside 0..1 and not-a-number are clipped to 0..1 and 0.
std::vector<std::uint8_t> film_bytes(const image::Film& film, std::uint32_t columns, std::uint32_t rows);

/// Colour and opacity for map values 0..1 in 256 steps: lightness (OKLab) rises evenly from violet over magenta and
/// orange to yellow, so the order is seen in grey and with any colour vision; opacity rises from 0 (below 0.2) to 0.45,
/// so that the film stays readable.
struct MapColour {
  std::uint8_t r = 0, g = 0, b = 0;
  std::uint16_t opacity = 0;  ///< 0..256
};
const std::array<MapColour, 256>& map_colours();

/// One line of pixels 0x00RRGGBB: grey film under the map's values of that line (Catmull-Rom between cell centres: a
/// cell's own value stands at its centre).
class MapLayer {
 public:
  MapLayer(std::span<const float> map, std::uint32_t map_columns, std::uint32_t map_rows, std::uint32_t columns,
           std::uint32_t rows);
  void blend(std::span<const std::uint8_t> grey, std::uint32_t row, std::uint32_t* out) const;

 private:
  std::span<const float> map_;  ///< empty: no map
  std::uint32_t map_columns_, map_rows_, columns_, rows_;
  struct Taps {
    std::array<std::uint32_t, 4> cell;
    std::array<float, 4> weight;
  };
  static Taps taps(std::uint32_t at, std::uint32_t count, std::uint32_t cells);
  std::vector<Taps> across_;
};

}  // namespace rouage::page
