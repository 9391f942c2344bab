/// The line of `analyze --json`: docs/formats/analyze.md is its manual, analyze.schema.json its schema.
#include "results/analyze_json.h"

#include <optional>
#include <variant>

#include <nlohmann/json.hpp>

#include "results/results.h"

namespace rouage::results {
namespace {

using Json = nlohmann::ordered_json;

Json optional_number(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json code_json(const dicom::Code& code) {
  return {{"value", code.value}, {"scheme", code.scheme}, {"meaning", code.meaning}};
}

Json point_json(const cogs::OperatingPoint& point) {
  return {{"name", point.name},
          {"threshold", point.threshold},
          {"sensitivity", optional_number(point.sensitivity)},
          {"specificity", optional_number(point.specificity)},
          {"set_on", point.set_on}};
}

Json finding_json(const cogs::Finding& finding) {
  Json json{{"id", finding.id},
            {"label", finding.label},
            {"code", code_json(finding.code)},
            {"probability", optional_number(finding.probability)},
            {"raw_score", finding.raw_score},
            {"positive", finding.positive},
            {"regions", finding.regions},
            {"tracking_uid", finding.tracking_uid},
            {"level", level_word(finding.level)},
            {"laterality", side_word(finding.laterality)},
            {"site", finding.site ? code_json(*finding.site) : Json(nullptr)},
            {"operating_point", finding.operating_point ? point_json(*finding.operating_point) : Json(nullptr)}};
  return json;
}

Json region_json(const cogs::Region& region) {
  Json json{{"id", region.id},
            {"tracking_uid", region.tracking_uid},
            {"level", level_word(region.level)},
            {"label", region.label},
            {"code", code_json(region.code)},
            {"site", region.site ? code_json(*region.site) : Json(nullptr)},
            {"laterality", side_word(region.laterality)},
            {"sop_instance_uid", region.sop_instance_uid},
            {"frame", region.frame}};
  if (const auto* box = std::get_if<cogs::Box>(&region.shape))
    json["box"] = {box->x0, box->y0, box->x1, box->y1};
  else
    json["polygon"] = std::get<cogs::Polygon>(region.shape).points;
  json["score"] = region.score;
  json["derivation"] = region.derivation;
  return json;
}

Json measurement_json(const cogs::Measurement& measurement) {
  return {{"name", measurement.name},
          {"value", measurement.value},
          {"unit", measurement.unit},
          {"uncertainty", optional_number(measurement.uncertainty)},
          {"uncertainty_source", measurement.uncertainty_source},
          {"id", measurement.id},
          {"tracking_uid", measurement.tracking_uid},
          {"level", level_word(measurement.level)},
          {"code", code_json(measurement.code)}};
}

Json model_json(const cogs::ModelIdentity& model) {
  return {{"name", model.name}, {"version", model.version}, {"digest", model.digest}, {"maker", model.maker}};
}

Json provenance_json(const cogs::Provenance& provenance) {
  Json models = Json::array();
  for (const cogs::ModelIdentity& model : provenance.models) models.push_back(model_json(model));
  return {{"cog_version", provenance.cog_version}, {"models", models},
          {"engine", provenance.engine},           {"precision", provenance.precision},
          {"language", provenance.language},       {"parameters", Json(provenance.parameters)},
          {"input_uids", provenance.input_uids},   {"upstream_uids", provenance.upstream_uids}};
}

template <class Value>
Json list_json(const std::vector<Value>& values, Json (*one)(const Value&)) {
  Json list = Json::array();
  for (const Value& value : values) list.push_back(one(value));
  return list;
}

Json reason_json(const cogs::Ineligibility& reason) {
  return {{"code", reason.code}, {"text", reason.text}, {"probability", optional_number(reason.probability)}};
}

std::string joined_reasons(const std::vector<cogs::Ineligibility>& reasons) {
  std::string text;
  for (const cogs::Ineligibility& reason : reasons)
    text += (text.empty() ? "" : "; ") + (reason.text.empty() ? reason.code : reason.text);
  return text;
}

}  // namespace

std::string_view level_word(cogs::Level level) {
  switch (level) {
    case cogs::Level::image:
      return "image";
    case cogs::Level::series:
      return "series";
    case cogs::Level::study:
      return "study";
    case cogs::Level::patient:
      break;
  }
  return "patient";
}

std::string_view side_word(cogs::Laterality side) {
  switch (side) {
    case cogs::Laterality::left:
      return "left";
    case cogs::Laterality::right:
      return "right";
    case cogs::Laterality::bilateral:
      return "bilateral";
    case cogs::Laterality::none:
      break;
  }
  return "none";
}

std::string analyze_json(const cogs::CogResult& result, const LineContext& context) {
  const cogs::Provenance& provenance = result.provenance;
  Json json{{"input", context.input}};
  if (result.level == cogs::Level::study) json["inputs"] = context.inputs;
  json["level"] = level_word(result.level);
  json["cog"] = provenance.cog;
  json["status"] = result.status == cogs::Status::done ? "done" : "ineligible";
  json["reason"] = joined_reasons(result.reasons);
  json["reasons"] = list_json(result.reasons, reason_json);
  json["findings"] = list_json(result.findings, finding_json);
  json["scores"] = Json(result.scores);
  Json points = Json::object();
  for (const auto& [name, point] : result.score_operating_points) points[name] = point_json(point);
  json["score_operating_points"] = points;
  json["measurements"] = list_json(result.measurements, measurement_json);
  json["regions"] = list_json(result.regions, region_json);
  json["warnings"] = result.warnings;
  json["draft_text"] = result.draft_text;
  json["outputs"] = context.outputs;
  json["model"] = provenance.models.empty() ? Json(nullptr) : model_json(provenance.models.front());
  json["study_instance_uid"] = context.study_instance_uid;
  json["sop_instance_uid"] = context.sop_instance_uid;
  json["provenance"] = provenance_json(provenance);
  // nlohmann writes a double in the shortest form that reads back (Grisu2) and NaN as null.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rouage::results
