#include "results/external.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>

#include "base/host.h"

namespace rouage::test {

Outcome run_command(const std::string& command) {
  Outcome outcome;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return {-1, "cannot start " + command};
  char buffer[4096];
  std::size_t read = 0;
  while ((read = fread(buffer, 1, sizeof buffer, pipe)) > 0) outcome.output.append(buffer, read);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

bool program_exists(const std::string& name) {
  return run_command("command -v " + name + " >/dev/null").status == 0;
}

std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("rouage-results-" + name + "-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

void put(const std::filesystem::path& file, const Bytes& bytes) {
  write_file(file, bytes);
}

std::string dciodvfy_errors(const std::filesystem::path& file) {
  std::istringstream lines(run_command("dciodvfy " + file.string()).output);
  std::string errors, line;
  while (std::getline(lines, line))
    if (line.starts_with("Error")) errors += line + "\n";
  return errors;
}

}  // namespace rouage::test
