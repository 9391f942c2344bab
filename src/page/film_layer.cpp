#include "page/film_layer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>

namespace rouage::page {
namespace {

/// Which old pixels a new one covers along one axis: [first, last), with the shares of the two at its ends.
struct Cover {
  std::uint32_t first = 0, last = 0;
  float first_share = 1, last_share = 1, scale = 1;
};

std::vector<Cover> covers(std::uint32_t from, std::uint32_t to) {
  std::vector<Cover> list(to);
  const double step = static_cast<double>(from) / to;
  for (std::uint32_t i = 0; i < to; ++i) {
    Cover& c = list[i];
    if (step <= 1) {
      c.first = std::min(static_cast<std::uint32_t>((i + 0.5) * step), from - 1);
      c.last = c.first + 1;
      continue;
    }
    const double low = i * step, high = std::min((i + 1) * step, static_cast<double>(from));
    c.first = std::min(static_cast<std::uint32_t>(low), from - 1);
    c.last = std::clamp(static_cast<std::uint32_t>(std::ceil(high - 1e-9)), c.first + 1, from);
    c.first_share = static_cast<float>(std::min(c.first + 1.0, high) - low);
    c.last_share = c.last == c.first + 1 ? c.first_share : static_cast<float>(high - (c.last - 1.0));
    c.scale = static_cast<float>(1 / (high - low));
  }
  return list;
}

/// value is 0..1 or out of it.
inline float clipped(float value) {
  return value > 0 ? (value < 1 ? value : 1.0F) : 0.0F;
}

/// 0..255. Truncation after adding one half rounds values that are not negative, far faster than lround does.
inline std::uint8_t grey_level(float value) {
  return static_cast<std::uint8_t>(clipped(value) * 255.0F + 0.5F);  // NOLINT(bugprone-incorrect-roundings)
}

}  // namespace

std::vector<std::uint8_t> film_bytes(const image::Film& film, std::uint32_t columns, std::uint32_t rows) {
  std::vector<std::uint8_t> bytes(std::size_t{columns} * rows);
  if (film.columns == 0 || film.rows == 0 || film.values.size() < std::size_t{film.columns} * film.rows) return bytes;
  if (columns == film.columns && rows == film.rows) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = grey_level(film.values[i]);
    return bytes;
  }
  const auto across = covers(film.columns, columns), down = covers(film.rows, rows);
  std::vector<float> line(film.columns);
  for (std::uint32_t r = 0; r < rows; ++r) {
    const Cover& v = down[r];
    std::fill(line.begin(), line.end(), 0.0F);
    for (std::uint32_t y = v.first; y < v.last; ++y) {
      const float share = (y == v.first ? v.first_share : y + 1 == v.last ? v.last_share : 1.0F) * v.scale;
      const float* values = &film.values[std::size_t{y} * film.columns];
      for (std::uint32_t x = 0; x < film.columns; ++x) line[x] += share * clipped(values[x]);
    }
    for (std::uint32_t c = 0; c < columns; ++c) {
      const Cover& h = across[c];
      float sum = line[h.first] * h.first_share;
      for (std::uint32_t x = h.first + 1; x + 1 < h.last; ++x) sum += line[x];
      if (h.last > h.first + 1) sum += line[h.last - 1] * h.last_share;
      bytes[std::size_t{r} * columns + c] = grey_level(sum * h.scale);
    }
  }
  return bytes;
}

const std::array<MapColour, 256>& map_colours() {
  static const auto colours = [] {
    std::array<MapColour, 256> table;
    for (int i = 0; i < 256; ++i) {
      const double t = i / 255.0;
      // OKLab (Ottosson 2020): lightness linear in t, hue from violet (305 degrees) over red to yellow (95 degrees +
      // 360).
      const double lightness = 0.38 + 0.52 * t, chroma = 0.145 + 0.05 * std::sin(std::numbers::pi * t);
      const double hue = (295 + 160 * t) * std::numbers::pi / 180;
      const double a = chroma * std::cos(hue), b = chroma * std::sin(hue);
      const double l3 = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
      const double m3 = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
      const double s3 = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
      const auto channel = [](double linear) {
        const double v = std::clamp(linear, 0.0, 1.0);
        const double encoded = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
        return static_cast<std::uint8_t>(std::lround(encoded * 255));
      };
      const double rise = std::clamp((t - 0.2) / 0.5, 0.0, 1.0);
      table[static_cast<std::size_t>(i)] = {channel(4.0767416621 * l3 - 3.3077115913 * m3 + 0.2309699292 * s3),
                                            channel(-1.2684380046 * l3 + 2.6097574011 * m3 - 0.3413193965 * s3),
                                            channel(-0.0041960863 * l3 - 0.7034186147 * m3 + 1.7076147010 * s3),
                                            static_cast<std::uint16_t>(256 * 0.45 * rise * rise * (3 - 2 * rise))};
    }
    return table;
  }();
  return colours;
}

MapLayer::Taps MapLayer::taps(std::uint32_t at, std::uint32_t count, std::uint32_t cells) {
  const double place = (at + 0.5) * cells / count - 0.5, low = std::floor(place);
  const auto t = static_cast<float>(place - low);
  Taps taps{};
  for (int i = 0; i < 4; ++i) taps.cell[i] = static_cast<std::uint32_t>(std::clamp(low + i - 1, 0.0, cells - 1.0));
  taps.weight = {t * (-0.5F + t * (1 - 0.5F * t)), 1 + t * t * (-2.5F + 1.5F * t), t * (0.5F + t * (2 - 1.5F * t)),
                 t * t * (-0.5F + 0.5F * t)};
  return taps;
}

MapLayer::MapLayer(std::span<const float> map, std::uint32_t map_columns, std::uint32_t map_rows, std::uint32_t columns,
                   std::uint32_t rows)
    : map_(map), map_columns_(map_columns), map_rows_(map_rows), columns_(columns), rows_(rows) {
  if (map_columns == 0 || map_rows == 0 || map.size() < std::size_t{map_columns} * map_rows) map_ = {};
  if (map_.empty()) return;
  for (std::uint32_t c = 0; c < columns; ++c) across_.push_back(taps(c, columns, map_columns));
}

void MapLayer::blend(std::span<const std::uint8_t> grey, std::uint32_t row, std::uint32_t* out) const {
  if (map_.empty()) {
    for (std::uint32_t c = 0; c < columns_; ++c) out[c] = grey[c] * 0x010101U;
    return;
  }
  const Taps down = taps(row, rows_, map_rows_);
  std::vector<float> line(map_columns_);
  for (int i = 0; i < 4; ++i) {
    const float* values = &map_[std::size_t{down.cell[i]} * map_columns_];
    for (std::uint32_t x = 0; x < map_columns_; ++x) line[x] += down.weight[i] * clipped(values[x]);
  }
  const auto& colours = map_colours();
  for (std::uint32_t c = 0; c < columns_; ++c) {
    const Taps& t = across_[c];
    const float value = line[t.cell[0]] * t.weight[0] + line[t.cell[1]] * t.weight[1] + line[t.cell[2]] * t.weight[2] +
                        line[t.cell[3]] * t.weight[3];
    const MapColour& m = colours[grey_level(value)];
    const std::uint32_t g = grey[c], k = m.opacity, rest = 256 - k;
    out[c] = ((g * rest + m.r * k + 128) >> 8) << 16 | ((g * rest + m.g * k + 128) >> 8) << 8 |
             ((g * rest + m.b * k + 128) >> 8);
  }
}

}  // namespace rouage::page
