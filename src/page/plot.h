/// Plots as values: what a figure shows, drawn as SVG, PNG or a self-contained interactive HTML page.
///
///   Plot plot{.name = "roc", .title = "ROC", .x = {.label = "1 - specificity", .low = 0, .high = 1}, ...};
///   plot.lines.push_back({.name = "AI", .x = fpr, .y = tpr});
///   std::string svg = plot_svg(plot, {});             // deterministic; colour-blind safe (Okabe and Ito 2008)
///
/// Texts come in the reader's language already; numbers are written in it by the drawing (decimal comma in French).
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/values.h"

namespace rouage::page {

struct PlotAxis {
  std::string label{};
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<std::pair<double, std::string>> ticks = {};  ///< empty: chosen; a forest's rows are ticks of y
};
struct PlotLine {
  std::string name{};  ///< in the legend; "" for none
  std::vector<double> x{}, y{};
  bool step = false;    ///< horizontal first (Kaplan-Meier, FROC)
  bool dashed = false;  ///< references: chance, ideal calibration
  int colour = -1;      ///< index of the palette; -1: the next; -2: grey
};
struct PlotBand {
  std::vector<double> x{}, low{}, high{};
  bool step = false;
  int colour = 0;
};
struct PlotPoints {
  std::string name{};
  std::vector<double> x{}, y{};
  std::vector<double> x_low{}, x_high{}, y_low{}, y_high{};  ///< error bars; empty: none
  std::vector<std::string> captions{};  ///< one a point, shown on hover and, where `label`, beside it
  bool label = false;
  int colour = -1;
};
struct PlotRule {
  double at = 0;
  bool vertical = false;
  std::string caption{};
};
/// Numbers at risk, under a Kaplan-Meier plot.
struct PlotRiskTable {
  std::string title{};
  std::vector<double> times{};
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> rows{};
};

struct Plot {
  std::string name{};  ///< file name without ending: [a-z0-9_]
  std::string title{}, caption{};
  PlotAxis x{}, y{};
  bool square = false;  ///< equal unit lengths (ROC)
  std::vector<PlotBand> bands{};
  std::vector<PlotLine> lines{};
  std::vector<PlotPoints> points{};
  std::vector<PlotRule> rules{};
  PlotRiskTable risk{};
};

struct PlotOptions {
  std::string language = "en";
  std::uint32_t width = 720, height = 540;  ///< pixels at 96 dpi
};
std::string plot_svg(const Plot& plot, const PlotOptions& options);
Bytes plot_png(const Plot& plot, const PlotOptions& options);
/// One page for all plots: hover shows values, legend entries hide and show, no outside file, script or font.
std::string plots_html(const std::vector<Plot>& plots, const std::string& title, const PlotOptions& options);

/// A report that people print and file: headings, paragraphs, tables and plots, top to bottom.
struct ReportHeading {
  std::string text{};
  int level = 2;  ///< 1..3
};
struct ReportText {
  std::string text{};
  bool warning = false;  ///< stands out: what a reader must not miss
};
struct ReportTable {
  std::vector<std::string> header{};
  std::vector<std::vector<std::string>> rows{};
};
using ReportBlock = std::variant<ReportHeading, ReportText, ReportTable, Plot>;
struct Report {
  std::string title{}, subtitle{};
  std::string date{};  ///< "2026-11-24", of the report's plan: no clock is read, so that the bytes stay the same
  std::string language = "en";
  std::vector<ReportBlock> blocks{};
};
/// One page as plots_html makes it.
std::string report_html(const Report& report);
/// A4, vector plots, text that can be searched. The same report gives the same bytes. Errors: FontMissing.
Bytes report_pdf(const Report& report);

}  // namespace rouage::page
