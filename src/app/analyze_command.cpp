#include <CLI/CLI.hpp>

#include "app/analyze.h"
#include "app/commands.h"
#include "base/host.h"

namespace rouage::app {

namespace {

void add_cog_options(CLI::App& command, AnalyzeOptions& options) {
  RunSettings& settings = options.settings;
  command.add_option("--cog", settings.cog, "the cog to run")->capture_default_str();
  command.add_option("--language", settings.language, "en or fr: texts on pictures and in tables")
      ->check(CLI::IsMember({"en", "fr"}))
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--operating-point", [&settings](const std::string& name) { settings.options["operating_point"] = name; },
          "threshold set of the model's card (default: balanced)")
      ->check(CLI::IsMember({"balanced", "sensitive"}));
  command.add_option_function<std::string>(
      "--model", [&settings](const std::string& package) { settings.packages["rouage-chest"] = package; },
      "another model package instead of rouage-chest (folder or name)");
  command
      .add_option_function<std::string>(
          "--explain", [&settings](const std::string& labels) { settings.options["explain"] = labels; },
          "also keep the maps of these outputs (comma between; all): positive findings have theirs anyway")
      ->type_name("LABELS");
  command.add_flag_callback(
      "--guided", [&settings] { settings.options["guided"] = "on"; }, "finer maps by guided gradients (slower)");
  command.add_option("--provider", settings.provider, "execution provider: cpu, cuda, tensorrt, openvino")
      ->capture_default_str();
}

void add_machine_options(CLI::App& command, AnalyzeOptions& options) {
  command.add_option("--jobs", options.jobs, "worker processes (default: one a core)")->check(CLI::Range(0, 1024));
  command.add_option("--threads", options.settings.threads, "threads of one net (default: cores / jobs)")
      ->check(CLI::Range(0, 1024));
  command.add_option("--memory-mb", options.memory_mb, "address space of a worker, 0: no limit")->capture_default_str();
  command.add_option("--deadline-s", options.deadline_s, "a film that takes longer is refused")->capture_default_str();
  command.add_option("--max-file-mb", options.settings.max_file_mb, "larger files are refused")->capture_default_str();
}

}  // namespace

void add_analyze(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand(
      "analyze",
      "Run the fitting cog on films (files or folders), without a server.\n"
      "Per film OUT gets coded DICOM objects, results.json, a FHIR bundle and a picture; per study a key-object list.\n"
      "Interrupted or repeated, it goes on where it stopped. Docs: docs/commands/analyze.md");
  const auto options = std::make_shared<AnalyzeOptions>();
  options->settings.threads = 0;
  command->add_option("PATH", options->paths, "DICOM files or folders; PNG and JPEG with --as-film")->required();
  command->add_option("--out", options->out, "folder for the results")->required();
  command->add_flag("--as-film", options->as_film, "take PNG and JPEG pictures as films");
  command->add_option(
      "--table", options->table,
      "CSV about pictures: column file, and any of patient, study, age (years), sex, view, accession, date");
  command->add_option("--frame", options->frame, "the frame to read of a multi-frame file, from 1")
      ->check(CLI::PositiveNumber);
  command->add_flag_callback(
      "--no-pictures", [options] { options->settings.pictures = false; }, "write no secondary capture and no PNG");
  command->add_flag("--json", options->json, "one JSON document a line on standard output (docs/formats/analyze.md)");
  add_cog_options(*command, *options);
  add_machine_options(*command, *options);
  command->callback([options, &exit_code] {
    options->settings.model_folders = {(product_folder() / "models").string()};
    exit_code = analyze(*options);
  });
}

}  // namespace rouage::app
