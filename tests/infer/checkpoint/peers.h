/// PyTorch as the peer: real checkpoints and real answers, made in a folder of their own.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/host.h"
#include "infer/session.h"

namespace rouage::infer::testing {

namespace fs = std::filesystem;
using Json = nlohmann::json;

inline const fs::path kHere = fs::path(ROUAGE_SOURCE_DIR) / "tests/infer/checkpoint";
inline const fs::path kData = fs::path(ROUAGE_SHARED_DIR) / "data";

/// A folder named after the running test, that goes with the object.
struct Scratch {
  fs::path path;
  Scratch() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    path = fs::path(::testing::TempDir()) / (std::string("rouage-") + info->test_suite_name() + "-" + info->name());
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Scratch() { fs::remove_all(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

inline void put(const fs::path& path, const std::string& text) {
  write_file(path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

inline bool have_torch() {
  static const bool found = std::system("/usr/bin/python3 -c 'import torch, numpy' 2>/dev/null") == 0;
  return found;
}

/// Runs a script of this folder; one thread, because the tests share the machine.
inline void run_python(const std::string& script, const std::vector<std::string>& arguments) {
  std::string command = "OMP_NUM_THREADS=1 /usr/bin/python3 -W ignore " + (kHere / script).string();
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

/// Each case becomes the folder scratch/NAME.
inline void make_checkpoints(const Scratch& scratch, const Json& cases) {
  put(scratch.path / "cases.json", cases.dump());
  run_python("make_checkpoint.py", {(scratch.path / "cases.json").string(), scratch.path.string()});
}

/// A float32 array as numpy saves it (format 1.0, C order).
inline Tensor read_npy(const fs::path& path) {
  const Bytes bytes = read_file(path, 256 * kMebibyte);
  const std::size_t start = 10 + bytes.at(8) + 256U * bytes.at(9);
  const std::string header(bytes.begin() + 10, bytes.begin() + static_cast<std::ptrdiff_t>(start));
  EXPECT_NE(header.find("'<f4'"), std::string::npos) << path;
  Tensor made;
  std::size_t count = 1;
  const std::string shape = header.substr(header.find('(') + 1);
  for (const std::string& part : split(shape.substr(0, shape.find(')')), ','))
    if (!trimmed(part).empty()) made.shape.push_back(std::stoll(part));
  for (const std::int64_t extent : made.shape) count *= static_cast<std::size_t>(extent);
  made.values.resize(count);
  EXPECT_EQ(bytes.size() - start, count * sizeof(float)) << path;
  std::memcpy(made.values.data(), bytes.data() + start, count * sizeof(float));
  return made;
}

inline double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  if (a.values.size() != b.values.size()) return 1e9;
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a.values[i]) - b.values[i]);
    if (!(difference <= largest)) largest = std::isfinite(difference) ? difference : 1e9;
  }
  return largest;
}

inline Tensor answer_of(const fs::path& onnx, const Tensor& input) {
  return Session::open(onnx, {.threads = 1}).run({{"input", input}}, {"logits"}).front();
}

/// The Error that `act` throws; Internal when it throws none.
inline Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was refused";
  return Error(ErrorCode::Internal);
}

/// A refused checkpoint whose message holds this word.
inline void expect_refused(const std::function<void()>& act, const std::string& word,
                           ErrorCode code = ErrorCode::CheckpointInvalid) {
  const Error error = error_of(act);
  EXPECT_EQ(error.code(), code) << error.what();
  EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << "\nwanted: " << word;
}

/// A small plain net: 3 stages, two convolutions a stage.
inline Json plain_net(int d) {
  const auto all = [d](int value) { return std::vector<int>(static_cast<std::size_t>(d), value); };
  return {{"d", d},
          {"features", {4, 6, 8}},
          {"kernels", {all(3), all(3), all(3)}},
          {"strides", {all(1), all(2), all(2)}},
          {"blocks", {2, 2, 2}},
          {"decoder", {2, 2}},
          {"bias", true},
          {"channels", 1},
          {"classes", 3}};
}
inline Json plain_case(const std::string& name, int d = 3) {
  const int edge = d == 2 ? 24 : 12;
  return {{"name", name},
          {"net", plain_net(d)},
          {"configuration", d == 2 ? "2d" : "3d_fullres"},
          {"patch", std::vector<int>(static_cast<std::size_t>(d), edge)},
          {"mirroring", {0, 1}}};
}

}  // namespace rouage::infer::testing
