/// Nets for the tests: nnU-Net's own golden ones, and random ones written by make_net.py where Debian's python3-onnx
/// is.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/host.h"

namespace rouage::testing {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(ROUAGE_SHARED_DIR) / "data/nnunet_golden" / name;
}
inline bool python_writes_nets() {
  static const bool there = std::system("/usr/bin/python3 -c 'import onnx, numpy' >/dev/null 2>&1") == 0;
  return there;
}
#define ROUAGE_NEEDS_PYTHON \
  if (!::rouage::testing::python_writes_nets()) GTEST_SKIP() << "python3-onnx is not installed: no net is written"
#define ROUAGE_NEEDS_GOLDEN                                          \
  if (!std::filesystem::exists(::rouage::testing::golden("ct_iso"))) \
  GTEST_SKIP() << "../shared/data/nnunet_golden is not there"

/// A folder of the running test, gone with the object.
struct NetFolder {
  std::filesystem::path path;
  NetFolder() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("rouage-") + info->test_suite_name() + "-" + info->name();
    for (char& c : name)
      if (c == '/') c = '-';
    path = std::filesystem::path(::testing::TempDir()) / name;
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  NetFolder(const NetFolder&) = delete;
  NetFolder& operator=(const NetFolder&) = delete;
  ~NetFolder() { std::filesystem::remove_all(path); }

  std::filesystem::path net(const std::string& arguments, const std::string& name = "model.onnx") const {
    const std::filesystem::path out = path / name;
    const std::string command = "/usr/bin/python3 " + std::string(ROUAGE_SOURCE_DIR) +
                                "/tests/infer/unet/make_net.py " + out.string() + " " + arguments;
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return out;
  }
};

/// float32 values of a .npy file (version 1, C order), and its shape.
struct Array {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
inline Array read_npy(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path, 512 * kMebibyte);
  const std::size_t header = bytes[8] + 256U * bytes[9];
  const std::string text(bytes.begin() + 10, bytes.begin() + 10 + static_cast<std::ptrdiff_t>(header));
  EXPECT_NE(text.find("'<f4'"), std::string::npos) << path;
  Array made;
  const std::size_t open = text.find('('), close = text.find(')');
  for (const std::string& part : split(text.substr(open + 1, close - open - 1), ','))
    if (part.find_first_of("0123456789") != std::string::npos) made.shape.push_back(std::stoul(part));
  made.values.resize((bytes.size() - 10 - header) / 4);
  std::memcpy(made.values.data(), bytes.data() + 10 + header, made.values.size() * 4);
  return made;
}

inline std::vector<float> normal_patch(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw;
  std::vector<float> made(count);
  for (float& v : made) v = draw(engine);
  return made;
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double apart = std::abs(double{a[i]} - double{b[i]});
    if (std::isnan(apart)) return apart;
    largest = std::max(largest, apart);
  }
  return largest;
}
inline double deviation(std::span<const float> a) {
  double sum = 0, squares = 0;
  for (const float v : a) sum += v, squares += double{v} * v;
  const double n = static_cast<double>(a.size());
  return std::sqrt(squares / n - (sum / n) * (sum / n));
}

/// Class with the largest logit, the lowest one of equals.
inline std::vector<int> labels(std::span<const float> logits, std::size_t classes) {
  const std::size_t voxels = logits.size() / classes;
  std::vector<int> made(voxels, 0);
  for (std::size_t c = 1; c < classes; ++c)
    for (std::size_t v = 0; v < voxels; ++v)
      if (logits[c * voxels + v] > logits[static_cast<std::size_t>(made[v]) * voxels + v])
        made[v] = static_cast<int>(c);
  return made;
}

/// The code of the Error that act() throws; Internal when it throws none.
inline ErrorCode code_of(const std::function<void()>& act, std::string* what = nullptr) {
  try {
    act();
  } catch (const Error& e) {
    if (what != nullptr) *what = e.what();
    return e.code();
  }
  return ErrorCode::Internal;
}

}  // namespace rouage::testing
