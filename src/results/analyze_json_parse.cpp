#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "results/analyze_json.h"
#include "results/results.h"

namespace rouage::results {
namespace {

using Json = nlohmann::json;

std::optional<double> optional_number(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return found->get<double>();
}

dicom::Code code_of(const Json& json) {
  return {json.at("value").get<std::string>(), json.at("scheme").get<std::string>(), json.value("meaning", "")};
}

std::optional<dicom::Code> optional_code(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return code_of(*found);
}

cogs::OperatingPoint point_of(const Json& json) {
  return {json.value("name", ""), json.at("threshold").get<double>(), optional_number(json, "sensitivity"),
          optional_number(json, "specificity"), json.value("set_on", "")};
}

cogs::Finding finding_of(const Json& json) {
  cogs::Finding finding;
  finding.id = json.at("id");
  finding.tracking_uid = json.value("tracking_uid", "");
  finding.level = level_of(json.value("level", "image"));
  finding.label = json.at("label");
  finding.code = code_of(json.at("code"));
  finding.site = optional_code(json, "site");
  finding.laterality = side_of(json.value("laterality", "none"));
  finding.probability = optional_number(json, "probability");
  finding.raw_score = optional_number(json, "raw_score").value_or(0);
  if (const auto point = json.find("operating_point"); point != json.end() && !point->is_null())
    finding.operating_point = point_of(*point);
  finding.positive = json.at("positive");
  finding.regions = json.at("regions").get<std::vector<std::string>>();
  return finding;
}

cogs::Region region_of(const Json& json) {
  cogs::Region region;
  region.id = json.at("id");
  region.tracking_uid = json.value("tracking_uid", "");
  region.level = level_of(json.value("level", "image"));
  region.label = json.at("label");
  region.code = code_of(json.at("code"));
  region.site = optional_code(json, "site");
  region.laterality = side_of(json.value("laterality", "none"));
  region.sop_instance_uid = json.value("sop_instance_uid", "");
  region.frame = json.value("frame", 1);
  if (const auto box = json.find("box"); box != json.end()) {
    const auto edges = box->get<std::array<double, 4>>();
    region.shape = cogs::Box{edges[0], edges[1], edges[2], edges[3]};
  } else {
    region.shape = cogs::Polygon{json.at("polygon").get<std::vector<std::array<double, 2>>>()};
  }
  region.score = optional_number(json, "score").value_or(0);
  region.derivation = json.value("derivation", "");
  return region;
}

cogs::Measurement measurement_of(const Json& json) {
  cogs::Measurement measurement;
  measurement.id = json.value("id", "");
  measurement.tracking_uid = json.value("tracking_uid", "");
  measurement.level = level_of(json.value("level", "image"));
  measurement.name = json.at("name");
  if (const auto code = optional_code(json, "code")) measurement.code = *code;
  measurement.value = json.at("value");
  measurement.unit = json.at("unit");
  measurement.uncertainty = optional_number(json, "uncertainty");
  measurement.uncertainty_source = json.value("uncertainty_source", "");
  return measurement;
}

cogs::Provenance provenance_of(const Json& document) {
  cogs::Provenance provenance;
  provenance.cog = document.at("cog");
  const Json& json = document.at("provenance");
  provenance.cog_version = json.at("cog_version");
  for (const Json& model : json.at("models"))
    provenance.models.push_back({model.at("name"), model.at("version"), model.at("digest"), model.value("maker", "")});
  provenance.engine = json.at("engine");
  provenance.precision = json.at("precision");
  provenance.language = json.at("language");
  provenance.parameters = json.at("parameters").get<std::map<std::string, std::string>>();
  provenance.input_uids = json.at("input_uids").get<std::vector<std::string>>();
  provenance.upstream_uids = json.at("upstream_uids").get<std::vector<std::string>>();
  return provenance;
}

cogs::CogResult result_of(const Json& json) {
  cogs::CogResult result;
  const std::string status = json.at("status");
  if (status != "done" && status != "ineligible")
    throw Error(ErrorCode::TableInvalid, "a document of status " + status + " holds no result");
  result.status = status == "done" ? cogs::Status::done : cogs::Status::ineligible;
  result.level = level_of(json.at("level").get<std::string>());
  for (const Json& reason : json.at("reasons"))
    result.reasons.push_back({reason.at("code"), reason.at("text"), optional_number(reason, "probability")});
  for (const Json& finding : json.at("findings")) result.findings.push_back(finding_of(finding));
  for (const auto& [name, score] : json.at("scores").items())
    if (score.is_number()) result.scores[name] = score;
  for (const auto& [name, point] : json.at("score_operating_points").items())
    result.score_operating_points[name] = point_of(point);
  for (const Json& measurement : json.at("measurements")) result.measurements.push_back(measurement_of(measurement));
  for (const Json& region : json.at("regions")) result.regions.push_back(region_of(region));
  result.warnings = json.at("warnings").get<std::vector<std::string>>();
  result.draft_text = json.value("draft_text", "");
  result.provenance = provenance_of(json);
  return result;
}

}  // namespace

cogs::Level level_of(std::string_view word) {
  for (const cogs::Level level : {cogs::Level::image, cogs::Level::series, cogs::Level::study, cogs::Level::patient})
    if (level_word(level) == word) return level;
  throw Error(ErrorCode::TableInvalid, "no level is called " + std::string(word));
}

cogs::Laterality side_of(std::string_view word) {
  using cogs::Laterality;
  for (const Laterality side : {Laterality::none, Laterality::left, Laterality::right, Laterality::bilateral})
    if (side_word(side) == word) return side;
  throw Error(ErrorCode::TableInvalid, "no side is called " + std::string(word));
}

cogs::CogResult parse_analyze_json(const std::string& json) {
  try {
    return result_of(Json::parse(json));
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::TableInvalid, std::string("not a document of rouage analyze: ") + error.what());
  }
}

}  // namespace rouage::results
