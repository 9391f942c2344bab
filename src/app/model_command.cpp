#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/model_boxes.h"
#include "app/model_nnunet.h"
#include "base/error.h"
#include "base/host.h"
#include "infer/model_check.h"

namespace rouage::app {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
namespace {

struct ModelArguments {
  std::string package, onnx, out, pixel_scale = "1024", name, kind, provider = "cpu", boxes;
  infer::NnunetImportOptions nnunet;
  bool json = false;
};

std::vector<fs::path> model_folders() {
  return {product_folder() / "models"};
}

int list_models(bool as_json) {
  TextTable table({"name", "version", "cog", "digest", "folder"}, "<<<<<");
  Json rows = Json::array();
  int bad = 0;
  for (const fs::path& folder : model_folders()) {
    std::error_code ignored;
    std::vector<fs::path> packages;
    for (const auto& entry : fs::directory_iterator(folder, ignored))
      if (fs::exists(entry.path() / "model.yaml", ignored)) packages.push_back(entry.path());
    std::sort(packages.begin(), packages.end());
    for (const fs::path& path : packages) {
      try {
        if (infer::is_nnunet_package(path)) {
          const infer::NnunetPackage package = infer::check_nnunet_package(path);
          table.row({package.name, package.version, package.cog, package.digest.substr(0, 16), path.string()});
          rows.push_back(package_summary(package));
          continue;
        }
        const infer::Package package = infer::read_package(path);
        table.row({package.name, package.version, package.cog, package.digest.substr(0, 16), path.string()});
        rows.push_back(package_summary(package));
      } catch (const Error& error) {
        ++bad;
        std::fprintf(stderr, "refused: %s\n", error.what());
      }
    }
  }
  if (as_json)
    fmt::print("{}\n", rows.dump());
  else
    fmt::print("{}", table.text());
  return bad > 0 ? 1 : 0;
}

Json output_json(const infer::PackageOutput& output) {
  Json json{{"label", output.label}, {"kind", output.kind}, {"calibrated", output.platt_a.has_value()}};
  Json points = Json::array();
  for (const infer::PackageOperatingPoint& point : output.operating_points) {
    Json row{{"name", point.name}, {"threshold", point.threshold}, {"set_on", point.set_on}};
    if (point.sensitivity) row["sensitivity"] = *point.sensitivity;
    if (point.specificity) row["specificity"] = *point.specificity;
    points.push_back(row);
  }
  json["operating_points"] = points;
  return json;
}

int show_model(const ModelArguments& arguments) {
  const fs::path folder = infer::find_package(arguments.package, model_folders());
  if (infer::is_nnunet_package(folder)) return show_nnunet_model(folder, arguments.json);
  const infer::Package package = infer::read_package(folder);
  if (arguments.json) {
    Json json = package_summary(package);
    json["intended_use"] = package.intended_use;
    json["outputs"] = Json::array();
    for (const infer::PackageOutput& output : package.outputs) json["outputs"].push_back(output_json(output));
    json["performance"] = Json::array();
    for (const infer::PackageFigure& figure : package.performance)
      json["performance"].push_back({{"figure", figure.figure},
                                     {"label", figure.label},
                                     {"stratum", figure.stratum},
                                     {"value", figure.estimate.value},
                                     {"lower", figure.estimate.lower},
                                     {"upper", figure.estimate.upper},
                                     {"n", figure.n},
                                     {"data", figure.data}});
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{} {} by {} ({})\n{}\ndigest {}\n\n", package.name, package.version, package.maker, package.licence,
             package.intended_use, package.digest);
  TextTable outputs({"output", "kind", "operating point", "threshold", "sensitivity", "specificity"}, "<<<>>>");
  for (const infer::PackageOutput& output : package.outputs) {
    if (output.operating_points.empty()) outputs.row({output.label, output.kind});
    for (const infer::PackageOperatingPoint& point : output.operating_points)
      outputs.row({output.label, output.kind, point.name, fixed_text(point.threshold, 3),
                   point.sensitivity ? fixed_text(*point.sensitivity, 3) : "-",
                   point.specificity ? fixed_text(*point.specificity, 3) : "-"});
  }
  TextTable figures({"figure", "label", "stratum", "value", "95 % interval", "n"}, "<<<>>>");
  for (const infer::PackageFigure& figure : package.performance)
    figures.row({figure.figure, figure.label, figure.stratum, fixed_text(figure.estimate.value, 3),
                 fixed_text(figure.estimate.lower, 3) + " to " + fixed_text(figure.estimate.upper, 3),
                 std::to_string(figure.n)});
  fmt::print("{}\n{}", outputs.text(), figures.text());
  return 0;
}

std::string percent_text(const Estimate& rate) {
  return fmt::format("{:.0f} % ({:.0f}-{:.0f})", 100 * rate.value, 100 * rate.lower, 100 * rate.upper);
}

Json rate_json(const Estimate& rate) {
  return {{"value", rate.value}, {"lower", rate.lower}, {"upper", rate.upper}};
}

Json boxes_json(const BoxReport& report) {
  Json rows = Json::array();
  for (const cogs::PointingRow& row : report.rows)
    rows.push_back({{"label", row.label},
                    {"n", row.n},
                    {"box_area", row.box_area},
                    {"map", rate_json(row.map)},
                    {"lung_centre", rate_json(row.lung_centre)},
                    {"class_mean", rate_json(row.class_mean)},
                    {"shuffled", rate_json(row.shuffled)},
                    {"rank_correlation_with_shuffled", row.rank_correlation}});
  return {{"boxes", report.boxes}, {"without_output", report.unknown}, {"rows", rows}};
}

std::string boxes_table(const BoxReport& report) {
  TextTable table({"finding", "boxes", "box area", "map", "lung centre", "mean map", "shuffled weights", "correlation"},
                  "<>>>>>>>");
  for (const cogs::PointingRow& row : report.rows)
    table.row({row.label, std::to_string(row.n), fmt::format("{:.0f} %", 100 * row.box_area), percent_text(row.map),
               percent_text(row.lung_centre), row.n > 1 ? percent_text(row.class_mean) : "-",
               percent_text(row.shuffled), fixed_text(row.rank_correlation, 2)});
  return fmt::format(
      "\nPointing game: share of the boxes that hold the map's maximum, Wilson's 95 % interval, beside guesses that "
      "see "
      "no film.\nA film that trained the net is favoured; {} of {} boxes are of findings that the package does not "
      "have.\n{}",
      report.unknown, report.boxes, table.text());
}

int check_model(const ModelArguments& arguments) {
  const fs::path folder = infer::find_package(arguments.package, model_folders());
  if (infer::is_nnunet_package(folder)) return check_nnunet_model(folder, arguments.json);
  infer::SessionOptions options;
  options.provider = arguments.provider;
  bool passed = true;
  Json rows = Json::array();
  TextTable table({"check", "", "measured"}, "<<<");
  for (const infer::Check& check : infer::check_package(folder, options)) {
    passed = passed && check.passed;
    table.row({check.check, check.passed ? "passed" : "FAILED", check.detail});
    rows.push_back({{"check", check.check}, {"passed", check.passed}, {"detail", check.detail}});
  }
  Json document{{"package", folder.string()}, {"passed", passed}, {"checks", rows}};
  std::string text = table.text();
  // A package that fails its own checks points at nothing worth measuring.
  if (passed && !arguments.boxes.empty()) {
    const BoxReport report = play_boxes(folder, arguments.boxes);
    document["pointing"] = boxes_json(report);
    text += boxes_table(report);
  }
  fmt::print("{}", arguments.json ? document.dump() + "\n" : text);
  return passed ? 0 : 1;
}

int import_model(ModelArguments& arguments) {
  if (arguments.kind == "nnunet") {
    if (!arguments.name.empty()) arguments.nnunet.name = arguments.name;
    return import_nnunet_model(arguments.onnx, arguments.out, arguments.nnunet, arguments.json);
  }
  static const std::map<std::string, std::string> kScales{
      {"1024", "scale_1024"}, {"255", "scale_255"}, {"unit", "unit"}, {"standardise", "film_standardise"}};
  infer::ImportOptions options;
  options.normalisation = kScales.at(arguments.pixel_scale);
  if (!arguments.name.empty()) options.name = arguments.name;
  const infer::Package package = infer::import_torchxrayvision(arguments.onnx, options, arguments.out);
  if (arguments.json)
    fmt::print("{}\n", package_summary(package).dump());
  else
    fmt::print("{}: package {} {} (digest {})\nuse it: rouage analyze FILM --out DIR --model {}\n", arguments.out,
               package.name, package.version, package.digest.substr(0, 16), arguments.out);
  return 0;
}

void add_nnunet_options(CLI::App& command, infer::NnunetImportOptions& options) {
  const char* group = "nnunet";
  command.add_option("--version", options.version, "the package's version")->capture_default_str()->group(group);
  command.add_option("--maker", options.maker, "who trained it")->capture_default_str()->group(group);
  command.add_option("--licence", options.licence, "of the weights")->capture_default_str()->group(group);
  command.add_option("--folds", options.folds, "only these, e.g. 0,1 (default: all but fold_all)")
      ->delimiter(',')
      ->group(group);
  command.add_flag("--fold-all", options.fold_all, "fold_all instead")->group(group);
  command.add_option("--checkpoint", options.checkpoint, "file name in each fold (default: checkpoint_final.pth)")
      ->group(group);
  command
      .add_option("--accept-trainer", options.accept_trainer,
                  "exact name of a trainer that is not known here, whose net you know to be the plans' own")
      ->group(group);
}

void add_import(CLI::App& model, const std::shared_ptr<ModelArguments>& arguments, int& exit_code) {
  CLI::App* command = model.add_subcommand("import", "Make a package of a model that you have");
  command
      ->add_option("KIND", arguments->kind,
                   "torchxrayvision: a DenseNet with 18 outputs exported to ONNX; nnunet: a trained nnU-Net v2 folder")
      ->required()
      ->check(CLI::IsMember({"torchxrayvision", "nnunet"}));
  command
      ->add_option(
          "SOURCE", arguments->onnx,
          "the exported file, or the folder that holds plans.json and fold_N/checkpoint_final.pth or model.onnx")
      ->required();
  command->add_option("--out", arguments->out, "the package folder to make")->required();
  command->add_option("--name", arguments->name, "the package's name");
  command
      ->add_option("--pixel-scale", arguments->pixel_scale,
                   "the scale on which the net was trained: checked, not believed")
      ->check(CLI::IsMember({"1024", "255", "unit", "standardise"}))
      ->capture_default_str();
  add_nnunet_options(*command, arguments->nnunet);
  command->add_flag("--json", arguments->json, "JSON on standard output");
  command->callback([arguments, &exit_code] { exit_code = import_model(*arguments); });
}

}  // namespace

void add_model(CLI::App& program, int& exit_code) {
  CLI::App* model =
      program.add_subcommand("model", "Model packages: list, show, check, import. Docs: docs/commands/model.md");
  model->require_subcommand(1);
  const auto arguments = std::make_shared<ModelArguments>();

  CLI::App* list = model->add_subcommand("list", "The packages that are installed");
  list->add_flag("--json", arguments->json, "JSON on standard output");
  list->callback([arguments, &exit_code] { exit_code = list_models(arguments->json); });

  CLI::App* show = model->add_subcommand("show", "A package: outputs, operating points, measured performance");
  show->add_option("PACKAGE", arguments->package, "name or folder")->required();
  show->add_flag("--json", arguments->json, "JSON on standard output");
  show->callback([arguments, &exit_code] { exit_code = show_model(*arguments); });

  CLI::App* check =
      model->add_subcommand("check", "Digests, shapes, answers on synthetic films; exit 1 when one fails");
  check->add_option("PACKAGE", arguments->package, "name or folder")->required();
  check->add_option("--boxes", arguments->boxes,
                    "CSV of expert boxes (file, finding, x, y, w, h, px_frame): do the maps point at them?");
  check->add_option("--provider", arguments->provider, "execution provider")->capture_default_str();
  check->add_flag("--json", arguments->json, "JSON on standard output");
  check->callback([arguments, &exit_code] { exit_code = check_model(*arguments); });

  add_import(*model, arguments, exit_code);
}

}  // namespace rouage::app
