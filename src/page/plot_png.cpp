// A scene drawn by cairo, on pixels or on a page of a PDF.
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "image/picture.h"
#include "page/plot_scene.h"

namespace rouage::page {
namespace {

std::vector<Place> marker(int shape, double r, Place at) {
  std::vector<Place> corners;
  switch (shape) {
    case 0:
      for (int i = 0; i < 24; ++i)
        corners.emplace_back(r * std::cos(i * std::numbers::pi / 12), r * std::sin(i * std::numbers::pi / 12));
      break;
    case 1:
      corners = {{-r * 0.9, -r * 0.9}, {r * 0.9, -r * 0.9}, {r * 0.9, r * 0.9}, {-r * 0.9, r * 0.9}};
      break;
    case 2:
      corners = {{0, -r * 1.15}, {r * 1.1, r * 0.75}, {-r * 1.1, r * 0.75}};
      break;
    case 3:
      corners = {{0, -r * 1.25}, {r * 1.25, 0}, {0, r * 1.25}, {-r * 1.25, 0}};
      break;
    case 4:
      corners = {{0, r * 1.15}, {r * 1.1, -r * 0.75}, {-r * 1.1, -r * 0.75}};
      break;
    default: {
      const double a = r * 0.4, c = r * 1.1;
      corners = {{-a, -c}, {a, -c}, {a, -a}, {c, -a}, {c, a},   {a, a},
                 {a, c},   {-a, c}, {-a, a}, {-c, a}, {-c, -a}, {-a, -a}};
    }
  }
  for (Place& p : corners) p = {p.first + at.first, p.second + at.second};
  return corners;
}

struct ItemPainter {
  Sheet& sheet;
  void operator()(const ScenePath& path) const {
    if (path.fill.a > 0) sheet.fill_paths(path.pieces, path.fill);
    if (path.line > 0) sheet.stroke_paths(path.pieces, path.closed, path.stroke, path.line, path.dashes);
  }
  void operator()(const SceneMarkers& markers) const {
    std::vector<std::vector<Place>> pieces;
    for (const Place& at : markers.at) pieces.push_back(marker(markers.shape, markers.radius, at));
    sheet.fill_paths(pieces, markers.colour);
  }
  void operator()(const SceneText& text) const {
    const TextStyle style{text.size_px, text.bold, text.colour};
    const Extent extent = sheet.measure(text.text, style);
    const double along = text.anchor == 1 ? extent.width / 2 : text.anchor == 2 ? extent.width : 0;
    sheet.begin_place(text.x, text.y, 1, text.turned);
    sheet.write(-along, -extent.height / 2, text.text, style);
    sheet.end_place();
  }
};

}  // namespace

void draw_scene(Sheet& sheet, const Scene& scene, double x, double y, double scale) {
  sheet.begin_place(x, y, scale, false);
  const ItemPainter paint{sheet};
  for (const SceneItem& item : scene.items) std::visit(paint, item);
  for (const SceneEntry& entry : scene.entries)
    for (const SceneItem& item : entry.items) std::visit(paint, item);
  sheet.end_place();
}

Bytes plot_png(const Plot& plot, const PlotOptions& options) {
  const Scene scene = plot_scene(plot, options);
  if (!(scene.height <= 32'000))
    throw Error(ErrorCode::ImageTooLarge, "the plot has more rows than a picture can hold");
  Sheet sheet(static_cast<std::uint32_t>(scene.width), static_cast<std::uint32_t>(scene.height), Colour{1, 1, 1, 1});
  draw_scene(sheet, scene, 0, 0, 1);
  return image::write_png(sheet.columns(), sheet.rows(), 3, sheet.rgb(), {});
}

}  // namespace rouage::page
