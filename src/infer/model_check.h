/// Is this package what it says, and is this foreign net what its exporter says?
///
///   for (const Check& c : check_package(folder, {})) ...          // `rouage model check`
///   import_torchxrayvision("densenet.onnx", {.name = "xrv-all"}, out);   // `rouage model import torchxrayvision`
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "infer/package.h"

namespace rouage::infer {

struct Check {
  std::string check;  ///< stable name: "digests", "sessions", "head"...
  bool passed = false;
  std::string detail;  ///< what was measured, or what is wrong
};

/// Every check of a package, in a fixed order; a check that cannot run because an earlier one failed is not listed.
/// Digests, sessions, shapes against model.yaml, logits = head x GAP(features), finite and repeatable answers, spread
/// of the answers over synthetic films, calibration, guided graph (shape and finiteness: a guided gradient is no true
/// gradient, so differences cannot check it), figures inside their intervals. Never throws for a bad package.
std::vector<Check> check_package(const std::filesystem::path& folder, const SessionOptions& options);

/// How a net answers when films are given on one pixel scale.
struct ScaleAnswer {
  std::string normalisation;  ///< as in PackageInput
  double spread = 0;          ///< median over the outputs of the SD over probe films, in logits
  double saturated = 0;       ///< fraction of answers beyond +-10 logits
  double distance = 0;        ///< |ln(spread / 1 logit)| + 3 x saturated: 0 is what training usually leaves
};
struct ScaleReport {
  std::vector<ScaleAnswer> answers;  ///< scale_1024, scale_255, unit, film_standardise
  std::string best;                  ///< smallest distance
  const ScaleAnswer& of(const std::string& normalisation) const;
};
/// Runs the probe films through the net on each scale. A net trained on one scale sees a nearly constant picture on a
/// smaller one (its answers hardly differ) and overflows on a larger one (huge logits); docs/formats/model-package.md
/// states the criterion and its limits.  Errors: OutputInvalid when no scale gives finite answers.
ScaleReport probe_scales(const Session& net, const PackageInput& input, const std::string& logits);
/// Errors: ScaleMismatch when `claimed` is implausible and another scale explains the net clearly better, or when the
/// net is dead on the claimed scale.
void require_scale(const ScaleReport& report, const std::string& claimed);

struct ImportOptions {
  std::string name = "torchxrayvision";  ///< of the package
  std::string version = "1";
  std::string maker = "torchxrayvision (imported)";
  std::string licence = "as stated by the exporter";
  std::string normalisation = "scale_1024";  ///< what the exporter says; torchxrayvision uses -1024..1024
  SessionOptions session;
};
/// Makes a package of an exported torchxrayvision DenseNet: one input [N,1,224,224], one output [N,18] in the order of
/// its pathologies. The film is squeezed whole (torchxrayvision crops its middle square: a non-square film is seen a
/// little differently). No calibration comes with it, so its findings carry raw scores and are never called positive.
/// Errors: ModelInvalid (other shapes), ScaleMismatch, FileUnwritable. Returns the package as read back.
Package import_torchxrayvision(const std::filesystem::path& onnx, const ImportOptions& options,
                               const std::filesystem::path& out_folder);

/// A copy of the package whose convolution and head weights are shuffled inside each tensor (same values, no meaning):
/// for the weight-randomisation check of explanations. Deterministic for a seed. The copy says so in its name.
/// Returns how many tensors were shuffled.  Errors: as read_package, FileUnwritable.
int write_shuffled_package(const Package& package, std::uint64_t seed, const std::filesystem::path& out_folder);

}  // namespace rouage::infer
