/// Programs of others that judge our files; a test that needs an absent one is skipped with its name.
#pragma once
#include <filesystem>
#include <string>

#include "base/values.h"

namespace rouage::test {

struct Outcome {
  int status = 0;
  std::string output;  ///< standard output and error together
};
Outcome run_command(const std::string& command);
bool program_exists(const std::string& name);

/// A folder of this test run, emptied; removed by nobody, so that a failure can be looked at.
std::filesystem::path fresh_folder(const std::string& name);
void put(const std::filesystem::path& file, const Bytes& bytes);

/// Lines of dciodvfy's output that begin with "Error".
std::string dciodvfy_errors(const std::filesystem::path& file);

}  // namespace rouage::test
