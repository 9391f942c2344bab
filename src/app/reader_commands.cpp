#include <functional>
#include <memory>

#include "app/commands.h"
#include "app/dicomweb_reader.h"
#include "app/unavailable_writer.h"
#include "receive/header_reader.h"

namespace rouage::app {
namespace {

/// A hidden command that talks to its parent only.
void add_reader(CLI::App& program, int& exit_code, const char* name, const char* text,
                std::function<int(std::uint64_t, double)> run) {
  CLI::App* command = program.add_subcommand(name, text);
  command->group("");
  struct Options {
    bool child = false;
    std::uint64_t memory_mb = 0;
    double deadline_s = 0;
  };
  const auto options = std::make_shared<Options>();
  command->add_flag("--child", options->child, "requests on standard input, answers on standard output")->required();
  command->add_option("--memory-mb", options->memory_mb, "heap limit, 0: none");
  command->add_option("--deadline-s", options->deadline_s, "longest request, 0: none");
  command->callback(
      [options, run = std::move(run), &exit_code] { exit_code = run(options->memory_mb, options->deadline_s); });
}

}  // namespace

void add_readers(CLI::App& program, int& exit_code) {
  add_reader(program, exit_code, "read-headers", "Read headers (internal: one child of `rouage serve`)",
             receive::read_headers_as_child);
  add_reader(program, exit_code, "read-object", "Read objects (internal: one child of `rouage serve`)",
             read_object_as_child);
  add_reader(program, exit_code, "write-unavailable",
             "Say that a series has no AI result (internal: one child of `rouage serve`)", write_unavailable_as_child);
}

}  // namespace rouage::app
