/// `rouage evidence diagnostic`.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry diagnostic_entry();

}  // namespace rouage::evidence
