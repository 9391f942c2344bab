#include "page/typeset.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace rouage::page {
namespace {

constexpr const char* kFamily = "DejaVu Sans";
constexpr std::size_t kLongestText = 2000;  ///< bytes; a caption longer than this is cut before it is set

struct Release {
  void operator()(cairo_surface_t* p) const { cairo_surface_destroy(p); }
  void operator()(cairo_t* p) const { cairo_destroy(p); }
  void operator()(cairo_font_options_t* p) const { cairo_font_options_destroy(p); }
  void operator()(PangoLayout* p) const { g_object_unref(p); }
  void operator()(PangoFont* p) const { g_object_unref(p); }
  void operator()(PangoFontDescription* p) const { pango_font_description_free(p); }
  void operator()(char* p) const { g_free(p); }
};
template <class T>
using Held = std::unique_ptr<T, Release>;

Held<PangoFontDescription> font(double size_px, bool bold) {
  Held<PangoFontDescription> description(pango_font_description_new());
  pango_font_description_set_family_static(description.get(), kFamily);
  pango_font_description_set_weight(description.get(), bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
  pango_font_description_set_absolute_size(description.get(), std::round(size_px * 4) / 4 * PANGO_SCALE);
  return description;
}

void check_font(PangoLayout* layout) {
  const auto wanted = font(16, false);
  PangoContext* context = pango_layout_get_context(layout);
  const Held<PangoFont> found(pango_context_load_font(context, wanted.get()));
  if (found) {
    const Held<PangoFontDescription> described(pango_font_describe(found.get()));
    const char* family = pango_font_description_get_family(described.get());
    if (family != nullptr && std::string_view(family) == kFamily) return;
  }
  throw Error(ErrorCode::FontMissing, "DejaVu Sans is not installed");
}

}  // namespace

void prepare_fonts() {
  // Pango begins to read fontconfig's files in a thread of its own as soon as a map of fonts exists.
  pango_cairo_font_map_get_default();
}

struct Sheet::Parts {
  std::vector<std::uint8_t> written;  ///< outlives the surface that writes into it
  Held<cairo_surface_t> surface;
  Held<cairo_t> cairo;
  Held<PangoLayout> layout;

  /// Sets the one layout that all texts share.
  void set(std::string_view text, const TextStyle& style) {
    std::string_view cut = text.substr(0, kLongestText);
    const Held<char> valid(g_utf8_make_valid(cut.data() ? cut.data() : "", static_cast<gssize>(cut.size())));
    const auto description = font(style.size_px, style.bold);
    PangoLayout* l = layout.get();
    pango_layout_set_font_description(l, description.get());
    pango_layout_set_text(l, valid.get(), -1);
    pango_layout_set_single_paragraph_mode(l, TRUE);
    pango_layout_set_width(l, style.width_px > 0 ? static_cast<int>(std::floor(style.width_px * PANGO_SCALE)) : -1);
    pango_layout_set_wrap(l, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(l, style.width_px > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_height(l, style.width_px > 0 ? -std::max(1, style.lines) : -1);
    pango_layout_set_alignment(l, style.right ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
  }

  Extent extent() const {
    PangoRectangle logical{};
    pango_layout_get_extents(layout.get(), nullptr, &logical);
    return {static_cast<double>(logical.width) / PANGO_SCALE, static_cast<double>(logical.height) / PANGO_SCALE};
  }

  void source(Colour c) { cairo_set_source_rgba(cairo.get(), c.r, c.g, c.b, c.a); }
};

Sheet::Sheet(std::uint32_t columns, std::uint32_t rows, Colour background)
    : parts_(std::make_unique<Parts>()), columns_(columns), rows_(rows) {
  parts_->surface.reset(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(columns), static_cast<int>(rows)));
  if (cairo_surface_status(parts_->surface.get()) != CAIRO_STATUS_SUCCESS)
    throw Error(ErrorCode::Internal, "no surface of the picture's size can be made");
  parts_->cairo.reset(cairo_create(parts_->surface.get()));
  parts_->source(background);
  cairo_paint(parts_->cairo.get());
  prepare_text();
}

Sheet::Sheet(Extent page, const std::string& title, const std::string& date)
    : parts_(std::make_unique<Parts>()),
      columns_(static_cast<std::uint32_t>(page.width)),
      rows_(static_cast<std::uint32_t>(page.height)) {
  const auto keep = [](void* to, const unsigned char* bytes, unsigned length) {
    auto& written = *static_cast<std::vector<std::uint8_t>*>(to);
    written.insert(written.end(), bytes, bytes + length);
    return CAIRO_STATUS_SUCCESS;
  };
  parts_->surface.reset(cairo_pdf_surface_create_for_stream(keep, &parts_->written, page.width, page.height));
  if (cairo_surface_status(parts_->surface.get()) != CAIRO_STATUS_SUCCESS)
    throw Error(ErrorCode::Internal, "no PDF can be made");
  cairo_pdf_surface_set_metadata(parts_->surface.get(), CAIRO_PDF_METADATA_TITLE, title.c_str());
  // Without a date of ours cairo writes the clock's.
  cairo_pdf_surface_set_metadata(parts_->surface.get(), CAIRO_PDF_METADATA_CREATE_DATE, (date + "T00:00:00Z").c_str());
  parts_->cairo.reset(cairo_create(parts_->surface.get()));
  prepare_text();
}

void Sheet::next_page() {
  cairo_show_page(parts_->cairo.get());
}

std::vector<std::uint8_t> Sheet::pdf() {
  cairo_surface_finish(parts_->surface.get());
  return std::move(parts_->written);
}

void Sheet::prepare_text() {
  parts_->layout.reset(pango_cairo_create_layout(parts_->cairo.get()));
  PangoContext* context = pango_layout_get_context(parts_->layout.get());
  const Held<cairo_font_options_t> options(cairo_font_options_create());
  cairo_font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_subpixel_order(options.get(), CAIRO_SUBPIXEL_ORDER_DEFAULT);
  pango_cairo_context_set_font_options(context, options.get());
  pango_cairo_context_set_resolution(context, 96);
  pango_context_set_language(context, pango_language_from_string("en"));
  pango_layout_context_changed(parts_->layout.get());
  check_font(parts_->layout.get());
}

Sheet::~Sheet() = default;

std::uint32_t* Sheet::pixels(std::uint32_t row) {
  cairo_surface_flush(parts_->surface.get());
  unsigned char* data = cairo_image_surface_get_data(parts_->surface.get());
  const int stride = cairo_image_surface_get_stride(parts_->surface.get());
  // cairo aligns rows to 4 bytes at least, so the cast keeps the alignment.
  return static_cast<std::uint32_t*>(static_cast<void*>(data + static_cast<std::ptrdiff_t>(row) * stride));
}

void Sheet::finish_pixels() {
  cairo_surface_mark_dirty(parts_->surface.get());
}

Extent Sheet::measure(std::string_view text, const TextStyle& style) {
  parts_->set(text, style);
  return parts_->extent();
}

Extent Sheet::write(double x, double y, std::string_view text, const TextStyle& style) {
  parts_->set(text, style);
  parts_->source(style.colour);
  cairo_move_to(parts_->cairo.get(), x, y);
  pango_cairo_show_layout(parts_->cairo.get(), parts_->layout.get());
  return parts_->extent();
}

void Sheet::fill_rectangle(double x, double y, double width, double height, Colour colour, double corner) {
  cairo_t* c = parts_->cairo.get();
  parts_->source(colour);
  cairo_new_path(c);
  if (corner <= 0) {
    cairo_rectangle(c, x, y, width, height);
  } else {
    const double r = std::min({corner, width / 2, height / 2}), half_pi = std::numbers::pi / 2;
    cairo_new_sub_path(c);
    cairo_arc(c, x + width - r, y + r, r, -half_pi, 0);
    cairo_arc(c, x + width - r, y + height - r, r, 0, half_pi);
    cairo_arc(c, x + r, y + height - r, r, half_pi, 2 * half_pi);
    cairo_arc(c, x + r, y + r, r, 2 * half_pi, 3 * half_pi);
    cairo_close_path(c);
  }
  cairo_fill(c);
}

void Sheet::stroke_rectangle(double x, double y, double width, double height, Colour colour, double line) {
  cairo_t* c = parts_->cairo.get();
  parts_->source(colour);
  cairo_set_line_width(c, line);
  cairo_set_line_join(c, CAIRO_LINE_JOIN_MITER);
  cairo_new_path(c);
  cairo_rectangle(c, x, y, width, height);
  cairo_stroke(c);
}

void Sheet::fill_polygon(const std::vector<std::pair<double, double>>& points, Colour colour) {
  cairo_t* c = parts_->cairo.get();
  parts_->source(colour);
  cairo_new_path(c);  // a text written before leaves its point
  for (const auto& [x, y] : points) cairo_line_to(c, x, y);
  cairo_close_path(c);
  cairo_fill(c);
}

void Sheet::stroke_circle(double x, double y, double radius, Colour colour, double line) {
  cairo_t* c = parts_->cairo.get();
  parts_->source(colour);
  cairo_set_line_width(c, line);
  cairo_new_sub_path(c);
  cairo_arc(c, x, y, radius, 0, 2 * std::numbers::pi);
  cairo_stroke(c);
}

void Sheet::stroke_paths(const std::vector<std::vector<std::pair<double, double>>>& pieces, bool closed, Colour colour,
                         double line, const std::vector<double>& dashes) {
  cairo_t* c = parts_->cairo.get();
  parts_->source(colour);
  cairo_set_line_width(c, line);
  cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
  cairo_set_dash(c, dashes.data(), static_cast<int>(dashes.size()), 0);
  for (const auto& piece : pieces) {
    cairo_new_path(c);
    for (const auto& [x, y] : piece) cairo_line_to(c, x, y);
    if (closed) cairo_close_path(c);
    cairo_stroke(c);
  }
  cairo_set_dash(c, nullptr, 0, 0);
}

void Sheet::fill_paths(const std::vector<std::vector<std::pair<double, double>>>& rings, Colour colour) {
  cairo_t* c = parts_->cairo.get();
  parts_->source(colour);
  cairo_new_path(c);
  for (const auto& ring : rings) {
    cairo_new_sub_path(c);
    for (const auto& [x, y] : ring) cairo_line_to(c, x, y);
    cairo_close_path(c);
  }
  cairo_fill(c);
}

void Sheet::begin_place(double x, double y, double scale, bool turned) {
  cairo_t* c = parts_->cairo.get();
  cairo_save(c);
  cairo_translate(c, x, y);
  cairo_scale(c, scale, scale);
  if (turned) cairo_rotate(c, -std::numbers::pi / 2);
}

void Sheet::end_place() {
  cairo_restore(parts_->cairo.get());
}

void Sheet::clip(double x, double y, double width, double height) {
  cairo_save(parts_->cairo.get());
  cairo_rectangle(parts_->cairo.get(), x, y, width, height);
  cairo_clip(parts_->cairo.get());
}

void Sheet::unclip() {
  cairo_restore(parts_->cairo.get());
}

std::vector<std::uint8_t> Sheet::rgb() {
  std::vector<std::uint8_t> out(std::size_t{columns_} * rows_ * 3);
  std::uint8_t* to = out.data();
  for (std::uint32_t r = 0; r < rows_; ++r) {
    const std::uint32_t* from = pixels(r);
    for (std::uint32_t c = 0; c < columns_; ++c, to += 3) {
      to[0] = static_cast<std::uint8_t>(from[c] >> 16);
      to[1] = static_cast<std::uint8_t>(from[c] >> 8);
      to[2] = static_cast<std::uint8_t>(from[c]);
    }
  }
  return out;
}

Ruler::Ruler() : sheet_(std::make_unique<Sheet>(8, 8, Colour{})) {}
Ruler::~Ruler() = default;
Extent Ruler::measure(std::string_view text, const TextStyle& style) {
  return sheet_->measure(text, style);
}

}  // namespace rouage::page
