// All plots of an analysis on one page that needs nothing else.
#include "page/page.h"
#include "page/plot_scene.h"

namespace rouage::page {
namespace {

constexpr std::string_view kStyle =
    "body{font-family:'DejaVu Sans',Verdana,sans-serif;margin:24px auto;max-width:1100px;padding:0 16px;color:#1a1a1a}"
    "figure{margin:0 0 32px}svg{max-width:100%;height:auto}.hovers circle{fill:transparent;stroke:none}"
    ".hovers circle.near{stroke:#000;stroke-width:1.5}.entry{cursor:pointer}.entry[aria-pressed=false]{opacity:.35}"
    ".off{display:none}.value{min-height:1.4em;font-size:14px}.help{color:#4d4d4d;font-size:13px}"
    "table{border-collapse:collapse;font-size:14px;margin:8px 0 20px}th,td{border-bottom:1px solid #d0d0d0;padding:4px "
    "10px 4px 0;text-align:left;vertical-align:top}.warning{border-left:4px solid #d55e00;padding-left:10px}"
    "svg:focus-visible,.entry:focus-visible{outline:2px solid #0072b2}";

// The script's text is fixed, so that its digest in the policy is fixed; all data are in the attributes of the SVG.
constexpr std::string_view kScript = R"js(
'use strict';
for (const svg of document.querySelectorAll('svg.plot')) {
  const value = svg.parentElement.querySelector('.value');
  const all = Array.from(svg.querySelectorAll('.hovers circle'));
  let near = null;
  const shown = () => all.filter(c => !c.classList.contains('off'));
  const choose = c => {
    if (near) near.classList.remove('near');
    near = c;
    if (c) c.classList.add('near');
    value.textContent = c ? c.dataset.t : '';
  };
  svg.addEventListener('mousemove', event => {
    const matrix = svg.getScreenCTM();
    if (!matrix) return;
    const x = (event.clientX - matrix.e) / matrix.a, y = (event.clientY - matrix.f) / matrix.d;
    let best = null, least = 30 * 30;
    for (const c of shown()) {
      const dx = c.cx.baseVal.value - x, dy = c.cy.baseVal.value - y, d = dx * dx + dy * dy;
      if (d < least) { least = d; best = c; }
    }
    choose(best);
  });
  svg.addEventListener('mouseleave', () => choose(null));
  svg.addEventListener('keydown', event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target !== svg) return;
    const list = shown();
    if (!list.length) return;
    event.preventDefault();
    const at = list.indexOf(near);
    choose(list[at < 0 ? 0 : (at + step + list.length) % list.length]);
  });
  for (const entry of svg.querySelectorAll('.entry')) {
    const toggle = () => {
      const on = entry.getAttribute('aria-pressed') !== 'true';
      entry.setAttribute('aria-pressed', String(on));
      for (const part of svg.querySelectorAll('[data-s="' + entry.dataset.e + '"]'))
        part.classList.toggle('off', !on);
      choose(null);
    };
    entry.addEventListener('click', toggle);
    entry.addEventListener('keydown', event => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      toggle();
    });
  }
}
)js";

std::string base64(const Digest& digest) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < digest.bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) { return k < digest.bytes.size() ? unsigned{digest.bytes[k]} : 0U; };
    const unsigned group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    for (unsigned k = 0; k < 4; ++k) text += i + k > digest.bytes.size() ? '=' : kLetters[group >> (18 - 6 * k) & 63U];
  }
  return text;
}

}  // namespace

std::string html_figure(const Scene& scene, const std::string& id) {
  return "<figure>\n" + scene_svg(scene, id, true) +
         "<div class=\"value\" role=\"status\" aria-live=\"polite\"></div>\n</figure>\n";
}

std::string html_page(const std::string& title, const std::string& language, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"" + xml_text(language) +
         "\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" "
         "content=\"default-src 'none'; style-src 'sha256-" +
         base64(sha256(kStyle)) + "'; script-src 'sha256-" + base64(sha256(kScript)) +
         "'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>" + xml_text(title) +
         "</title>\n<style>" + std::string(kStyle) + "</style>\n</head>\n<body>\n" + body + "<script>" +
         std::string(kScript) + "</script>\n</body>\n</html>\n";
}

std::string plots_html(const std::vector<Plot>& plots, const std::string& title, const PlotOptions& options) {
  std::string body =
      "<h1>" + xml_text(title) + "</h1>\n<p class=\"help\">" + xml_text(text(options.language, "plot.help")) + "</p>\n";
  for (std::size_t i = 0; i < plots.size(); ++i)
    body += html_figure(plot_scene(plots[i], options), "plot" + std::to_string(i));
  return html_page(title, options.language, body);
}

}  // namespace rouage::page
