#include "app/model_nnunet.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/host.h"
#include "cogs/organs/nnunet_organs.h"
#include "infer/unet/volume_net.h"

namespace rouage::app {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
namespace {

Json labels_json(const infer::NnunetPackage& package) {
  Json labels = Json::array();
  for (const auto& label : package.labels) labels.push_back({{"label", label.name}, {"values", label.values}});
  return labels;
}

std::string values_text(const std::vector<int>& values) {
  std::string text;
  for (const int value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return text;
}

/// One line of a check.
struct Line {
  std::string check;
  bool passed = false;
  std::string detail;
};

Line net_check(const infer::NnunetModel& model, const infer::NnunetFold& fold) {
  try {
    const infer::VolumeNet net = infer::VolumeNet::open(fold.onnx, model.patch, {.self_check = true});
    const infer::VolumeNetIdentity& identity = net.identity();
    const bool counts =
        net.channels() == static_cast<int>(model.net_channels()) && net.classes() == static_cast<int>(model.classes());
    std::string detail = fmt::format("{}, {} MiB, largest difference from ONNX Runtime {:.1e} SD", identity.engine,
                                     net.memory_bytes() >> 20, identity.self_check_difference);
    if (!identity.note.empty()) detail = identity.engine + ": " + identity.note;
    if (!counts)
      detail = fmt::format("{} channels and {} outputs, the plans say {} and {}", net.channels(), net.classes(),
                           model.net_channels(), model.classes());
    return {fold.name, counts, detail};
  } catch (const Error& error) {
    return {fold.name, false, error.what()};
  }
}

}  // namespace

int import_nnunet_model(const fs::path& folder, const fs::path& out, const infer::NnunetImportOptions& options,
                        bool as_json) {
  const infer::NnunetImportReport report = infer::import_nnunet(folder, out, options);
  for (const std::string& warning : report.warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  if (as_json) {
    Json json = package_summary(report.package);
    json["configuration"] = report.package.configuration;
    json["architecture"] = report.architecture;
    json["folds"] = Json::array();
    for (const infer::NnunetFoldReport& fold : report.folds)
      json["folds"].push_back(
          {{"fold", fold.fold}, {"weights", fold.weights.string()}, {"parameters", fold.parameters}});
    json["mirroring_axes"] = report.mirroring_axes ? Json(*report.mirroring_axes) : Json(nullptr);
    json["labels"] = labels_json(report.package);
    json["warnings"] = report.warnings;
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}: package {} {} (digest {}), {}{}\n", out.string(), report.package.name, report.package.version,
             report.package.digest.substr(0, 16), report.package.configuration,
             report.architecture.empty() ? "" : ", " + report.architecture);
  for (const infer::NnunetFoldReport& fold : report.folds)
    fmt::print("  fold {}: {} ({:.1f} million parameters)\n", fold.fold, fold.weights.string(),
               static_cast<double>(fold.parameters) / 1e6);
  fmt::print("use it: rouage segment IN --model {} --out OUT.nii.gz\n", out.string());
  return 0;
}

int show_nnunet_model(const fs::path& folder, bool as_json) {
  const infer::NnunetPackage package = infer::check_nnunet_package(folder);
  if (as_json) {
    Json json = package_summary(package);
    json["intended_use"] = package.intended_use;
    json["configuration"] = package.configuration;
    json["trainer"] = package.trainer;
    json["weights_from"] = package.weights_from;
    json["folds"] = package.folds;
    json["channels"] = package.channels;
    json["labels"] = labels_json(package);
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{} {} by {} ({})\n{}\n{}, {} fold{}, channels: {}\ndigest {}\n\n", package.name, package.version,
             package.maker, package.licence, package.intended_use, package.configuration, package.folds.size(),
             package.folds.size() == 1 ? "" : "s", fmt::join(package.channels, ", "), package.digest);
  TextTable table({"label", "values"}, "<<");
  for (const auto& label : package.labels) table.row({label.name, values_text(label.values)});
  fmt::print("{}", table.text());
  return 0;
}

int check_nnunet_model(const fs::path& folder, bool as_json) {
  std::vector<Line> lines;
  try {
    const cogs::organs::OrganModel model = cogs::organs::open_organ_model(folder, {});
    lines.push_back({"digests and plans", true, model.identity.digest.substr(0, 16)});
    for (const infer::NnunetFold& fold : model.nnunet.folds) lines.push_back(net_check(model.nnunet, fold));
  } catch (const Error& error) {
    lines.push_back({"digests and plans", false, error.what()});
  }
  bool passed = true;
  Json rows = Json::array();
  TextTable table({"check", "", "measured"}, "<<<");
  for (const Line& line : lines) {
    passed = passed && line.passed;
    table.row({line.check, line.passed ? "passed" : "FAILED", line.detail});
    rows.push_back({{"check", line.check}, {"passed", line.passed}, {"detail", line.detail}});
  }
  if (as_json)
    fmt::print("{}\n", Json{{"package", folder.string()}, {"passed", passed}, {"checks", rows}}.dump());
  else
    fmt::print("{}", table.text());
  return passed ? 0 : 1;
}

}  // namespace rouage::app
