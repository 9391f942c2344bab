#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include "app/commands.h"
#include "app/segment.h"
#include "base/error.h"
#include "base/host.h"
#include "cogs/organs/classical.h"
#include "cogs/organs/nnunet_organs.h"
#include "dicom/volume_objects/volume_objects.h"
#include "infer/package.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

/// The bar of the windows; preprocessing is one step of it.
class SegmentProgress {
 public:
  bool operator()(infer::SegmentStage stage, std::uint64_t done, std::uint64_t total) {
    if (stage == infer::SegmentStage::predict) {
      if (!bar_) bar_ = std::make_unique<ProgressBar>("windows", total);
      bar_->advance(done);
    }
    return true;
  }

 private:
  std::unique_ptr<ProgressBar> bar_;
};

fs::path model_folder(const std::string& name_or_path) {
  if (fs::is_directory(name_or_path)) return name_or_path;
  return infer::find_package(name_or_path, {product_folder() / "models"});
}

infer::VolumeEngine engine_of(const std::string& name) {
  if (name == "own") return infer::VolumeEngine::own;
  return name == "onnxruntime" ? infer::VolumeEngine::onnxruntime : infer::VolumeEngine::automatic;
}

cogs::organs::NnunetRun run_of(const SegmentArguments& arguments, const SegmentSource& source,
                               const image::LabelMap* previous) {
  cogs::organs::NnunetRun run;
  run.precision = arguments.precision;
  run.engine = engine_of(arguments.engine);
  run.threads = arguments.threads;
  run.step_size = arguments.step_size;
  run.mirroring = !arguments.no_mirroring;
  run.memory_budget_bytes = arguments.memory.empty() ? 0 : bytes_of(arguments.memory);
  run.previous_stage = previous;
  if (source.header && source.header->format == image::VolumeFormat::nifti)
    run.header_spacing_mm = source.header->spacing_mm;
  run.logits_npy = arguments.logits;
  const auto progress = std::make_shared<SegmentProgress>();
  run.progress = [progress](infer::SegmentStage stage, std::uint64_t done, std::uint64_t total) {
    return (*progress)(stage, done, total);
  };
  run.planned = [](const infer::MemoryPlan& plan) { std::fprintf(stderr, "memory: %s\n", plan.text().c_str()); };
  return run;
}

/// Volumes and intensities of every label that the model can write, found or not.
void measure(results::VolumeSegmentation& segmentation, const image::Volume<float>& intensities) {
  std::vector<std::uint16_t> values;
  for (const results::VolumeLabel& label : segmentation.names) values.push_back(label.value);
  if (values.empty()) return;
  segmentation.figures = dicom::measure_labels(
      segmentation.labels.grid, [&](std::uint32_t k) { return segmentation.labels.slice(k); },
      [&](std::uint32_t k) { return intensities.slice(k); }, values);
  segmentation.intensity_unit = intensities.unit;
}

void print_table(const results::VolumeSegmentation& segmentation) {
  TextTable table({"value", "structure", "voxels", "volume, mL", "mean", "SD"}, "><>>>>");
  for (std::size_t i = 0; i < segmentation.names.size(); ++i) {
    const dicom::LabelFigures& figures = segmentation.figures[i];
    const auto shown = [](const std::optional<double>& value) {
      return value ? fixed_text(*value, 1) : std::string("-");
    };
    table.row({std::to_string(segmentation.names[i].value), segmentation.names[i].name, std::to_string(figures.voxels),
               fixed_text(figures.volume_ml, 2), shown(figures.mean), shown(figures.standard_deviation)});
  }
  fmt::print("{}", table.text());
}

/// What a segmentation method hands to the writers.
struct Segmented {
  results::VolumeSegmentation segmentation;
  std::string memory;                      ///< the plan in words; "" for none
  std::string refusal_code, refusal_text;  ///< not eligible: nothing is written
};

Segmented segment_by_net(const SegmentArguments& arguments, const SegmentSource& source,
                         const cogs::organs::OrganModel& model) {
  std::optional<image::LabelMap> previous;
  if (!arguments.previous.empty()) previous = image::read_label_map(arguments.previous);
  const cogs::organs::NnunetRun run = run_of(arguments, source, previous ? &*previous : nullptr);
  cogs::organs::NnunetSegmentation done = cogs::organs::segment_with_nnunet(source.channels, model, run);
  Segmented result;
  result.segmentation.labels = std::move(done.labels);
  for (const auto& [value, name] : done.names) result.segmentation.names.push_back({value, name});
  result.segmentation.provenance = std::move(done.provenance);
  result.segmentation.warnings = std::move(done.warnings);
  result.memory = done.memory.text();
  return result;
}

Segmented segment_by_rules(const SegmentArguments& arguments, const SegmentSource& source) {
  cogs::organs::ClassicalOrgans found = cogs::organs::classical_organs(
      source.channels.front(), {.assume_hounsfield = arguments.assume_hounsfield, .threads = arguments.threads});
  Segmented result;
  result.refusal_code = found.refusal;
  result.refusal_text = found.refusal_detail;
  result.segmentation.labels = std::move(found.labels);
  for (const cogs::organs::ClassicalOrgan& organ : found.organs) {
    result.segmentation.names.push_back({organ.label, organ.name});
    if (!organ.absent.empty())
      result.segmentation.warnings.push_back(organ.name + ": none found (" + organ.absent + ")");
  }
  for (const cogs::organs::ClassicalWarning& warning : found.warnings)
    result.segmentation.warnings.push_back(warning.code + ": " + warning.detail);
  result.segmentation.provenance.cog = "organs";
  result.segmentation.provenance.cog_version = cogs::organs::kVersion;
  result.segmentation.provenance.engine = "classical";
  result.segmentation.provenance.precision = "exact";
  return result;
}

int say_ineligible(const SegmentArguments& arguments, const Segmented& result) {
  const results::VolumeContext context = segment_context(arguments, {}, {}, {});
  if (arguments.json)
    fmt::print("{}\n", results::ineligible_volume_json(context, result.refusal_code, result.refusal_text));
  else
    fmt::print("not segmented: {} ({})\n", result.refusal_text, result.refusal_code);
  return 0;
}

int segment(SegmentArguments& arguments) {
  if (arguments.threads == 0) arguments.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::optional<cogs::organs::OrganModel> model;
  if (!arguments.model.empty())
    model = cogs::organs::open_organ_model(model_folder(arguments.model), arguments.configuration, arguments.folds);
  const SegmentSource source = read_segment_source(arguments, model ? model->nnunet.channels.size() : 1);
  Segmented result = model ? segment_by_net(arguments, source, *model) : segment_by_rules(arguments, source);
  results::VolumeSegmentation& segmentation = result.segmentation;
  segmentation.warnings.insert(segmentation.warnings.begin(), source.warnings.begin(), source.warnings.end());
  for (const std::string& warning : segmentation.warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  if (!result.refusal_code.empty()) return say_ineligible(arguments, result);

  segmentation.provenance.language = arguments.language;
  segmentation.provenance.input_uids = source.input_uids;
  measure(segmentation, source.channels.front());
  const std::vector<std::string> outputs = write_segment_outputs(arguments, source, segmentation, result.memory);
  if (arguments.json) {
    fmt::print("{}\n", results::volume_json(segmentation, segment_context(arguments, source, outputs, result.memory)));
    return 0;
  }
  print_table(segmentation);
  for (const std::string& path : outputs) fmt::print("{}\n", path);
  return 0;
}

void add_net_options(CLI::App& command, SegmentArguments& arguments) {
  command
      .add_option("--precision", arguments.precision,
                  "exact: the reference's float16 sums; f32; bf16; auto: bf16 where the CPU has it, else f32")
      ->check(CLI::IsMember({"exact", "f32", "bf16", "auto"}))
      ->capture_default_str();
  command
      .add_option("--engine", arguments.engine, "own: ours for 3D U-Nets; auto: ours where it can, else ONNX Runtime")
      ->check(CLI::IsMember({"auto", "own", "onnxruntime"}))
      ->capture_default_str();
  command.add_option("--threads", arguments.threads, "default: all cores; the answer does not depend on it")
      ->check(CLI::Range(0, 1024));
  command.add_option("--memory", arguments.memory,
                     "budget, e.g. 6G: the plan that keeps to it, or a refusal that says what is needed");
  command.add_option("--step", arguments.step_size, "of the sliding window, in patches")
      ->check(CLI::Range(0.05, 1.0))
      ->capture_default_str();
  command.add_flag("--no-mirroring", arguments.no_mirroring,
                   "one pass a window: faster, not what the model was measured with");
  command.add_option("--folds", arguments.folds, "only these (default: all), comma between")->delimiter(',');
  command.add_option("--configuration", arguments.configuration, "of the plans, where the package does not say it");
  command.add_option("--previous", arguments.previous, "label map of the earlier stage, for a cascade");
  command.add_option("--logits", arguments.logits, "also the averaged logits, float16 [class][axis 0][1][2], as .npy");
}

}  // namespace

void add_segment(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand(
      "segment",
      "Structures of a volume (DICOM series, NIfTI, NRRD, MetaImage) by an nnU-Net package or by classical rules.\n"
      "OUT is a label map (.nii.gz, .nrrd, .mha), or a folder for it and, from DICOM, SEG, "
      "label map SEG, RTSTRUCT and\n"
      "measurements (SR). Docs: docs/commands/segment.md");
  const auto arguments = std::make_shared<SegmentArguments>();
  command->add_option("IN", arguments->inputs, "one a channel of the model; a DICOM series as folder or files")
      ->required();
  command->add_option(
      "--model", arguments->model,
      "package: a folder, or a name of `rouage model list`; without it: body, lungs, airways and bone of a CT "
      "by classical rules");
  command->add_option("--out", arguments->out, "file or folder to write")->required();
  command
      ->add_option("--write", arguments->write, "what a folder gets: nifti, seg, labelmap, rtstruct, sr (default: all)")
      ->delimiter(',')
      ->check(CLI::IsMember({"nifti", "seg", "labelmap", "rtstruct", "sr"}));
  add_net_options(*command, *arguments);
  command->add_option("--series", arguments->series, "Series Instance UID, where the folder holds several");
  command->add_flag("--resample-uneven", arguments->resample_uneven,
                    "resample uneven or missing slices instead of refusing");
  command->add_flag("--assume-hounsfield", arguments->assume_hounsfield,
                    "without --model: take a volume file's values, which have no unit, as Hounsfield units");
  command->add_flag("--untilt", arguments->untilt, "resample a tilted gantry instead of keeping its sheared grid");
  command->add_option("--language", arguments->language, "of what people read")->check(CLI::IsMember({"en", "fr"}));
  command->add_flag("--json", arguments->json, "one JSON document: docs/formats/segment.md");
  command->callback([arguments, &exit_code] { exit_code = segment(*arguments); });
}

}  // namespace rouage::app
