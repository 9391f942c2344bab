#include "infer/checkpoint/import_nnunet.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "base/values.h"
#include "infer/checkpoint/architecture.h"
#include "infer/checkpoint/checkpoint.h"
#include "infer/checkpoint/model_folder.h"
#include "infer/checkpoint/nnunet_yaml.h"
#include "infer/checkpoint/onnx_writer.h"
#include "infer/checkpoint/trainers.h"
#include "infer/checkpoint/unet_graph.h"
#include "infer/onnx_file.h"
#include "infer/package_yaml.h"
#include "infer/session.h"

namespace rouage::infer::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPiece = 16 * kMebibyte;

/// Everything that one import gathers before model.yaml is written.
class Import {
 public:
  Import(const fs::path& folder, const fs::path& staging, const NnunetImportOptions& options)
      : folder_(folder), staging_(staging), options_(options), sources_(find_sources(folder, options)) {}

  NnunetImportReport run() {
    report_.warnings = sources_.warnings;
    if (sources_.onnx)
      from_onnx();
    else
      from_checkpoints();
    put_text("plans.json", plans_);
    put_text("dataset.json", dataset_);
    put_text("inference.json", inference_json());
    describe();
    write_file(staging_ / kPackageFile, bytes_of(nnunet_yaml(report_.package)));
    return std::move(report_);
  }

 private:
  static std::span<const std::uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  void put_text(const char* name, const std::string& text) {
    write_file(staging_ / name, bytes_of(text));
    report_.package.files[name] = sha256(text).hex();
  }
  void warn(std::string sentence) { report_.warnings.push_back(std::move(sentence)); }

  /// The file beside the folds, or what the checkpoint carries.
  std::string text_of(const char* name, const std::string& inside) {
    std::error_code ignored;
    if (fs::exists(folder_ / name, ignored)) return read_text(folder_ / name);
    if (inside.empty())
      throw Error(ErrorCode::FileMissing, "it is neither in the folder nor inside the checkpoint").file(folder_ / name);
    warn(fmt::format("{} is missing: what the checkpoint of fold {} carries was written down", name,
                     sources_.folds[0].fold));
    return inside;
  }

  void choose_configuration(const std::string& said, const std::string& by) {
    const std::vector<std::string> names = configuration_names(plans_);
    configuration_ = said;
    if (said.empty()) {
      if (names.size() != 1)
        throw Error(ErrorCode::CheckpointInvalid,
                    fmt::format("the plans hold the configurations {}, and {} does not say which "
                                "one was trained",
                                fmt::join(names, ", "), by))
            .remedy(
                "write it into inference.json: {\"configuration\": \"3d_fullres\", "
                "\"inference_allowed_mirroring_axes\": null}");
      configuration_ = names.front();
      warn(fmt::format("{} does not say which configuration was trained: {} is the only one", by, configuration_));
    }
  }

  void from_checkpoints() {
    bool first = true;
    for (const FoldSource& source : sources_.folds) try {
        Checkpoint checkpoint(open_file(source.weights));
        if (first) read_first(checkpoint);
        check_fold(checkpoint, source);
        write_fold(source, checkpoint);
        first = false;
      } catch (Error& error) {
        throw error.file(source.weights);
      }
    report_.package.trainer = trainer_.empty() ? "not stated" : trainer_;
    report_.package.weights_from = sources_.folds.front().weights.filename().string();
  }

  void read_first(const Checkpoint& checkpoint) {
    plans_ = text_of("plans.json", checkpoint.plans_json);
    dataset_ = text_of("dataset.json", checkpoint.dataset_json);
    choose_configuration(checkpoint.configuration, "the checkpoint");
    plan_ = read_unet_plan(plans_, dataset_, configuration_);
    graph_ = build_unet(plan_);
    trainer_ = checkpoint.trainer;
    report_.mirroring_axes = checkpoint.mirroring_axes;
    if (report_.mirroring_axes && report_.mirroring_axes->empty()) report_.mirroring_axes.reset();
    if (!checkpoint.mirroring_known) warn("the checkpoint does not say whether mirroring is allowed: none is done");
    const auto beyond = [this](int axis) { return axis >= plan_.dimensions; };
    if (report_.mirroring_axes && std::any_of(report_.mirroring_axes->begin(), report_.mirroring_axes->end(), beyond))
      throw Error(ErrorCode::CheckpointInvalid, "it allows mirroring along an axis that the net does not have")
          .tag("inference_allowed_mirroring_axes");
    compare_plans(checkpoint.plans_json);
  }

  /// nnU-Net itself reads plans.json; the checkpoint's own copy shows whether somebody changed it afterwards.
  void compare_plans(const std::string& inside) {
    if (inside.empty()) return;
    const auto own = nlohmann::json::parse(inside, nullptr, false),
               beside = nlohmann::json::parse(plans_, nullptr, false);
    const auto part = [this](const nlohmann::json& plans) {
      return plans.is_object() && plans.contains("configurations") && plans["configurations"].is_object()
                 ? plans["configurations"].value(configuration_, nlohmann::json())
                 : nlohmann::json();
    };
    if (part(own) != part(beside))
      warn(fmt::format(
          "plans.json differs from the plans inside the checkpoint in {}: plans.json was used, as nnU-Net does",
          configuration_));
  }

  void check_fold(const Checkpoint& checkpoint, const FoldSource& source) {
    if (!checkpoint.configuration.empty() && checkpoint.configuration != configuration_)
      throw Error(ErrorCode::CheckpointInvalid, fmt::format("this fold was trained as {}, the first one as {}",
                                                            checkpoint.configuration, configuration_));
    const std::string& trainer = checkpoint.trainer;
    if (keeps_planned_net(trainer) || (!trainer.empty() && trainer == options_.accept_trainer)) return;
    if (trainer.empty()) return warn(fmt::format("the checkpoint of fold {} does not name its trainer", source.fold));
    throw Error(ErrorCode::CheckpointInvalid,
                "the trainer " + trainer.substr(0, 100) + " may have built another net than the plans say")
        .tag("trainer_name")
        .remedy("say that it keeps the planned net (--accept-trainer), or export ONNX (training/export_nnunet.py)");
  }

  fs::path fold_file(const FoldSource& source) {
    const std::string fold = fmt::format("fold_{}", source.number);
    fs::create_directory(staging_ / fold);
    return staging_ / fold / "model.onnx";
  }

  void write_fold(const FoldSource& source, Checkpoint& checkpoint) {
    match_weights(graph_, checkpoint);
    const fs::path path = fold_file(source);
    DurableFile file(path);
    write_onnx(
        graph_, [&](const OnnxWeight& weight) { return weight_values(weight, checkpoint); },
        [&](std::span<const std::uint8_t> bytes) { file.write(bytes); });
    note(source, file.finish(false), graph_.weight_values());
    check_runs(path);
  }

  void from_onnx() {
    const nlohmann::json said = read_inference();
    plans_ = text_of("plans.json", "");
    dataset_ = text_of("dataset.json", "");
    choose_configuration(said.value("configuration", ""), "inference.json");
    if (const auto axes = said.find("inference_allowed_mirroring_axes");
        axes != said.end() && !axes->is_null() && !axes->empty())
      report_.mirroring_axes = axes->get<std::vector<int>>();
    for (const FoldSource& source : sources_.folds) try {
        copy_fold(source);
      } catch (Error& error) {
        throw error.file(source.weights);
      }
    report_.package.trainer = said.value("trainer", "not stated");
    report_.package.weights_from = "model.onnx";
  }

  nlohmann::json read_inference() {
    std::error_code ignored;
    const fs::path path = folder_ / "inference.json";
    if (!fs::exists(path, ignored)) {
      warn("inference.json is missing: no mirroring is done");
      return nlohmann::json::object();
    }
    auto said = nlohmann::json::parse(read_text(path), nullptr, false);
    const auto word = [&](const char* key) { return !said.contains(key) || said[key].is_string(); };
    bool good = said.is_object() && word("configuration") && word("trainer");
    if (good && said.contains("inference_allowed_mirroring_axes"))
      if (const auto& axes = said["inference_allowed_mirroring_axes"]; !axes.is_null()) {
        good = axes.is_array() && axes.size() <= 3;
        for (const auto& axis : axes)
          good = good && axis.is_number_integer() && axis >= 0 && axis <= 2 &&
                 std::count(axes.begin(), axes.end(), axis) == 1;
      }
    if (!good)
      throw Error(ErrorCode::CheckpointInvalid,
                  "{\"configuration\": word, \"inference_allowed_mirroring_axes\": axes from 0 to 2 or "
                  "null} is expected")
          .file(path);
    return said;
  }

  void copy_fold(const FoldSource& source) {
    check_onnx_file(source.weights);
    OnnxContent content = read_onnx(read_file(source.weights, 1024 * kMebibyte));
    if (!content.external_files().empty())
      throw Error(ErrorCode::ModelInvalid, "its weights lie in another file")
          .remedy("export it as one file, at most 1 GiB");
    const fs::path path = fold_file(source);
    DurableFile file(path);
    const std::uint64_t size = fs::file_size(source.weights);
    for (std::uint64_t at = 0; at < size; at += kPiece) file.write(read_file_range(source.weights, at, kPiece));
    std::uint64_t parameters = 0;
    for (const OnnxTensor& tensor : content.initializers) {
      std::uint64_t values = 1;
      for (const std::int64_t extent : tensor.dims)
        values *= static_cast<std::uint64_t>(std::max<std::int64_t>(extent, 0));
      parameters += values;
    }
    note(source, file.finish(false), parameters);
    check_runs(path);
  }

  void note(const FoldSource& source, const Digest& digest, std::uint64_t parameters) {
    report_.package.files[fmt::format("fold_{}/model.onnx", source.number)] = digest.hex();
    report_.package.folds.push_back(source.fold);
    report_.folds.push_back({.fold = source.fold, .weights = source.weights, .parameters = parameters});
  }

  /// The runtime opens what was written and agrees about channels and classes.
  void check_runs(const fs::path& path) {
    // Durable files are private to their writer; a package is read by whoever runs it, as its other files are.
    fs::permissions(path,
                    fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read);
    const Session net = Session::open(path, {.threads = 1});
    const DatasetFacts facts = read_dataset_facts(dataset_);
    const auto fits = [](const TensorInfo& info, std::uint64_t wanted) {
      return (info.shape.size() == 4 || info.shape.size() == 5) &&
             (info.shape[1] == -1 || info.shape[1] == static_cast<std::int64_t>(wanted));
    };
    // A cascade's second stage has a channel more for each foreground label.
    const bool good = net.inputs().size() == 1 && net.outputs().size() == 1 && fits(net.outputs()[0], facts.outputs) &&
                      (fits(net.inputs()[0], facts.channels.size()) ||
                       fits(net.inputs()[0], facts.channels.size() + facts.foreground));
    if (!good)
      throw Error(ErrorCode::ModelInvalid, fmt::format("one input with {} channels and one output with {} are expected",
                                                       facts.channels.size(), facts.outputs));
  }

  std::string inference_json() const {
    const std::string axes = report_.mirroring_axes ? fmt::format("{}", *report_.mirroring_axes) : "null";
    return fmt::format("{{\"configuration\": {}, \"inference_allowed_mirroring_axes\": {}}}\n",
                       nlohmann::json(configuration_).dump(), axes);
  }

  std::string derived_name() const {
    const auto plans = nlohmann::json::parse(plans_, nullptr, false);
    std::string name = folder_.filename().string();
    if (plans.contains("dataset_name") && plans["dataset_name"].is_string())
      name = plans["dataset_name"].get<std::string>();
    std::string made;
    for (const char c : lower_case(name + "-" + configuration_))
      made += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ? c : '-';
    return made.substr(0, 120);
  }

  void describe() {
    NnunetPackage& package = report_.package;
    const DatasetFacts facts = read_dataset_facts(dataset_);
    package.name = options_.name.empty() ? derived_name() : options_.name;
    package.version = options_.version;
    package.maker = options_.maker;
    package.licence = options_.licence;
    package.intended_use = options_.intended_use;
    package.cog = "organs";
    package.engine = "nnunet";
    package.configuration = configuration_;
    package.channels = facts.channels;
    for (const DatasetLabel& label : facts.labels)
      package.labels.push_back({.name = label.name, .values = label.values});
    if (package.maker == "not stated" || package.licence == "not stated")
      warn("the maker or the licence is not stated");
    if (sources_.onnx) return;
    const auto [least, most] = std::minmax_element(plan_.features.begin(), plan_.features.end());
    report_.architecture = fmt::format("{}, {}D, {} stages of {} to {} features", plan_.class_name, plan_.dimensions,
                                       plan_.stages(), *least, *most);
  }

  fs::path folder_, staging_;
  const NnunetImportOptions& options_;
  FolderSources sources_;
  NnunetImportReport report_;
  std::string plans_, dataset_, configuration_, trainer_;
  UNetPlan plan_;
  OnnxGraph graph_;
};

}  // namespace
}  // namespace rouage::infer::checkpoint

namespace rouage::infer {

namespace fs = std::filesystem;

NnunetImportReport import_nnunet(const fs::path& nnunet_model_folder, const fs::path& out_package,
                                 const NnunetImportOptions& options) try {
  fs::path destination = fs::absolute(out_package).lexically_normal();
  if (!destination.has_filename()) destination = destination.parent_path();  // "folder/" means "folder"
  const bool empty = !fs::exists(destination) || (fs::is_directory(destination) && fs::is_empty(destination));
  if (!empty && !is_nnunet_package(destination))
    throw Error(ErrorCode::FileUnwritable, "it exists and is no nnU-Net package: it is not replaced")
        .file(destination)
        .remedy("give a new folder");
  StagedFolder staged(destination.parent_path() / ("." + destination.filename().string() + ".part"));
  NnunetImportReport report = checkpoint::Import(nnunet_model_folder, staged.path(), options).run();
  staged.publish(destination);
  report.package = check_nnunet_package(destination);
  return report;
} catch (const fs::filesystem_error& problem) {
  throw Error(ErrorCode::FileUnwritable, problem.code().message()).file(problem.path1());
}

}  // namespace rouage::infer
