/// `rouage evidence report`.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry report_entry();

}  // namespace rouage::evidence
