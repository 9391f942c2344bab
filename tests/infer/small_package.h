/// A complete package around the nets of tests/infer/nets, in a folder of its own that goes with the object.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/host.h"
#include "base/values.h"

namespace rouage::testing {

inline std::filesystem::path nets() {
  return std::filesystem::path(ROUAGE_SOURCE_DIR) / "tests/infer/nets";
}

/// A new empty folder named after the running test.
inline std::filesystem::path fresh_folder(const std::string& name) {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) /
      (std::string("rouage-") + info->test_suite_name() + "-" + info->name() + "-" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline void put(const std::filesystem::path& path, const std::string& text) {
  write_file(path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

inline void replace(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
}

/// tiny.onnx and tiny_guided.onnx as the package "tiny"; `yaml` may be changed and written again.
struct SmallPackage {
  std::filesystem::path folder;
  std::string yaml;

  explicit SmallPackage(const std::string& name = "tiny",
                        std::vector<std::string> files = {"tiny.onnx", "tiny_guided.onnx"})
      : folder(fresh_folder(name)) {
    yaml = R"(format: rouage-model/1
name: tiny
version: 1.2.3
maker: Rouage tests
licence: none
intended_use: tests
cog: chest
engine: onnx
eligibility: {modality: [CR, DX], body_part: CHEST, view: [PA, AP], minimum_age_a: 18}
input: {name: image, size: 16, axes: NCYX, resize: squeeze_area, normalisation: film_standardise, clip: 4.0}
graph: {file: tiny.onnx, features: features, logits: logits, head_weight: head_weight, head_bias: head_bias}
guided: {file: tiny_guided.onnx, image: image, target: target, gradient: guided_gradient}
outputs:
  - {index: 0, label: Effusion, kind: finding, calibration: {method: platt, a: 1.5, b: -0.25, set_on: drawn}, operating_points: [{name: balanced, threshold: 0.4, sensitivity: 0.8, specificity: 0.7, positives: 10, negatives: 20, set_on: drawn}]}
  - {index: 1, label: remarkable, kind: score, calibration: {method: platt, a: 1, b: 0, set_on: drawn}}
  - {index: 2, label: estimated_age, kind: age, unit: a, scale: 10, offset: 50, uncertainty_sd: 9, set_on: drawn}
sharpness: {size: 256, threshold: -1.75, formula: "words", inner: {deep: 3}}
performance:
  - {figure: auroc, label: Effusion, stratum: pooled, value: 0.8, lower: 0.7, upper: 0.9, n: 30, positives: 10, data: drawn}
files:
)";
    for (const std::string& file : files) {
      std::filesystem::copy_file(nets() / file, folder / file);
      yaml += "  " + file + ": " + sha256(read_file(nets() / file, kMebibyte)).hex() + "\n";
    }
    write();
  }
  void write() const { put(folder / "model.yaml", yaml); }
  SmallPackage(const SmallPackage&) = delete;
  SmallPackage& operator=(const SmallPackage&) = delete;
  ~SmallPackage() { std::filesystem::remove_all(folder); }
};

}  // namespace rouage::testing
