/// `rouage model` for nnU-Net packages: import, show, check.
#pragma once
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "infer/checkpoint/import_nnunet.h"

namespace rouage::app {

/// What `model list` says of a package of either kind.
template <class Package>
nlohmann::ordered_json package_summary(const Package& package) {
  return {{"name", package.name},
          {"version", package.version},
          {"cog", package.cog},
          {"maker", package.maker},
          {"licence", package.licence},
          {"digest", package.digest},
          {"folder", package.folder.string()}};
}
/// Each returns the exit code and prints to standard output.
int import_nnunet_model(const std::filesystem::path& folder, const std::filesystem::path& out,
                        const infer::NnunetImportOptions& options, bool as_json);
int show_nnunet_model(const std::filesystem::path& folder, bool as_json);
/// Digests, plans, and each fold's net in our engine beside ONNX Runtime on one random patch.
int check_nnunet_model(const std::filesystem::path& folder, bool as_json);

}  // namespace rouage::app
