/// May this film be read? The header first, then simple measures of the picture, then the gate net.
#pragma once
#include "cogs/cog.h"
#include "infer/package.h"

namespace rouage::cogs::chest {

/// Shape, emptiness and sharpness, by the numbers of the gate package (`aspect.*`, `sharpness.*`).
Eligibility picture_eligibility(const image::Film& film, const infer::Package& gate);
/// Every refusal output of the gate whose probability reaches its operating point "refuse".
/// Errors: OutputInvalid, PackageInvalid (a refusal without calibration or operating point, or with an unknown code).
Eligibility gate_eligibility(const image::Film& film, const infer::LoadedModel& gate);

/// All three in that order; the net is asked only when nothing before it refused. Reasons of one stage are all given.
Eligibility film_eligibility(const Picture& picture, const infer::LoadedModel& model, const infer::LoadedModel& gate);

}  // namespace rouage::cogs::chest
