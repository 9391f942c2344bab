/// `rouage evidence agreement`.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry agreement_entry();

}  // namespace rouage::evidence
