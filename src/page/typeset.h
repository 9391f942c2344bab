/// Text and strokes on an RGB surface: the only place that talks to cairo and pango.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rouage::page {

struct Colour {
  double r = 0, g = 0, b = 0, a = 1;  ///< 0..1, sRGB
};
struct Extent {
  double width = 0, height = 0;
};
struct TextStyle {
  double size_px = 16;  ///< em height
  bool bold = false;
  Colour colour{1, 1, 1, 1};
  double width_px = 0;  ///< wraps there; 0: one line as long as it is
  int lines = 1;        ///< more is cut off with an ellipsis (needs width_px)
  bool right = false;   ///< aligned to the right end of width_px
};

/// A surface of 32-bit pixels (0x00RRGGBB in machine order) that can be written by hand and drawn on in turn.
/// Text is DejaVu Sans, grey antialiasing, no hinting, whatever the desktop says.
class Sheet {
 public:
  /// Errors: FontMissing.
  Sheet(std::uint32_t columns, std::uint32_t rows, Colour background);
  /// Pages of a PDF instead of pixels; one unit is a point. `date`: "2026-11-24", written as the day of making.
  Sheet(Extent page, const std::string& title, const std::string& date);
  ~Sheet();
  Sheet(const Sheet&) = delete;
  Sheet& operator=(const Sheet&) = delete;

  std::uint32_t columns() const { return columns_; }
  std::uint32_t rows() const { return rows_; }
  /// Pixels of row `row` for writing by hand; `finish_pixels()` afterwards, before anything is drawn.
  std::uint32_t* pixels(std::uint32_t row);
  void finish_pixels();

  Extent measure(std::string_view text, const TextStyle& style);
  /// (x, y): upper left corner of the text. Returns its extent.
  Extent write(double x, double y, std::string_view text, const TextStyle& style);

  void fill_rectangle(double x, double y, double width, double height, Colour colour, double corner = 0);
  void stroke_rectangle(double x, double y, double width, double height, Colour colour, double line);
  void fill_polygon(const std::vector<std::pair<double, double>>& points, Colour colour);
  void stroke_circle(double x, double y, double radius, Colour colour, double line);
  /// Open or closed lines; dashes in pixels along the line, empty: solid.
  void stroke_paths(const std::vector<std::vector<std::pair<double, double>>>& pieces, bool closed, Colour colour,
                    double line, const std::vector<double>& dashes);
  /// One fill for all rings (non-zero rule), so that rings that overlap are not darker.
  void fill_paths(const std::vector<std::vector<std::pair<double, double>>>& rings, Colour colour);
  /// Until end_place: (0, 0) is (x, y), lengths are multiplied, turned: a quarter turn against the clock.
  void begin_place(double x, double y, double scale, bool turned);
  void end_place();
  void clip(double x, double y, double width, double height);  ///< until unclip()
  void unclip();

  /// 8-bit RGB, row-major.
  std::vector<std::uint8_t> rgb();
  void next_page();
  /// The PDF's bytes; nothing is drawn afterwards.
  std::vector<std::uint8_t> pdf();

 private:
  struct Parts;
  void prepare_text();
  std::unique_ptr<Parts> parts_;
  std::uint32_t columns_, rows_;
};

/// Measures without a picture. Errors: FontMissing.
class Ruler {
 public:
  Ruler();
  ~Ruler();
  Ruler(const Ruler&) = delete;
  Ruler& operator=(const Ruler&) = delete;
  Extent measure(std::string_view text, const TextStyle& style);

 private:
  std::unique_ptr<Sheet> sheet_;
};

}  // namespace rouage::page
