// The walk over .onnx files, and what becomes of files that are none.
#include "infer/onnx_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>

#include "base/error.h"
#include "infer/session.h"
#include "small_package.h"

namespace rouage::infer {
namespace {

using testing::nets;

ErrorCode code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::Internal;
}

TEST(OnnxFile, FindsEveryWeightWhereItLies) {
  const Bytes bytes = read_file(nets() / "tiny.onnx", kMebibyte);
  const OnnxContent content = read_onnx(bytes);
  EXPECT_EQ(content.ir_version, 8);
  EXPECT_EQ(content.node_count, 7U);
  ASSERT_EQ(content.initializers.size(), 4U);
  EXPECT_TRUE(content.external_files().empty());
  const OnnxTensor& w = content.initializers.front();
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.dims, (std::vector<std::int64_t>{4, 1, 4, 4}));
  EXPECT_EQ(w.length, 64U * 4);
  EXPECT_LE(w.offset + w.length, bytes.size());
}

TEST(OnnxFile, NamesTheFilesThatHoldWeights) {
  const OnnxContent content = read_onnx(read_file(nets() / "tiny_outside.onnx", kMebibyte));
  EXPECT_EQ(content.external_files(), std::vector<std::string>{"tiny_weights.bin"});
}

TEST(OnnxFile, RefusesWeightsOutsideItsFolder) {
  const auto folder = testing::fresh_folder("outside");
  Bytes bytes = read_file(nets() / "tiny_outside.onnx", kMebibyte);
  const std::string name = "tiny_weights.bin", escape = "../_weights.binn";
  const auto at = std::search(bytes.begin(), bytes.end(), name.begin(), name.end());
  ASSERT_NE(at, bytes.end());
  std::copy(escape.begin(), escape.end(), at);
  write_file(folder / "m.onnx", bytes);
  EXPECT_EQ(code_of([&] { Session::open(folder / "m.onnx", {}); }), ErrorCode::ModelInvalid);
}

TEST(OnnxFile, OnlyPlainNamesArePlain) {
  for (const char* good : {"model.onnx", "a b.bin", "..."}) EXPECT_TRUE(plain_file_name(good)) << good;
  for (const char* bad : {"", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "c:x"})
    EXPECT_FALSE(plain_file_name(bad)) << bad;
}

TEST(OnnxFile, EveryTruncationIsAnErrorAndNeverACrash) {
  const auto folder = testing::fresh_folder("cut");
  const Bytes whole = read_file(nets() / "tiny.onnx", kMebibyte);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_file(folder / "m.onnx", std::span(whole).first(size));
    EXPECT_EQ(code_of([&] { Session::open(folder / "m.onnx", {}); }), ErrorCode::ModelInvalid) << size;
  }
}

TEST(OnnxFile, DamagedBytesAreAnErrorOrAnotherNetNeverACrash) {
  const auto folder = testing::fresh_folder("damaged");
  const Bytes whole = read_file(nets() / "tiny.onnx", kMebibyte);
  std::mt19937 engine(1);  // seed 1
  for (int i = 0; i < 300; ++i) {
    Bytes damaged = whole;
    for (int k = 0; k < 3; ++k) damaged[engine() % damaged.size()] = static_cast<std::uint8_t>(engine());
    write_file(folder / "m.onnx", damaged);
    try {
      Session::open(folder / "m.onnx", {});
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::ModelInvalid) << e.what();
    }
  }
}

}  // namespace
}  // namespace rouage::infer
