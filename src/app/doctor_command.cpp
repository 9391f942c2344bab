#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/doctor.h"
#include "base/host.h"
#include "infer/session.h"

namespace rouage::app {
namespace {

using Json = nlohmann::ordered_json;

int examine_all(bool as_json, const std::string& ntp_server) {
  const std::filesystem::path scratch =
      std::filesystem::temp_directory_path() / ("rouage-doctor-" + std::to_string(::getpid()));
  std::vector<DoctorLine> lines = examine_installation(scratch, ntp_server);
  for (DoctorLine& line : examine_orientation(scratch)) lines.push_back(std::move(line));
  bool passed = true;
  Json rows = Json::array();
  TextTable table({"check", "", "detail"}, "<<<");
  for (const DoctorLine& line : lines) {
    passed = passed && line.passed;
    table.row({line.check, line.passed ? "passed" : "FAILED", line.detail});
    rows.push_back({{"check", line.check}, {"passed", line.passed}, {"detail", line.detail}});
  }
  if (as_json)
    fmt::print("{}\n", Json{{"passed", passed}, {"checks", rows}}.dump());
  else
    fmt::print("{}\n{}\n", table.text(), passed ? "All is well." : "This installation is not fit for use.");
  return passed ? 0 : 4;
}

}  // namespace

std::string version_text() {
  std::string runtime;
  try {
    runtime = infer::runtime_version();
  } catch (const std::exception& error) {
    runtime = error.what();
  }
  return "rouage 0.1.0 (ONNX Runtime " + runtime + "); research software, not a medical device";
}

void add_doctor(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand(
      "doctor",
      "Self test: dictionary, codes, runtime, model digests, left stays left through every writer, disk, clock.\n"
      "Exit 4 when a check fails. Docs: docs/commands/doctor.md");
  const auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "JSON on standard output");
  const auto ntp_server = std::make_shared<std::string>();
  command->add_option("--ntp-server", *ntp_server, "host[:port] that the clock is compared with (SNTP)");
  command->callback([as_json, ntp_server, &exit_code] { exit_code = examine_all(*as_json, *ntp_server); });
}

}  // namespace rouage::app
