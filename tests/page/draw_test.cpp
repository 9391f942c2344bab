// What draw_film promises: the same bytes, boxes where they lie, the warning burnt in, no trouble with odd input.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "base/values.h"
#include "page/film_layer.h"
#include "page/page.h"
#include "page/typeset.h"

namespace rouage::page {
namespace {

image::Film grey_film(std::uint32_t columns, std::uint32_t rows, float value) {
  image::Film film;
  film.columns = columns;
  film.rows = rows;
  film.values.assign(std::size_t{columns} * rows, value);
  return film;
}

Overlay full_overlay() {
  Overlay o;
  o.map_columns = o.map_rows = 5;
  for (int i = 0; i < 25; ++i) o.map.push_back(static_cast<float>(i) / 24);
  o.map_caption = "Activation map: Nodule";
  o.boxes = {{100, 60, 180, 140, "Nodule 0.81"}, {110, 70, 190, 150, "Mass 0.40"}};
  o.rows = {{"Nodule", "0.81", true, 0.81, 0.4}, {"Pleural effusion", "0.10", false, 0.1, 0.3}};
  o.notes = {"the age is not known"};
  o.title = "Chest radiograph";
  o.banner = "AI, not reviewed";
  return o;
}

struct Rgb {
  int r, g, b;
};
Rgb pixel(const Canvas& canvas, std::uint32_t column, std::uint32_t row) {
  const std::uint8_t* p = &canvas.rgb[(std::size_t{row} * canvas.columns + column) * 3];
  return {p[0], p[1], p[2]};
}

/// Where the grey film lies on the canvas: its rows below the first strip.
std::uint32_t film_top(const Canvas& canvas, std::uint32_t film_rows) {
  return (canvas.rows - film_rows) / 2;
}

TEST(DrawFilm, gives_the_same_bytes_each_time) {
  const image::Film film = grey_film(256, 256, 0.5F);
  for (const char* language : {"en", "fr"}) {
    const Canvas one = draw_film(film, full_overlay(), {language, 512}),
                 two = draw_film(film, full_overlay(), {language, 512});
    EXPECT_EQ(sha256(one.rgb), sha256(two.rgb));
    EXPECT_EQ(one.rgb.size(), std::size_t{one.columns} * one.rows * 3);
  }
}

TEST(DrawFilm, draws_boxes_where_they_lie_in_the_film) {
  const image::Film film = grey_film(256, 256, 0.5F);
  Overlay overlay;
  overlay.boxes = {{64, 96, 128, 160, ""}};
  const Canvas with = draw_film(film, overlay, {"en", 512});
  overlay.boxes.clear();
  const Canvas without = draw_film(film, overlay, {"en", 512});
  ASSERT_EQ(with.rgb.size(), without.rgb.size());
  std::uint32_t c0 = with.columns, c1 = 0, r0 = with.rows, r1 = 0;
  for (std::uint32_t r = 0; r < with.rows; ++r)
    for (std::uint32_t c = 0; c < with.columns; ++c) {
      const Rgb a = pixel(with, c, r), b = pixel(without, c, r);
      if (a.r == b.r && a.g == b.g && a.b == b.b) continue;
      c0 = std::min(c0, c), c1 = std::max(c1, c), r0 = std::min(r0, r), r1 = std::max(r1, r);
    }
  // The film is drawn at twice its size; the line is at most 5 pixels thick, half of it outside the box.
  const std::uint32_t top = film_top(with, 512);
  EXPECT_NEAR(c0, 128, 3);
  EXPECT_NEAR(c1, 255, 3);
  EXPECT_NEAR(r0, top + 192, 3);
  EXPECT_NEAR(r1, top + 319, 3);
  EXPECT_EQ(pixel(with, 192, top + 256).g, pixel(without, 192, top + 256).g) << "the inside of a box stays free";
}

TEST(DrawFilm, burns_the_warning_in_above_and_below_even_when_the_caller_gives_none) {
  Overlay silent;
  const Canvas canvas = draw_film(grey_film(128, 128, 0.3F), silent, {"fr", 512});
  const auto bright = [&](std::uint32_t row0, std::uint32_t row1) {
    int count = 0;
    for (std::uint32_t r = row0; r < row1; ++r)
      for (std::uint32_t c = 0; c < canvas.columns / 2; ++c)
        count += pixel(canvas, c, r).r > 180 && pixel(canvas, c, r).b < 140;
    return count;
  };
  EXPECT_GT(bright(0, film_top(canvas, 512)), 100);
  EXPECT_GT(bright(canvas.rows - film_top(canvas, 512), canvas.rows), 100);
}

TEST(DrawFilm, sets_french_accents) {
  Ruler ruler;
  const TextStyle style{20, false, {}, 0, 1, false};
  for (const char* words : {"É", "œ", "Œdème", "Épaississement pleural", "«", "≥", "°"})
    EXPECT_GT(ruler.measure(words, style).width, 5) << words;
  EXPECT_GT(ruler.measure("Épaississement", style).width, ruler.measure("Épai", style).width);
}

TEST(DrawFilm, does_not_mind_odd_input) {
  Overlay overlay = full_overlay();
  overlay.boxes.push_back({-1e6, -1e6, 1e6, 1e6, std::string(5000, 'W')});
  overlay.boxes.push_back({50, 50, 20, 20, "corners exchanged"});
  overlay.boxes.push_back({1e300, 0, 1e300, 5, "far"});
  overlay.rows.push_back({std::string(3000, 'm'), std::string(3000, '9'), true, 7, 2});
  overlay.rows.push_back({"\xff\xfe broken UTF-8", "", false, std::nan(""), std::nan("")});
  overlay.notes.push_back(std::string(100000, 'x'));
  for (const auto& [columns, rows] : {std::pair{1U, 1U}, {1U, 700U}, {700U, 1U}, {97U, 64U}, {0U, 0U}}) {
    const Canvas canvas = draw_film(grey_film(columns, rows, 0.5F), overlay, {"fr", 256});
    EXPECT_GT(canvas.columns, 0U);
    EXPECT_EQ(canvas.rgb.size(), std::size_t{canvas.columns} * canvas.rows * 3);
  }
  EXPECT_GT(draw_film(grey_film(8, 8, 0.5F), {}, {"en", 16}).rows, 16U) << "nothing but a film";
  EXPECT_THROW(draw_film(grey_film(8, 8, 0.5F), {}, {"en", 100000}), Error);
}

TEST(FilmBytes, is_the_mean_over_area) {
  image::Film film = grey_film(4, 2, 0);
  film.values = {0, 1, 0, 1, 1, 0, 1, 0};  // checkerboard: every mean is one half
  for (const std::uint8_t value : film_bytes(film, 2, 1)) EXPECT_EQ(value, 128);
  film.values = {0, 0, 1, 1, 0, 0, 1, 1};
  // Three columns over four: shares 1 + 1/3, the middle one half dark and half bright.
  EXPECT_EQ(film_bytes(film, 3, 1), (std::vector<std::uint8_t>{0, 128, 255}));
}

TEST(FilmBytes, keeps_the_mean_of_a_film_for_any_size) {
  image::Film film = grey_film(301, 199, 0);
  for (std::size_t i = 0; i < film.values.size(); ++i) film.values[i] = static_cast<float>((i * 7919) % 1000) / 999.0F;
  double mean = 0;
  for (const float v : film.values) mean += static_cast<double>(v) * 255;
  mean /= static_cast<double>(film.values.size());
  for (const auto& [columns, rows] : {std::pair{300U, 198U}, {150U, 99U}, {64U, 64U}, {7U, 5U}}) {
    const auto bytes = film_bytes(film, columns, rows);
    double sum = 0;
    for (const std::uint8_t b : bytes) sum += b;
    EXPECT_NEAR(sum / static_cast<double>(bytes.size()), mean, 0.5) << "rounding to bytes";
  }
}

TEST(MapColours, are_ordered_in_lightness_and_opacity) {
  const auto& colours = map_colours();
  double before = -1;
  for (const MapColour& c : colours) {
    const double luma =
        0.2126 * std::pow(c.r / 255.0, 2.2) + 0.7152 * std::pow(c.g / 255.0, 2.2) + 0.0722 * std::pow(c.b / 255.0, 2.2);
    EXPECT_GT(luma, before - 0.004) << "rounding to bytes and clipping to sRGB";
    before = luma;
  }
  EXPECT_TRUE(std::is_sorted(colours.begin(), colours.end(),
                             [](const MapColour& a, const MapColour& b) { return a.opacity < b.opacity; }));
  EXPECT_EQ(colours.front().opacity, 0) << "low values leave the film as it is";
  EXPECT_LE(colours.back().opacity, 128) << "the film stays readable under the map";
}

TEST(MapLayer, shows_a_cells_value_at_its_centre) {
  std::vector<float> map(9, 0.0F);
  map[4] = 1;  // the middle cell of three by three
  const MapLayer layer(map, 3, 3, 90, 90);
  const std::vector<std::uint8_t> grey(90, 0);
  std::vector<std::uint32_t> line(90);
  std::uint32_t brightest_row = 0, brightest_column = 0, most = 0;
  for (std::uint32_t r = 0; r < 90; ++r) {
    layer.blend(grey, r, line.data());
    for (std::uint32_t c = 0; c < 90; ++c)
      if (((line[c] >> 8) & 0xFF) > most) most = (line[c] >> 8) & 0xFF, brightest_row = r, brightest_column = c;
  }
  EXPECT_GT(most, 60U);
  EXPECT_NEAR(brightest_row, 44, 6) << "the table is flat near 1";
  EXPECT_NEAR(brightest_column, 44, 6);
}

}  // namespace
}  // namespace rouage::page
