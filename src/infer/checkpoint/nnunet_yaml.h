/// model.yaml of an nnU-Net package: written and read by the same few lines.
#pragma once
#include <string>

#include "infer/checkpoint/import_nnunet.h"

namespace rouage::infer::checkpoint {

inline constexpr const char* kNnunetFormat = "rouage-nnunet/1";

/// The same package gives the same text; `folder` and `digest` are not part of it.
std::string nnunet_yaml(const NnunetPackage& package);
/// Errors: PackageInvalid (the tag names line and key).
NnunetPackage parse_nnunet_yaml(const std::string& yaml);

}  // namespace rouage::infer::checkpoint
