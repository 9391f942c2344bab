/// nnU-Net v2 inference on volumes, in bounded memory: what the reference's Python computes, without its arrays.
///
///   NnunetModel model = read_nnunet(folder);                      // plans.json, dataset.json, inference.json,
///   fold_N/model.onnx MemoryPlan memory = plan_memory(model, ct.grid, {.threads = 2, .net_bytes = net_bytes});
///   NetFactory nets = [&](std::size_t fold) { return PatchNet(...); };   // e.g. around VolumeNet::run
///   SegmentResult done = segment({.channels = {&ct, 1}}, model, {.threads = 2}, nets, {.labels = plane_sink});
///
/// Axes: volumes are (i, j, k), i fastest; nnU-Net's arrays are the same memory read as (z, y, x). "Transposed" means
/// after plans.json's transpose_forward; sizes, spacings, boxes and patches below are in transposed order unless said
/// otherwise. Logits never exist for the whole volume: windows run along transposed axis 0, a slab of patch depth
/// accumulates them, and finished planes are resampled to the input's grid and become labels at once. The same input
/// gives the same labels with any number of threads. Source: docs/formats/nnunet.md.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/volume.h"

namespace rouage::infer {

using Shape3 = std::array<std::uint32_t, 3>;  ///< voxels along axis 0, 1, 2; axis 2 is the fastest
using Spacing3 = std::array<double, 3>;       ///< mm along the same axes

enum class Normalization { ct, z_score, none, rescale_to_01, rgb_to_01 };
enum class Resampling { data_or_seg_to_shape, torch, no_resampling };

/// One `resampling_fn_*` with its kwargs.
struct ResampleRule {
  Resampling function = Resampling::data_or_seg_to_shape;
  int order = 3;                         ///< 0, 1 or 3 (torch: 1)
  int order_z = 0;                       ///< 0 or 1: along a separately resampled axis
  std::optional<bool> force_separate_z;  ///< absent: decided by the spacings (null in the plans)
};

struct ChannelRule {
  std::string name;
  Normalization scheme = Normalization::none;
  bool inside_mask = false;                                            ///< z-score over the nonzero mask only
  double mean = 0, std = 0, percentile_00_5 = 0, percentile_99_5 = 0;  ///< of the training foreground (CT)
};

/// A label in the order of dataset.json; a region has several values.
struct NnunetLabel {
  std::string name;
  std::vector<int> values;
  bool ignore = false;
};

struct NnunetFold {
  std::string name;  ///< "fold_0"
  std::filesystem::path onnx;
};

struct NnunetModel {
  std::string dataset, plans, configuration;
  bool two_dimensional = false;  ///< patch[0] and spacing[0] then have no meaning but 1 and the image's own
  Shape3 patch{};
  Spacing3 spacing_mm{};
  std::array<int, 3> transpose_forward{0, 1, 2}, transpose_backward{0, 1, 2};
  bool reorient_to_ras = false;  ///< the plans' reader turns the image to RAS first (…WithReorient)
  std::vector<ChannelRule> channels;
  ResampleRule data, seg, probabilities;
  std::string previous_stage;  ///< of a cascade's second stage, else ""
  std::vector<NnunetLabel> labels;
  bool regions = false;
  std::vector<std::uint16_t>
      written_labels;  ///< label value that each net output writes; [0] is background without regions
  std::vector<std::uint16_t> foreground_labels;  ///< ascending; what a cascade's second stage sees, one channel each
  std::vector<int> mirror_axes;                  ///< spatial axes of the net's input (2d: 0 is y); empty: no mirroring
  std::vector<NnunetFold> folds;
  std::string file_ending;
  std::vector<std::string> warnings;  ///< what was assumed
  std::uint32_t classes() const { return static_cast<std::uint32_t>(written_labels.size()); }
  /// Channels of the net's input: images, and one a foreground label in a cascade's second stage.
  std::uint32_t net_channels() const;
  /// uint8 in the reference's file, or uint16 from 255 foreground labels on.
  bool wide_labels() const { return foreground_labels.size() >= 255; }
};

/// A package folder. configuration: "" takes inference.json's, or the only one. Errors: FileMissing, PackageInvalid
/// (what is missing, unknown or contradictory is named; an unknown normalisation, resampling or reader is refused,
/// never replaced).
NnunetModel read_nnunet(const std::filesystem::path& folder, const std::string& configuration = {});
/// The same from the three texts, without folds. inference_json: "" when there is none.
NnunetModel parse_nnunet(const std::string& plans_json, const std::string& dataset_json,
                         const std::string& inference_json, const std::string& configuration = {});

/// One fold's net on one patch: [channels][patch] -> [classes][patch], float32, axis 2 fastest.
using PatchNet = std::function<void(std::span<const float> patch, std::span<float> logits)>;
/// fold: index into NnunetModel::folds. May be called several times for a fold when nets are not kept.
using NetFactory = std::function<PatchNet(std::size_t fold)>;

/// exact: the reference's float16 accumulators and roundings, step by step. float32: nothing is rounded before the
/// label.
enum class Accumulation { exact, float32 };
enum class SegmentStage { preprocess, predict };  ///< predict counts windows times folds

struct SegmentOptions {
  Accumulation accumulation = Accumulation::float32;
  int threads = 1;              ///< of this code; a net brings its own
  double step_size = 0.5;       ///< of the window, in patches, in (0, 1]
  bool mirroring = true;        ///< where the model allows it
  std::uint64_t net_bytes = 0;  ///< what one open net holds (VolumeNet::memory_bytes), for the plan
  std::uint64_t memory_budget_bytes =
      0;  ///< 0: none. Over it: nets are opened one at a time; if that is not enough, an Error
  /// Called by the thread that called segment: false ends the run (Error Cancelled).
  std::function<bool(SegmentStage stage, std::uint64_t done, std::uint64_t total)> progress;
};

struct SegmentInput {
  std::span<const image::Volume<float>> channels;   ///< all on one grid size; the first one's geometry counts
  const image::LabelMap* previous_stage = nullptr;  ///< of a cascade, on the channels' grid
  /// Header's own spacing along k, j, i where it is not the length of the grid's steps to the last bit (NIfTI's
  /// pixdim).
  std::optional<Spacing3> spacing_kji_mm;
};

/// One finished plane of averaged logits after unpadding, plan's spacing, along axis 0 in ascending order.
struct LogitsPlane {
  std::uint32_t classes = 0;
  Shape3 shape{};
  std::uint32_t index = 0;                ///< along axis 0
  std::span<const std::uint16_t> halves;  ///< [classes][shape[1]][shape[2]], float16
};
/// Takes slice k of the input's grid, i fastest. k ascends; every slice comes once.
using LabelSink = std::function<void(std::uint32_t k, std::span<const std::uint16_t> slice)>;
using LogitsSink = std::function<void(const LogitsPlane&)>;
struct SegmentSinks {
  LabelSink labels;
  LogitsSink logits;  ///< optional
};

/// Bytes, each an upper bound by the formula of docs/formats/nnunet.md.
struct MemoryPlan {
  std::uint64_t input = 0;         ///< the caller's channels (and previous stage)
  std::uint64_t preprocess = 0;    ///< work memory of preprocessing, given back before the first window
  std::uint64_t preprocessed = 0;  ///< the net's input at the plan's spacing
  std::uint64_t patches = 0;       ///< patch and logits of one window
  std::uint64_t slab = 0;          ///< accumulators, one set a fold in exact mode
  std::uint64_t nets = 0;          ///< open nets
  std::uint64_t out = 0;           ///< resampling planes, and a label volume where planes cannot leave in order
  std::uint64_t peak = 0;          ///< input + preprocessed + max(preprocess, patches + slab + nets + out)
  bool nets_kept = true;           ///< false: opened one at a time, once a row of windows
  std::string text() const;        ///< one line, MiB
};
/// For the whole grid (the crop to nonzero is not known yet and can only lower it). Errors: MemoryBudget (says what is
/// needed), VolumeInvalid (sizes that do not fit 64 bits).
MemoryPlan plan_memory(const NnunetModel& model, const image::Grid& grid, const SegmentOptions& options);

struct SegmentResult {
  std::array<std::uint32_t, 3> box_first{}, box_end{};  ///< crop to nonzero, half-open
  Shape3 cropped{}, preprocessed{};
  std::uint64_t windows = 0;                ///< per fold, mirrored passes not counted
  std::vector<std::uint64_t> label_voxels;  ///< by label value, background included
  MemoryPlan memory;
  std::vector<std::string> warnings;
};

/// The whole road: transpose, crop, normalise, resample, windows, folds, labels on the input's grid.
/// Errors: RoleMissing (number of channels, missing previous stage), GridMismatch (sizes of channels), VolumeInvalid,
/// InputRange (RGB outside 0..255), InferenceFailed (infinite logits), MemoryBudget, OptionInvalid, Cancelled.
SegmentResult segment(const SegmentInput& input, const NnunetModel& model, const SegmentOptions& options,
                      const NetFactory& nets, const SegmentSinks& sinks);
/// All slices in one volume on the channels' grid.
image::LabelMap segment_to_volume(const SegmentInput& input, const NnunetModel& model, const SegmentOptions& options,
                                  const NetFactory& nets, SegmentResult* result = nullptr);

/// Export alone: logits that come plane by plane (at the plan's spacing, axis 0 ascending) become labels on `grid`'s
/// slices, as segment does after its windows. Box: the crop, transposed. shape: of the logits.
struct ExportGeometry {
  Shape3 grid{}, box_first{}, box_end{}, shape{};
  Spacing3 grid_spacing_mm{};
};
/// Fills [classes][shape[1]][shape[2]] float16 values of plane `index`.
using LogitsSource = std::function<void(std::uint32_t index, std::span<std::uint16_t> halves)>;
void export_labels(const ExportGeometry& geometry, const NnunetModel& model, const SegmentOptions& options,
                   const LogitsSource& source, const LabelSink& sink);

/// A sink that writes float16 [classes][axis 0][axis 1][axis 2] as a NumPy file, complete with the last plane.
/// Errors (when called): FileUnwritable.
LogitsSink npy_logits_sink(const std::filesystem::path& path);

}  // namespace rouage::infer
