#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/config.h"
#include "base/error.h"
#include "base/host.h"
#include "store/store.h"

namespace rouage::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct StoreArguments {
  std::string config, folder = "rouage-data", postgresql, out, from;
  bool json = false;
};

store::StoreOptions options_of(const StoreArguments& arguments) {
  store::StoreOptions options;
  if (!arguments.config.empty()) options = read_config(arguments.config).store;
  if (arguments.config.empty()) options.folder = arguments.folder;
  if (!arguments.postgresql.empty()) options.postgresql = arguments.postgresql;
  options.look_only = true;
  return options;
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

int verify(const StoreArguments& arguments) {
  const store::Store store(options_of(arguments));
  std::unique_ptr<ProgressBar> bar;
  const store::VerifyReport report = store.verify([&](std::uint64_t done, std::uint64_t total) {
    if (!bar) bar = std::make_unique<ProgressBar>("verify", total);
    bar->advance(done);
  });
  bar.reset();
  if (arguments.json) {
    const Json json{{"objects", report.objects}, {"bytes", report.bytes},     {"good", report.good()},
                    {"missing", report.missing}, {"damaged", report.damaged}, {"unknown_files", report.unknown_files}};
    fmt::print("{}\n", json.dump());
  } else {
    for (const std::string& file : report.missing) fmt::print("missing  {}\n", file);
    for (const std::string& file : report.damaged) fmt::print("damaged  {}\n", file);
    for (const std::string& file : report.unknown_files) fmt::print("unknown  {}\n", file);
    fmt::print("{} objects, {} read again: {}\n", report.objects, megabytes(report.bytes),
               report.good() ? "all is as the index says"
                             : fmt::format("{} missing, {} damaged, {} files that the index does not know",
                                           report.missing.size(), report.damaged.size(), report.unknown_files.size()));
  }
  return report.good() ? 0 : 1;
}

int show_status(const StoreArguments& arguments) {
  const store::StoreStatus status = store::Store(options_of(arguments)).status();
  if (arguments.json) {
    const Json json{{"studies", status.studies},
                    {"series", status.series},
                    {"instances", status.instances},
                    {"results", status.results},
                    {"bytes", status.bytes},
                    {"free_bytes", status.free_bytes},
                    {"series_waiting", status.series_waiting},
                    {"series_partial", status.series_partial},
                    {"conflicts", status.conflicts},
                    {"duplicates", status.duplicates},
                    {"schema", status.schema}};
    fmt::print("{}\n", json.dump());
    return 0;
  }
  TextTable table({"store", ""}, "<>");
  table.row({"studies", std::to_string(status.studies)});
  table.row({"series", std::to_string(status.series)});
  table.row({"  still arriving", std::to_string(status.series_waiting)});
  table.row({"  given up as partial", std::to_string(status.series_partial)});
  table.row({"objects", std::to_string(status.instances)});
  table.row({"  of them results", std::to_string(status.results)});
  table.row({"bytes", megabytes(status.bytes)});
  table.row({"free on the disk", megabytes(status.free_bytes)});
  table.row({"other content under a known UID", std::to_string(status.conflicts)});
  table.row({"duplicates received", std::to_string(status.duplicates)});
  fmt::print("{}", table.text());
  return 0;
}

int backup(const StoreArguments& arguments) {
  const store::Store store(options_of(arguments));
  const std::uint64_t objects = store.backup(arguments.out);
  if (arguments.json)
    fmt::print("{}\n", Json{{"folder", arguments.out}, {"objects", objects}}.dump());
  else
    fmt::print("{} objects copied to {}\n", objects, arguments.out);
  return 0;
}

/// A backup is a store: it is copied by the same way, into a folder that must be empty, and read again whole.
int restore(const StoreArguments& arguments) {
  if (!arguments.postgresql.empty())
    throw Error(ErrorCode::Usage, "the index is in PostgreSQL")
        .remedy("restore it with pg_restore and copy the objects, as docs/commands/store.md says");
  StoreArguments from;
  from.folder = arguments.from;
  const store::Store copy(options_of(from));
  const std::uint64_t objects = copy.backup(arguments.folder);
  StoreArguments restored;
  restored.folder = arguments.folder;
  const bool good = store::Store(options_of(restored)).verify({}).good();
  if (arguments.json)
    fmt::print("{}\n", Json{{"folder", arguments.folder}, {"objects", objects}, {"good", good}}.dump());
  else
    fmt::print("{} objects restored to {}: {}\n", objects, arguments.folder,
               good ? "all is as the index says" : "run rouage store verify for what is wrong");
  return good ? 0 : 1;
}

}  // namespace

void add_store(CLI::App& program, int& exit_code) {
  CLI::App* store = program.add_subcommand("store", "verify, copy and describe a gateway's store");
  store->require_subcommand(1);
  const auto arguments = std::make_shared<StoreArguments>();
  const auto add = [&](const char* name, const char* help, int (*run)(const StoreArguments&)) {
    CLI::App* command = store->add_subcommand(name, help);
    command->add_option("--config", arguments->config, "the gateway's configuration: where the store is");
    command->add_option("--folder", arguments->folder, "the store's folder, without a configuration")
        ->capture_default_str();
    command->add_option("--postgresql", arguments->postgresql, "connection string, when the index is there");
    command->add_flag("--json", arguments->json, "JSON on standard output");
    command->callback([arguments, run, &exit_code] { exit_code = run(*arguments); });
    return command;
  };
  add("verify", "read every byte again and compare it with the index; a gateway may run meanwhile", verify);
  add("status", "what is here", show_status);
  add("backup", "copy index and objects into an empty folder; a gateway may run meanwhile", backup)
      ->add_option("--out", arguments->out, "the copy")
      ->required();
  add("restore", "copy a backup into the store's folder, which must be empty, and verify it", restore)
      ->add_option("--from", arguments->from, "the backup")
      ->required();
}

}  // namespace rouage::app
