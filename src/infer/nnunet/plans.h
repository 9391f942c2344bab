/// Where the three texts of a package become one NnunetModel.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "infer/nnunet/nnunet.h"

namespace rouage::infer::nnunet {

/// The configuration's entries, parents (inherits_from) first. Errors: PackageInvalid (unknown name, a cycle).
nlohmann::json resolved_configuration(const nlohmann::json& configurations, const std::string& name);

/// labels, regions, written_labels, foreground_labels. Errors: PackageInvalid.
void read_labels(const nlohmann::ordered_json& dataset, NnunetModel& model);

}  // namespace rouage::infer::nnunet
