/// What people look at: films with maps and boxes drawn over them, and texts in French and English.
///
///   page::Canvas canvas = page::draw_film(film, overlay, {.language = "fr"});
///   page::text("fr", "not_reviewed");      // one catalogue a language, src/page/texts/*.json
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "image/film.h"

namespace rouage::page {

/// Text of a key in "en" or "fr" with {name} placeholders filled. Errors: Internal for an unknown key.
std::string text(std::string_view language, std::string_view key,
                 const std::map<std::string, std::string>& values = {});
/// All keys of a language, for the test that the catalogues agree.
std::vector<std::string> text_keys(std::string_view language);
/// A label's name for people, e.g. label_text("fr", "Pleural_Thickening") = "Épaississement pleural"; the label itself
/// where the catalogue has none.
std::string label_text(std::string_view language, std::string_view label);

/// Starts to look for the fonts, in the background: the first text waits for what is then still missing (about 0.1 s).
void prepare_fonts();

struct OverlayBox {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< film matrix, outer corner origin
  std::string caption;
};
struct OverlayRow {
  std::string name, value;
  bool positive = false;
  double fraction = 0;    ///< 0..1: length of the bar
  double threshold = -1;  ///< 0..1: tick on the bar; negative: none
};
/// What is drawn over and beside one film.
struct Overlay {
  std::vector<float> map;  ///< heat map 0..1 on a coarse matrix that covers the film; may be empty
  std::uint32_t map_columns = 0, map_rows = 0;
  std::string map_caption;
  std::vector<OverlayBox> boxes;
  std::vector<OverlayRow> rows;    ///< table beside the film
  std::vector<std::string> facts;  ///< measurements, under the table
  std::vector<std::string> notes;  ///< warnings, under the facts
  std::string title, banner;       ///< banner: burnt in, e.g. "AI, not reviewed"
};
struct DrawOptions {
  std::string language = "en";
  std::uint32_t film_side = 1024;  ///< longer side of the drawn film, pixels
};
/// 8-bit RGB, row-major.
struct Canvas {
  std::uint32_t columns = 0, rows = 0;
  std::vector<std::uint8_t> rgb;
};
/// The film with its overlay and a column of text at its right. Deterministic (fixed font, no hinting by screen).
Canvas draw_film(const image::Film& film, const Overlay& overlay, const DrawOptions& options);

}  // namespace rouage::page
