// The road of one image: checks, preprocessing, rows of windows, planes out.
#include "base/error.h"

#include <algorithm>
#include <cmath>
#include "infer/nnunet/exporter.h"
#include "infer/nnunet/memory.h"
#include "infer/nnunet/nnunet.h"
#include "infer/nnunet/predict.h"
#include "infer/nnunet/preprocess.h"

namespace rouage::infer {
namespace nnunet {
namespace {

/// Smallest step that makes sense; below it windows lie on one another thousands of times.
constexpr double kLeastStep = 0.05;

std::size_t axis_group(char letter) {
  if (letter == 'R' || letter == 'L') return 0;
  return letter == 'A' || letter == 'P' ? 1 : 2;
}

void check_options(const SegmentOptions& options) {
  if (!(options.step_size >= kLeastStep && options.step_size <= 1.0))
    throw Error(ErrorCode::OptionInvalid, "the window's step must lie in 0.05..1 of the patch");
  if (options.threads < 1) throw Error(ErrorCode::OptionInvalid, "at least one thread is needed");
}

template <class T>
void check_volume(const image::Volume<T>& volume, const std::string& what) {
  if (volume.grid.voxels() == 0 || volume.values.size() != volume.grid.voxels())
    throw Error(ErrorCode::VolumeInvalid, what + " is empty or does not fill its grid");
}

void check_channel(const image::Volume<float>& first, const image::Volume<float>& other, std::size_t c,
                   std::vector<std::string>& warnings) {
  const image::Point3 a = first.grid.spacing_mm(), b = other.grid.spacing_mm();
  bool same = first.grid.size == other.grid.size;
  for (std::size_t k = 0; k < 3; ++k) same = same && std::abs(a[k] - b[k]) <= 1e-4 * a[k];
  if (!same)
    throw Error(ErrorCode::GridMismatch,
                "channel " + std::to_string(c) + " has another size or spacing than channel 0");
  if (!image::same_grid(first.grid, other.grid))
    warnings.push_back("channel " + std::to_string(c) + " lies elsewhere than channel 0, whose place is taken");
}

void check_input(const SegmentInput& input, const NnunetModel& model, std::vector<std::string>& warnings) {
  if (input.channels.size() != model.channels.size()) {
    std::string names;
    for (const ChannelRule& c : model.channels) names += (names.empty() ? "" : ", ") + c.name;
    throw Error(ErrorCode::RoleMissing, "the model takes " + std::to_string(model.channels.size()) + " channels (" +
                                            names + "), " + std::to_string(input.channels.size()) + " are given");
  }
  for (std::size_t c = 0; c < input.channels.size(); ++c) {
    check_volume(input.channels[c], "channel " + std::to_string(c));
    check_channel(input.channels.front(), input.channels[c], c, warnings);
  }
  for (const double mm : input.channels.front().grid.spacing_mm())
    if (!(mm > 0) || !std::isfinite(mm)) throw Error(ErrorCode::VolumeInvalid, "the voxel spacing is not above 0");
  if (model.previous_stage.empty()) {
    if (input.previous_stage != nullptr)
      warnings.emplace_back("the model has no previous stage: its labels are not used");
    return;
  }
  if (input.previous_stage == nullptr)
    throw Error(ErrorCode::RoleMissing, "the configuration " + model.configuration + " needs the labels of " +
                                            model.previous_stage + " on the same grid");
  check_volume(*input.previous_stage, "the previous stage's label map");
  if (input.previous_stage->grid.size != input.channels.front().grid.size)
    throw Error(ErrorCode::GridMismatch, "the previous stage's label map has another size than the channels");
}

struct Seen {
  std::vector<View<float>> channels;
  std::optional<View<std::uint16_t>> previous;
  Spacing3 spacing{};
};

Seen views_of(const SegmentInput& input, const NnunetModel& model) {
  Seen seen;
  for (const image::Volume<float>& channel : input.channels)
    seen.channels.push_back(transposed_view(channel, model.transpose_forward));
  if (input.previous_stage != nullptr && !model.previous_stage.empty())
    seen.previous = transposed_view(*input.previous_stage, model.transpose_forward);
  seen.spacing =
      transposed(input.spacing_kji_mm.value_or(spacing_of(input.channels.front().grid)), model.transpose_forward);
  return seen;
}

SegmentResult run(const SegmentInput& input, const NnunetModel& model, const SegmentOptions& options,
                  const NetFactory& nets, const SegmentSinks& sinks) {
  const Seen seen = views_of(input, model);
  const Box box = nonzero_box(seen.channels, options.threads);
  const Geometry geometry = geometry_of(model, seen.channels.front().size, box, seen.spacing, options.step_size);
  SegmentResult result;
  result.memory = memory_of(model, geometry, options);
  result.box_first = box.first;
  result.box_end = box.end;
  result.cropped = geometry.cropped;
  result.preprocessed = geometry.target;
  result.windows = geometry.windows();
  report(options, SegmentStage::preprocess, 0, 1);
  const Preprocessed data =
      preprocess(seen.channels, seen.previous ? &*seen.previous : nullptr, model, geometry, options.threads);
  report(options, SegmentStage::preprocess, 1, 1);
  Exporter exporter(geometry, model, options.accumulation, options.threads, sinks.labels);
  predict({data, geometry, model, options, nets, result.memory.nets_kept}, exporter, sinks.logits);
  exporter.finish();
  result.label_voxels = exporter.counts();
  return result;
}

/// The same on copies turned to RAS; labels are turned back.
SegmentResult run_turned(const SegmentInput& input, const NnunetModel& model, const SegmentOptions& options,
                         const NetFactory& nets, const SegmentSinks& sinks) {
  const image::Grid& grid = input.channels.front().grid;
  const std::string orientation = grid.orientation();
  std::vector<image::Volume<float>> turned;
  for (const image::Volume<float>& channel : input.channels) turned.push_back(image::reoriented(channel, "RAS"));
  std::optional<image::LabelMap> previous;
  if (input.previous_stage != nullptr) previous = image::reoriented(*input.previous_stage, "RAS");
  SegmentInput inner{turned, previous ? &*previous : nullptr, std::nullopt};
  if (input.spacing_kji_mm) {
    inner.spacing_kji_mm = Spacing3{};
    for (std::size_t a = 0; a < 3; ++a)  // letters are of i, j, k; spacings of k, j, i
      (*inner.spacing_kji_mm)[2 - axis_group(orientation[a])] = (*input.spacing_kji_mm)[2 - a];
  }
  image::LabelMap labels{turned.front().grid, std::vector<std::uint16_t>(turned.front().values.size()), ""};
  const std::size_t slice = std::size_t{labels.grid.size[0]} * labels.grid.size[1];
  SegmentSinks collect{[&](std::uint32_t k, std::span<const std::uint16_t> values) {
                         std::copy(values.begin(), values.end(),
                                   labels.values.begin() + static_cast<std::ptrdiff_t>(k * slice));
                       },
                       sinks.logits};
  SegmentResult result = run(inner, model, options, nets, collect);
  turned.clear();
  labels = image::reoriented(labels, orientation);
  if (sinks.labels)
    for (std::uint32_t k = 0; k < labels.grid.size[2]; ++k) sinks.labels(k, labels.slice(k));
  return result;
}

}  // namespace
}  // namespace nnunet

SegmentResult segment(const SegmentInput& input, const NnunetModel& model, const SegmentOptions& options,
                      const NetFactory& nets, const SegmentSinks& sinks) {
  nnunet::check_options(options);
  std::vector<std::string> warnings = model.warnings;
  nnunet::check_input(input, model, warnings);
  SegmentResult result = nnunet::reorients(model, input.channels.front().grid)
                             ? nnunet::run_turned(input, model, options, nets, sinks)
                             : nnunet::run(input, model, options, nets, sinks);
  result.warnings = std::move(warnings);
  return result;
}

image::LabelMap segment_to_volume(const SegmentInput& input, const NnunetModel& model, const SegmentOptions& options,
                                  const NetFactory& nets, SegmentResult* result) {
  image::LabelMap labels;
  const LabelSink sink = [&](std::uint32_t, std::span<const std::uint16_t> slice) {
    labels.values.insert(labels.values.end(), slice.begin(), slice.end());
  };
  if (!input.channels.empty()) {
    labels.grid = input.channels.front().grid;
    labels.values.reserve(input.channels.front().values.size());
  }
  SegmentResult done = segment(input, model, options, nets, {sink, {}});
  if (result != nullptr) *result = std::move(done);
  return labels;
}

void export_labels(const ExportGeometry& geometry, const NnunetModel& model, const SegmentOptions& options,
                   const LogitsSource& source, const LabelSink& sink) {
  nnunet::check_options(options);
  nnunet::Geometry g;
  g.full = geometry.grid;
  g.box = {geometry.box_first, geometry.box_end};
  for (std::size_t a = 0; a < 3; ++a)
    if (g.box.first[a] >= g.box.end[a] || g.box.end[a] > g.full[a] || geometry.shape[a] == 0)
      throw Error(ErrorCode::VolumeInvalid, "the box does not lie inside the grid, or the logits are empty");
  g.cropped = g.box.size();
  g.target = geometry.shape;
  g.current = geometry.grid_spacing_mm;
  g.plan = model.spacing_mm;
  if (model.two_dimensional) g.plan[0] = g.current[0];
  nnunet::Exporter exporter(g, model, Accumulation::exact, options.threads, sink);
  for (std::uint32_t z = 0; z < g.target[0]; ++z) {
    source(z, exporter.halves(z));
    exporter.commit(z);
  }
  exporter.finish();
}

}  // namespace rouage::infer
