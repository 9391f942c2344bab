#include "results/volume_results.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "results/frames.h"

namespace rouage::results {
namespace fs = std::filesystem;
namespace {

constexpr ObjectKind kOrgans{
    "seg", "seg.dcm", kSegmentation, 9011, "AI structures, not reviewed", "Structures IA, non relues"};
constexpr ObjectKind kOrganMap{"label_map",
                               "label-map.dcm",
                               "1.2.840.10008.5.1.4.1.1.66.7",
                               9012,
                               "AI label map, not reviewed",
                               "Carte d'étiquettes IA, non relue"};
constexpr ObjectKind kStructureSet{"rtstruct",
                                   "rtstruct.dcm",
                                   "1.2.840.10008.5.1.4.1.1.481.3",
                                   9013,
                                   "AI contours, not reviewed",
                                   "Contours IA, non relus"};
constexpr ObjectKind kOrganReport{
    "sr", "sr.dcm", kComprehensive3dSr, 9014, "AI measurements, not reviewed", "Mesures IA, non relues"};

/// A colour a structure, far from its neighbours' in hue (golden angle), the same for the same value everywhere.
dicom::Rgb colour_of(std::uint16_t value) {
  const double hue = std::fmod(value * 0.6180339887498949, 1.0) * 6;
  const double lightness = 0.55 + 0.15 * (value % 3 - 1);
  const double chroma = 1 - std::abs(2 * lightness - 1), x = chroma * (1 - std::abs(std::fmod(hue, 2.0) - 1));
  const double red = hue < 1 || hue >= 5 ? chroma : hue < 2 || hue >= 4 ? x : 0;
  const double green = hue >= 1 && hue < 3 ? chroma : hue < 4 ? x : 0;
  const double blue = hue >= 3 && hue < 5 ? chroma : hue >= 2 ? x : 0;
  const auto byte = [&](double part) {
    return static_cast<std::uint8_t>(std::lround(255 * std::clamp(part + lightness - chroma / 2, 0.0, 1.0)));
  };
  return {byte(red), byte(green), byte(blue)};
}

/// Series, grid, labels and names, as every object needs them.
struct Scene {
  const dicom::SeriesVolume& source;
  const VolumeSegmentation& segmentation;
  const VolumeResultOptions& options;
  std::vector<dicom::ImageReference> slices;  ///< in k order; empty for a resampled series
  dicom::LabelSource labels;

  dicom::ObjectFrame frame(const ObjectKind& kind) const {
    return object_frame(source.instances.front(), segmentation.provenance, kind, options.language);
  }
  std::string tracking_uid(const VolumeLabel& label) const {
    return derived_uid({source.series_instance_uid, segmentation.provenance.cog, label.name, "structure"});
  }
  std::string tracking_id(const VolumeLabel& label) const {
    return derived_id("structure", {source.series_instance_uid, segmentation.provenance.cog, label.name});
  }
};

std::vector<dicom::ImageReference> slice_references(const dicom::SeriesVolume& source) {
  std::vector<dicom::ImageReference> references;
  if (source.resampled) return references;
  for (const dicom::SliceSource& slice : source.slices) {
    const dicom::InstanceHeader& header = source.instances[slice.instance];
    dicom::ImageReference reference = source_reference(header);
    reference.frame = header.frames > 1 ? static_cast<int>(slice.frame) : 0;
    references.push_back(reference);
  }
  return references;
}

dicom::VolumeSegment segment_of(const Scene& scene, const VolumeLabel& label) {
  const cogs::Provenance& provenance = scene.segmentation.provenance;
  return {.value = label.value,
          .label = label.name,
          .description = {},
          .algorithm_name = algorithm_name(provenance),
          .algorithm_version = algorithm_version(provenance),
          .tracking_id = scene.tracking_id(label),
          .tracking_uid = scene.tracking_uid(label),
          .codes = dicom::organ_codes(label.name),
          .cielab = dicom::cielab_of(colour_of(label.value))};
}

ResultFile file_of(const ObjectKind& kind, const dicom::ObjectFrame& frame) {
  return dicom_file(kind, frame, {});
}

/// Written in pieces; durable only as far as its folder's publication is.
dicom::SegWritten write_segments(const Scene& scene, const ObjectKind& kind, dicom::SegKind form,
                                 const fs::path& file) {
  dicom::SegVolumeObject object{.frame = scene.frame(kind),
                                .grid = scene.segmentation.labels.grid,
                                .frame_of_reference_uid = scene.source.frame_of_reference_uid,
                                .position_reference = {}};
  object.sources = scene.slices;
  for (const VolumeLabel& label : scene.segmentation.names) object.segments.push_back(segment_of(scene, label));
  object.kind = form;
  object.threads = scene.options.threads;
  DurableFile out(file);
  dicom::SegWritten written =
      dicom::write_seg_volume(object, scene.labels, [&](std::span<const std::uint8_t> bytes) { out.write(bytes); });
  out.finish(false);
  return written;
}

void write_structures(const Scene& scene, const fs::path& file) {
  dicom::RtStructObject object{.frame = scene.frame(kStructureSet),
                               .frame_of_reference_uid = scene.source.frame_of_reference_uid};
  object.sources = scene.slices;
  std::vector<std::uint16_t> values;
  for (const VolumeLabel& label : scene.segmentation.names) values.push_back(label.value);
  auto contours = dicom::label_contours(scene.segmentation.labels.grid, scene.labels, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (contours[i].empty()) continue;
    const VolumeLabel& label = scene.segmentation.names[i];
    const std::string standard = dicom::tg263_name(label.name);
    object.rois.push_back({.name = standard.empty() ? label.name : standard,
                           .description = label.name,
                           .algorithm_name = algorithm_name(scene.segmentation.provenance),
                           .interpreted_type = label.name == "body" ? "EXTERNAL" : "ORGAN",
                           .codes = dicom::organ_codes(label.name),
                           .colour = colour_of(label.value),
                           .contours = std::move(contours[i])});
  }
  if (object.rois.empty()) return;
  write_file(file, dicom::write_rtstruct(object));
}

void write_report(const Scene& scene, const dicom::ObjectFrame& seg_frame, const std::vector<int>& segment_numbers,
                  const fs::path& file) {
  const VolumeSegmentation& segmentation = scene.segmentation;
  std::vector<dicom::OrganMeasurement> organs;
  const auto meaning = dicom::intensity_meaning(scene.source.modality, segmentation.intensity_unit);
  for (std::size_t i = 0; i < segmentation.names.size(); ++i) {
    if (segmentation.figures[i].voxels == 0) continue;
    const VolumeLabel& label = segmentation.names[i];
    organs.push_back({.tracking_id = scene.tracking_id(label),
                      .tracking_uid = scene.tracking_uid(label),
                      .codes = dicom::organ_codes(label.name),
                      .segment = segment_numbers[i],
                      .figures = segmentation.figures[i],
                      .intensity = meaning});
  }
  const dicom::MeasurementContext context{
      .segmentation = {std::string(kSegmentation), seg_frame.sop_instance_uid, seg_frame.series_instance_uid,
                       scene.source.instances.front().study_instance_uid},
      .source_series_uid = scene.source.series_instance_uid,
      .algorithm_name = algorithm_name(segmentation.provenance),
      .algorithm_version = algorithm_version(segmentation.provenance)};
  const dicom::SrObject report =
      dicom::organ_report(scene.frame(kOrganReport), organs, context, scene.slices, scene.options.language);
  write_file(file, dicom::write_sr(report));
}

}  // namespace

std::vector<ResultFile> write_volume_results(const dicom::SeriesVolume& source, VolumeSegmentation& segmentation,
                                             const VolumeResultOptions& options, const fs::path& folder) {
  if (!source.referable)
    throw Error(ErrorCode::SeriesRefused, "the series has no UIDs, so that no DICOM result can refer to it")
        .remedy("write the label map as NIfTI (--out NAME.nii.gz)");
  if (source.resampled)
    segmentation.warnings.emplace_back("the series was resampled: results refer to the series, not to single slices");
  const image::LabelMap& map = segmentation.labels;
  const Scene scene{.source = source,
                    .segmentation = segmentation,
                    .options = options,
                    .slices = slice_references(source),
                    .labels = [&map](std::uint32_t k) { return map.slice(k); }};
  std::vector<ResultFile> files;
  std::vector<std::string> said;
  if (options.seg || options.report) {
    const dicom::SegWritten written =
        write_segments(scene, kOrgans, dicom::SegKind::binary, folder / kOrgans.file_name);
    said = written.warnings;
    files.push_back(file_of(kOrgans, scene.frame(kOrgans)));
    if (options.report) {
      write_report(scene, scene.frame(kOrgans), written.segment_numbers, folder / kOrganReport.file_name);
      files.push_back(file_of(kOrganReport, scene.frame(kOrganReport)));
    }
  }
  if (options.label_map) {
    write_segments(scene, kOrganMap, dicom::SegKind::label_map, folder / kOrganMap.file_name);
    files.push_back(file_of(kOrganMap, scene.frame(kOrganMap)));
  }
  if (options.structures) {
    write_structures(scene, folder / kStructureSet.file_name);
    if (fs::exists(folder / kStructureSet.file_name))
      files.push_back(file_of(kStructureSet, scene.frame(kStructureSet)));
  }
  segmentation.warnings.insert(segmentation.warnings.end(), said.begin(), said.end());
  return files;
}

std::string volume_json(const VolumeSegmentation& segmentation, const VolumeContext& context) {
  using Json = nlohmann::ordered_json;
  const auto figure = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  const cogs::Provenance& provenance = segmentation.provenance;
  Json json{{"input", context.inputs}, {"level", "series"}, {"cog", provenance.cog}, {"status", "done"}};
  if (!context.series_instance_uid.empty()) {
    json["study_instance_uid"] = context.study_instance_uid;
    json["series_instance_uid"] = context.series_instance_uid;
  }
  json["labels"] = Json::array();
  for (std::size_t i = 0; i < segmentation.names.size(); ++i) {
    const VolumeLabel& label = segmentation.names[i];
    const dicom::LabelFigures& figures = segmentation.figures[i];
    const dicom::OrganCodes codes = dicom::organ_codes(label.name);
    Json row{{"value", label.value},
             {"label", label.name},
             {"code", {{"value", codes.type.value}, {"scheme", codes.type.scheme}}},
             {"voxels", figures.voxels},
             {"volume_ml", figures.volume_ml}};
    if (const auto side = dicom::laterality_of(codes)) row["laterality"] = side->meaning;
    row["intensity"] = {{"unit", segmentation.intensity_unit},
                        {"mean", figure(figures.mean)},
                        {"standard_deviation", figure(figures.standard_deviation)},
                        {"minimum", figure(figures.minimum)},
                        {"median", figure(figures.median)},
                        {"maximum", figure(figures.maximum)}};
    json["labels"].push_back(row);
  }
  json["warnings"] = segmentation.warnings;
  json["outputs"] = context.outputs;
  if (!provenance.models.empty()) {
    const cogs::ModelIdentity& model = provenance.models.front();
    json["model"] = {{"name", model.name}, {"version", model.version}, {"digest", model.digest}};
  } else {
    json["model"] = nullptr;
  }
  json["engine"] = provenance.engine;
  json["precision"] = provenance.precision;
  json["parameters"] = provenance.parameters;
  if (!context.memory.empty()) json["memory"] = context.memory;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ineligible_volume_json(const VolumeContext& context, const std::string& code, const std::string& text) {
  using Json = nlohmann::ordered_json;
  const Json json{{"input", context.inputs}, {"level", "series"},
                  {"cog", "organs"},         {"status", "ineligible"},
                  {"reason", text},          {"reasons", Json::array({{{"code", code}, {"text", text}}})},
                  {"labels", Json::array()}, {"outputs", Json::array()}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rouage::results
