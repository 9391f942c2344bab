// Where everything of a plot goes: title, axes, panel, numbers at risk, legend and caption, from top to bottom.
#include <algorithm>
#include <cmath>

#include "page/plot_scene.h"

namespace rouage::page {
namespace {

constexpr double kTick = 12.5, kLabel = 13.5, kTitle = 16.5, kCaption = 12.5, kMargin = 14;
constexpr double kLineOf = 1.3;  ///< line height in ems
constexpr Colour kInk{0.10, 0.10, 0.10}, kSoft{0.30, 0.30, 0.30}, kGrid{0.90, 0.90, 0.90}, kAxis{0.25, 0.25, 0.25};
constexpr std::size_t kLongestText = 2000, kMostLines = 12;

ScenePath stroke(std::vector<std::vector<Place>> pieces, Colour colour, double line) {
  ScenePath path;
  path.pieces = std::move(pieces);
  path.stroke = colour;
  path.line = line;
  return path;
}

class Composer {
 public:
  Composer(const Plot& plot, const PlotOptions& options)
      : plot_(plot), options_(options), plan_(plan_series(plot)), forest_(is_forest(plot)) {
    panel_.x = axis_scale(plot.x);
    panel_.y = axis_scale(plot.y);
    panel_.language = options.language;
    scene_.width = std::clamp<double>(options.width, 240, 8000);
    scene_.title = plot.title;
    scene_.description = plot.caption;
  }

  Scene compose() {
    measure_head();
    measure_sides();
    place_panel();
    draw_head();
    draw_axes();
    draw_series(scene_, plot_, plan_, panel_, ruler_, forest_);
    draw_frame();
    double y = panel_.frame.y + panel_.frame.height + below_axis_;
    y = draw_risk(y);
    y = draw_legend(y);
    y = draw_lines(caption_, kMargin, y + (caption_.empty() ? 0 : 6), kCaption, false, kSoft);
    scene_.height = std::ceil(y + kMargin * 0.7);
    return std::move(scene_);
  }

 private:
  double width_of(const std::string& text, double size, bool bold = false) {
    return text.empty() ? 0 : ruler_.measure(text, {size, bold, kInk}).width;
  }

  void measure_head() {
    const double room = scene_.width - 2 * kMargin;
    title_ = wrapped(ruler_, plot_.title, {kTitle, true, kInk}, room);
    caption_ = wrapped(ruler_, plot_.caption, {kCaption, false, kSoft}, room);
    top_ = kMargin * 0.8 + static_cast<double>(title_.size()) * kTitle * kLineOf + (title_.empty() ? 0 : 12);
  }

  /// What stands left and right of the panel: ticks of y, its label, names of the rows at risk, a forest's captions.
  void measure_sides() {
    const double widest = scene_.width * 0.38;
    y_ticks_ = axis_ticks(plot_.y, panel_.y, std::max(3, static_cast<int>(options_.height / 70)), options_.language);
    double ticks = 0, names = 0;
    for (auto& [at, label] : y_ticks_) {
      label = fitted(ruler_, label, {kTick, false, kInk}, widest);
      ticks = std::max(ticks, width_of(label, kTick));
    }
    for (const auto& [name, counts] : plot_.risk.rows)
      names = std::max(names, width_of(fitted(ruler_, name, {kTick, false, kInk}, widest), kTick) + 24);
    tick_width_ = ticks;
    left_ = std::max(kMargin + (plot_.y.label.empty() ? 0 : kLabel * kLineOf + 4) + ticks + 9, kMargin + names);
    right_ = kMargin + 12;
    if (!forest_) return;
    for (const PlotPoints& points : plot_.points)
      if (points.label)
        for (const std::string& caption : points.captions)
          right_ = std::max(right_, kMargin + 10 + width_of(caption, 12));
    right_ = std::min(right_, scene_.width * 0.4);
  }

  double legend_height() {
    double x = kMargin, rows = 0;
    for (const SceneEntry& entry : entries()) {
      if (rows == 0) rows = 1;
      if (x > kMargin && x + entry.frame.width > scene_.width - kMargin) {
        x = kMargin;
        ++rows;
      }
      x += entry.frame.width + 16;
    }
    return rows == 0 ? 0 : rows * 20 + 6;
  }

  /// The legend's entries with their widths; a plot with one named thing needs none.
  std::vector<SceneEntry> entries() {
    std::vector<SceneEntry> list;
    if (plan_.names.size() + (plan_.bands.empty() ? 0 : 1) < 2) return list;
    for (std::size_t s = 0; s < plan_.names.size(); ++s) {
      const std::string name =
          fitted(ruler_, plan_.names[s], {kTick, false, kInk}, scene_.width - 2 * kMargin - kSwatch - 8);
      list.push_back(
          {.name = name, .series = static_cast<int>(s), .frame = {0, 0, kSwatch + 8 + width_of(name, kTick), 20}});
    }
    return list;
  }

  void place_panel() {
    below_axis_ = 8 + kTick * kLineOf + (plot_.x.label.empty() ? 0 : kLabel * kLineOf + 2) + 8;
    const auto caption_height = static_cast<double>(caption_.size()) * kCaption * kLineOf;
    risk_height_ = plot_.risk.rows.empty() ? 0 : static_cast<double>(plot_.risk.rows.size() + 1) * 18 + 6;
    const double below = below_axis_ + risk_height_ + legend_height() + caption_height + kMargin;
    double least = 150;
    if (!plot_.y.ticks.empty()) least = std::max(least, 18.0 * static_cast<double>(y_ticks_.size()));
    Frame& f = panel_.frame;
    f = {left_, top_, std::max(80.0, scene_.width - left_ - right_), std::max(least, options_.height - top_ - below)};
    if (plot_.square) {
      const bool straight = !panel_.x.logarithmic && !panel_.y.logarithmic;
      const double ratio =
          straight ? std::abs(panel_.x.high - panel_.x.low) / std::abs(panel_.y.high - panel_.y.low) : 1;
      const double shape = std::clamp(std::isfinite(ratio) ? ratio : 1.0, 0.2, 5.0);
      const double width = std::min(f.width, f.height * shape);
      f.x += std::floor((f.width - width) / 2);
      f.width = width;
      f.height = width / shape;
    }
    f = {std::round(f.x), std::round(f.y), std::round(f.width), std::round(f.height)};
    scene_.panel = f;
    choose_x_ticks();
  }

  /// As many round ticks of x as their labels leave room for.
  void choose_x_ticks() {
    for (int most = std::max(3, static_cast<int>(panel_.frame.width / 55)); most >= 2; --most) {
      x_ticks_ = axis_ticks(plot_.x, panel_.x, most, options_.language);
      double widest = 0;
      for (const auto& [at, label] : x_ticks_) widest = std::max(widest, width_of(label, kTick));
      const auto n = static_cast<double>(x_ticks_.size());
      if (!plot_.x.ticks.empty() || n * (widest + 10) <= panel_.frame.width) return;
    }
  }

  double draw_lines(const std::vector<std::string>& lines, double x, double y, double size, bool bold, Colour colour) {
    for (const std::string& line : lines) {
      text({.x = x, .y = y + size * kLineOf / 2, .text = line, .size_px = size, .bold = bold, .colour = colour});
      y += size * kLineOf;
    }
    return y;
  }

  void text(SceneText value) {
    if (!value.text.empty()) scene_.items.emplace_back(std::move(value));
  }

  void draw_head() { draw_lines(title_, kMargin, kMargin * 0.8, kTitle, true, kInk); }

  void draw_axes() {
    const Frame& f = panel_.frame;
    std::vector<std::vector<Place>> grid, marks;
    double free = -1e9;
    for (const auto& [at, label] : x_ticks_) {
      const double x = panel_.x_of(at), half = width_of(label, kTick) / 2;
      grid.push_back({{x, f.y}, {x, f.y + f.height}});
      marks.push_back({{x, f.y + f.height}, {x, f.y + f.height + 5}});
      if (x - half < free) continue;  // its label would touch the last one
      text({.x = x,
            .y = f.y + f.height + 8 + kTick * 0.6,
            .text = label,
            .size_px = kTick,
            .colour = kInk,
            .anchor = 1});
      free = x + half + 4;
    }
    free = 1e9;
    for (const auto& [at, label] : y_ticks_) {
      const double y = panel_.y_of(at);
      if (!forest_) grid.push_back({{f.x, y}, {f.x + f.width, y}});
      marks.push_back({{f.x - 5, y}, {f.x, y}});
      if (std::abs(y - free) < kTick) continue;
      text({.x = f.x - 9, .y = y, .text = label, .size_px = kTick, .colour = kInk, .anchor = 2});
      free = y;
    }
    if (!grid.empty()) scene_.items.emplace_back(stroke(std::move(grid), kGrid, 1));
    if (!marks.empty()) scene_.items.emplace_back(stroke(std::move(marks), kAxis, 1));
    const TextStyle style{kLabel, false, kInk};
    text({.x = f.x + f.width / 2,
          .y = f.y + f.height + 8 + kTick * kLineOf + kLabel * 0.75,
          .text = fitted(ruler_, plot_.x.label, style, std::min(scene_.width - 2 * kMargin, f.width + 2 * right_)),
          .size_px = kLabel,
          .colour = kInk,
          .anchor = 1});
    text({.x = f.x - tick_width_ - 9 - kLabel * 0.9,
          .y = f.y + f.height / 2,
          .text = fitted(ruler_, plot_.y.label, style, f.height + top_ * 0.5),
          .size_px = kLabel,
          .colour = kInk,
          .anchor = 1,
          .turned = true});
  }

  void draw_frame() {
    const Frame& f = panel_.frame;
    scene_.items.emplace_back(
        stroke({{{f.x, f.y}, {f.x, f.y + f.height}, {f.x + f.width, f.y + f.height}}}, kAxis, 1.2));
  }

  double draw_risk(double y) {
    const PlotRiskTable& risk = plot_.risk;
    if (risk.rows.empty()) return y;
    const Frame& f = panel_.frame;
    text({.x = f.x, .y = y + 9, .text = risk.title, .size_px = kTick, .bold = true, .colour = kInk});
    for (const auto& [name, counts] : risk.rows) {
      y += 18;
      const auto known = std::find(plan_.names.begin(), plan_.names.end(), name);
      Colour colour = kInk;
      for (std::size_t i = 0; i < plot_.lines.size(); ++i)
        if (known != plan_.names.end() && plot_.lines[i].name == name)
          colour = series_style(plan_.lines[i].colour).colour;
      text({.x = f.x - 22,
            .y = y + 9,
            .text = fitted(ruler_, name, {kTick, false, kInk}, f.x - 22 - kMargin * 0.8),
            .size_px = kTick,
            .colour = colour,
            .anchor = 2});
      double free = -1e9;
      for (std::size_t i = 0; i < std::min(counts.size(), risk.times.size()); ++i) {
        const double x = panel_.x_of(risk.times[i]);
        const std::string count = std::to_string(counts[i]);
        const double half = width_of(count, kTick) / 2;
        if (!(x >= f.x - 1 && x <= f.x + f.width + 1) || x - half < free) continue;
        text({.x = x, .y = y + 9, .text = count, .size_px = kTick, .colour = kInk, .anchor = 1});
        free = x + half + 4;
      }
    }
    return y + 18 + 6;
  }

  /// Below the axes, where no data are.
  double draw_legend(double y) {
    double x = kMargin;
    std::vector<SceneEntry> list = entries();
    if (list.empty()) return y;
    for (SceneEntry& entry : list) {
      if (x > kMargin && x + entry.frame.width > scene_.width - kMargin) {
        x = kMargin;
        y += 20;
      }
      entry.frame.x = x;
      entry.frame.y = y;
      fill_entry(entry);
      x += entry.frame.width + 16;
      scene_.entries.push_back(std::move(entry));
    }
    return y + 20 + 6;
  }

  void fill_entry(SceneEntry& entry) {
    const double y = entry.frame.y + 10, x = entry.frame.x;
    for (std::size_t b = 0; b < plot_.bands.size(); ++b) {
      if (plan_.bands[b].series != entry.series) continue;
      ScenePath band;
      band.closed = true;
      band.pieces = {{{x, y - 6}, {x + kSwatch, y - 6}, {x + kSwatch, y + 6}, {x, y + 6}}};
      band.fill = series_style(plan_.bands[b].colour).colour;
      band.fill.a = 0.18;
      entry.items.emplace_back(std::move(band));
      break;
    }
    for (std::size_t i = 0; i < plot_.lines.size(); ++i) {
      if (plan_.lines[i].series != entry.series) continue;
      const SeriesStyle style = series_style(plan_.lines[i].colour);
      ScenePath line = stroke({{{x, y}, {x + kSwatch, y}}}, style.colour, plot_.lines[i].dashed ? 1.5 : 2);
      line.dashes = plot_.lines[i].dashed ? std::vector<double>{6, 5} : style.dashes;
      entry.items.emplace_back(std::move(line));
      break;
    }
    for (std::size_t i = 0; i < plot_.points.size(); ++i) {
      if (plan_.points[i].series != entry.series) continue;
      const SeriesStyle style = series_style(plan_.points[i].colour);
      entry.items.emplace_back(
          SceneMarkers{.shape = style.shape, .radius = 4, .at = {{x + kSwatch / 2, y}}, .colour = style.colour});
      break;
    }
    entry.items.emplace_back(
        SceneText{.x = x + kSwatch + 8, .y = y, .text = entry.name, .size_px = kTick, .colour = kInk});
  }

  static constexpr double kSwatch = 32;
  const Plot& plot_;
  const PlotOptions& options_;
  Ruler ruler_;
  SeriesPlan plan_;
  bool forest_;
  Panel panel_;
  Scene scene_;
  std::vector<std::string> title_, caption_;
  Ticks x_ticks_, y_ticks_;
  double top_ = 0, left_ = 0, right_ = 0, tick_width_ = 0, below_axis_ = 0, risk_height_ = 0;
};

/// At most `bytes` bytes, never through a character.
std::string cut(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

std::string fitted(Ruler& ruler, const std::string& text, const TextStyle& style, double width) {
  std::string rest = cut(text, kLongestText);
  if (rest.empty() || ruler.measure(rest, style).width <= width) return rest;
  std::size_t fits = 0, fails = rest.size();
  while (fails - fits > 1) {
    const std::size_t middle = (fits + fails) / 2;
    (ruler.measure(cut(rest, middle) + "\u2026", style).width <= width ? fits : fails) = middle;
  }
  return cut(rest, fits) + "\u2026";
}

std::vector<std::string> wrapped(Ruler& ruler, const std::string& text, const TextStyle& style, double width) {
  std::vector<std::string> lines;
  std::string line;
  const auto finish = [&] {
    if (!line.empty()) lines.push_back(fitted(ruler, line, style, width));
    line.clear();
  };
  for (const std::string& paragraph : split(cut(text, kLongestText), '\n')) {
    for (const std::string& word : split(paragraph, ' ')) {
      if (word.empty()) continue;
      const std::string longer = line.empty() ? word : line + " " + word;
      if (!line.empty() && ruler.measure(longer, style).width > width) {
        finish();
        line = word;
      } else {
        line = longer;
      }
    }
    finish();
  }
  if (lines.size() > kMostLines) {
    lines.resize(kMostLines);
    lines.back() += "\u2026";
  }
  return lines;
}

Scene plot_scene(const Plot& plot, const PlotOptions& options) {
  return Composer(plot, options).compose();
}

}  // namespace rouage::page
