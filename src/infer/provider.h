/// Execution providers by name; an absent one is an Error that says exactly what is missing.
#pragma once
#include <string>

#include "infer/ort_library.h"

namespace rouage::infer::ort {

/// "cpu" adds nothing (it is always there). Errors: ProviderMissing, naming the absent provider or library file and
/// the providers that exist.
void add_provider(OrtSessionOptions* options, const std::string& provider);

}  // namespace rouage::infer::ort
