// A report as one HTML page.
#include <algorithm>

#include "page/page.h"
#include "page/plot_scene.h"

namespace rouage::page {
namespace {

struct BlockWriter {
  const Report& report;
  std::size_t& plots;

  std::string operator()(const ReportHeading& heading) const {
    const std::string tag = "h" + std::to_string(std::min(3, std::max(1, heading.level)));
    return "<" + tag + ">" + xml_text(heading.text) + "</" + tag + ">\n";
  }
  std::string operator()(const ReportText& words) const {
    return (words.warning ? "<p class=\"warning\">" : "<p>") + xml_text(words.text) + "</p>\n";
  }
  std::string operator()(const ReportTable& table) const {
    std::string html = "<table>\n<thead><tr>";
    for (const std::string& cell : table.header) html += "<th scope=\"col\">" + xml_text(cell) + "</th>";
    html += "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
      html += "<tr>";
      for (const std::string& cell : row) html += "<td>" + xml_text(cell) + "</td>";
      html += "</tr>\n";
    }
    return html + "</tbody>\n</table>\n";
  }
  std::string operator()(const Plot& plot) const {
    return html_figure(plot_scene(plot, {.language = report.language}), "plot" + std::to_string(plots++));
  }
};

}  // namespace

std::string report_html(const Report& report) {
  std::string body = "<h1>" + xml_text(report.title) + "</h1>\n";
  if (!report.subtitle.empty()) body += "<p>" + xml_text(report.subtitle) + "</p>\n";
  body += "<p class=\"help\">" + xml_text(text(report.language, "plot.help")) + "</p>\n";
  std::size_t plots = 0;
  const BlockWriter write{report, plots};
  for (const ReportBlock& block : report.blocks) body += std::visit(write, block);
  return html_page(report.title, report.language, body);
}

}  // namespace rouage::page
