// A report on A4 pages.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "page/plot_scene.h"

namespace rouage::page {
namespace {

constexpr Extent kPaper{595, 842};  // A4 in points
constexpr double kMargin = 50, kBody = 9, kCell = 7.5, kGap = 6;
constexpr Colour kInk{0.08, 0.08, 0.08}, kSoft{0.35, 0.35, 0.35}, kRule{0.75, 0.75, 0.75}, kWarning{0.835, 0.369, 0};

class Typesetter {
 public:
  explicit Typesetter(const Report& report) : report_(report), sheet_(kPaper, report.title, report.date) {}

  Bytes set() {
    paragraph(report_.title, 17, true, kInk, 0);
    paragraph(report_.subtitle, kBody, false, kSoft, 0);
    for (const ReportBlock& block : report_.blocks) std::visit([this](const auto& b) { put(b); }, block);
    footer();
    return sheet_.pdf();
  }

 private:
  static constexpr double kWidth = kPaper.width - 2 * kMargin, kBottom = kPaper.height - kMargin;

  void footer() {
    const TextStyle style{7.5, false, kSoft, kWidth, 1, true};
    sheet_.write(kMargin, kPaper.height - 32, std::to_string(page_), style);
    sheet_.write(kMargin, kPaper.height - 32, report_.title, {7.5, false, kSoft, kWidth * 0.85, 1, false});
  }
  void turn() {
    footer();
    sheet_.next_page();
    ++page_;
    y_ = kMargin;
  }
  void need(double height) {
    if (y_ + height > kBottom && y_ > kMargin) turn();
  }

  void paragraph(const std::string& words, double size, bool bold, Colour colour, double indent) {
    if (words.empty()) return;
    const TextStyle style{size, bold, colour, kWidth - indent, 60, false};
    const double height = sheet_.measure(words, style).height;
    need(height);
    sheet_.write(kMargin + indent, y_, words, style);
    y_ += height + kGap;
  }

  void put(const ReportHeading& heading) {
    static constexpr double kSizes[] = {15, 12.5, 10.5};
    need(70);  // a heading does not stand alone at the end of a page
    y_ += kGap;
    paragraph(heading.text, kSizes[std::clamp(heading.level, 1, 3) - 1], true, kInk, 0);
  }
  void put(const ReportText& words) {
    const double from = y_;
    const int page = page_;
    paragraph(words.text, kBody, false, kInk, words.warning ? 10 : 0);
    if (words.warning)
      sheet_.fill_rectangle(kMargin, page_ == page ? from : kMargin, 3, y_ - kGap - (page_ == page ? from : kMargin),
                            kWarning);
  }
  void put(const Plot& plot) {
    const Scene scene = plot_scene(plot, {.language = report_.language});
    const double scale = std::min({kWidth * 0.9 / scene.width, (kBottom - kMargin) / scene.height});
    need(scene.height * scale);
    draw_scene(sheet_, scene, kMargin, y_, scale);
    y_ += scene.height * scale + kGap;
  }

  /// Natural widths where they fit; else narrow columns keep theirs and wide ones share what is left.
  std::vector<double> widths(const ReportTable& table) {
    std::vector<double> width(table.header.size(), 20);
    const auto widen = [&](const std::vector<std::string>& row, bool bold) {
      for (std::size_t c = 0; c < std::min(row.size(), width.size()); ++c)
        if (!row[c].empty()) width[c] = std::max(width[c], sheet_.measure(row[c], {kCell, bold, kInk}).width + 8);
    };
    widen(table.header, true);
    for (const auto& row : table.rows) widen(row, false);
    double total = std::accumulate(width.begin(), width.end(), 0.0);
    double limit = total;
    while (total > kWidth && limit > 24) {
      limit *= 0.95;
      total = 0;
      for (double& w : width) total += w = std::min(w, limit);
    }
    return width;
  }

  void row(const std::vector<std::string>& cells, const std::vector<double>& width, bool bold) {
    double height = kCell * 1.2;
    const auto style = [&](std::size_t c) { return TextStyle{kCell, bold, kInk, width[c] - 6, 40, false}; };
    for (std::size_t c = 0; c < std::min(cells.size(), width.size()); ++c)
      if (!cells[c].empty()) height = std::max(height, sheet_.measure(cells[c], style(c)).height);
    need(height + 5);
    double x = kMargin;
    for (std::size_t c = 0; c < std::min(cells.size(), width.size()); ++c) {
      if (!cells[c].empty()) sheet_.write(x, y_ + 2, cells[c], style(c));
      x += width[c];
    }
    y_ += height + 4;
    sheet_.fill_rectangle(kMargin, y_, x - kMargin, bold ? 0.8 : 0.4, bold ? kInk : kRule);
    y_ += 1;
  }
  void put(const ReportTable& table) {
    const std::vector<double> width = widths(table);
    need(45);
    row(table.header, width, true);
    for (const auto& cells : table.rows) row(cells, width, false);
    y_ += kGap * 1.5;
  }

  const Report& report_;
  Sheet sheet_;
  double y_ = kMargin;
  int page_ = 1;
};

}  // namespace

Bytes report_pdf(const Report& report) {
  return Typesetter(report).set();
}

}  // namespace rouage::page
