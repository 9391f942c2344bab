#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <future>
#include <iostream>
#include <optional>
#include <string>

#include "app/commands.h"
#include "app/film_job.h"
#include "base/error.h"
#include "page/page.h"
#include "receive/entry_json.h"

namespace rouage::app {
namespace {

/// Answers go to the original standard output; whatever a library prints goes to standard error instead.
int take_answer_channel() {
  const int answers = ::dup(STDOUT_FILENO);
  ::fcntl(answers, F_SETFD, FD_CLOEXEC);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return answers;
}

void limit_resources(std::uint64_t memory_mb) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // Sanitizers reserve terabytes of address space, so the limit would end them at once.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (memory_mb > 0) {
    const rlim_t bytes = memory_mb * 1024 * 1024;
    const rlimit memory{bytes, bytes};
    ::setrlimit(RLIMIT_AS, &memory);
  }
#else
  (void)memory_mb;
#endif
}

/// A film's buffers (some MB each) are kept between films: to give them back and fault them in again costs kernel
/// time on every film, most of all under a hypervisor.
void keep_buffers() {
  constexpr int kLargestKept = 32 * 1024 * 1024, kIdleKept = 256 * 1024 * 1024;
  ::mallopt(M_MMAP_THRESHOLD, kLargestKept);
  ::mallopt(M_TRIM_THRESHOLD, kIdleKept);
}

void answer(int channel, const std::string& line) {
  std::string whole = line + "\n";
  std::string_view rest = whole;
  while (!rest.empty()) {
    const ssize_t written = ::write(channel, rest.data(), rest.size());
    if (written <= 0) std::_Exit(0);  // the parent is gone
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

int work_as_child(std::uint64_t memory_mb, int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (parent > 0 && ::getppid() != parent) return 0;
  std::signal(SIGINT, SIG_IGN);  // the parent decides when to stop
  const int channel = take_answer_channel();
  limit_resources(memory_mb);
  keep_buffers();
  std::string line;
  if (!std::getline(std::cin, line)) return 0;
  const RunSettings settings = settings_from_json(line);
  if (settings.pictures) page::prepare_fonts();
  // What a film needs is made ready side by side: the runtime is loaded while the packages are checked.
  auto runtime = std::async(std::launch::async, [] { return infer::runtime_version(); });
  std::optional<Workshop> workshop;
  try {
    workshop.emplace(settings);
    workshop->open_nets();
    dicom::initialise();
    runtime.get();  // without the library no film can be read: the run ends here
  } catch (const Error& error) {
    answer(channel, receive::error_to_json(error));
    return error.exit_code();
  }
  answer(channel, "");
  while (std::getline(std::cin, line)) answer(channel, execute_request(*workshop, line));
  return 0;
}

}  // namespace

void add_work(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand("work", "Run work items (internal: one child of `rouage analyze`)");
  command->group("");  // not listed: people use `rouage analyze`
  struct Options {
    bool child = false;
    std::uint64_t memory_mb = 0;
    int parent = 0;
  };
  const auto options = std::make_shared<Options>();
  command->add_flag("--child", options->child, "requests on standard input, answers on standard output")->required();
  command->add_option("--memory-mb", options->memory_mb, "address space limit, 0: none");
  command->add_option("--parent", options->parent, "process id of the parent: without it there is nothing to do");
  command->callback([options, &exit_code] { exit_code = work_as_child(options->memory_mb, options->parent); });
}

}  // namespace rouage::app
