#include "cogs/chest/chest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/values.h"
#include "cogs/chest/eligibility.h"
#include "cogs/chest/explanation.h"
#include "cogs/chest/header_rules.h"
#include "cogs/chest/reasons.h"
#include "cogs/chest/regions.h"

namespace rouage::cogs::chest {
namespace {

using infer::LoadedModel;
using infer::PackageOutput;

/// What the net said about one film, with all that reading it needs.
struct Reading {
  const Picture& picture;
  const CogContext& context;
  const LoadedModel& model;
  std::string point;  ///< name of the operating point
  infer::Tensor input, logits, features;
  std::vector<Map> maps;  ///< activation or occlusion maps by output index; made when first needed
  std::string map_role;   ///< "activation_map" or "occlusion_map"
  std::string key;        ///< digest of the provenance: the root of all ids
  double logit(const PackageOutput& o) const {
    return static_cast<double>(logits.values.at(static_cast<std::size_t>(o.index)));
  }
  const std::string& sop() const { return picture.header.sop_instance_uid; }
};

ModelIdentity identity(const infer::Package& p) {
  return {p.name, p.version, p.digest, p.maker};
}

std::string operating_point_name(const CogContext& context, const infer::Package& package) {
  std::set<std::string> known;
  for (const PackageOutput& o : package.outputs)
    for (const auto& point : o.operating_points) known.insert(point.name);
  std::string wanted = option(context, "operating_point", "balanced");
  // A package without any operating point (an imported net) calls nothing positive, whatever is asked.
  if (!known.empty() && !known.contains(wanted))
    throw Error(ErrorCode::OptionInvalid,
                fmt::format("operating_point \"{}\"; this package has {}", wanted, fmt::join(known, ", ")));
  return wanted;
}

Provenance provenance(const Picture& picture, const CogContext& context, const LoadedModel& model,
                      const LoadedModel& gate) {
  const infer::Package& package = model.package();
  Provenance p;
  p.cog = "chest";
  p.cog_version = kVersion;
  p.models = {identity(package), identity(gate.package())};
  p.engine = "onnxruntime " + infer::runtime_version();
  p.precision = "f32";
  p.language = context.language;
  p.input_uids = {picture.header.sop_instance_uid};
  const std::string point = operating_point_name(context, package);
  std::string thresholds, calibration;
  for (const PackageOutput& o : package.outputs) {
    if (const auto* at = o.operating_point(point)) thresholds += o.label + "=" + number_text(at->threshold) + ";";
    if (o.platt_a) calibration += o.label + "=" + number_text(*o.platt_a) + "," + number_text(*o.platt_b) + ";";
  }
  p.parameters = {{"operating_point", point},
                  {"thresholds", thresholds},
                  {"calibration", calibration},
                  {"explain", option(context, "explain", "")},
                  {"guided", option(context, "guided", "off")},
                  {"maps", option(context, "maps", "on")},
                  {"region_fraction", number_text(kRegionFraction)}};
  return p;
}

std::optional<OperatingPoint> operating_point(const PackageOutput& output, const std::string& name) {
  const infer::PackageOperatingPoint* found = output.operating_point(name);
  if (found == nullptr) return std::nullopt;
  return OperatingPoint{found->name, found->threshold, found->sensitivity, found->specificity, found->set_on};
}

/// Maps of all outputs: from the feature map, or by occlusion where the net gives none.
const Map& map_of(Reading& reading, int output) {
  if (reading.maps.empty()) {
    if (!reading.features.values.empty()) {
      reading.map_role = "activation_map";
      const infer::Tensor& head = reading.model.head_weight();
      for (int k = 0; k < head.shape.at(0); ++k) reading.maps.push_back(activation_map(reading.features, head, k));
    } else {
      reading.map_role = "occlusion_map";
      reading.maps = occlusion_maps(reading.model, reading.input, reading.context.cancel);
    }
  }
  return reading.maps.at(static_cast<std::size_t>(output));
}

void add_regions(Reading& reading, const PackageOutput& output, Finding& finding, CogResult& result) {
  const image::Film& film = *reading.picture.film();
  const auto& orientation =
      film.patient_orientation[0].empty() ? reading.picture.header.patient_orientation : film.patient_orientation;
  int index = 0;
  for (const FoundRegion& found : find_regions(map_of(reading, output.index), film.columns, film.rows)) {
    Region region;
    const std::string number = std::to_string(index++);
    region.id = derived_id("region", {reading.key, output.label, number});
    region.tracking_uid = derived_uid({"region", reading.sop(), reading.model.package().name, output.label, number});
    region.label = output.label;
    region.code = finding.code;
    region.site = finding.site;
    region.laterality =
        median_label(output.label) ? Laterality::none : side_of(found.box, film.columns, film.rows, orientation);
    region.sop_instance_uid = reading.sop();
    region.shape = found.box;
    region.score = found.score;
    region.derivation = region_derivation(reading.map_role);
    finding.laterality = joined(finding.laterality, region.laterality);
    finding.regions.push_back(region.id);
    result.regions.push_back(std::move(region));
  }
}

void add_finding(Reading& reading, const PackageOutput& output, CogResult& result) {
  Finding finding;
  finding.id = derived_id("finding", {reading.key, output.label});
  finding.tracking_uid = derived_uid({"finding", reading.sop(), reading.model.package().name, output.label});
  finding.label = output.label;
  finding.code = dicom::finding_code(output.label);
  finding.site = dicom::finding_site(output.label);
  finding.raw_score = reading.logit(output);
  finding.probability = output.probability(finding.raw_score);
  finding.operating_point = operating_point(output, reading.point);
  finding.positive =
      finding.probability && finding.operating_point && *finding.probability >= finding.operating_point->threshold;
  if (finding.positive) add_regions(reading, output, finding, result);
  result.findings.push_back(std::move(finding));
}

void add_score(const Reading& reading, const PackageOutput& output, CogResult& result) {
  const double logit = reading.logit(output);
  result.scores[output.label] = output.probability(logit).value_or(1 / (1 + std::exp(-logit)));
  if (const auto point = operating_point(output, reading.point)) result.score_operating_points[output.label] = *point;
}

/// The header's projection against the picture's: the header counts, a disagreement is said.
void compare_view(const Reading& reading, const PackageOutput& output, CogResult& result) {
  const double ap = result.scores.at(output.label);
  const auto* point = output.operating_point("balanced");
  const bool looks_ap = ap >= (point != nullptr ? point->threshold : 0.5);
  const View said = view_of(reading.picture.header.view_position);
  if (said == View::unknown)
    result.warnings.push_back(
        fmt::format("the header does not say the projection; the picture looks {}", looks_ap ? "AP" : "PA"));
  else if ((said == View::ap) != looks_ap)
    result.warnings.push_back(fmt::format("the header says {}, the picture looks {} (probability of AP {:.2f})",
                                          said == View::ap ? "AP" : "PA", looks_ap ? "AP" : "PA", ap));
}

void add_age(const Reading& reading, const PackageOutput& output, CogResult& result) {
  Measurement m;
  m.id = derived_id("measurement", {reading.key, output.label});
  m.tracking_uid = derived_uid({"measurement", reading.sop(), reading.model.package().name, output.label});
  m.name = output.label;
  m.code = {output.label, "99ROUAGE", "Age estimated from the film"};
  m.value = output.offset + output.scale * reading.logit(output);
  m.unit = output.unit.empty() ? "a" : output.unit;
  m.uncertainty = output.uncertainty_sd;
  m.uncertainty_source = output.calibrated_on;
  result.measurements.push_back(std::move(m));
}

void add_outputs(Reading& reading, CogResult& result) {
  bool calibrated = false;
  for (const PackageOutput& output : reading.model.package().outputs) {
    stop_if_cancelled(reading.context);
    calibrated = calibrated || output.platt_a.has_value();
    if (output.kind == "finding") add_finding(reading, output, result);
    if (output.kind == "score" || output.kind == "view" || output.kind == "sex") add_score(reading, output, result);
    if (output.kind == "view") compare_view(reading, output, result);
    if (output.kind == "age") add_age(reading, output, result);
  }
  if (!calibrated)
    result.warnings.emplace_back("the package has no calibration: scores are raw and no finding is called positive");
}

/// Labels whose maps are kept: positive findings, a positive score, and what `explain` asks for.
std::set<std::string> labels_to_explain(const Reading& reading, const CogResult& result) {
  std::set<std::string> labels, known;
  for (const PackageOutput& o : reading.model.package().outputs) known.insert(o.label);
  const std::string wanted = option(reading.context, "explain", "");
  if (wanted == "all") return known;
  for (const std::string& word : split(wanted, ',')) {
    const std::string label(trimmed(word));
    if (label.empty()) continue;
    if (!known.contains(label))
      throw Error(ErrorCode::OptionInvalid,
                  fmt::format("explain \"{}\"; the package has {}", label, fmt::join(known, ", ")));
    labels.insert(label);
  }
  for (const Finding& f : result.findings)
    if (f.positive) labels.insert(f.label);
  for (const auto& [label, point] : result.score_operating_points)
    if (label == "remarkable" && result.scores.at(label) >= point.threshold) labels.insert(label);
  return labels;
}

void add_maps(Reading& reading, CogResult& result) {
  if (option(reading.context, "maps", "on") == "off") return;
  const bool guided = option(reading.context, "guided", "off") == "on";
  const std::set<std::string> labels = labels_to_explain(reading, result);
  for (const PackageOutput& output : reading.model.package().outputs) {
    if (!labels.contains(output.label)) continue;
    stop_if_cancelled(reading.context);
    const Map& map = map_of(reading, output.index);
    result.derived_images.push_back(derived_image(map, reading.map_role, output.label, reading.sop()));
    if (!guided || reading.model.guided() == nullptr) continue;
    // Values are never negative, so that dividing by the largest is all that is left to do.
    Map sharp = guided_map(reading.model, reading.input, output.index, map);
    const float highest = *std::max_element(sharp.values.begin(), sharp.values.end());
    if (highest > 0)
      for (float& v : sharp.values) v /= highest;
    result.derived_images.push_back({"guided_grad_cam", output.label, reading.sop(), sharp.columns, sharp.rows,
                                     std::move(sharp.values), static_cast<double>(highest)});
  }
}

void check_options(const CogContext& context) {
  static const std::set<std::string> kKnown{"model", "gate", "operating_point", "explain", "guided", "maps"};
  for (const auto& [name, value] : context.options)
    if (!kKnown.contains(name))
      throw Error(ErrorCode::OptionInvalid,
                  fmt::format("\"{}\"; the chest cog knows {}", name, fmt::join(kKnown, ", ")));
  for (const char* name : {"guided", "maps"})
    if (const std::string value = option(context, name, "on"); value != "on" && value != "off")
      throw Error(ErrorCode::OptionInvalid, fmt::format("{} is on or off, not \"{}\"", name, value));
}

std::shared_ptr<const LoadedModel> package(const CogContext& context, const char* role, const char* otherwise) {
  std::shared_ptr<const LoadedModel> model = context.model(option(context, role, otherwise));
  if (!model) throw Error(ErrorCode::Internal, std::string("no package was lent for ") + role);
  if (model->package().cog != "chest")
    throw Error(ErrorCode::OptionInvalid, fmt::format("package {} is for the cog {}, not for chest",
                                                      model->package().name, model->package().cog));
  return model;
}

bool same_view(const infer::PackageInput& a, const infer::PackageInput& b) {
  return a.size == b.size && a.channels == b.channels && a.resize == b.resize && a.normalisation == b.normalisation &&
         a.clip == b.clip;
}

}  // namespace

std::string option(const CogContext& context, const std::string& name, const std::string& otherwise) {
  const auto at = context.options.find(name);
  return at == context.options.end() ? otherwise : at->second;
}

void stop_if_cancelled(const CogContext& context) {
  if (context.cancel != nullptr && context.cancel->load()) throw Error(ErrorCode::Cancelled);
}

const Picture& the_film(const CogInput& input) {
  if (input.current.size() != 1 || input.current.front().film() == nullptr)
    throw Error(ErrorCode::RoleMissing,
                fmt::format("the chest cog reads one film a call, it was given {}", input.current.size()));
  return input.current.front();
}

Eligibility eligible(const CogInput& input, const CogContext& context) {
  const Picture& picture = the_film(input);
  check_options(context);
  return judge_film(picture, *package(context, "model", kModel), *package(context, "gate", kGate)).eligibility;
}

CogResult run(const CogInput& input, const CogContext& context) {
  const Picture& picture = the_film(input);
  check_options(context);
  const auto model = package(context, "model", kModel), gate = package(context, "gate", kGate);
  CogResult result;
  result.provenance = provenance(picture, context, *model, *gate);
  result.warnings = picture.header.warnings;
  FilmJudgement judged = judge_film(picture, *model, *gate);
  const Eligibility& may = judged.eligibility;
  result.warnings.insert(result.warnings.end(), may.warnings.begin(), may.warnings.end());
  if (!may.eligible) {
    result.status = Status::ineligible;
    result.reasons = may.reasons;
    return result;
  }
  stop_if_cancelled(context);
  const infer::Package& p = model->package();
  Reading reading{picture, context, *model, operating_point_name(context, p), {}, {}, {}, {}, {}, {}};
  // Both nets that ship see the film alike: it is squeezed once.
  reading.input = same_view(p.input, gate->package().input) ? std::move(judged.gate_input)
                                                            : infer::film_tensor(*picture.film(), p.input);
  const std::vector<std::string> parts = result.provenance.uid_parts();
  reading.key = digest_of(parts).hex();
  std::vector<std::string> wanted{p.logits};
  if (!p.features.empty()) wanted.push_back(p.features);
  std::vector<infer::Tensor> answers = model->answer(reading.input, wanted);
  reading.logits = std::move(answers[0]);
  if (answers.size() > 1) reading.features = std::move(answers[1]);
  add_outputs(reading, result);
  add_maps(reading, result);
  return result;
}

Cog description() {
  return {.name = "chest",
          .version = kVersion,
          .title = "Frontal chest film: findings, remarkable or not, estimated age",
          .modalities = {"CR", "DX"},
          .required_roles = {"current"},
          .packages = {kModel, kGate},
          .eligible = &eligible,
          .run = &run,
          .combine = &combine};
}

}  // namespace rouage::cogs::chest
