/// `rouage evidence mrmc`: do two or more arms differ, for these readers and cases, and for others like them?
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry mrmc_entry();

}  // namespace rouage::evidence
