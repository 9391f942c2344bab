/// May this film be read? The header first, then simple measures of the picture, then the gate net.
#pragma once
#include "cogs/cog.h"
#include "infer/package.h"

namespace rouage::cogs::chest {

/// Shape, emptiness and sharpness, by the numbers of the gate package (`aspect.*`, `sharpness.*`).
Eligibility picture_eligibility(const image::Film& film, const infer::Package& gate);
/// Every refusal output of the gate whose probability reaches its operating point "refuse", the most probable first.
/// input: the film as film_tensor made it for the gate.
/// Errors: OutputInvalid, PackageInvalid (a refusal without calibration or operating point, or with an unknown code).
Eligibility gate_eligibility(const infer::Tensor& input, const infer::LoadedModel& gate);

struct FilmJudgement {
  Eligibility eligibility;
  infer::Tensor gate_input;  ///< the film as the gate saw it; empty when the gate was not asked
};
/// All three in that order; the net is asked only when nothing before it refused. Reasons of one stage are all given.
/// A child by the picture who is an adult by the header is a warning, not a refusal.
FilmJudgement judge_film(const Picture& picture, const infer::LoadedModel& model, const infer::LoadedModel& gate);

}  // namespace rouage::cogs::chest
