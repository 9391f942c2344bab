/// model.yaml as a Package, strictly: an unknown format, a missing or unknown key or a wrong type is an Error that
/// names the key and its line. Files are not touched here.
#pragma once
#include <string>

#include "infer/package.h"

namespace rouage::infer {

inline constexpr const char* kPackageFormat = "rouage-model/1";
inline constexpr const char* kPackageFile = "model.yaml";

/// Errors: PackageInvalid (the tag says "line 12, outputs[3].label").
Package parse_package(const std::string& yaml);

}  // namespace rouage::infer
