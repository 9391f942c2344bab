#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "app/commands.h"
#include "base/error.h"

namespace {

int run(int argc, char** argv) {
  using namespace rouage::app;
  CLI::App program{
      "rouage - AI in every cog of medical imaging, the physician in charge.\n"
      "Research software, not a medical device.\n"
      "Exit codes: 0 done, 1 done with refusals, 2 usage, 3 no input could be opened, 4 internal."};
  program.name("rouage");
  program.require_subcommand(1);
  program.set_version_flag("--version", version_text, "print the version and end");
  int exit_code = 0;
  for (const auto add :
       {add_analyze, add_segment, add_evidence, add_serve, add_status, add_receive, add_send, add_echo,
        add_simulate_load, add_store, add_rules, add_work, add_model, add_phantom, add_doctor, add_readers})
    add(program, exit_code);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const rouage::Error& error) {
    std::fprintf(stderr, "rouage: %s\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rouage: internal error: %s\n", error.what());
    return 4;
  }
}
