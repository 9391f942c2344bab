// A scene as SVG 1.1: deterministic text, two decimals of a pixel.
#include <cmath>
#include <cstdio>

#include "page/plot_scene.h"

namespace rouage::page {
namespace {

std::string px(double value) {
  std::string text = fixed_text(value, 2);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string hex(Colour c) {
  const auto byte = [](double v) { return static_cast<unsigned>(std::lround(v * 255)); };
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", byte(c.r) & 255U, byte(c.g) & 255U, byte(c.b) & 255U);
  return text;
}

std::string marker(int shape, double r, Place at) {
  const auto [x, y] = at;
  const auto move = [&](double dx, double dy) { return "M" + px(x + dx) + "," + px(y + dy); };
  const auto to = [](double dx, double dy) { return "l" + px(dx) + "," + px(dy); };
  switch (shape) {
    case 0: {
      const std::string arc = "a" + px(r) + "," + px(r) + " 0 1,0 ";
      return move(-r, 0) + arc + px(2 * r) + ",0" + arc + px(-2 * r) + ",0z";
    }
    case 1:
      return move(-r * 0.9, -r * 0.9) + "h" + px(r * 1.8) + "v" + px(r * 1.8) + "h" + px(-r * 1.8) + "z";
    case 2:
      return move(0, -r * 1.15) + to(r * 1.1, r * 1.9) + "h" + px(-r * 2.2) + "z";
    case 3:
      return move(0, -r * 1.25) + to(r * 1.25, r * 1.25) + to(-r * 1.25, r * 1.25) + to(-r * 1.25, -r * 1.25) + "z";
    case 4:
      return move(0, r * 1.15) + to(r * 1.1, -r * 1.9) + "h" + px(-r * 2.2) + "z";
    default: {
      const double a = r * 0.4, b = r * 1.1 - a;
      return move(-a, -a - b) + "h" + px(2 * a) + "v" + px(b) + "h" + px(b) + "v" + px(2 * a) + "h" + px(-b) + "v" +
             px(b) + "h" + px(-2 * a) + "v" + px(-b) + "h" + px(-b) + "v" + px(-2 * a) + "h" + px(b) + "z";
    }
  }
}

std::string of_series(int series) {
  return series < 0 ? "" : " data-s=\"" + std::to_string(series) + "\"";
}

struct ItemWriter {
  bool interactive;
  std::string operator()(const ScenePath& path) const {
    std::string d;
    for (const auto& piece : path.pieces) {
      char command = 'M';
      for (const auto& [x, y] : piece) {
        d += command + px(x) + "," + px(y);
        command = 'L';
      }
      if (path.closed) d += "z";
    }
    std::string text = "<path" + series(path.series) + " d=\"" + d + "\"";
    text +=
        path.fill.a > 0 ? " fill=\"" + hex(path.fill) + "\"" + opacity("fill-opacity", path.fill) : " fill=\"none\"";
    if (path.line > 0) {
      text += " stroke=\"" + hex(path.stroke) + "\" stroke-width=\"" + px(path.line) + "\" stroke-linejoin=\"round\"";
      std::string dashes;
      for (const double dash : path.dashes) dashes += (dashes.empty() ? "" : " ") + px(dash);
      if (!dashes.empty()) text += " stroke-dasharray=\"" + dashes + "\"";
    }
    return text + "/>\n";
  }
  std::string operator()(const SceneMarkers& markers) const {
    std::string d;
    for (const Place& at : markers.at) d += marker(markers.shape, markers.radius, at);
    return "<path" + series(markers.series) + " d=\"" + d + "\" fill=\"" + hex(markers.colour) + "\"" +
           opacity("fill-opacity", markers.colour) + "/>\n";
  }
  std::string operator()(const SceneText& text) const {
    static const char* const kAnchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
    // DejaVu's letters stand 0.346 em below the middle of their line.
    const double shift = 0.346 * text.size_px;
    const std::string place = text.turned ? " x=\"0\" y=\"" + px(shift) + "\" transform=\"translate(" + px(text.x) +
                                                "," + px(text.y) + ") rotate(-90)\""
                                          : " x=\"" + px(text.x) + "\" y=\"" + px(text.y + shift) + "\"";
    return "<text" + series(text.series) + place + " font-size=\"" + px(text.size_px) + "\"" +
           (text.bold ? " font-weight=\"bold\"" : "") + kAnchors[text.anchor] + " fill=\"" + hex(text.colour) + "\">" +
           xml_text(text.text) + "</text>\n";
  }

 private:
  std::string series(int number) const { return interactive ? of_series(number) : ""; }
  static std::string opacity(const char* name, Colour c) {
    return c.a < 1 ? " " + std::string(name) + "=\"" + px(c.a) + "\"" : "";
  }
};

}  // namespace

std::string xml_text(std::string_view text) {
  static constexpr const char* kReplacement = "\xEF\xBF\xBD";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      switch (c) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        case '\'':
          out += "&#39;";
          break;
        case '\t':
        case '\n':
        case '\r':
          out += ' ';
          break;
        default:
          if (c < 0x20 || c == 0x7F)
            out += kReplacement;
          else
            out += static_cast<char>(c);
      }
      ++i;
      continue;
    }
    const std::size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    const std::string_view one = text.substr(i, length);
    if (one.size() < length || !valid_utf8(one) || one == "\xEF\xBF\xBE" || one == "\xEF\xBF\xBF") {
      out += kReplacement;
      ++i;
      while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) ++i;
      continue;
    }
    out += one;
    i += length;
  }
  return out;
}

std::string scene_svg(const Scene& scene, const std::string& id, bool interactive) {
  const std::string title = xml_text(scene.title), size = px(scene.width) + " " + px(scene.height);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"" + px(scene.width) +
                    "\" height=\"" + px(scene.height) + "\" viewBox=\"0 0 " + size +
                    "\" font-family=\"DejaVu Sans, Verdana, sans-serif\" role=\"img\" aria-labelledby=\"" + id +
                    "-title\"" + (interactive ? " class=\"plot\" tabindex=\"0\"" : "") + ">\n<title id=\"" + id +
                    "-title\">" + title + "</title>\n";
  if (!scene.description.empty()) svg += "<desc>" + xml_text(scene.description) + "</desc>\n";
  svg += "<rect width=\"" + px(scene.width) + "\" height=\"" + px(scene.height) + "\" fill=\"#ffffff\"/>\n";
  const ItemWriter write{interactive};
  for (const SceneItem& item : scene.items) svg += std::visit(write, item);
  for (const SceneEntry& entry : scene.entries) {
    if (interactive)
      svg += "<g class=\"entry\" role=\"button\" tabindex=\"0\" aria-pressed=\"true\" aria-label=\"" +
             xml_text(entry.name) + "\" data-e=\"" + std::to_string(entry.series) + "\"><rect x=\"" +
             px(entry.frame.x - 3) + "\" y=\"" + px(entry.frame.y) + "\" width=\"" + px(entry.frame.width + 6) +
             "\" height=\"" + px(entry.frame.height) + "\" fill=\"#ffffff\"/>\n";
    for (const SceneItem& item : entry.items) svg += std::visit(ItemWriter{false}, item);
    if (interactive) svg += "</g>\n";
  }
  if (interactive) {
    svg += "<g class=\"hovers\">\n";
    for (const SceneHover& hover : scene.hovers)
      svg += "<circle cx=\"" + px(hover.at.first) + "\" cy=\"" + px(hover.at.second) + "\" r=\"6\"" +
             of_series(hover.series) + " data-t=\"" + xml_text(hover.text) + "\"/>\n";
    svg += "</g>\n";
  }
  return svg + "</svg>\n";
}

std::string plot_svg(const Plot& plot, const PlotOptions& options) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + scene_svg(plot_scene(plot, options), "plot", false);
}

}  // namespace rouage::page
