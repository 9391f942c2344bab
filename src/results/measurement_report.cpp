/// TID 1500: language, observer, procedure, image library, one measurement group a finding (TID 1501), a region
/// (TID 1410), the normality score and each measurement, then what was not eligible or is warned of.
#include "page/page.h"

#include <algorithm>
#include <optional>

#include "results/documents.h"

namespace rouage::results {
namespace {

const Code& code(std::string_view name) {
  return dicom::concept_code(name);
}

void append(std::vector<SrItem>& to, std::vector<SrItem> from) {
  for (SrItem& item : from) to.push_back(std::move(item));
}

SrItem tracked_group(std::string_view template_id, const std::string& id, const std::string& uid,
                     const cogs::Provenance& provenance) {
  SrItem group = container(kContains, code("measurement_group"), template_id);
  group.children.push_back(worded(kObservationContext, code("tracking_identifier"), id));
  if (!uid.empty()) group.children.push_back(unique(kObservationContext, code("tracking_unique_identifier"), uid));
  append(group.children, algorithm_nodes(kConceptModifier, provenance));
  return group;
}

/// Site with its laterality; a laterality without a site stands by itself, so that left and right are never lost.
void add_site(SrItem& group, const std::optional<Code>& site, cogs::Laterality side) {
  const auto laterality = laterality_code(side);
  if (site) {
    SrItem node = coded(kConceptModifier, code("finding_site"), *site);
    if (laterality) node.children.push_back(coded(kConceptModifier, code("laterality"), *laterality));
    group.children.push_back(std::move(node));
  } else if (laterality) {
    group.children.push_back(coded(kConceptModifier, code("laterality"), *laterality));
  }
}

void add_operating_point(SrItem& group, const cogs::OperatingPoint& point, bool positive) {
  const Code& one = code("unit_one");
  auto& children = group.children;
  children.push_back(coded(kContains, private_concept("op_result"), code(positive ? "positive" : "negative")));
  children.push_back(worded(kContains, private_concept("op_name"), point.name.empty() ? "unnamed" : point.name));
  children.push_back(measured(kContains, private_concept("op_threshold"), point.threshold, one));
  if (point.sensitivity)
    children.push_back(measured(kContains, private_concept("op_sensitivity"), *point.sensitivity, one));
  if (point.specificity)
    children.push_back(measured(kContains, private_concept("op_specificity"), *point.specificity, one));
  if (!point.set_on.empty()) children.push_back(worded(kContains, private_concept("op_set_on"), point.set_on));
}

SrItem finding_group(const cogs::Finding& finding, const cogs::CogResult& result) {
  SrItem group = tracked_group("1501", finding.label, finding.tracking_uid, result.provenance);
  group.children.push_back(coded(kContains, code("finding"), finding.code));
  add_site(group, finding.site, finding.laterality);
  if (finding.probability)
    group.children.push_back(measured(kContains, code("probability"), *finding.probability, code("unit_one")));
  group.children.push_back(measured(kContains, private_concept("raw_score"), finding.raw_score, code("unit_one")));
  if (finding.operating_point) add_operating_point(group, *finding.operating_point, finding.positive);
  return group;
}

SrItem region_group(const cogs::Region& region, const cogs::CogResult& result, const dicom::ImageReference& image) {
  SrItem group = tracked_group("1410", region.id, region.tracking_uid, result.provenance);
  group.children.push_back(coded(kContains, code("finding"), region.code));
  add_site(group, region.site, region.laterality);
  SrItem outline = drawn(kContains, code("image_region"), "POLYLINE", closed_outline(region));
  outline.children.push_back(pictured(kSelectedFrom, image));
  group.children.push_back(std::move(outline));
  group.children.push_back(measured(kContains, private_concept("region_score"), region.score, code("unit_one")));
  if (!region.derivation.empty())
    group.children.push_back(worded(kContains, private_concept("region_method"), region.derivation));
  for (const cogs::Finding& finding : result.findings)
    if (!finding.tracking_uid.empty() &&
        std::find(finding.regions.begin(), finding.regions.end(), region.id) != finding.regions.end())
      group.children.push_back(unique(kContains, private_concept("finding_uid"), finding.tracking_uid));
  return group;
}

/// Normal or abnormal by the score's own operating point; without one the normality is left undetermined.
SrItem score_group(const std::string& name, double score, const cogs::CogResult& result) {
  const std::string uid =
      derived_uid({"score", result.provenance.cog, name,
                   result.provenance.input_uids.empty() ? "" : result.provenance.input_uids.front()});
  SrItem group = tracked_group("1501", name, uid, result.provenance);
  const auto point = result.score_operating_points.find(name);
  const bool known = point != result.score_operating_points.end();
  const bool positive = known && score >= point->second.threshold;
  if (name == "remarkable") {
    const std::string_view value = !known ? "normality_undetermined" : positive ? "abnormal" : "normal";
    group.children.push_back(coded(kContains, code("normality"), code(value)));
  }
  group.children.push_back(worded(kContains, private_concept("score_name"), name));
  group.children.push_back(measured(kContains, private_concept("score"), score, code("unit_one")));
  if (known) add_operating_point(group, point->second, positive);
  return group;
}

Code unit_code(const std::string& ucum) {
  if (ucum == "a") return code("unit_year");
  if (ucum == "mm") return code("unit_millimetre");
  if (ucum.empty() || ucum == "1") return code("unit_one");
  return {ucum, "UCUM", ucum};
}

SrItem measurement_group(const cogs::Measurement& measurement, const cogs::CogResult& result) {
  SrItem group = tracked_group("1501", measurement.name, measurement.tracking_uid, result.provenance);
  Code name = measurement.code;
  if (name.value.empty()) name = {measurement.name.substr(0, 16), std::string(kPrivateScheme), measurement.name};
  const Code unit = unit_code(measurement.unit);
  SrItem number = measured(kContains, name, measurement.value, unit);
  if (measurement.uncertainty)
    number.children.push_back(measured(kProperties, code("measurement_uncertainty"), *measurement.uncertainty, unit));
  group.children.push_back(std::move(number));
  if (!measurement.uncertainty_source.empty())
    group.children.push_back(worded(kContains, private_concept("uncertainty_of"), measurement.uncertainty_source));
  return group;
}

/// The run's parameters, eligibility, warnings, the origin of an image that is no patient's, and the draft text.
SrItem evaluations(const dicom::InstanceHeader& header, const cogs::CogResult& result, const std::string& language) {
  SrItem group = container(kContains, code("qualitative_evaluations"));
  auto& children = group.children;
  append(children, algorithm_nodes(kConceptModifier, result.provenance));
  append(children, parameter_nodes(kConceptModifier, result.provenance));
  if (result.status == cogs::Status::ineligible) {
    children.push_back(coded(kContains, private_concept("eligibility"), private_concept("ineligible")));
    children.push_back(coded(kContains, code("normality"), code("normality_undetermined")));
  }
  for (const cogs::Ineligibility& reason : result.reasons) {
    SrItem node = coded(kContains, private_concept("reason"),
                        {reason.code, std::string(kPrivateScheme), reason.text.empty() ? reason.code : reason.text});
    if (reason.probability)
      node.children.push_back(measured(kProperties, code("probability"), *reason.probability, code("unit_one")));
    children.push_back(std::move(node));
    children.push_back(worded(kContains, private_concept("reason"), reason.text.empty() ? reason.code : reason.text));
  }
  const std::string origin = origin_text(header, language);
  if (!origin.empty()) children.push_back(worded(kContains, private_concept("origin"), origin));
  for (const std::string& warning : result.warnings)
    children.push_back(worded(kContains, private_concept("warning"), warning));
  if (!result.draft_text.empty()) children.push_back(worded(kContains, private_concept("draft"), result.draft_text));
  children.push_back(worded(kContains, code("comment"), page::text(language, "not_reviewed")));
  return group;
}

SrItem imaging_measurements(const cogs::CogResult& result, const dicom::ImageReference& image) {
  SrItem measurements = container(kContains, code("imaging_measurements"));
  auto& children = measurements.children;
  for (const auto& [name, score] : result.scores) children.push_back(score_group(name, score, result));
  for (const cogs::Finding& finding : result.findings) children.push_back(finding_group(finding, result));
  for (const cogs::Region& region : result.regions) children.push_back(region_group(region, result, image));
  for (const cogs::Measurement& measurement : result.measurements)
    children.push_back(measurement_group(measurement, result));
  return measurements;
}

}  // namespace

dicom::SrObject measurement_report(const cogs::Picture& picture, const cogs::CogResult& result,
                                   const std::string& language) {
  dicom::SrObject object;
  object.frame = object_frame(picture.header, result.provenance, kReport, language);
  object.sop_class_uid = kComprehensive3dSr;
  object.root = container("", code("imaging_measurement_report"), "1500");
  const dicom::ImageReference image = source_reference(picture.header);
  auto& children = object.root.children;
  children.push_back(language_node(language));
  append(children, observer_nodes(object.frame.equipment));
  children.push_back(coded(kConceptModifier, code("procedure_reported"), code("xr_unspecified_body_region")));
  children.push_back(image_library(picture.header, picture.film() ? picture.film()->spacing : std::nullopt));
  if (result.status == cogs::Status::done) {
    SrItem measurements = imaging_measurements(result, image);
    if (!measurements.children.empty()) children.push_back(std::move(measurements));
  }
  children.push_back(evaluations(picture.header, result, language));
  object.evidence = {image};
  return object;
}

}  // namespace rouage::results
