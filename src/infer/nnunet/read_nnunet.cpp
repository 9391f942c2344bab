// A package folder of nnU-Net v2: design.md, "Model package".
#include "base/error.h"
#include "base/host.h"
#include "base/values.h"
#include "infer/nnunet/nnunet.h"

namespace rouage::infer {
namespace {

constexpr std::uint64_t kPlansCap = 16 * kMebibyte;

/// fold_0, fold_1 ... by number; fold_all only where it is the only one.
std::vector<NnunetFold> folds_in(const std::filesystem::path& folder, std::vector<std::string>& warnings) {
  std::vector<std::pair<int, NnunetFold>> numbered;
  for (int n = 0; n < 100; ++n) {
    const std::string name = "fold_" + std::to_string(n);
    const std::filesystem::path onnx = folder / name / "model.onnx";
    if (std::filesystem::is_regular_file(onnx)) numbered.push_back({n, {name, onnx}});
  }
  std::vector<NnunetFold> folds;
  folds.reserve(numbered.size());
  for (auto& [number, fold] : numbered) folds.push_back(std::move(fold));
  const std::filesystem::path all = folder / "fold_all" / "model.onnx";
  if (folds.empty() && std::filesystem::is_regular_file(all)) {
    folds.push_back({"fold_all", all});
    warnings.emplace_back(
        "only fold_all is there: the net that was trained on all cases, without a validation of its own");
  }
  return folds;
}

}  // namespace

std::uint32_t NnunetModel::net_channels() const {
  const std::size_t hot = previous_stage.empty() ? 0 : foreground_labels.size();
  return static_cast<std::uint32_t>(channels.size() + hot);
}

NnunetModel read_nnunet(const std::filesystem::path& folder, const std::string& configuration) {
  const std::string plans = read_text(folder / "plans.json", kPlansCap);
  const std::string dataset = read_text(folder / "dataset.json", kPlansCap);
  const std::filesystem::path inference = folder / "inference.json";
  const std::string chosen = std::filesystem::exists(inference) ? read_text(inference, kPlansCap) : "";
  try {
    NnunetModel model = parse_nnunet(plans, dataset, chosen, configuration);
    model.folds = folds_in(folder, model.warnings);
    if (model.folds.empty())
      throw Error(ErrorCode::PackageInvalid, "there is no fold_N/model.onnx")
          .file("fold_0/model.onnx")
          .remedy("convert the checkpoints: rouage model import nnunet");
    return model;
  } catch (const Error& e) {
    const std::filesystem::path named(e.file());
    throw Error(e.code(), e.detail()).file(named.is_absolute() ? named : folder / named).remedy(e.remedy());
  }
}

}  // namespace rouage::infer
