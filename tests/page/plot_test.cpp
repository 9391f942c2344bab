// What plots promise: the same bytes, no number that is not one, nothing of a hostile name executed, shapes kept when a
// million points are thinned, colours that can be told apart from paper and from each other without being seen.
#include "page/plot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/host.h"
#include "image/picture.h"
#include "page/plot_scene.h"

namespace rouage::page {
namespace {
namespace fs = std::filesystem;

Plot roc() {
  Plot plot{.name = "roc", .title = "ROC: pleural effusion", .square = true};
  plot.caption =
      "Empirical curve with pointwise 95 % band (bootstrap over patients, 2,000 draws). Points: operating points. "
      "22,433 "
      "films of 5,000 patients.";
  plot.x = {.label = "1 - specificity"};
  plot.y = {.label = "sensitivity"};
  PlotLine ai{.name = "AI, AUC 0.87 (0.85 to 0.89)"}, reader{.name = "reader 3, AUC 0.81 (0.78 to 0.84)"};
  PlotBand band{.colour = 0};
  for (int i = 0; i <= 50; ++i) {
    const double x = i / 50.0, y = std::pow(x, 0.15);
    ai.x.push_back(x);
    ai.y.push_back(y);
    reader.x.push_back(x);
    reader.y.push_back(std::pow(x, 0.3));
    band.x.push_back(x);
    band.low.push_back(std::max(0.0, y - 0.03));
    band.high.push_back(std::min(1.0, y + 0.03));
  }
  plot.lines = {ai, reader, {.name = "chance", .x = {0, 1}, .y = {0, 1}, .dashed = true, .colour = -2}};
  plot.bands = {band};
  PlotPoints point{.name = "AI, AUC 0.87 (0.85 to 0.89)", .x = {0.1}, .y = {0.72}, .label = true};
  point.captions = {"threshold 0.4"};
  point.x_low = {0.08};
  point.x_high = {0.12};
  point.y_low = {0.66};
  point.y_high = {0.77};
  plot.points = {point};
  return plot;
}

Plot kaplan_meier() {
  Plot plot{.name = "km", .title = "Time to report"};
  plot.x = {.label = "days", .low = 0, .high = 1000};
  plot.y = {.label = "survival"};
  plot.risk = {.title = "Number at risk", .times = {0, 250, 500, 750, 1000}};
  for (int arm = 0; arm < 2; ++arm) {
    PlotLine line{.name = arm == 0 ? "Maintained" : "Not maintained", .step = true};
    PlotBand band{.step = true, .colour = arm};
    for (int i = 0; i <= 20; ++i) {
      const double s = std::exp(-i * (0.04 + 0.05 * arm));
      line.x.push_back(i * 50);
      line.y.push_back(s);
      band.x.push_back(i * 50);
      band.low.push_back(s * 0.85);
      band.high.push_back(std::min(1.0, s * 1.12));
    }
    plot.lines.push_back(line);
    plot.bands.push_back(band);
    plot.risk.rows.push_back({line.name, {120, 80 - arm * 20, 50 - arm * 25, 31 - arm * 20, 4 - arm * 4}});
  }
  return plot;
}

Plot forest() {
  Plot plot{.name = "forest", .title = "AUC aided minus unaided, by reader"};
  plot.x = {.label = "difference of AUC", .low = -0.1, .high = 0.2};
  plot.y = {.low = 0.5, .high = 8.5};
  PlotPoints points{.label = true};
  for (int i = 1; i <= 8; ++i) {
    plot.y.ticks.emplace_back(9 - i, i == 8 ? "All readers (random readers and cases)" : "Reader " + std::to_string(i));
    points.x.push_back(0.01 * i);
    points.y.push_back(9 - i);
    points.x_low.push_back(0.01 * i - 0.05);
    points.x_high.push_back(0.01 * i + 0.05);
    points.captions.push_back(fixed_text(0.01 * i, 2) + " (" + fixed_text(0.01 * i - 0.05, 2) + " to " +
                              fixed_text(0.01 * i + 0.05, 2) + ")");
  }
  plot.points = {points};
  plot.rules = {{.at = 0, .vertical = true, .caption = "no difference"}};
  return plot;
}

Plot bland_altman() {
  Plot plot{.name = "bland_altman", .title = "Limites d'agrément (Bland et Altman)"};
  plot.x = {.label = "moyenne des deux (mm)", .low = 0, .high = 2500};
  plot.y = {.label = "A - B (mm)", .low = -12.5, .high = 12.5};
  PlotPoints points;
  for (int i = 0; i < 300; ++i) {
    points.x.push_back(std::fmod(i * 617.3, 2400) + 40);
    points.y.push_back(5 * std::sin(i * 12.9898) + 2 * std::cos(i * 78.233));
  }
  plot.points = {points};
  plot.bands = {{.x = {0, 2500}, .low = {6.5, 6.5}, .high = {8.5, 8.5}, .colour = 1}};
  plot.rules = {{.at = 0.2, .caption = "biais 0,2"},
                {.at = 7.5, .caption = "limite haute 7,5"},
                {.at = -7.1, .caption = "limite basse -7,1"}};
  return plot;
}

Plot logarithmic() {
  Plot plot{.name = "froc", .title = "FROC"};
  plot.x = {.label = "false positives per image", .low = 0.01, .high = 10, .logarithmic = true};
  plot.y = {.label = "lesion localisation fraction"};
  for (int k = 0; k < 7; ++k) {
    PlotLine line{.name = "reader " + std::to_string(k + 1), .step = true};
    for (int i = 0; i <= 30; ++i) {
      line.x.push_back(std::pow(10, -2 + i * 0.1));
      line.y.push_back(std::min(1.0, (0.2 + 0.02 * k) + i * (0.026 - 0.002 * k)));
    }
    plot.lines.push_back(line);
    plot.points.push_back({.name = line.name,
                           .x = {line.x[5 + 3 * static_cast<std::size_t>(k)]},
                           .y = {line.y[5 + 3 * static_cast<std::size_t>(k)]}});
  }
  return plot;
}

std::vector<Plot> gallery() {
  return {roc(), kaplan_meier(), forest(), bland_altman(), logarithmic()};
}

bool well_formed(const std::string& xml) {
  const fs::path file = fs::path(testing::TempDir()) / "rouage_plot.svg";
  write_file_atomic(file, xml);
  return std::system(("xmllint --noout --nonet " + file.string() + " 2>/dev/null").c_str()) == 0;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Plot, the_same_plot_gives_the_same_bytes) {
  for (const Plot& plot : gallery()) {
    EXPECT_EQ(plot_svg(plot, {}), plot_svg(plot, {}));
    EXPECT_EQ(plot_png(plot, {}), plot_png(plot, {}));
  }
  EXPECT_EQ(plots_html(gallery(), "All", {}), plots_html(gallery(), "All", {}));
}

TEST(Plot, pictures_are_as_large_as_asked_and_not_empty) {
  const char* keep = std::getenv("ROUAGE_KEEP_PLOTS");  // a folder, for the eyes of who changes the drawing
  for (const Plot& plot : gallery()) {
    const PlotOptions options{.language = plot.name == "bland_altman" ? "fr" : "en"};
    const Bytes png = plot_png(plot, options);
    const image::Picture picture = image::read_png(png, 10'000'000);
    EXPECT_EQ(picture.columns, 720U);
    EXPECT_NEAR(picture.rows, 540.0, 6) << plot.name;
    EXPECT_GT(std::set<int>(picture.samples.begin(), picture.samples.end()).size(), 20U);
    if (keep == nullptr) continue;
    write_file_atomic(fs::path(keep) / (plot.name + ".png"), png);
    write_file_atomic(fs::path(keep) / (plot.name + ".svg"), plot_svg(plot, options));
  }
  if (keep != nullptr) write_file_atomic(fs::path(keep) / "all.html", plots_html(gallery(), "All plots", {}));
}

TEST(Plot, svg_is_well_formed_xml) {
  if (std::system("xmllint --version 2>/dev/null") != 0) GTEST_SKIP() << "xmllint is not installed";
  for (const Plot& plot : gallery()) EXPECT_TRUE(well_formed(plot_svg(plot, {}))) << plot.name;
  EXPECT_FALSE(well_formed("<svg>"));  // the check can fail
}

// EVI-9
TEST(Plot, hostile_names_are_text_and_nothing_else) {
  Plot plot = roc();
  const std::string attack = "</title><script>alert(1)</script>\"' onload=\"x\" & \x01 \xff \xed\xa0\x80 \xef\xbf\xbf";
  plot.title = plot.caption = plot.x.label = plot.y.label = attack;
  for (PlotLine& line : plot.lines) line.name = attack + line.name;
  plot.points[0].captions = {attack};
  plot.rules = {{.at = 0.5, .vertical = true, .caption = attack}};
  plot.risk = {.title = attack, .times = {0}, .rows = {{attack, {1}}}};
  const std::string svg = plot_svg(plot, {}), html = plots_html({plot}, attack, {});
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_EQ(count(html, "<script>"), 1U);  // our own
  EXPECT_EQ(html.find("onload=\""), std::string::npos);
  EXPECT_TRUE(valid_utf8(svg));
  EXPECT_TRUE(valid_utf8(html));
  if (std::system("xmllint --version 2>/dev/null") == 0) {
    EXPECT_TRUE(well_formed(svg));
  }
}

TEST(Plot, values_without_a_place_break_the_line_and_are_never_written) {
  const double nan = std::nan(""), infinite = INFINITY;
  Plot plot = roc();
  plot.lines[0].x[10] = nan;
  plot.lines[0].y[20] = infinite;
  plot.bands[0].low[5] = -infinite;
  plot.points[0].y_low = {nan};
  plot.rules = {{.at = nan}, {.at = infinite, .vertical = true}};
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0, 1}, {nan, nan}, {0, 0}, {1, 1e-300}, {-infinite, infinite}, {1e300, 1e300}, {-1e308, 1e308}, {5, 4}}) {
    plot.x.low = plot.y.low = low;
    plot.x.high = plot.y.high = high;
    for (const bool logarithmic : {false, true}) {
      plot.x.logarithmic = logarithmic;
      const std::string svg = plot_svg(plot, {}), page = plots_html({plot}, "", {});
      for (const char* bad : {"nan", "inf\"", "inf,", "inf "}) {
        EXPECT_EQ(svg.find(bad), std::string::npos) << low << " to " << high << ": " << bad;
        EXPECT_EQ(page.find(std::string("\"") + bad), std::string::npos);
      }
      EXPECT_FALSE(plot_png(plot, {}).empty());
    }
  }
}

TEST(Plot, an_empty_plot_is_axes) {
  EXPECT_NE(plot_svg({}, {}).find("<path"), std::string::npos);
  EXPECT_FALSE(plot_png({}, {.language = "fr", .width = 1, .height = 1}).empty());
}

TEST(Plot, numbers_are_written_in_the_language) {
  EXPECT_EQ(plot_number(0.25, "en"), "0.25");
  EXPECT_EQ(plot_number(0.25, "fr"), "0,25");
  EXPECT_EQ(plot_number(-1234.56, "en"), "\u22121235");
  EXPECT_EQ(plot_number(2.5e-7, "fr"), "2,5\u00d710\u207b\u2077");
  EXPECT_EQ(plot_number(1e9, "en"), "10\u2079");
  const std::string french = plot_svg(roc(), {.language = "fr"});
  EXPECT_NE(french.find(">0,2<"), std::string::npos);
  EXPECT_EQ(french.find(">0.2<"), std::string::npos);
}

TEST(Plot, ticks_are_round_and_inside) {
  const PlotAxis axis{.low = 0.13, .high = 0.97};
  const Ticks ticks = axis_ticks(axis, axis_scale(axis), 6, "en");
  ASSERT_EQ(ticks.size(), 4U);  // 0.2, 0.4, 0.6, 0.8
  EXPECT_EQ(ticks[0].second, "0.2");
  EXPECT_EQ(ticks[3].second, "0.8");
  const PlotAxis decades{.low = 0.01, .high = 100, .logarithmic = true};
  const Ticks powers = axis_ticks(decades, axis_scale(decades), 6, "en");
  ASSERT_EQ(powers.size(), 5U);
  EXPECT_EQ(powers[0].second, "0.01");
  EXPECT_EQ(powers[4].second, "100");
}

TEST(Plot, a_million_points_are_thinned_without_changing_the_shape) {
  Plot plot{.name = "long"};
  PlotLine line{.name = "signal"};
  const int n = 1'000'000, spike = 654'321;
  for (int i = 0; i < n; ++i) {
    line.x.push_back(static_cast<double>(i) / n);
    line.y.push_back(i == spike ? 0.95 : 0.5 + 0.2 * std::sin(i * 1e-5) + 0.01 * std::sin(i * 7.0));
  }
  plot.lines = {line};
  const Scene scene = plot_scene(plot, {});
  const auto path = std::find_if(scene.items.begin(), scene.items.end(), [](const SceneItem& item) {
    return std::holds_alternative<ScenePath>(item) && std::get<ScenePath>(item).line == 2;
  });
  ASSERT_NE(path, scene.items.end());
  const auto& pieces = std::get<ScenePath>(*path).pieces;
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_LT(pieces[0].size(), 6000U);  // four a half pixel column at most
  EXPECT_LT(plot_svg(plot, {}).size(), 150'000U);
  // Every half pixel column keeps its lowest and highest value: the spike of one sample in a million too.
  double top = 1e9;
  for (const Place& p : pieces[0]) top = std::min(top, p.second);
  EXPECT_NEAR(top, scene.panel.y + 0.05 * scene.panel.height, 1e-6);
  EXPECT_LT(plots_html({plot}, "", {}).size(), 400'000U);

  plot.points = {{.x = line.x, .y = line.y}};  // a cloud of as many markers
  EXPECT_LT(plot_svg(plot, {}).size(), 1'500'000U);
}

// EVI-9
TEST(Plot, colours_stand_out_from_paper_and_differ_by_more_than_colour) {
  const auto linear = [](double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
  std::set<std::pair<std::vector<double>, int>> looks;
  for (int i = 0; i < kPaletteColours; ++i) {
    const SeriesStyle style = series_style(i);
    const double light =
        0.2126 * linear(style.colour.r) + 0.7152 * linear(style.colour.g) + 0.0722 * linear(style.colour.b);
    EXPECT_GE(1.05 / (light + 0.05), 3.0) << i;  // WCAG 2.1, 1.4.11
    looks.insert({style.dashes, style.shape});
  }
  EXPECT_EQ(looks.size(), static_cast<std::size_t>(kPaletteColours));
}

TEST(Plot, nothing_lies_on_the_data_or_outside_the_picture) {
  for (const Plot& plot : gallery()) {
    const Scene scene = plot_scene(plot, {});
    Ruler ruler;
    for (const SceneEntry& entry : scene.entries) {
      EXPECT_GE(entry.frame.y, scene.panel.y + scene.panel.height) << plot.name;
      EXPECT_LE(entry.frame.x + entry.frame.width, scene.width) << plot.name;
    }
    for (const SceneItem& item : scene.items) {
      if (!std::holds_alternative<SceneText>(item)) continue;
      const auto& text = std::get<SceneText>(item);
      const double width = ruler.measure(text.text, {text.size_px, text.bold, text.colour}).width;
      const double left = text.anchor == 0 ? text.x : text.anchor == 1 ? text.x - width / 2 : text.x - width;
      if (text.turned) {
        EXPECT_GE(text.x - text.size_px * 0.6, 0) << plot.name << text.text;
        continue;
      }
      EXPECT_GE(left, 0) << plot.name << ": " << text.text;
      EXPECT_LE(left + width, scene.width) << plot.name << ": " << text.text;
      EXPECT_LE(text.y + text.size_px * 0.6, scene.height) << plot.name << ": " << text.text;
    }
  }
}

TEST(Plot, equal_units_have_equal_lengths_where_asked) {
  const Scene scene = plot_scene(roc(), {});
  EXPECT_NEAR(scene.panel.width, scene.panel.height, 1);
}

TEST(Plot, many_rows_make_the_picture_higher_and_keep_each_name) {
  Plot plot{.name = "readers"};
  plot.y = {.low = 0, .high = 141};
  PlotPoints points{.label = true};
  for (int i = 1; i <= 140; ++i) {
    plot.y.ticks.emplace_back(i, "r" + std::to_string(i));
    points.x.push_back(0.5);
    points.y.push_back(i);
    points.captions.push_back("0.5");
  }
  plot.points = {points};
  const std::string svg = plot_svg(plot, {});
  for (int i = 1; i <= 140; ++i) EXPECT_NE(svg.find(">r" + std::to_string(i) + "<"), std::string::npos) << i;
}

// EVI-9
TEST(Plot, the_page_needs_no_other_file) {
  const std::string html = plots_html(gallery(), "All", {});
  for (const char* outside : {"src=", "@import", "url(", "https://", "<link", " style=\"", " onclick"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_EQ(count(html, "http://"), gallery().size());  // the name of SVG, which is not fetched
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(html.find("role=\"button\" tabindex=\"0\" aria-pressed=\"true\""), std::string::npos);
}

TEST(Report, the_same_report_gives_the_same_html_and_pdf_whose_pages_hold_everything) {
  Report report{.title = "Étude <b>1</b>", .subtitle = "plan of 2026-11-24", .date = "2026-11-24", .language = "fr"};
  report.blocks = {ReportHeading{"Résultats"}, ReportText{"Les données ont changé & <script>", true}, roc()};
  ReportTable table{.header = {"figure", "value", "method"}};
  for (int i = 0; i < 120; ++i)
    table.rows.push_back({"row " + std::to_string(i), "0.5",
                          "a long method that is wrapped in its column, with its source and year (Clopper and Pearson "
                          "1934), and more words"});
  report.blocks.emplace_back(table);
  const std::string html = report_html(report);
  EXPECT_EQ(html, report_html(report));
  EXPECT_EQ(count(html, "<script>"), 1U);
  EXPECT_EQ(count(html, "<tr>"), 121U);
  const Bytes pdf = report_pdf(report);
  EXPECT_EQ(pdf, report_pdf(report));
  EXPECT_EQ(std::string(pdf.begin(), pdf.begin() + 5), "%PDF-");
  const std::string text(pdf.begin(), pdf.end());
  EXPECT_NE(text.find("CreationDate (20261124"), std::string::npos);  // the plan's day, not today's
  EXPECT_GE(count(text, "/Type /Page %"), 3U);
  if (const char* keep = std::getenv("ROUAGE_KEEP_PLOTS")) write_file_atomic(fs::path(keep) / "report.pdf", pdf);
}

}  // namespace
}  // namespace rouage::page
