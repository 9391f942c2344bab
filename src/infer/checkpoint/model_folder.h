/// What a trained nnU-Net folder holds: which folds, from which files.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "infer/checkpoint/import_nnunet.h"

namespace rouage::infer::checkpoint {

struct FoldSource {
  std::string fold;  ///< "0", "all"
  int number = 0;    ///< N of fold_N in the package: the fold's own, 0 for "all"
  std::filesystem::path weights;
};
struct FolderSources {
  bool onnx = false;
  std::vector<FoldSource> folds;  ///< by number
  std::vector<std::string> warnings;
};

/// Errors: FileMissing (no folder, no fold with weights, a fold that was asked for; the message lists what there is).
FolderSources find_sources(const std::filesystem::path& folder, const NnunetImportOptions& options);

}  // namespace rouage::infer::checkpoint
