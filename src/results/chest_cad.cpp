/// TID 4100: findings at or above their operating point as Single Image Findings (TID 4104), what was looked for as
/// Detections Performed (TID 4015, 4017). Only labels with a place in CID 6101 (kind of finding) are said here; the
/// Measurement Report says all.
#include "results/documents.h"

#include <algorithm>
#include <optional>

namespace rouage::results {
namespace {

const Code& code(std::string_view name) {
  return dicom::concept_code(name);
}

// Position of the image in the tree: root, its second child (library; the first is the language), the only image.
const std::vector<int> kImagePath = {1, 2, 1};

/// CID 6101 value of a ChestX-ray14 or CheXpert label; "" where none fits (an enlarged heart is no opacity).
std::string_view chest_category(std::string_view label) {
  static constexpr std::string_view kOpacities[] = {"Nodule",       "Mass",     "Infiltration",
                                                    "Lung_Opacity", "Effusion", "Consolidation",
                                                    "Atelectasis",  "Edema",    "Pneumonia"};
  for (const std::string_view opacity : kOpacities)
    if (label == opacity) return "abnormal_opacity";
  return label == "Pneumothorax" || label == "Emphysema" ? "abnormal_lucency" : "";
}

void append(std::vector<SrItem>& to, std::vector<SrItem> from) {
  for (SrItem& item : from) to.push_back(std::move(item));
}

void add_geometry(SrItem& finding, const cogs::Region& region) {
  std::vector<dicom::Point> outline = closed_outline(region);
  if (outline.empty()) return;
  dicom::Point low = outline.front(), high = outline.front();
  for (const dicom::Point& point : outline) {
    low = {std::min(low.x, point.x), std::min(low.y, point.y)};
    high = {std::max(high.x, point.x), std::max(high.y, point.y)};
  }
  SrItem center = drawn(kProperties, code("center"), "POINT", {{(low.x + high.x) / 2, (low.y + high.y) / 2}});
  center.children.push_back(referring(kSelectedFrom, kImagePath));
  SrItem border = drawn(kProperties, code("outline"), "POLYLINE", std::move(outline));
  border.children.push_back(referring(kSelectedFrom, kImagePath));
  finding.children.push_back(std::move(center));
  finding.children.push_back(std::move(border));
}

SrItem single_finding(const cogs::Finding& finding, const cogs::Region* region, const cogs::CogResult& result) {
  SrItem node = coded(kInferredFrom, code("single_image_finding"), code(chest_category(finding.label)));
  auto& children = node.children;
  children.push_back(coded(kConceptModifier, code("rendering_intent"),
                           code("presentation_required_rendering_device_is_expected_to_present")));
  children.push_back(worded(kObservationContext, code("tracking_identifier"), region ? region->id : finding.label));
  const std::string& uid = region ? region->tracking_uid : finding.tracking_uid;
  if (!uid.empty()) children.push_back(unique(kObservationContext, code("tracking_unique_identifier"), uid));
  children.push_back(coded(kConceptModifier, code("single_image_finding_modifier"), finding.code));
  append(children, algorithm_nodes(kProperties, result.provenance));
  if (finding.probability)
    children.push_back(
        measured(kProperties, code("certainty_of_finding"), *finding.probability * 100, code("unit_percent")));
  const auto side = laterality_code(region ? region->laterality : finding.laterality);
  const auto& site = region && region->site ? region->site : finding.site;
  if (site) {
    SrItem place = coded(kProperties, code("finding_site"), *site);
    if (side) place.children.push_back(coded(kConceptModifier, code("laterality"), *side));
    children.push_back(std::move(place));
  } else if (side) {
    children.push_back(coded(kProperties, code("laterality"), *side));
  }
  if (region) add_geometry(node, *region);
  return node;
}

/// One single image finding a region, or one without place where the finding has none.
std::vector<SrItem> positive_findings(const cogs::CogResult& result) {
  std::vector<SrItem> nodes;
  for (const cogs::Finding& finding : result.findings) {
    if (!finding.positive || chest_category(finding.label).empty()) continue;
    const std::size_t before = nodes.size();
    for (const cogs::Region& region : result.regions)
      if (std::find(finding.regions.begin(), finding.regions.end(), region.id) != finding.regions.end())
        nodes.push_back(single_finding(finding, &region, result));
    if (nodes.size() == before) nodes.push_back(single_finding(finding, nullptr, result));
  }
  return nodes;
}

SrItem detections(const cogs::CogResult& result) {
  SrItem summary = coded(kContains, code("summary_of_detections"), code("succeeded"));
  SrItem list = container(kInferredFrom, code("successful_detections"));
  for (const cogs::Finding& finding : result.findings) {
    if (chest_category(finding.label).empty()) continue;
    SrItem detection = coded(kContains, code("detection_performed"), finding.code);
    detection.children = algorithm_nodes(kProperties, result.provenance);
    detection.children.push_back(referring(kProperties, kImagePath));
    list.children.push_back(std::move(detection));
  }
  summary.children.push_back(std::move(list));
  return summary;
}

}  // namespace

std::optional<dicom::SrObject> chest_cad(const cogs::Picture& picture, const cogs::CogResult& result,
                                         const std::string& language) {
  const bool scored = std::any_of(result.findings.begin(), result.findings.end(),
                                  [](const cogs::Finding& finding) { return !chest_category(finding.label).empty(); });
  if (!scored || result.status != cogs::Status::done) return std::nullopt;
  dicom::SrObject object;
  object.frame = object_frame(picture.header, result.provenance, kCad, language);
  object.sop_class_uid = kChestCadSr;
  object.root = container("", code("chest_cad_report"), "4100");
  const dicom::ImageReference image = source_reference(picture.header);
  auto& children = object.root.children;
  children.push_back(language_node(language));
  SrItem library = container(kContains, code("image_library"));
  SrItem entry = pictured(kContains, image);
  entry.children = projection_nodes(picture.header, picture.film() ? picture.film()->spacing : std::nullopt);
  if (picture.header.study_date.size() == 8)
    entry.children.push_back(dated(kAcquisitionContext, code("study_date"), picture.header.study_date));
  library.children.push_back(std::move(entry));
  children.push_back(std::move(library));
  std::vector<SrItem> found = positive_findings(result);
  SrItem summary = coded(
      kContains, code("cad_processing_and_findings_summary"),
      code(found.empty() ? "all_algorithms_succeeded_without_findings" : "all_algorithms_succeeded_with_findings"));
  summary.children = std::move(found);
  children.push_back(std::move(summary));
  children.push_back(detections(result));
  children.push_back(coded(kContains, code("summary_of_analyses"), code("not_attempted")));
  object.evidence = {image};
  return object;
}

}  // namespace rouage::results
