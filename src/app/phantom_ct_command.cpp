#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "base/error.h"
#include "base/host.h"
#include "dicom/series/series.h"
#include "image/phantom_ct.h"
#include "image/volume_files.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

struct PhantomCtArguments {
  image::PhantomCtOptions ct;
  std::vector<std::uint32_t> size;
  std::vector<double> spacing;
  std::string out, truth;
  bool json = false;
};

/// Voxels and volume of each label, for people and programs.
nlohmann::ordered_json truth_json(const image::PhantomCt& phantom) {
  std::vector<std::uint64_t> counts(phantom.names.size(), 0);
  for (const std::uint16_t label : phantom.truth.values) ++counts[label];
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t i = 1; i < counts.size(); ++i)
    rows.push_back({{"value", i},
                    {"label", phantom.names[i]},
                    {"voxels", counts[i]},
                    {"volume_ml", static_cast<double>(counts[i]) * phantom.truth.grid.voxel_ml()}});
  return rows;
}

int make_phantom_ct(PhantomCtArguments& arguments) {
  if (!arguments.size.empty()) std::copy(arguments.size.begin(), arguments.size.end(), arguments.ct.size.begin());
  if (!arguments.spacing.empty())
    std::copy(arguments.spacing.begin(), arguments.spacing.end(), arguments.ct.spacing_mm.begin());
  const image::PhantomCt phantom = image::phantom_ct(arguments.ct);
  std::vector<std::string> files;
  if (image::is_volume_name(arguments.out)) {
    image::write_volume(arguments.out, phantom.hu);
    files.push_back(arguments.out);
  } else {
    fs::path staging = fs::path(arguments.out).lexically_normal();
    if (!staging.has_filename()) staging = staging.parent_path();
    const fs::path place = staging;
    staging += ".part";
    StagedFolder staged(staging);
    dicom::CtSeriesFacts facts;
    facts.patient_id = "PHANTOM";
    facts.study_date = "20260101";
    for (const fs::path& file : dicom::write_ct_series(phantom.hu, facts, staged.path()))
      files.push_back((place / file.filename()).string());
    staged.publish(place);
  }
  if (!arguments.truth.empty()) {
    image::LabelMapWriteOptions options;
    for (std::size_t i = 1; i < phantom.names.size(); ++i)
      options.labels.push_back({static_cast<std::uint16_t>(i), phantom.names[i]});
    image::write_label_map(arguments.truth, phantom.truth, options);
  }
  const nlohmann::ordered_json truth = truth_json(phantom);
  if (arguments.json) {
    fmt::print(
        "{}\n",
        nlohmann::ordered_json{{"synthetic", true}, {"outputs", files}, {"truth", arguments.truth}, {"labels", truth}}
            .dump());
    return 0;
  }
  TextTable table({"value", "structure", "voxels", "volume, mL"}, "><>>");
  for (const auto& row : truth)
    table.row({row["value"].dump(), row["label"], row["voxels"].dump(), fixed_text(row["volume_ml"], 1)});
  fmt::print("{}: synthetic phantom CT, {} x {} x {}\n{}", arguments.out, phantom.hu.grid.size[0],
             phantom.hu.grid.size[1], phantom.hu.grid.size[2], table.text());
  return 0;
}

}  // namespace

void add_phantom_ct(CLI::App& group, int& exit_code) {
  CLI::App* command =
      group.add_subcommand("ct", "A CT of a mathematical thorax and abdomen. Docs: docs/commands/phantom.md");
  const auto arguments = std::make_shared<PhantomCtArguments>();
  command->add_option("--out", arguments->out, "a folder for the DICOM series, or a file .nii.gz, .nrrd, .mha")
      ->required();
  command->add_option("--truth", arguments->truth, "also the label map of its structures");
  command->add_option("--size", arguments->size, "voxels along left, back, head (default: 192,160,120)")
      ->delimiter(',')
      ->expected(3);
  command->add_option("--spacing-mm", arguments->spacing, "of the same axes (default: 2,2,3.5)")
      ->delimiter(',')
      ->expected(3);
  command->add_option("--orientation", arguments->ct.orientation, "of the axes: LPS, RAS, PIR...")
      ->capture_default_str();
  command->add_option("--seed", arguments->ct.seed, "of the noise")->capture_default_str();
  command->add_option("--noise-hu", arguments->ct.noise_hu, "standard deviation")->capture_default_str();
  command->add_flag("--contrast", arguments->ct.contrast, "contrast medium in heart and aorta");
  command->add_flag("--json", arguments->json, "the truth as JSON");
  command->callback([arguments, &exit_code] { exit_code = make_phantom_ct(*arguments); });
}

}  // namespace rouage::app
