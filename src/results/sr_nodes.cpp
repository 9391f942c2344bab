#include "results/sr_nodes.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "base/error.h"
#include "results/frames.h"

namespace rouage::results {
namespace {

SrItem node(SrItem::Type type, std::string_view relationship, const Code& name) {
  SrItem item;
  item.type = type;
  item.relationship = relationship;
  item.concept_name = name;
  return item;
}

SrItem parameter(std::string_view relationship, const std::string& name, const std::string& value) {
  return worded(relationship, dicom::concept_code("algorithm_parameters"), name + "=" + value);
}

}  // namespace

SrItem container(std::string_view relationship, const Code& name, std::string_view template_id) {
  SrItem item = node(SrItem::Type::container, relationship, name);
  item.template_id = template_id;
  return item;
}

SrItem coded(std::string_view relationship, const Code& name, const Code& value) {
  SrItem item = node(SrItem::Type::code, relationship, name);
  item.code = value;
  return item;
}

SrItem worded(std::string_view relationship, const Code& name, std::string text) {
  SrItem item = node(SrItem::Type::text, relationship, name);
  item.text = std::move(text);
  return item;
}

SrItem unique(std::string_view relationship, const Code& name, std::string uid) {
  SrItem item = node(SrItem::Type::uidref, relationship, name);
  item.text = std::move(uid);
  return item;
}

SrItem dated(std::string_view relationship, const Code& name, std::string date) {
  SrItem item = node(SrItem::Type::date, relationship, name);
  item.text = std::move(date);
  return item;
}

SrItem measured(std::string_view relationship, const Code& name, double value, const Code& unit) {
  SrItem item = node(SrItem::Type::num, relationship, name);
  item.number = value;
  item.unit = unit;
  return item;
}

SrItem pictured(std::string_view relationship, const dicom::ImageReference& reference) {
  SrItem item;
  item.type = SrItem::Type::image;
  item.relationship = relationship;
  item.reference = reference;
  return item;
}

SrItem composed(std::string_view relationship, const dicom::ImageReference& reference) {
  SrItem item = pictured(relationship, reference);
  item.type = SrItem::Type::composite;
  return item;
}

SrItem drawn(std::string_view relationship, const Code& name, std::string_view graphic_type,
             std::vector<dicom::Point> points) {
  SrItem item = node(SrItem::Type::scoord, relationship, name);
  item.graphic_type = graphic_type;
  item.points = std::move(points);
  return item;
}

SrItem referring(std::string_view relationship, std::vector<int> path) {
  SrItem item;
  item.relationship = relationship;
  item.by_reference = std::move(path);
  return item;
}

std::vector<Code> private_concepts() {
  const auto code = [](const char* value, const char* meaning) {
    return Code{value, std::string(kPrivateScheme), meaning};
  };
  return {code("raw_score", "Raw score of the net"),
          code("op_name", "Operating point"),
          code("op_threshold", "Threshold of the operating point"),
          code("op_sensitivity", "Sensitivity at the operating point"),
          code("op_specificity", "Specificity at the operating point"),
          code("op_set_on", "Data on which the operating point was set"),
          code("op_result", "Result at the operating point"),
          code("score", "Score"),
          code("score_name", "Name of the score"),
          code("region_score", "Highest map value inside the region"),
          code("region_method", "How the region was found"),
          code("finding_uid", "Tracking UID of the finding"),
          code("eligibility", "Eligibility for the algorithm"),
          code("ineligible", "Not eligible"),
          code("reason", "Reason of ineligibility"),
          code("warning", "Warning"),
          code("origin", "Origin of the image"),
          code("draft", "Draft text"),
          code("uncertainty_of", "Source of the uncertainty"),
          code("availability", "Availability of the AI result"),
          code("unavailable", "AI unavailable"),
          code("why_unavailable", "Why there is no AI result"),
          code("series_unread", "Series without AI result")};
}

Code private_concept(std::string_view value) {
  static const std::vector<Code> all = private_concepts();
  for (const Code& code : all)
    if (code.value == value) return code;
  throw Error(ErrorCode::Internal, "no private concept " + std::string(value));
}

std::vector<dicom::Point> closed_outline(const cogs::Region& region) {
  std::vector<dicom::Point> points;
  if (const auto* box = std::get_if<cogs::Box>(&region.shape)) {
    points = {{box->x0, box->y0}, {box->x1, box->y0}, {box->x1, box->y1}, {box->x0, box->y1}};
  } else {
    for (const auto& point : std::get<cogs::Polygon>(region.shape).points) points.push_back({point[0], point[1]});
    const bool closed = points.size() > 1 && points.front().x == points.back().x && points.front().y == points.back().y;
    if (closed) return points;
  }
  if (!points.empty()) points.push_back(points.front());
  return points;
}

std::optional<Code> laterality_code(cogs::Laterality side) {
  switch (side) {
    case cogs::Laterality::left:
      return dicom::concept_code("left");
    case cogs::Laterality::right:
      return dicom::concept_code("right");
    case cogs::Laterality::bilateral:
      return dicom::concept_code("bilateral");
    case cogs::Laterality::none:
      break;
  }
  return std::nullopt;
}

SrItem language_node(const std::string& language) {
  return coded(kConceptModifier, dicom::concept_code("language_of_content_item_and_descendants"),
               dicom::concept_code(language == "fr" ? "french" : "english"));
}

std::vector<SrItem> algorithm_nodes(std::string_view relationship, const cogs::Provenance& provenance) {
  std::vector<SrItem> nodes{
      worded(relationship, dicom::concept_code("algorithm_name"), algorithm_name(provenance)),
      worded(relationship, dicom::concept_code("algorithm_version"), algorithm_version(provenance))};
  for (const cogs::ModelIdentity& model : provenance.models)
    nodes.push_back(parameter(relationship, model.name + " sha256", model.digest));
  const std::string maker = provenance.models.empty() ? "Rouage" : provenance.models.front().maker;
  if (!maker.empty()) nodes.push_back(worded(relationship, dicom::concept_code("algorithm_manufacturer"), maker));
  return nodes;
}

std::vector<SrItem> parameter_nodes(std::string_view relationship, const cogs::Provenance& provenance) {
  std::vector<SrItem> nodes{parameter(relationship, "cog", provenance.cog + " " + provenance.cog_version)};
  if (!provenance.engine.empty()) nodes.push_back(parameter(relationship, "engine", provenance.engine));
  if (!provenance.precision.empty()) nodes.push_back(parameter(relationship, "precision", provenance.precision));
  for (const auto& [name, value] : provenance.parameters) nodes.push_back(parameter(relationship, name, value));
  return nodes;
}

std::vector<SrItem> observer_nodes(const dicom::Equipment& equipment) {
  const auto code = [](std::string_view name) { return dicom::concept_code(name); };
  return {coded(kObservationContext, code("observer_type"), code("device")),
          unique(kObservationContext, code("device_observer_uid"), equipment.device_uid),
          worded(kObservationContext, code("device_observer_name"), equipment.software_version),
          worded(kObservationContext, code("device_observer_manufacturer"), equipment.manufacturer),
          worded(kObservationContext, code("device_observer_model_name"), equipment.model_name)};
}

}  // namespace rouage::results
