#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include "app/commands.h"
#include "base/error.h"
#include "base/host.h"
#include "evidence/analyses.h"
#include "evidence/study.h"
#include "page/plot.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

struct EvidenceArguments {
  std::map<std::string, std::string> inputs, options;
  std::map<std::string, bool> flags;
  evidence::AnalysisOptions common;
  std::string plot_folder;
  bool json = false;
};

void write_text(const fs::path& file, const std::string& text) {
  write_file_atomic(file, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// NAME.svg and NAME.png of every plot, and one page with all of them.
void write_plots(const evidence::Outcome& outcome, const fs::path& folder, const std::string& language) {
  fs::create_directories(folder);
  const page::PlotOptions options{.language = language};
  for (const page::Plot& plot : outcome.plots) {
    write_text(folder / (plot.name + ".svg"), page::plot_svg(plot, options));
    write_file_atomic(folder / (plot.name + ".png"), page::plot_png(plot, options));
  }
  if (!outcome.plots.empty())
    write_text(folder / (outcome.analysis + ".html"), page::plots_html(outcome.plots, outcome.analysis, options));
}

int run_analysis(const evidence::AnalysisEntry& entry, const EvidenceArguments& arguments) {
  evidence::AnalysisRequest request{.inputs = {}, .options = {}, .common = arguments.common};
  for (const auto& [name, path] : arguments.inputs)
    if (!path.empty()) request.inputs[name] = path;
  for (const auto& [name, value] : arguments.options)
    if (!value.empty()) request.options[name] = value;
  for (const auto& [name, given] : arguments.flags)
    if (given) request.options[name] = "1";
  const evidence::Outcome outcome = entry.run(request);
  if (!arguments.plot_folder.empty()) write_plots(outcome, arguments.plot_folder, arguments.common.language);
  if (arguments.json)
    fmt::print("{}\n", evidence::outcome_json(outcome));
  else
    fmt::print("{}", evidence::outcome_text(outcome, arguments.common.language));
  return 0;
}

void add_shared_options(CLI::App& command, EvidenceArguments& arguments) {
  command.add_option("--level", arguments.common.level, "of the intervals")
      ->check(CLI::Range(0.5, 0.9999))
      ->capture_default_str();
  command.add_option("--seed", arguments.common.seed, "of what is drawn: bootstrap, splits")->capture_default_str();
  command.add_option("--draws", arguments.common.draws, "bootstrap draws")
      ->check(CLI::Range(100, 10'000'000))
      ->capture_default_str();
  command.add_option("--threads", arguments.common.threads, "the answer does not depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--language", arguments.common.language, "of plots and tables")
      ->check(CLI::IsMember({"en", "fr"}))
      ->capture_default_str();
  command.add_option("--plot", arguments.plot_folder, "folder for SVG, PNG and one HTML page");
  command.add_flag("--json", arguments.json, "one JSON document: docs/formats/evidence.md");
}

void add_analysis(CLI::App& group, const evidence::AnalysisEntry& entry, int& exit_code) {
  CLI::App* command = group.add_subcommand(entry.name, entry.title + ". Docs: docs/commands/evidence.md");
  const auto arguments = std::make_shared<EvidenceArguments>();
  arguments->common.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (const evidence::InputEntry& input : entry.inputs) {
    CLI::Option* option = command->add_option("--" + input.name, arguments->inputs[input.name], input.help);
    if (input.required) option->required();
  }
  for (const evidence::OptionEntry& known : entry.options) {
    if (known.flag) {
      command->add_flag("--" + known.name, arguments->flags[known.name], known.help);
      continue;
    }
    CLI::Option* option = command->add_option("--" + known.name, arguments->options[known.name], known.help);
    if (!known.words.empty()) option->check(CLI::IsMember(known.words));
    if (!known.initial.empty()) option->default_str(known.initial);
  }
  add_shared_options(*command, *arguments);
  command->callback([&entry, arguments, &exit_code] { exit_code = run_analysis(entry, *arguments); });
}

struct StudyArguments {
  evidence::StudyRequest request;
  std::string plan, out = ".";
  bool enrol = false;
};

/// STEM.html, STEM.pdf and STEM.json of the plan STEM.toml.
int run_study(StudyArguments& arguments) {
  arguments.request.plan = arguments.plan;
  if (arguments.enrol) {
    fmt::print("{}\n", evidence::register_study(arguments.plan).string());
    return 0;
  }
  const evidence::StudyReport report = evidence::run_study(arguments.request);
  const fs::path out = arguments.out;
  fs::create_directories(out);
  const std::string stem = fs::path(arguments.plan).stem().string();
  write_text(out / (stem + ".html"), report.html);
  write_file_atomic(out / (stem + ".pdf"), report.pdf);
  write_text(out / (stem + ".json"), report.json);
  fmt::print("{}", report.summary);
  for (const char* ending : {".html", ".pdf", ".json"}) fmt::print("{}\n", (out / (stem + ending)).string());
  return 0;
}

void add_study(CLI::App& group, int& exit_code) {
  CLI::App* command = group.add_subcommand(
      "study", "Run a study as it was registered, and tell it in one report. Docs: docs/formats/evidence-study.md");
  const auto arguments = std::make_shared<StudyArguments>();
  arguments->request.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  command->add_option("FILE", arguments->plan, "the plan, TOML")->required();
  command->add_flag("--register", arguments->enrol,
                    "write the lock: digests of the plan and of its data; runs nothing");
  command->add_flag("--unregistered", arguments->request.unregistered,
                    "run although it was not registered or has changed since; the report says so");
  command->add_option("--out", arguments->out, "folder of the report")->capture_default_str();
  command->add_option("--language", arguments->request.language, "of the report")
      ->check(CLI::IsMember({"en", "fr"}))
      ->capture_default_str();
  command->add_option("--threads", arguments->request.threads, "the answer does not depend on it")
      ->check(CLI::Range(1, 1024));
  command->callback([arguments, &exit_code] { exit_code = run_study(*arguments); });
}

}  // namespace

void add_evidence(CLI::App& program, int& exit_code) {
  CLI::App* group = program.add_subcommand(
      "evidence", "How good is it, on these cases? Statistics from CSV, each figure with its interval and method");
  group->require_subcommand(1);
  for (const evidence::AnalysisEntry& entry : evidence::all_analyses()) add_analysis(*group, entry, exit_code);
  add_study(*group, exit_code);
}

}  // namespace rouage::app
