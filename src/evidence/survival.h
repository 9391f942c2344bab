/// `rouage evidence survival`: curves, tests, Cox's regression and concordance from a table of times.
#pragma once
#include "evidence/analyses.h"

namespace rouage::evidence {

AnalysisEntry survival_entry();

}  // namespace rouage::evidence
