/// `rouage evidence calibration`.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry calibration_entry();

}  // namespace rouage::evidence
