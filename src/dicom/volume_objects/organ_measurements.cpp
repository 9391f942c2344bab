/// TID 1500 with one TID 1411 group (volumetric ROI measurements) an organ.
#include "base/error.h"
#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom {
namespace {

constexpr std::string_view kContains = "CONTAINS", kModifier = "HAS CONCEPT MOD", kObservation = "HAS OBS CONTEXT",
                           kAcquisition = "HAS ACQ CONTEXT";
constexpr std::string_view kComprehensive3dSr = "1.2.840.10008.5.1.4.1.1.88.34";

// DICOM PS3.16 annex D and UCUM; the first three as in DCMTK 3.6.7 dcmsr/codes/dcm.h.
const Code kDerivation{"121401", "DCM", "Derivation"};
const Code kSourceSeries{"121232", "DCM", "Source series for segmentation"};
const Code kAttenuation{"112031", "DCM", "Attenuation Coefficient"};
const Code kMrSignal{"110852", "DCM", "MR signal intensity"};
const Code kMillilitre{"mL", "UCUM", "milliliter"};

SrItem node(SrItem::Type type, std::string_view relationship, const Code& name) {
  SrItem item;
  item.type = type;
  item.relationship = relationship;
  item.concept_name = name;
  return item;
}

SrItem coded(std::string_view relationship, std::string_view name, const Code& value) {
  SrItem item = node(SrItem::Type::code, relationship, concept_code(name));
  item.code = value;
  return item;
}

SrItem worded(SrItem::Type type, std::string_view relationship, std::string_view name, std::string text) {
  SrItem item = node(type, relationship, concept_code(name));
  item.text = std::move(text);
  return item;
}

SrItem number(const Code& name, double value, const Code& unit) {
  SrItem item = node(SrItem::Type::num, kContains, name);
  item.number = value;
  item.unit = unit;
  return item;
}

/// The place is the type itself for an organ, the region for what lies in one; the side stands below it.
SrItem site_of(const OrganCodes& codes) {
  SrItem site = coded(kModifier, "finding_site", codes.region ? *codes.region : codes.type);
  if (const auto side = laterality_of(codes)) site.children.push_back(coded(kModifier, "laterality", *side));
  return site;
}

void add_intensities(std::vector<SrItem>& to, const LabelFigures& figures, const IntensityMeaning& meaning) {
  struct Row {
    const std::optional<double>& value;
    std::string_view derivation;
  };
  for (const Row& row :
       {Row{figures.mean, "mean"}, Row{figures.standard_deviation, "standard_deviation"},
        Row{figures.minimum, "minimum"}, Row{figures.maximum, "maximum"}, Row{figures.median, "median"}}) {
    if (!row.value) continue;
    SrItem item = number(meaning.quantity, *row.value, meaning.unit);
    SrItem derivation = node(SrItem::Type::code, kModifier, kDerivation);
    derivation.code = concept_code(row.derivation);
    item.children.push_back(std::move(derivation));
    to.push_back(std::move(item));
  }
}

SrItem organ_group(const OrganMeasurement& organ, const MeasurementContext& context) {
  SrItem group = node(SrItem::Type::container, kContains, concept_code("measurement_group"));
  group.template_id = "1411";
  auto& children = group.children;
  children.push_back(worded(SrItem::Type::text, kObservation, "tracking_identifier", organ.tracking_id));
  children.push_back(worded(SrItem::Type::uidref, kObservation, "tracking_unique_identifier", organ.tracking_uid));
  children.push_back(coded(kContains, "finding", organ.codes.type));
  SrItem segment = node(SrItem::Type::image, kContains, concept_code("referenced_segment"));
  segment.reference = context.segmentation;
  segment.reference.segment = organ.segment;
  children.push_back(std::move(segment));
  if (!context.source_series_uid.empty()) {
    SrItem series = node(SrItem::Type::uidref, kContains, kSourceSeries);
    series.text = context.source_series_uid;
    children.push_back(std::move(series));
  }
  children.push_back(site_of(organ.codes));
  children.push_back(worded(SrItem::Type::text, kModifier, "algorithm_name", context.algorithm_name));
  children.push_back(worded(SrItem::Type::text, kModifier, "algorithm_version", context.algorithm_version));
  children.push_back(number(concept_code("volume"), organ.figures.volume_ml, kMillilitre));
  if (organ.intensity) add_intensities(children, organ.figures, *organ.intensity);
  return group;
}

SrItem image_library(const ObjectFrame& frame, std::span<const ImageReference> sources) {
  SrItem library = node(SrItem::Type::container, kContains, concept_code("image_library"));
  SrItem group = node(SrItem::Type::container, kContains, concept_code("image_library_group"));
  const std::string& modality = frame.source.modality;
  if (!modality.empty()) group.children.push_back(coded(kAcquisition, "modality", {modality, "DCM", modality}));
  for (const ImageReference& source : sources) {
    SrItem image;
    image.type = SrItem::Type::image;
    image.relationship = kContains;
    image.reference = source;
    group.children.push_back(std::move(image));
  }
  library.children.push_back(std::move(group));
  return library;
}

}  // namespace

std::optional<IntensityMeaning> intensity_meaning(std::string_view modality, std::string_view ucum) {
  if (modality == "CT" && ucum == "[hnsf'U]")
    return IntensityMeaning{kAttenuation, {"[hnsf'U]", "UCUM", "Hounsfield unit"}};
  if (modality == "MR") return IntensityMeaning{kMrSignal, concept_code("unit_one")};
  if (ucum == "g/mL{SUVbw}")
    return IntensityMeaning{concept_code("suvbw"), {"g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight"}};
  return std::nullopt;
}

std::vector<SrItem> organ_measurements(std::span<const OrganMeasurement> organs, const MeasurementContext& context) {
  std::vector<SrItem> groups;
  for (const OrganMeasurement& organ : organs) {
    if (organ.segment < 1 || context.segmentation.sop_instance_uid.empty())
      throw Error(ErrorCode::WriteInvalid, "a measurement without its segment")
          .tag("(0062,000B) ReferencedSegmentNumber");
    if (organ.tracking_id.empty() || organ.tracking_uid.empty())
      throw Error(ErrorCode::WriteInvalid, "a measurement without its tracking identifier")
          .tag("(0062,0021) TrackingUID");
    groups.push_back(organ_group(organ, context));
  }
  return groups;
}

SrObject organ_report(const ObjectFrame& frame, std::span<const OrganMeasurement> organs,
                      const MeasurementContext& context, std::span<const ImageReference> sources,
                      std::string_view language) {
  SrObject report;
  report.frame = frame;
  report.sop_class_uid = kComprehensive3dSr;
  report.root = node(SrItem::Type::container, "", concept_code("imaging_measurement_report"));
  report.root.template_id = "1500";
  auto& children = report.root.children;
  children.push_back(coded(kModifier, "language_of_content_item_and_descendants",
                           concept_code(language == "fr" ? "french" : "english")));
  children.push_back(coded(kObservation, "observer_type", concept_code("device")));
  children.push_back(worded(SrItem::Type::uidref, kObservation, "device_observer_uid", frame.equipment.device_uid));
  children.push_back(
      worded(SrItem::Type::text, kObservation, "device_observer_manufacturer", frame.equipment.manufacturer));
  children.push_back(
      worded(SrItem::Type::text, kObservation, "device_observer_model_name", frame.equipment.model_name));
  children.push_back(coded(kModifier, "procedure_reported",
                           concept_code(frame.source.modality == "CT" ? "ct_report" : "diagnostic_imaging_report")));
  if (!sources.empty()) children.push_back(image_library(frame, sources));
  SrItem measurements = node(SrItem::Type::container, kContains, concept_code("imaging_measurements"));
  measurements.children = organ_measurements(organs, context);
  children.push_back(std::move(measurements));
  report.evidence.assign(sources.begin(), sources.end());
  report.evidence.push_back(context.segmentation);
  return report;
}

}  // namespace rouage::dicom
