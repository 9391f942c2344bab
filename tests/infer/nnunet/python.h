// Runs python_twin.py once for many jobs.
#pragma once
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "infer/small_package.h"
#include "npy.h"

namespace rouage::testing {

inline bool have_python_twins() {
  static const bool have = std::system("/usr/bin/python3 -c 'import skimage, scipy, torch' >/dev/null 2>&1") == 0;
  return have;
}

class PythonTwin {
 public:
  explicit PythonTwin(const std::string& name) : folder_(fresh_folder(name)) {}
  ~PythonTwin() { std::filesystem::remove_all(folder_); }
  PythonTwin(const PythonTwin&) = delete;
  PythonTwin& operator=(const PythonTwin&) = delete;

  template <class Shape, class T>
  void array(const std::string& name, const std::string& type, const Shape& shape, const std::vector<T>& values) {
    write_npy(folder_ / (name + ".npy"), type, std::vector<std::size_t>(shape.begin(), shape.end()), values);
  }
  void job(nlohmann::json job) {
    for (const char* key : {"in", "out"})
      if (job.contains(key)) job[key] = job[key].get<std::string>() + ".npy";
    jobs_.push_back(std::move(job));
  }
  void run() {
    std::ofstream(folder_ / "jobs.json") << nlohmann::json(jobs_);
    const std::string script = std::string(ROUAGE_SOURCE_DIR) + "/tests/infer/nnunet/python_twin.py";
    ASSERT_EQ(std::system(("/usr/bin/python3 " + script + " '" + folder_.string() + "'").c_str()), 0);
  }
  Npy result(const std::string& name) const { return read_npy(folder_ / (name + ".npy")); }

 private:
  std::filesystem::path folder_;
  std::vector<nlohmann::json> jobs_;
};

}  // namespace rouage::testing
