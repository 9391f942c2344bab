#include <memory>

#include "app/commands.h"
#include "receive/header_reader.h"

namespace rouage::app {

void add_read_headers(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand("read-headers", "Read headers (internal: one child of `rouage serve`)");
  command->group("");  // not listed: it talks to its parent only
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
      [options, &exit_code] { exit_code = receive::read_headers_as_child(options->memory_mb, options->deadline_s); });
}

}  // namespace rouage::app
