/// `rouage evidence assistance`.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry assistance_entry();

}  // namespace rouage::evidence
