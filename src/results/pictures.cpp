/// One canvas for people (film, map, boxes, table), as secondary capture and as PNG.
#include <algorithm>
#include <cmath>

#include "image/picture.h"
#include "page/page.h"
#include "results/documents.h"

namespace rouage::results {
namespace {

/// The map that explains what is most worth seeing: of the likeliest positive finding, else of `remarkable`, else the
/// first. nullptr without maps.
const cogs::DerivedImage* chosen_map(const cogs::CogResult& result) {
  const auto map_of = [&](const std::string& label) -> const cogs::DerivedImage* {
    for (const cogs::DerivedImage& image : result.derived_images)
      if (image.role == "activation_map" && image.label == label) return &image;
    return nullptr;
  };
  const cogs::Finding* likeliest = nullptr;
  for (const cogs::Finding& finding : result.findings)
    if (finding.positive && map_of(finding.label) &&
        (!likeliest || finding.probability.value_or(0) > likeliest->probability.value_or(0)))
      likeliest = &finding;
  if (likeliest) return map_of(likeliest->label);
  if (const auto* map = map_of("remarkable")) return map;
  for (const cogs::DerivedImage& image : result.derived_images)
    if (image.role == "activation_map") return &image;
  return nullptr;
}

std::string decimal(double value, int decimals, const std::string& language) {
  std::string text = fixed_text(value, decimals);
  if (language == "fr") std::replace(text.begin(), text.end(), '.', ',');
  return text;
}

page::OverlayRow probability_row(std::string name, double value, bool positive, const cogs::OperatingPoint* point,
                                 const std::string& language) {
  page::OverlayRow row;
  row.name = std::move(name);
  row.value = decimal(value, 2, language);
  row.positive = positive;
  row.fraction = std::clamp(value, 0.0, 1.0);
  row.threshold = point ? point->threshold : -1;
  return row;
}

void add_rows(page::Overlay& overlay, const cogs::CogResult& result, const std::string& language) {
  for (const auto& [name, score] : result.scores) {
    const auto found = result.score_operating_points.find(name);
    const auto* point = found == result.score_operating_points.end() ? nullptr : &found->second;
    // Sex and projection are estimates, not findings: they carry neither mark nor threshold.
    const bool judged = name == "remarkable" && point != nullptr;
    overlay.rows.push_back(probability_row(page::label_text(language, name), score, judged && score >= point->threshold,
                                           judged ? point : nullptr, language));
  }
  for (const cogs::Finding& finding : result.findings) {
    const auto* point = finding.operating_point ? &*finding.operating_point : nullptr;
    const double shown = finding.probability.value_or(1 / (1 + std::exp(-finding.raw_score)));
    page::OverlayRow row =
        probability_row(page::label_text(language, finding.label), shown, finding.positive, point, language);
    if (!finding.probability) row.value = decimal(finding.raw_score, 2, language);
    overlay.rows.push_back(std::move(row));
  }
}

std::string measurement_note(const cogs::Measurement& measurement, const std::string& language) {
  std::string value;
  if (measurement.unit == "a") {
    value = measurement.uncertainty
                ? page::text(language, "age.value",
                             {{"value", decimal(measurement.value, 0, language)},
                              {"uncertainty", decimal(*measurement.uncertainty, 0, language)}})
                : page::text(language, "age.plain", {{"value", decimal(measurement.value, 0, language)}});
  } else {
    value = decimal(measurement.value, 2, language) + " " + measurement.unit;
  }
  return page::label_text(language, measurement.name) + ": " + value;
}

/// The likeliest positive findings first.
std::vector<const cogs::Finding*> by_probability(const cogs::CogResult& result) {
  std::vector<const cogs::Finding*> findings;
  for (const cogs::Finding& finding : result.findings)
    if (finding.positive) findings.push_back(&finding);
  std::stable_sort(findings.begin(), findings.end(), [](const cogs::Finding* a, const cogs::Finding* b) {
    return a->probability.value_or(0) > b->probability.value_or(0);
  });
  return findings;
}

/// Every region of the finding whose map is shown, and the strongest region of the three likeliest findings: more boxes
/// would hide the film. The segmentation and the outlines have them all.
std::vector<const cogs::Region*> shown_regions(const cogs::CogResult& result, const std::string& map_label) {
  constexpr std::size_t kLikeliest = 3;
  std::vector<const cogs::Region*> shown;
  for (const cogs::Region& region : result.regions)
    if (region.label == map_label) shown.push_back(&region);
  const auto findings = by_probability(result);
  for (std::size_t i = 0; i < std::min(findings.size(), kLikeliest); ++i) {
    const cogs::Region* strongest = nullptr;
    for (const cogs::Region& region : result.regions)
      if (region.label == findings[i]->label && (!strongest || region.score > strongest->score)) strongest = &region;
    if (strongest && strongest->label != map_label) shown.push_back(strongest);
  }
  return shown;
}

void add_boxes(page::Overlay& overlay, const cogs::CogResult& result, const std::string& map_label,
               const std::string& language) {
  for (const cogs::Region* region : shown_regions(result, map_label)) {
    const std::vector<dicom::Point> outline = closed_outline(*region);
    if (outline.empty()) continue;
    page::OverlayBox box{outline[0].x, outline[0].y, outline[0].x, outline[0].y,
                         region_caption(*region, result, language)};
    for (const dicom::Point& point : outline) {
      box.x0 = std::min(box.x0, point.x);
      box.y0 = std::min(box.y0, point.y);
      box.x1 = std::max(box.x1, point.x);
      box.y1 = std::max(box.y1, point.y);
    }
    overlay.boxes.push_back(std::move(box));
  }
}

page::Overlay overlay_of(const cogs::Picture& picture, const cogs::CogResult& result, const std::string& language) {
  page::Overlay overlay;
  overlay.banner = page::text(language, "not_reviewed");
  overlay.title = page::text(language, "title.chest");
  const std::string origin = origin_text(picture.header, language);
  if (!origin.empty()) overlay.title += " (" + origin + ")";
  overlay.title += ", " + algorithm_name(result.provenance) + " " + algorithm_version(result.provenance);
  if (result.status == cogs::Status::ineligible) {
    overlay.notes.push_back(page::text(language, "ineligible"));
    for (const cogs::Ineligibility& reason : result.reasons)
      overlay.notes.push_back(reason.text.empty() ? reason.code : reason.text);
  } else {
    std::string map_label;
    if (const cogs::DerivedImage* map = chosen_map(result)) {
      map_label = map->label;
      overlay.map = map->values;
      overlay.map_columns = map->columns;
      overlay.map_rows = map->rows;
      overlay.map_caption = page::text(language, "map.caption", {{"label", page::label_text(language, map->label)}});
    }
    add_boxes(overlay, result, map_label, language);
    add_rows(overlay, result, language);
    for (const cogs::Measurement& measurement : result.measurements)
      overlay.facts.push_back(measurement_note(measurement, language));
  }
  overlay.notes.insert(overlay.notes.end(), result.warnings.begin(), result.warnings.end());
  return overlay;
}

}  // namespace

std::vector<ResultFile> picture_files(const cogs::Picture& picture, const cogs::CogResult& result,
                                      const std::string& language) {
  if (!picture.film()) return {};
  page::DrawOptions options;
  options.language = language;
  const page::Canvas canvas = page::draw_film(*picture.film(), overlay_of(picture, result, language), options);
  dicom::CaptureObject capture;
  capture.frame = object_frame(picture.header, result.provenance, kCapture, language);
  capture.columns = canvas.columns;
  capture.rows = canvas.rows;
  capture.pixels = canvas.rgb;
  capture.burned_in = true;
  capture.derivation_description = page::text(language, "not_reviewed") + ": " + algorithm_name(result.provenance) +
                                   " " + algorithm_version(result.provenance);
  capture.image_type_value_3 = "AI_OVERLAY";
  std::vector<ResultFile> files;
  files.push_back(dicom_file(kCapture, capture.frame, dicom::write_capture(capture)));
  files.push_back({"picture.png", "picture",
                   image::write_png(canvas.columns, canvas.rows, 3, canvas.rgb,
                                    {{"Comment", page::text(language, "not_reviewed")},
                                     {"Source", picture.header.sop_instance_uid}}),
                   "", "", ""});
  return files;
}

}  // namespace rouage::results
