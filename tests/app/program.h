/// The built program, run as a user runs it.
#pragma once
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace program {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Outcome {
  int exit_code = -1;
  std::string out, err;
  std::vector<Json> lines() const {
    std::vector<Json> parsed;
    std::istringstream stream(out);
    for (std::string line; std::getline(stream, line);) parsed.push_back(Json::parse(line));
    return parsed;
  }
};

inline std::string slurp(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A fresh folder of this test, removed at its end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(fs::temp_directory_path() / ("rouage-app-" + name + "-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::string command(const std::string& arguments) {
  return std::string(ROUAGE_BINARY_DIR) + "/rouage " + arguments;
}

inline Outcome run(const std::string& arguments, const std::string& prefix = "ROUAGE_HOME=" ROUAGE_SOURCE_DIR " ") {
  static int count = 0;
  const fs::path base =
      fs::temp_directory_path() / ("rouage-run-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
  const std::string whole = prefix + command(arguments) + " >" + base.string() + ".out 2>" + base.string() + ".err";
  const int status = std::system(whole.c_str());
  Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(base.string() + ".out"),
                  slurp(base.string() + ".err")};
  fs::remove(base.string() + ".out");
  fs::remove(base.string() + ".err");
  return outcome;
}

/// Every file below a folder with its bytes, hidden ones left out.
inline std::map<std::string, std::string> tree(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (it->path().filename().string().front() == '.') {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file()) files[fs::relative(it->path(), folder).string()] = slurp(it->path());
  }
  return files;
}

/// `count` phantoms of a small matrix, each another anatomy.
inline void make_phantoms(const Folder& folder, int count, int side = 512) {
  for (int i = 1; i <= count; ++i)
    run("phantom film --out " + (folder / ("film" + std::to_string(i) + ".dcm")).string() + " --columns " +
        std::to_string(side) + " --rows " + std::to_string(side) + " --seed " + std::to_string(i));
}

}  // namespace program
