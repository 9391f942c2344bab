/// `rouage evidence roc`.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry roc_entry();

}  // namespace rouage::evidence
