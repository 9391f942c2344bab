/// A plot laid out: strokes, fills, markers and texts in pixels, which SVG, PNG and PDF draw alike.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "page/plot.h"
#include "page/typeset.h"

namespace rouage::page {

using Place = std::pair<double, double>;  ///< pixels, y down

struct Frame {
  double x = 0, y = 0, width = 0, height = 0;
};
struct ScenePath {
  std::vector<std::vector<Place>> pieces{};
  bool closed = false;
  Colour stroke{0, 0, 0, 0};
  double line = 0;
  std::vector<double> dashes{};
  Colour fill{0, 0, 0, 0};
  int series = -1;  ///< what the legend hides and shows together; -1: always there
};
struct SceneMarkers {
  int shape = 0;  ///< 0 disc, 1 square, 2 triangle, 3 diamond, 4 triangle on its tip, 5 cross
  double radius = 4;
  std::vector<Place> at{};
  Colour colour{};
  int series = -1;
};
struct SceneText {
  double x = 0, y = 0;  ///< y: middle of the line
  std::string text{};
  double size_px = 13;
  bool bold = false;
  Colour colour{};
  int anchor = 0;       ///< 0: starts at x, 1: centred, 2: ends at x
  bool turned = false;  ///< a quarter turn against the clock, about (x, y)
  int series = -1;
};
using SceneItem = std::variant<ScenePath, SceneMarkers, SceneText>;
struct SceneHover {
  Place at{};
  std::string text{};
  int series = -1;
};
struct SceneEntry {
  std::string name{};
  int series = -1;
  Frame frame{};
  std::vector<SceneItem> items{};
};
struct Scene {
  double width = 0, height = 0;
  std::string title{}, description{};
  Frame panel{};
  std::vector<SceneItem> items{};     ///< in drawing order
  std::vector<SceneEntry> entries{};  ///< the legend
  std::vector<SceneHover> hovers{};
};

/// Height grows beyond options.height where rows, legend or captions need it. Errors: FontMissing.
Scene plot_scene(const Plot& plot, const PlotOptions& options);

// What the layout is made of.

/// Value to 0..1 along an axis; not finite where there is no place (zero on a logarithmic axis).
struct AxisScale {
  double low = 0, high = 1;
  bool logarithmic = false;
  double at(double value) const;
};
using Ticks = std::vector<std::pair<double, std::string>>;
/// The axis' own range, mended where it is empty, not finite, or not positive on a logarithmic axis.
AxisScale axis_scale(const PlotAxis& axis);
/// The axis' own ticks, else round numbers, at most `most` of them, with labels in the language.
Ticks axis_ticks(const PlotAxis& axis, const AxisScale& scale, int most, std::string_view language);
/// Four significant digits; decimal comma in French; a true minus sign.
std::string plot_number(double value, std::string_view language);

struct SeriesStyle {
  Colour colour{};
  std::vector<double> dashes{};
  int shape = 0;
};
/// After Okabe and Ito (2008), on white; yellow left out, orange and sky blue darkened to a contrast of 3:1 (WCAG 2.1,
/// 1.4.11). Each colour has a dash pattern and a marker of its own. -2: grey.
SeriesStyle series_style(int colour);
inline constexpr int kPaletteColours = 7;

/// Which colour and which legend entry each line and each set of points has.
struct SeriesPlan {
  struct Use {
    int colour = 0, series = -1;
  };
  std::vector<Use> bands{}, lines{}, points{};
  std::vector<std::string> names{};  ///< by series
};
SeriesPlan plan_series(const Plot& plot);

struct Panel {
  Frame frame{};
  AxisScale x{}, y{};
  std::string language{};
  double x_of(double value) const { return frame.x + x.at(value) * frame.width; }
  double y_of(double value) const { return frame.y + (1 - y.at(value)) * frame.height; }
};
/// Bands, rules, lines and points into the scene. forest: captions go to the right of the panel.
void draw_series(Scene& scene, const Plot& plot, const SeriesPlan& plan, const Panel& panel, Ruler& ruler, bool forest);
/// Rows are named on the y axis: their captions make a column at the right.
bool is_forest(const Plot& plot);

/// A text cut to a width with an ellipsis; a text set in lines.
std::string fitted(Ruler& ruler, const std::string& text, const TextStyle& style, double width);
std::vector<std::string> wrapped(Ruler& ruler, const std::string& text, const TextStyle& style, double width);

/// The scene on a sheet, its upper left corner at (x, y).
void draw_scene(Sheet& sheet, const Scene& scene, double x, double y, double scale);
/// interactive: with what the script of plots_html needs.
std::string scene_svg(const Scene& scene, const std::string& id, bool interactive);
/// Escaped for XML and HTML; what no XML document may hold is replaced by U+FFFD.
std::string xml_text(std::string_view text);
/// A whole page round a body of our own making: style, policy, script.
std::string html_page(const std::string& title, const std::string& language, const std::string& body);
/// A scene with the line that its values are read on.
std::string html_figure(const Scene& scene, const std::string& id);

}  // namespace rouage::page
