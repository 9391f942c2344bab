/// A trained nnU-Net v2 folder becomes a package, without Python: weights read from its checkpoints and written as
/// ONNX.
///
///   NnunetImportReport report = import_nnunet("Dataset006_Lung/nnUNetTrainer__nnUNetPlans__3d_fullres", "lung", {});
///   for (const std::string& warning : report.warnings) ...
///   NnunetPackage package = check_nnunet_package("lung");          // every digest compared
///
/// The folder holds plans.json, dataset.json and fold_N/checkpoint_final.pth (torch 1.6 or later), or fold_N/model.onnx
/// as training/export_nnunet.py writes it, with inference.json. docs/formats/nnunet-package.md describes the package.
/// Nothing of a checkpoint is executed: see pickle.h. Memory: one weight and one pickle at a time, then the net once as
/// ONNX Runtime opens it for the last check. Thread-safe for different destinations.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rouage::infer {

struct NnunetPackageLabel {
  std::string name;         ///< as in dataset.json
  std::vector<int> values;  ///< several: a region
};

/// model.yaml of an nnU-Net package (format rouage-nnunet/1).
struct NnunetPackage {
  std::filesystem::path folder;
  std::string name, version, maker, licence, intended_use, cog, engine;
  std::string configuration;       ///< of plans.json, e.g. 3d_fullres
  std::string trainer;             ///< "not stated" where only ONNX files were given
  std::string weights_from;        ///< "checkpoint_final.pth", "model.onnx"...
  std::vector<std::string> folds;  ///< as trained: "0", "1"... or "all"; the files lie in fold_0, fold_1...
  std::vector<std::string> channels;
  std::vector<NnunetPackageLabel> labels;
  std::map<std::string, std::string> files;  ///< path inside the package -> SHA-256 hex
  std::string digest;                        ///< SHA-256 of model.yaml
};

/// True when the folder has a model.yaml of this format; reads no more than its first line. Never throws for a bad
/// folder.
bool is_nnunet_package(const std::filesystem::path& folder);
/// Errors: FileMissing, PackageInvalid (names the key), PackageDigest (names the file; also a net that is not listed).
NnunetPackage check_nnunet_package(const std::filesystem::path& folder);

enum class NnunetWeights { automatic, checkpoint, onnx };

struct NnunetImportOptions {
  std::string name;  ///< empty: dataset_name of the plans and the configuration
  std::string version = "1";
  std::string maker = "not stated", licence = "not stated";
  std::string intended_use = "Imported nnU-Net v2 model. Not validated here: for research.";
  std::vector<int> folds;  ///< empty: every fold_N that has weights
  bool fold_all = false;   ///< fold_all instead, which nnU-Net leaves out too unless it is asked for
  std::string checkpoint;  ///< empty: checkpoint_final.pth, else checkpoint_best.pth, which is said
  NnunetWeights weights =
      NnunetWeights::automatic;  ///< automatic: model.onnx where every fold has one, else checkpoints
  /// A trainer that this version does not know may have built another net than the plans say: it is refused unless its
  /// exact name stands here. Weights cannot show a different nonlinearity.
  std::string accept_trainer;
};

struct NnunetFoldReport {
  std::string fold;               ///< "0", "all"
  std::filesystem::path weights;  ///< the file that was read
  std::uint64_t parameters = 0;
};

struct NnunetImportReport {
  NnunetPackage package;
  std::string architecture;  ///< "PlainConvUNet, 3D, 6 stages of 32 to 320 features"; empty where ONNX was given
  std::optional<std::vector<int>> mirroring_axes;  ///< absent: none
  std::vector<NnunetFoldReport> folds;
  std::vector<std::string> warnings;  ///< English sentences
};

/// `out_package` appears whole or not at all. An older package there is replaced; a folder that is no package is
/// refused. Errors: FileMissing (folder, a fold, plans), CheckpointInvalid (file, weight or key named), ModelInvalid
/// (model.onnx), FileUnwritable, RuntimeMissing.
NnunetImportReport import_nnunet(const std::filesystem::path& nnunet_model_folder,
                                 const std::filesystem::path& out_package, const NnunetImportOptions& options);

}  // namespace rouage::infer
