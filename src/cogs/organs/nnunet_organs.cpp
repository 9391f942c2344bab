#include "cogs/organs/nnunet_organs.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/host.h"
#include "infer/checkpoint/import_nnunet.h"

namespace rouage::cogs::organs {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kLargestWeights = 8ULL << 30;

/// Of a folder without model.yaml: every file that the answer depends on, by name and content.
std::string folder_digest(const fs::path& folder, const infer::NnunetModel& model) {
  std::vector<std::string> parts;
  const auto add = [&](const fs::path& file) {
    if (!fs::exists(file)) return;
    parts.push_back(file.lexically_relative(folder).string());
    parts.push_back(file_digest(file, kLargestWeights).hex());
  };
  for (const char* name : {"plans.json", "dataset.json", "inference.json"}) add(folder / name);
  for (const infer::NnunetFold& fold : model.folds) add(fold.onnx);
  return digest_of(parts).hex();
}

std::vector<infer::NnunetFold> chosen_folds(const std::vector<infer::NnunetFold>& there,
                                            const std::vector<std::string>& wanted) {
  if (wanted.empty()) return there;
  std::vector<infer::NnunetFold> chosen;
  for (const std::string& name : wanted) {
    const auto found = std::find_if(there.begin(), there.end(), [&](const infer::NnunetFold& fold) {
      return fold.name == name || fold.name == "fold_" + name;
    });
    if (found == there.end()) {
      std::string known;
      for (const infer::NnunetFold& fold : there) known += (known.empty() ? "" : ", ") + fold.name;
      throw Error(ErrorCode::OptionInvalid, "the model has no " + name).remedy("it has " + known);
    }
    chosen.push_back(*found);
  }
  return chosen;
}

infer::Precision net_precision(const std::string& precision) {
  if (precision == "bf16") return infer::Precision::bf16;
  if (precision == "auto") return infer::bf16_supported() ? infer::Precision::bf16 : infer::Precision::f32;
  if (precision == "exact" || precision == "f32") return infer::Precision::f32;
  throw Error(ErrorCode::OptionInvalid, "no precision is called " + precision).remedy("exact, f32, bf16 or auto");
}

/// Names of the values that can stand in the label map. Without regions a label's own; with regions the region whose
/// output writes the value.
std::vector<std::pair<std::uint16_t, std::string>> label_names(const infer::NnunetModel& model) {
  std::map<std::uint16_t, std::string> names;
  std::size_t output = 0;
  for (const infer::NnunetLabel& label : model.labels) {
    if (label.ignore || label.values.empty()) continue;
    const bool background = std::all_of(label.values.begin(), label.values.end(), [](int v) { return v == 0; });
    if (background) continue;
    if (!model.regions)
      names[static_cast<std::uint16_t>(label.values.front())] = label.name;
    else if (output < model.written_labels.size())
      names[model.written_labels[output++]] = label.name;
  }
  return {names.begin(), names.end()};
}

/// Nets opened when asked for; the first one, opened to know what it holds, is handed out for its fold.
class Nets {
 public:
  Nets(const infer::NnunetModel& model, const infer::VolumeNetOptions& options) : model_(model), options_(options) {
    first_ = open(0);
    identity_ = first_->identity();
    bytes_ = first_->memory_bytes();
  }
  const infer::VolumeNetIdentity& identity() const { return identity_; }
  std::uint64_t bytes() const { return bytes_; }

  infer::PatchNet net(std::size_t fold) {
    std::shared_ptr<infer::VolumeNet> opened = fold == 0 && first_ ? std::move(first_) : open(fold);
    return [opened](std::span<const float> patch, std::span<float> logits) { opened->run(patch, logits); };
  }

 private:
  std::shared_ptr<infer::VolumeNet> open(std::size_t fold) const {
    return std::make_shared<infer::VolumeNet>(
        infer::VolumeNet::open(model_.folds.at(fold).onnx, model_.patch, options_));
  }
  const infer::NnunetModel& model_;
  infer::VolumeNetOptions options_;
  std::shared_ptr<infer::VolumeNet> first_;
  infer::VolumeNetIdentity identity_;
  std::uint64_t bytes_ = 0;
};

Provenance provenance_of(const OrganModel& model, const NnunetRun& run, const infer::VolumeNetIdentity& net) {
  Provenance provenance;
  provenance.cog = "organs";
  provenance.cog_version = kVersion;
  provenance.models.push_back(model.identity);
  provenance.engine = net.engine;
  provenance.precision = run.precision == "exact" ? "exact" : net.precision;
  std::string folds;
  for (const infer::NnunetFold& fold : model.nnunet.folds) folds += (folds.empty() ? "" : ",") + fold.name;
  provenance.parameters = {{"configuration", model.nnunet.configuration},
                           {"folds", folds},
                           {"step_size", number_text(run.step_size)},
                           {"mirroring", run.mirroring && !model.nnunet.mirror_axes.empty() ? "on" : "off"}};
  return provenance;
}

}  // namespace

OrganModel open_organ_model(const fs::path& folder, const std::string& configuration,
                            const std::vector<std::string>& folds) {
  OrganModel model;
  model.nnunet = infer::read_nnunet(folder, configuration);
  if (model.nnunet.folds.empty())
    throw Error(ErrorCode::PackageInvalid, "the package holds no fold_N/model.onnx")
        .file(folder)
        .remedy("rouage model import nnunet FOLDER --out PACKAGE");
  if (fs::exists(folder / "model.yaml")) {
    const infer::NnunetPackage package = infer::check_nnunet_package(folder);
    model.identity = {package.name, package.version, package.digest, package.maker};
  } else {
    model.identity = {fs::absolute(folder).lexically_normal().filename().string(), "not stated",
                      folder_digest(folder, model.nnunet), "not stated"};
    if (model.identity.name.empty()) model.identity.name = model.nnunet.dataset;
  }
  model.nnunet.folds = chosen_folds(model.nnunet.folds, folds);
  return model;
}

NnunetSegmentation segment_with_nnunet(std::span<const image::Volume<float>> channels, const OrganModel& model,
                                       const NnunetRun& run) {
  Nets nets(
      model.nnunet,
      {.precision = net_precision(run.precision), .engine = run.engine, .threads = run.threads, .self_check = true});
  infer::SegmentOptions options;
  options.accumulation = run.precision == "exact" ? infer::Accumulation::exact : infer::Accumulation::float32;
  options.threads = run.threads;
  options.step_size = run.step_size;
  options.mirroring = run.mirroring;
  options.net_bytes = nets.bytes();
  options.memory_budget_bytes = run.memory_budget_bytes;
  options.progress = run.progress;
  if (run.planned && !channels.empty()) run.planned(infer::plan_memory(model.nnunet, channels.front().grid, options));

  infer::SegmentInput input{.channels = channels, .previous_stage = run.previous_stage, .spacing_kji_mm = {}};
  if (run.header_spacing_mm) {
    const image::Point3& s = *run.header_spacing_mm;
    input.spacing_kji_mm = infer::Spacing3{s[2], s[1], s[0]};
  }
  NnunetSegmentation done;
  done.provenance = provenance_of(model, run, nets.identity());
  if (!channels.empty()) {
    done.labels.grid = channels.front().grid;
    done.labels.values.resize(done.labels.grid.voxels());
  }
  infer::SegmentSinks sinks;
  sinks.labels = [&](std::uint32_t k, std::span<const std::uint16_t> slice) {
    std::copy(slice.begin(), slice.end(), done.labels.values.begin() + static_cast<std::ptrdiff_t>(k * slice.size()));
  };
  if (!run.logits_npy.empty()) sinks.logits = infer::npy_logits_sink(run.logits_npy);
  const infer::SegmentResult result = infer::segment(
      input, model.nnunet, options, [&](std::size_t fold) { return nets.net(fold); }, sinks);
  done.names = label_names(model.nnunet);
  done.memory = result.memory;
  done.warnings = result.warnings;  // the model's own among them
  if (const std::string& note = nets.identity().note; !note.empty()) done.warnings.push_back(note);
  return done;
}

}  // namespace rouage::cogs::organs
