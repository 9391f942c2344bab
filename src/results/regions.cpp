/// Regions as binary segments and as outlines of a presentation state.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <variant>

#include "base/values.h"
#include "page/page.h"
#include "results/documents.h"

namespace rouage::results {
namespace {

/// First and one past the last pixel whose centre lies in [low, high).
std::pair<std::uint32_t, std::uint32_t> covered(double low, double high, std::uint32_t size) {
  const auto index = [size](double edge) {
    return static_cast<std::uint32_t>(std::clamp(std::ceil(edge - 0.5), 0.0, static_cast<double>(size)));
  };
  return {index(low), index(high)};
}

void fill_row(std::vector<std::uint8_t>& mask, std::size_t row_start, std::pair<std::uint32_t, std::uint32_t> columns) {
  if (columns.first < columns.second)
    std::fill(mask.begin() + static_cast<std::ptrdiff_t>(row_start + columns.first),
              mask.begin() + static_cast<std::ptrdiff_t>(row_start + columns.second), std::uint8_t{1});
}

/// Where the horizontal line crosses the polygon's edges, from left to right.
std::vector<double> crossings(const cogs::Polygon& polygon, double y) {
  std::vector<double> at;
  const auto& points = polygon.points;
  for (std::size_t i = 0, last = points.size() - 1; i < points.size(); last = i++) {
    const auto& a = points[last];
    const auto& b = points[i];
    if ((a[1] <= y) == (b[1] <= y)) continue;
    at.push_back(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
  }
  std::sort(at.begin(), at.end());
  return at;
}

std::string percent_text(const cogs::Finding& finding) {
  return finding.probability ? fixed_text(*finding.probability, 2) : fixed_text(finding.raw_score, 2);
}

/// Amber, then further hues, as CIELab in 16 bits (PS3.3 C.10.7.1.1): sRGB (255,200,0), (0,190,255), (255,90,90),
/// (120,220,120).
constexpr std::array<std::array<std::uint16_t, 3>, 4> kColours = {
    {{54536, 34370, 54622}, {47353, 28493, 21847}, {40016, 48963, 41818}, {52373, 20239, 43208}}};

}  // namespace

std::vector<std::uint8_t> region_mask(const cogs::Region& region, std::uint32_t columns, std::uint32_t rows) {
  std::vector<std::uint8_t> mask(std::size_t{columns} * rows, 0);
  if (const auto* box = std::get_if<cogs::Box>(&region.shape)) {
    const auto [top, bottom] = covered(box->y0, box->y1, rows);
    for (std::uint32_t row = top; row < bottom; ++row)
      fill_row(mask, std::size_t{row} * columns, covered(box->x0, box->x1, columns));
    return mask;
  }
  const auto& polygon = std::get<cogs::Polygon>(region.shape);
  if (polygon.points.size() < 3) return mask;
  double low = polygon.points.front()[1], high = low;
  for (const auto& point : polygon.points) {
    low = std::min(low, point[1]);
    high = std::max(high, point[1]);
  }
  const auto [top, bottom] = covered(low, high, rows);
  for (std::uint32_t row = top; row < bottom; ++row) {
    const std::vector<double> at = crossings(polygon, row + 0.5);
    for (std::size_t i = 0; i + 1 < at.size(); i += 2)
      fill_row(mask, std::size_t{row} * columns, covered(at[i], at[i + 1], columns));
  }
  return mask;
}

std::string region_caption(const cogs::Region& region, const cogs::CogResult& result, const std::string& language) {
  std::string caption = page::label_text(language, region.label);
  for (const cogs::Finding& finding : result.findings)
    if (std::find(finding.regions.begin(), finding.regions.end(), region.id) != finding.regions.end())
      return caption + " " + percent_text(finding);
  return caption;
}

std::optional<dicom::SegObject> region_segments(const cogs::Picture& picture, const cogs::CogResult& result,
                                                const std::string& language) {
  if (result.status != cogs::Status::done) return std::nullopt;
  dicom::SegObject object;
  object.frame = object_frame(picture.header, result.provenance, kSegments, language);
  object.content_label = "AI_REGIONS";
  object.content_description = page::text(language, "not_reviewed");
  object.columns = picture.header.columns;
  object.rows = picture.header.rows;
  for (const cogs::Region& region : result.regions) {
    dicom::Segment segment;
    segment.mask = region_mask(region, object.columns, object.rows);
    if (std::find(segment.mask.begin(), segment.mask.end(), std::uint8_t{1}) == segment.mask.end()) continue;
    segment.label = page::label_text(language, region.label);
    segment.description = region.derivation;
    segment.tracking_id = region.id;
    segment.tracking_uid = region.tracking_uid;
    segment.algorithm_name = algorithm_name(result.provenance);
    segment.algorithm_version = algorithm_version(result.provenance);
    segment.category = dicom::concept_code("morphologically_abnormal_structure");
    segment.type = region.code;
    segment.anatomic_region = region.site;
    segment.laterality = laterality_code(region.laterality);
    segment.cielab = kColours[object.segments.size() % kColours.size()];
    object.segments.push_back(std::move(segment));
  }
  if (object.segments.empty()) return std::nullopt;
  return object;
}

std::optional<dicom::PresentationObject> region_outlines(const cogs::Picture& picture, const cogs::CogResult& result,
                                                         const std::string& language) {
  const std::string& photometric = picture.header.grey.photometric;
  const bool grey = photometric.empty() || photometric.starts_with("MONOCHROME");
  const bool from_colour = picture.film() && picture.film()->from_colour;
  if (result.status != cogs::Status::done || result.regions.empty() || !grey || from_colour) return std::nullopt;
  dicom::PresentationObject object;
  object.frame = object_frame(picture.header, result.provenance, kOutlines, language);
  object.content_label = "AI_OUTLINES";
  object.content_description = page::text(language, "not_reviewed");
  object.layer_name = "AI";
  object.columns = picture.header.columns;
  object.rows = picture.header.rows;
  object.inverse = photometric == "MONOCHROME1";
  for (const cogs::Region& region : result.regions) {
    std::vector<dicom::Point> outline = closed_outline(region);
    if (outline.size() > 2) object.shapes.push_back({std::move(outline), region_caption(region, result, language)});
  }
  if (object.shapes.empty()) return std::nullopt;
  return object;
}

}  // namespace rouage::results
