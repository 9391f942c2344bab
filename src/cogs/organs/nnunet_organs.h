/// A user's nnU-Net on a volume: model package in, labels and provenance out.
///
///   OrganModel model = open_organ_model(folder, {});
///   NnunetSegmentation done = segment_with_nnunet({&ct, 1}, model, {.precision = "f32", .threads = 2});
///
/// The same volume, package and options give the same labels with any number of threads.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cogs/cog.h"
#include "image/volume.h"
#include "infer/nnunet/nnunet.h"
#include "infer/unet/volume_net.h"

namespace rouage::cogs::organs {

inline constexpr const char* kVersion = "0.1.0";

struct OrganModel {
  infer::NnunetModel nnunet;
  ModelIdentity identity;  ///< digest: of model.yaml, or of all files of a folder that has none
};
/// folds: names ("fold_0"); empty takes all. Digests of a package with model.yaml are checked.
/// Errors: FileMissing, PackageInvalid, PackageDigest, OptionInvalid (no such fold).
OrganModel open_organ_model(const std::filesystem::path& folder, const std::string& configuration,
                            const std::vector<std::string>& folds = {});

struct NnunetRun {
  std::string precision =
      "exact";  ///< exact (the reference's float16 sums), f32, bf16, auto (bf16 where the CPU has it)
  infer::VolumeEngine engine = infer::VolumeEngine::automatic;
  int threads = 1;
  double step_size = 0.5;
  bool mirroring = true;
  std::uint64_t memory_budget_bytes = 0;  ///< 0: none
  const image::LabelMap* previous_stage = nullptr;
  std::optional<image::Point3>
      header_spacing_mm;             ///< where the file's differs from the grid's in the last bits (i, j, k)
  std::filesystem::path logits_npy;  ///< "" for none
  std::function<bool(infer::SegmentStage stage, std::uint64_t done, std::uint64_t total)> progress;
  std::function<void(const infer::MemoryPlan& plan)> planned;  ///< before the work starts
};

struct NnunetSegmentation {
  image::LabelMap labels;
  std::vector<std::pair<std::uint16_t, std::string>> names;  ///< ascending values, background left out
  infer::MemoryPlan memory;
  std::vector<std::string> warnings;
  Provenance provenance;  ///< input_uids are the caller's to fill
};
/// Errors: as infer::segment and infer::VolumeNet::open.
NnunetSegmentation segment_with_nnunet(std::span<const image::Volume<float>> channels, const OrganModel& model,
                                       const NnunetRun& run);

}  // namespace rouage::cogs::organs
