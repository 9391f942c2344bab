// One film with what the AI said about it: strips that warn, the film under its map and boxes, a column of text.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "page/film_layer.h"
#include "page/page.h"
#include "page/typeset.h"

namespace rouage::page {
namespace {

constexpr Colour kPaper{0.055, 0.067, 0.086}, kText{0.90, 0.92, 0.94}, kQuiet{0.60, 0.65, 0.71},
    kRule{0.20, 0.23, 0.28};
constexpr Colour kStrong{1.0, 0.62, 0.20}, kBar{0.42, 0.49, 0.58}, kTrack{0.13, 0.155, 0.19};
constexpr Colour kBox{0.45, 0.86, 1.0}, kShade{0, 0, 0, 0.72}, kWarning{1.0, 0.80, 0.30}, kStrip{0.20, 0.145, 0.02};
constexpr std::uint32_t kLargestSide = 8192;

/// Sizes in pixels, all from the side of the drawn film.
struct Layout {
  std::uint32_t film_columns = 0, film_rows = 0;
  double em = 16;  ///< body text
  double strip = 0, margin = 0, column_width = 0, column_height = 0;
  double film_x = 0, film_y = 0, column_x = 0, column_y = 0;
  std::uint32_t columns = 0, rows = 0;
};

/// Writes the column, or only measures it, so that both agree.
class Column {
 public:
  Column(Sheet* sheet, Ruler* ruler, double x, double y, double width, double em)
      : sheet_(sheet), ruler_(ruler), x_(x), y_(y), start_(y), width_(width), em_(em) {}

  double height() const { return y_ - start_; }
  void space(double ems) { y_ += ems * em_; }

  void paragraph(const std::string& words, double scale, bool bold, Colour colour, int lines) {
    if (words.empty()) return;
    put(0, 0, words, {scale * em_, bold, colour, width_, lines, false}, true);
  }

  void head(const std::string& left, const std::string& right) {
    const double size = 0.82 * em_;
    const Extent e = put(0, 0, right, {size, false, kQuiet, width_, 1, true}, false);
    put(indent(), 0, left, {size, false, kQuiet, width_ * 0.6, 1, false}, false);
    y_ += e.height + 0.25 * em_;
    rule();
  }

  void rule() {
    if (sheet_ != nullptr)
      sheet_->fill_rectangle(x_, std::round(y_), width_, std::max(1.0, std::round(em_ / 16)), kRule);
    y_ += 0.45 * em_;
  }

  void row(const OverlayRow& row) {
    const Colour ink = row.positive ? kStrong : kText;
    const TextStyle value{em_, row.positive, row.positive ? kStrong : kQuiet, width_, 1, true};
    const double value_width = std::min(measure(row.value, {em_, row.positive, ink, 0, 1, false}).width, width_ * 0.5);
    const TextStyle name{em_, row.positive, ink, width_ - indent() - value_width - 0.8 * em_, 2, false};
    put(0, 0, row.value, value, false);
    const Extent e = put(indent(), 0, row.name, name, false);
    mark(row.positive, y_ + measure("X", {em_, false, ink, 0, 1, false}).height / 2);
    y_ += e.height + 0.16 * em_;
    bar(row);
    y_ += 0.62 * em_;
  }

  void note(const std::string& words) {
    const TextStyle style{0.9 * em_, false, kWarning, width_ - indent(), 6, false};
    if (sheet_ != nullptr) {
      const double h = 0.72 * em_, top = y_ + 0.22 * em_;
      sheet_->fill_polygon({{x_ + h * 0.58, top}, {x_ + h * 1.16, top + h}, {x_, top + h}}, kWarning);
      sheet_->fill_rectangle(x_ + h * 0.58 - em_ * 0.045, top + h * 0.34, em_ * 0.09, h * 0.32, kPaper);
      sheet_->fill_rectangle(x_ + h * 0.58 - em_ * 0.045, top + h * 0.76, em_ * 0.09, h * 0.12, kPaper);
    }
    put(indent(), 0, words, style, true);
    y_ += 0.35 * em_;
  }

  /// A strip of the map's colours over mid grey, with its ends named.
  void legend(const std::string& caption, const std::string& low, const std::string& high, const std::string& limit) {
    paragraph(caption, 0.9, false, kText, 2);
    y_ += 0.3 * em_;
    const double size = 0.82 * em_, height = 0.6 * em_;
    const TextStyle left{size, false, kQuiet, 0, 1, false};
    const double low_width = measure(low, left).width + 0.5 * em_, high_width = measure(high, left).width + 0.5 * em_;
    const double from = x_ + low_width, to = x_ + width_ - high_width;
    const double line = measure(low, left).height;
    if (sheet_ != nullptr && to > from) {
      const int steps = static_cast<int>(std::min(256.0, to - from));
      for (int i = 0; i < steps; ++i) {
        const MapColour& m = map_colours()[static_cast<std::size_t>(i * 255 / std::max(1, steps - 1))];
        const double k = m.opacity / 256.0, grey = 0.35 * (1 - k), left_edge = from + (to - from) * i / steps;
        sheet_->fill_rectangle(std::floor(left_edge), std::round(y_ + (line - height) / 2),
                               std::ceil((to - from) / steps) + 1, std::round(height),
                               {grey + k * m.r / 255, grey + k * m.g / 255, grey + k * m.b / 255});
      }
    }
    put(0, 0, low, left, false);
    put(width_ - high_width + 0.5 * em_, 0, high, left, false);
    y_ += line + 0.2 * em_;
    paragraph(limit, 0.82, false, kQuiet, 3);
  }

 private:
  double indent() const { return 1.25 * em_; }
  Extent measure(const std::string& words, const TextStyle& style) {
    return sheet_ != nullptr ? sheet_->measure(words, style) : ruler_->measure(words, style);
  }

  Extent put(double dx, double dy, const std::string& words, const TextStyle& style, bool advance) {
    const Extent e = sheet_ != nullptr ? sheet_->write(x_ + dx, y_ + dy, words, style) : ruler_->measure(words, style);
    if (advance) y_ += e.height;
    return e;
  }

  /// A filled diamond: positive. A ring: not.
  void mark(bool positive, double y) {
    if (sheet_ == nullptr) return;
    const double x = x_ + 0.42 * em_, r = 0.36 * em_;
    if (positive)
      sheet_->fill_polygon({{x, y - r}, {x + r, y}, {x, y + r}, {x - r, y}}, kStrong);
    else
      sheet_->stroke_circle(x, y, 0.22 * em_, kQuiet, std::max(1.0, em_ / 14));
  }

  void bar(const OverlayRow& row) {
    const double left = x_ + indent(), width = width_ - indent(), height = std::max(3.0, std::round(0.34 * em_)),
                 top = std::round(y_);
    y_ += height;
    if (sheet_ == nullptr) return;
    sheet_->fill_rectangle(left, top, width, height, kTrack);
    const double share = row.fraction > 0 ? std::min(row.fraction, 1.0) : 0.0;
    sheet_->fill_rectangle(left, top, width * share, height, row.positive ? kStrong : kBar);
    if (!(row.threshold >= 0 && row.threshold <= 1)) return;
    const double tick = std::max(2.0, std::round(em_ / 9)), reach = std::round(0.16 * em_);
    const double at = std::clamp(left + width * row.threshold - tick / 2, left, left + width - tick);
    sheet_->fill_rectangle(at - 1, top - reach, tick + 2, height + 2 * reach, kPaper);
    sheet_->fill_rectangle(at, top - reach, tick, height + 2 * reach, kText);
  }

  Sheet* sheet_;
  Ruler* ruler_;
  double x_, y_, start_, width_, em_;
};

void fill_column(Column& column, const Overlay& overlay, const std::string& language) {
  column.paragraph(overlay.title, 1.3, true, kText, 3);
  column.space(0.7);
  if (!overlay.rows.empty()) {
    column.head(text(language, "column.finding"), text(language, "column.probability"));
    for (const OverlayRow& row : overlay.rows) column.row(row);
    const bool ticks =
        std::any_of(overlay.rows.begin(), overlay.rows.end(), [](const OverlayRow& r) { return r.threshold >= 0; });
    if (ticks) column.paragraph(text(language, "operating_point.legend"), 0.82, false, kQuiet, 3);
  }
  if (!overlay.map.empty()) {
    column.space(0.9);
    column.legend(overlay.map_caption, text(language, "map.low"), text(language, "map.high"),
                  text(language, "map.limit"));
  }
  if (!overlay.facts.empty()) column.space(0.9);
  for (const std::string& fact : overlay.facts) column.paragraph(fact, 1.0, false, kText, 2);
  if (!overlay.notes.empty()) column.space(0.9);
  for (const std::string& note : overlay.notes) column.note(note);
}

Layout lay_out(const image::Film& film, const Overlay& overlay, const DrawOptions& options, Ruler& ruler) {
  if (options.film_side < 16 || options.film_side > kLargestSide)
    throw Error(ErrorCode::Usage, "the drawn film has a side of 16 to 8192 pixels");
  Layout l;
  const double columns = std::max(1U, film.columns), rows = std::max(1U, film.rows), side = options.film_side;
  const double scale = side / std::max(columns, rows);
  l.film_columns = static_cast<std::uint32_t>(std::max(1.0, std::round(columns * scale)));
  l.film_rows = static_cast<std::uint32_t>(std::max(1.0, std::round(rows * scale)));
  l.em = std::max(9.0, std::round(side * 0.0168 * 4) / 4);
  l.strip = std::round(2.1 * l.em);
  l.margin = std::round(1.4 * l.em);
  l.column_width = std::round(25 * l.em);
  Column measured(nullptr, &ruler, 0, 0, l.column_width, l.em);
  fill_column(measured, overlay, options.language);
  l.column_height = std::ceil(measured.height());
  const double body = std::max<double>(l.film_rows, l.column_height + 2 * l.margin);
  l.film_x = 0;
  l.film_y = l.strip + std::floor((body - l.film_rows) / 2);
  l.column_x = l.film_columns + l.margin;
  l.column_y = l.strip + l.margin;
  l.columns = l.film_columns + static_cast<std::uint32_t>(l.column_width + 2 * l.margin);
  l.rows = static_cast<std::uint32_t>(body + 2 * l.strip);
  return l;
}

void draw_strips(Sheet& sheet, const Layout& l, const Overlay& overlay, const std::string& language) {
  const std::string warning = overlay.banner.empty() ? text(language, "not_reviewed") : overlay.banner;
  for (const double y : {0.0, l.rows - l.strip}) {
    sheet.fill_rectangle(0, y, l.columns, l.strip, kStrip);
    const TextStyle bold{1.1 * l.em, true, kWarning, l.columns * 0.58 - l.margin, 1, false};
    const TextStyle plain{0.95 * l.em, false, kWarning, l.columns * 0.42 - l.margin, 1, true};
    const double middle = y + l.strip / 2;
    sheet.write(l.margin * 0.7, middle - sheet.measure(warning, bold).height / 2, warning, bold);
    const std::string device = text(language, "not_device");
    sheet.write(l.columns * 0.58 + l.margin * 0.3, middle - sheet.measure(device, plain).height / 2, device, plain);
  }
}

struct Rectangle {
  double x0, y0, x1, y1;
  bool meets(const Rectangle& o) const { return x0 < o.x1 && o.x0 < x1 && y0 < o.y1 && o.y0 < y1; }
};

/// Boxes first, then captions where they hide neither another caption nor leave the film.
void draw_boxes(Sheet& sheet, const Layout& l, const image::Film& film, const std::vector<OverlayBox>& boxes) {
  const double sx = l.film_columns / std::max(1.0, static_cast<double>(film.columns)),
               sy = l.film_rows / std::max(1.0, static_cast<double>(film.rows));
  const Rectangle frame{l.film_x, l.film_y, l.film_x + l.film_columns, l.film_y + l.film_rows};
  const double line = std::max(1.0, std::round(l.em / 8));
  sheet.clip(frame.x0, frame.y0, l.film_columns, l.film_rows);
  std::vector<Rectangle> placed;
  const auto on_sheet = [&](const OverlayBox& b) {
    return Rectangle{l.film_x + std::min(b.x0, b.x1) * sx, l.film_y + std::min(b.y0, b.y1) * sy,
                     l.film_x + std::max(b.x0, b.x1) * sx, l.film_y + std::max(b.y0, b.y1) * sy};
  };
  for (const OverlayBox& box : boxes) {
    const Rectangle r = on_sheet(box);
    sheet.stroke_rectangle(r.x0, r.y0, r.x1 - r.x0, r.y1 - r.y0, {0, 0, 0, 0.65}, line + 2);
    sheet.stroke_rectangle(r.x0, r.y0, r.x1 - r.x0, r.y1 - r.y0, kBox, line);
  }
  for (const OverlayBox& box : boxes) {
    if (box.caption.empty()) continue;
    const Rectangle r = on_sheet(box);
    const double pad = 0.35 * l.em;
    TextStyle style{0.9 * l.em, true, kBox, 0, 1, false};
    Extent e = sheet.measure(box.caption, style);
    if (e.width + 2 * pad > l.film_columns) {
      style.width_px = std::max(1.0, l.film_columns - 2 * pad);
      e = sheet.measure(box.caption, style);
    }
    const double width = e.width + 2 * pad, height = e.height + 0.3 * l.em;
    const double x = std::clamp(r.x0 - line / 2, frame.x0, std::max(frame.x0, frame.x1 - width));
    Rectangle chip{};
    const double tries[] = {r.y0 - height - line, r.y1 + line, r.y0 + line, r.y1 - height - line};
    const auto at = [&](double y) { return Rectangle{x, y, x + width, y + height}; };
    const auto free = [&](const Rectangle& c) {
      return c.y0 >= frame.y0 && c.y1 <= frame.y1 &&
             std::none_of(placed.begin(), placed.end(), [&](const Rectangle& p) { return p.meets(c); });
    };
    const auto* found = std::find_if(std::begin(tries), std::end(tries), [&](double y) { return free(at(y)); });
    chip =
        at(found != std::end(tries) ? *found : std::clamp(tries[0], frame.y0, std::max(frame.y0, frame.y1 - height)));
    for (int step = 0; found == std::end(tries) && step < 64 && !free(chip); ++step)
      chip = at(chip.y0 + height);  // next free line
    placed.push_back(chip);
    sheet.fill_rectangle(chip.x0, chip.y0, width, height, kShade, 0.2 * l.em);
    sheet.write(chip.x0 + pad, chip.y0 + 0.15 * l.em, box.caption, style);
  }
  sheet.unclip();
}

/// The patient's directions at the film's edges, where the file gives them: the reader sees that left is left.
void draw_directions(Sheet& sheet, const Layout& l, const image::Film& film) {
  const auto opposite = [](char c) -> std::string {
    constexpr std::string_view kFrom = "LRAPHF", kTo = "RLPAFH";
    const auto i = kFrom.find(c);
    return i == std::string_view::npos ? std::string() : std::string(1, kTo[i]);
  };
  const std::string& row = film.patient_orientation[0];
  if (row.empty() || opposite(row[0]).empty() || l.film_columns < 12 * l.em) return;
  const TextStyle style{1.1 * l.em, true, kText, 0, 1, false};
  const auto letter = [&](const std::string& words, bool right) {
    const Extent e = sheet.measure(words, style);
    const double x = right ? l.film_x + l.film_columns - e.width - 0.7 * l.em : l.film_x + 0.7 * l.em,
                 y = l.film_y + l.film_rows / 2.0 - e.height / 2;
    sheet.fill_rectangle(x - 0.3 * l.em, y, e.width + 0.6 * l.em, e.height, {0, 0, 0, 0.45}, 0.2 * l.em);
    sheet.write(x, y, words, style);
  };
  letter(opposite(row[0]), false);
  letter(row.substr(0, 1), true);
}

}  // namespace

Canvas draw_film(const image::Film& film, const Overlay& overlay, const DrawOptions& options) {
  Ruler ruler;
  const Layout l = lay_out(film, overlay, options, ruler);
  Sheet sheet(l.columns, l.rows, kPaper);
  const auto grey = film_bytes(film, l.film_columns, l.film_rows);
  const MapLayer map(overlay.map, overlay.map_columns, overlay.map_rows, l.film_columns, l.film_rows);
  const auto film_x = static_cast<std::uint32_t>(l.film_x), film_y = static_cast<std::uint32_t>(l.film_y);
  for (std::uint32_t r = 0; r < l.film_rows; ++r)
    map.blend({&grey[std::size_t{r} * l.film_columns], l.film_columns}, r, sheet.pixels(film_y + r) + film_x);
  sheet.finish_pixels();
  draw_boxes(sheet, l, film, overlay.boxes);
  draw_directions(sheet, l, film);
  Column column(&sheet, nullptr, l.column_x, l.column_y, l.column_width, l.em);
  fill_column(column, overlay, options.language);
  draw_strips(sheet, l, overlay, options.language);
  return {l.columns, l.rows, sheet.rgb()};
}

}  // namespace rouage::page
