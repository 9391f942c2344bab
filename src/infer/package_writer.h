/// A package folder written whole or not at all.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "base/values.h"

namespace rouage::infer {

/// model.yaml and the files beside it; an older package of that name is replaced. Errors: FileUnwritable.
void write_package(const std::string& yaml, const std::map<std::string, Bytes>& files,
                   const std::filesystem::path& out_folder);

}  // namespace rouage::infer
