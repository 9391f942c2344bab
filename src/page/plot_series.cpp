// What lies inside the axes: bands, rules, lines and points, thinned to what the pixels can show.
#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "page/plot_scene.h"

namespace rouage::page {
namespace {

constexpr std::size_t kMostVertices = 20'000, kMostMarkers = 12'000, kMostHovers = 400;
constexpr Colour kRuleInk{0.35, 0.35, 0.35};

bool finite(const Place& p) {
  return std::isfinite(p.first) && std::isfinite(p.second);
}

/// Line by line in pixels, corners of steps added; a value without a place ends a piece.
std::vector<std::vector<Place>> pieces_of(const std::vector<double>& x, const std::vector<double>& y, bool step,
                                          const Panel& panel) {
  std::vector<std::vector<Place>> pieces(1);
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    const Place p{panel.x_of(x[i]), panel.y_of(y[i])};
    if (!finite(p)) {
      if (!pieces.back().empty()) pieces.emplace_back();
      continue;
    }
    std::vector<Place>& piece = pieces.back();
    if (step && !piece.empty() && piece.back().second != p.second) piece.emplace_back(p.first, piece.back().second);
    piece.push_back(p);
  }
  if (pieces.back().empty()) pieces.pop_back();
  return pieces;
}

/// First, lowest, highest and last of every half pixel column (Jugel and others 2014, "M4"): the same ink. Lines that
/// turn back so often that much is left lose every other point until they fit.
std::vector<Place> thinned(const std::vector<Place>& line) {
  if (line.size() < 2000) return line;
  std::vector<Place> kept;
  for (std::size_t i = 0; i < line.size();) {
    const double column = std::floor(line[i].first * 2);
    std::size_t end = i, low = i, high = i;
    for (; end < line.size() && std::floor(line[end].first * 2) == column; ++end) {
      if (line[end].second < line[low].second) low = end;
      if (line[end].second > line[high].second) high = end;
    }
    std::set<std::size_t> chosen{i, low, high, end - 1};
    for (const std::size_t k : chosen) kept.push_back(line[k]);
    i = end;
  }
  while (kept.size() > kMostVertices) {
    std::vector<Place> half;
    for (std::size_t i = 0; i < kept.size(); i += 2) half.push_back(kept[i]);
    if (kept.size() % 2 == 0) half.push_back(kept.back());
    kept = std::move(half);
  }
  return kept;
}

/// The part of a segment inside a frame (Liang and Barsky 1984).
std::optional<std::pair<Place, Place>> clipped(Place a, Place b, const Frame& f) {
  double t0 = 0, t1 = 1;
  const double dx = b.first - a.first, dy = b.second - a.second;
  const double p[] = {-dx, dx, -dy, dy};
  const double q[] = {a.first - f.x, f.x + f.width - a.first, a.second - f.y, f.y + f.height - a.second};
  for (int side = 0; side < 4; ++side) {
    if (p[side] == 0) {
      if (q[side] < 0) return std::nullopt;
      continue;
    }
    const double t = q[side] / p[side];
    if (p[side] < 0)
      t0 = std::max(t0, t);
    else
      t1 = std::min(t1, t);
  }
  if (t0 > t1) return std::nullopt;
  const auto on = [&](double t) { return Place{a.first + t * dx, a.second + t * dy}; };
  return std::pair{t0 > 0 ? on(t0) : a, t1 < 1 ? on(t1) : b};
}

Frame grown(const Frame& f, double by) {
  return {f.x - by, f.y - by, f.width + 2 * by, f.height + 2 * by};
}

std::vector<std::vector<Place>> clipped_pieces(const std::vector<Place>& line, const Frame& frame) {
  std::vector<std::vector<Place>> pieces;
  bool open = false;
  for (std::size_t i = 1; i < line.size(); ++i) {
    const auto part = clipped(line[i - 1], line[i], frame);
    if (!part) {
      open = false;
      continue;
    }
    if (!open || pieces.back().back() != part->first) pieces.push_back({part->first});
    pieces.back().push_back(part->second);
    open = part->second == line[i];
  }
  return pieces;
}

bool inside(const Place& p, const Frame& f) {
  return p.first >= f.x && p.first <= f.x + f.width && p.second >= f.y && p.second <= f.y + f.height;
}

void draw_bands(Scene& scene, const Plot& plot, const SeriesPlan& plan, const Panel& panel) {
  const Frame& f = panel.frame;
  for (std::size_t b = 0; b < plot.bands.size(); ++b) {
    const PlotBand& band = plot.bands[b];
    const auto held = [&](std::vector<Place> edge) {
      for (Place& p : edge) {
        p.first = std::clamp(p.first, f.x, f.x + f.width);
        p.second = std::clamp(p.second, f.y, f.y + f.height);
      }
      return edge;
    };
    // Both edges break at the same places, so that a piece of one always closes with its piece of the other.
    std::vector<double> low = band.low, high = band.high;
    for (std::size_t i = 0; i < std::min({band.x.size(), low.size(), high.size()}); ++i)
      if (!std::isfinite(panel.y_of(low[i])) || !std::isfinite(panel.y_of(high[i]))) low[i] = high[i] = std::nan("");
    const auto lower = pieces_of(band.x, low, band.step, panel), upper = pieces_of(band.x, high, band.step, panel);
    ScenePath path;
    path.closed = true;
    path.fill = series_style(plan.bands[b].colour).colour;
    path.fill.a = 0.18;
    path.series = plan.bands[b].series;
    for (std::size_t i = 0; i < std::min(lower.size(), upper.size()); ++i) {
      std::vector<Place> ring = held(thinned(upper[i]));
      const std::vector<Place> back = held(thinned(lower[i]));
      ring.insert(ring.end(), back.rbegin(), back.rend());
      path.pieces.push_back(std::move(ring));
    }
    if (!path.pieces.empty()) scene.items.emplace_back(std::move(path));
  }
}

/// A caption on nearly opaque paper, so that marks below it do not spoil its letters.
void add_caption(Scene& scene, SceneText text, double width) {
  const double left = text.anchor == 2 ? text.x - width : text.x;
  ScenePath paper;
  paper.closed = true;
  paper.fill = {1, 1, 1, 0.5};
  paper.series = text.series;
  paper.pieces = {
      {{left - 2, text.y - 8}, {left + width + 2, text.y - 8}, {left + width + 2, text.y + 8}, {left - 2, text.y + 8}}};
  scene.items.emplace_back(std::move(paper));
  scene.items.emplace_back(std::move(text));
}

void draw_rules(Scene& scene, const Plot& plot, const Panel& panel) {
  const Frame& f = panel.frame;
  for (const PlotRule& rule : plot.rules) {
    const double at = rule.vertical ? panel.x_of(rule.at) : panel.y_of(rule.at);
    const bool within = rule.vertical ? at >= f.x && at <= f.x + f.width : at >= f.y && at <= f.y + f.height;
    if (!within) continue;  // false for a value without a place too
    ScenePath path;
    path.stroke = kRuleInk;
    path.line = 1;
    path.dashes = {5, 4};
    if (rule.vertical)
      path.pieces = {{{at, f.y}, {at, f.y + f.height}}};
    else
      path.pieces = {{{f.x, at}, {f.x + f.width, at}}};
    scene.items.emplace_back(std::move(path));
  }
}

void draw_rule_captions(Scene& scene, const Plot& plot, const Panel& panel, Ruler& ruler) {
  const Frame& f = panel.frame;
  for (const PlotRule& rule : plot.rules) {
    const double at = rule.vertical ? panel.x_of(rule.at) : panel.y_of(rule.at);
    const bool within = rule.vertical ? at >= f.x && at <= f.x + f.width : at >= f.y && at <= f.y + f.height;
    if (!within || rule.caption.empty()) continue;
    const TextStyle style{12, false, kRuleInk};
    SceneText text{.text = fitted(ruler, rule.caption, style, f.width * 0.6), .size_px = 12, .colour = kRuleInk};
    const double width = ruler.measure(text.text, style).width;
    if (rule.vertical) {
      const bool right = at + 5 + width <= f.x + f.width;
      text.x = right ? at + 5 : at - 5;
      text.anchor = right ? 0 : 2;
      text.y = f.y + 10;
    } else {
      text.x = f.x + f.width - 5;
      text.anchor = 2;
      text.y = at - 10 > f.y + 4 ? at - 10 : at + 10;
    }
    add_caption(scene, std::move(text), width);
  }
}

std::string value_text(const Plot& plot, const Panel& panel, const std::string& name, double x, double y) {
  const auto named = [&](const std::string& label, double value) {
    return (label.empty() ? std::string() : label + " ") + plot_number(value, panel.language);
  };
  return (name.empty() ? "" : name + (panel.language == "fr" ? "\u00a0: " : ": ")) + named(plot.x.label, x) + "; " +
         named(plot.y.label, y);
}

void draw_line(Scene& scene, const Plot& plot, const PlotLine& line, SeriesPlan::Use use, const Panel& panel) {
  const SeriesStyle style = series_style(use.colour);
  ScenePath path;
  path.stroke = style.colour;
  path.line = line.dashed ? 1.5 : 2;
  path.dashes = line.dashed ? std::vector<double>{6, 5} : style.dashes;
  path.series = use.series;
  for (const auto& piece : pieces_of(line.x, line.y, line.step, panel))
    for (auto& part : clipped_pieces(thinned(piece), grown(panel.frame, 1))) path.pieces.push_back(std::move(part));
  if (!path.pieces.empty()) scene.items.emplace_back(std::move(path));
  if (line.dashed) return;
  const std::size_t n = std::min(line.x.size(), line.y.size()), stride = std::max<std::size_t>(1, n / kMostHovers);
  for (std::size_t i = 0; i < n; i += stride) {
    const Place at{panel.x_of(line.x[i]), panel.y_of(line.y[i])};
    if (finite(at) && inside(at, grown(panel.frame, 1)))
      scene.hovers.push_back({at, value_text(plot, panel, line.name, line.x[i], line.y[i]), use.series});
  }
}

/// Points of which markers would lie on each other within a cell of pixels are drawn once.
std::vector<Place> spread(const std::vector<Place>& places) {
  if (places.size() <= kMostMarkers) return places;
  for (double cell = 0.5;; cell *= 1.5) {
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    std::vector<Place> kept;
    for (const Place& p : places) {
      if (seen.emplace(std::llround(p.first / cell), std::llround(p.second / cell)).second) kept.push_back(p);
      if (kept.size() > kMostMarkers) break;
    }
    if (kept.size() <= kMostMarkers) return kept;
  }
}

double value_at(const std::vector<double>& values, std::size_t i) {
  return i < values.size() ? values[i] : std::nan("");
}

void add_bars(ScenePath& bars, const PlotPoints& points, std::size_t i, Place at, const Panel& panel) {
  const Frame frame = panel.frame;
  const auto bar = [&](Place from, Place to) {
    if (!finite(from) || !finite(to)) return;
    const auto part = clipped(from, to, frame);
    if (!part) return;
    bars.pieces.push_back({part->first, part->second});
    const bool level = from.second == to.second;
    for (const Place& end : {part->first, part->second}) {
      if (end != from && end != to) continue;  // cut by the panel: no cap, the interval goes on
      if (level)
        bars.pieces.push_back({{end.first, end.second - 4}, {end.first, end.second + 4}});
      else
        bars.pieces.push_back({{end.first - 4, end.second}, {end.first + 4, end.second}});
    }
  };
  bar({panel.x_of(value_at(points.x_low, i)), at.second}, {panel.x_of(value_at(points.x_high, i)), at.second});
  bar({at.first, panel.y_of(value_at(points.y_low, i))}, {at.first, panel.y_of(value_at(points.y_high, i))});
}

/// The first of four places round a point where its caption meets no other caption and stays inside.
SceneText placed_caption(const std::string& caption, Place at, double bar, const Panel& panel, Ruler& ruler,
                         std::vector<Frame>& used) {
  const TextStyle style{12, false, Colour{}};
  SceneText text{.text = fitted(ruler, caption, style, panel.frame.width * 0.45), .size_px = 12};
  const double width = ruler.measure(text.text, style).width;
  const Place offsets[] = {{bar, 0}, {-bar - width, 0}, {-width / 2, -14}, {-width / 2, 14}};
  Frame chosen{};
  for (const auto& [dx, dy] : offsets) {
    const Frame box{at.first + dx, at.second + dy - 8, width, 16};
    const bool free = std::none_of(used.begin(), used.end(), [&](const Frame& u) {
      return box.x < u.x + u.width && u.x < box.x + box.width && box.y < u.y + u.height && u.y < box.y + box.height;
    });
    const bool fits = inside({box.x, box.y}, panel.frame) && inside({box.x + width, box.y + 16}, panel.frame);
    if (chosen.width == 0 || (free && fits)) chosen = box;
    if (free && fits) break;
  }
  used.push_back(chosen);
  text.x = chosen.x;
  text.y = chosen.y + 8;
  return text;
}

void draw_points(Scene& scene, const Plot& plot, const PlotPoints& points, SeriesPlan::Use use, const Panel& panel,
                 Ruler& ruler, bool forest) {
  const SeriesStyle style = series_style(use.colour);
  const std::size_t n = std::min(points.x.size(), points.y.size()), stride = std::max<std::size_t>(1, n / kMostHovers);
  SceneMarkers markers{.shape = style.shape, .colour = style.colour, .series = use.series};
  if (n > 60) markers.radius = n > 1000 ? 1.8 : 2.8;
  if (n > 200) markers.colour.a = n > 2000 ? 0.35 : 0.6;
  ScenePath bars;
  bars.stroke = style.colour;
  bars.line = 1.5;
  bars.series = use.series;
  std::vector<SceneText> captions;
  std::vector<Frame> used;
  for (std::size_t i = 0; i < n; ++i) {
    const Place at{panel.x_of(points.x[i]), panel.y_of(points.y[i])};
    const std::string caption = i < points.captions.size() ? points.captions[i] : "";
    if (forest && points.label && std::isfinite(at.second) && inside({panel.frame.x, at.second}, panel.frame))
      captions.push_back({.x = panel.frame.x + panel.frame.width + 10, .y = at.second, .text = caption, .size_px = 12});
    if (!finite(at)) continue;
    if (n <= kMostMarkers) add_bars(bars, points, i, at, panel);
    if (!inside(at, grown(panel.frame, 0.5))) continue;
    markers.at.push_back(at);
    if (!forest && points.label && !caption.empty() && captions.size() < 200) {
      const double end = panel.x_of(value_at(points.x_high, i)), begin = panel.x_of(value_at(points.x_low, i));
      const double bar = std::isfinite(end - begin) ? std::max({9.0, end - at.first + 8, at.first - begin + 8}) : 9;
      captions.push_back(placed_caption(caption, at, bar, panel, ruler, used));
    }
    if (i % stride == 0)
      scene.hovers.push_back(
          {at, caption.empty() ? value_text(plot, panel, points.name, points.x[i], points.y[i]) : caption, use.series});
  }
  if (!bars.pieces.empty()) scene.items.emplace_back(std::move(bars));
  markers.at = spread(markers.at);
  if (!markers.at.empty()) scene.items.emplace_back(std::move(markers));
  for (SceneText& text : captions) {
    text.series = use.series;
    const double width = ruler.measure(text.text, {text.size_px, false, text.colour}).width;
    add_caption(scene, std::move(text), width);
  }
}

}  // namespace

bool is_forest(const Plot& plot) {
  if (plot.y.ticks.empty()) return false;
  return std::any_of(plot.points.begin(), plot.points.end(), [](const PlotPoints& p) { return p.label; });
}

void draw_series(Scene& scene, const Plot& plot, const SeriesPlan& plan, const Panel& panel, Ruler& ruler,
                 bool forest) {
  draw_bands(scene, plot, plan, panel);
  draw_rules(scene, plot, panel);
  for (std::size_t i = 0; i < plot.lines.size(); ++i) draw_line(scene, plot, plot.lines[i], plan.lines[i], panel);
  for (std::size_t i = 0; i < plot.points.size(); ++i)
    draw_points(scene, plot, plot.points[i], plan.points[i], panel, ruler, forest);
  draw_rule_captions(scene, plot, panel, ruler);
}

}  // namespace rouage::page
