// ONNX Runtime behind values: what it answers, what it refuses, and that threads may share it.
#include "infer/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "infer/float16.h"
#include "small_package.h"

namespace rouage::infer {
namespace {

using testing::nets;

/// p(y,x) = sin(0.7 x + 0.2 y) + 0.1 y, the picture of nets/expected.json.
Tensor picture() {
  Tensor tensor{{1, 1, 16, 16}, {}};
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) tensor.values.push_back(static_cast<float>(std::sin(0.7 * x + 0.2 * y) + 0.1 * y));
  return tensor;
}

nlohmann::json expected() {
  return nlohmann::json::parse(std::ifstream(nets() / "expected.json")).at("tiny");
}

void expect_near(const std::vector<float>& found, const nlohmann::json& wanted, double tolerance) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], wanted[i].get<double>(), tolerance) << i;
}

ErrorCode code_of(const std::function<void()>& act, const std::string& says = "") {
  try {
    act();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
    return e.code();
  }
  return ErrorCode::Internal;
}

TEST(Session, IsTheVersionThatTheSlotsWereDeclaredFor) {
  EXPECT_TRUE(runtime_version().starts_with("1.30.")) << runtime_version();
  const auto providers = available_providers();
  EXPECT_NE(std::find(providers.begin(), providers.end(), "CPUExecutionProvider"), providers.end());
}

TEST(Session, AnswersWhatPlainLoopsAnswer) {
  const Session net = Session::open(nets() / "tiny.onnx", {});
  ASSERT_EQ(net.inputs().size(), 1U);
  EXPECT_EQ(net.inputs()[0].name, "image");
  EXPECT_EQ(net.inputs()[0].type, "float32");
  EXPECT_EQ(net.inputs()[0].shape, (std::vector<std::int64_t>{-1, 1, 16, 16}));
  const auto out = net.run({{"image", picture()}}, {"logits", "features"});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0].shape, (std::vector<std::int64_t>{1, 3}));
  expect_near(out[0].values, expected()["logits"], 1e-5);  // float sums of 64 terms of order 1
  expect_near(out[1].values, expected()["features"], 1e-5);
}

TEST(Session, ConvertsHalvesAtTheEdge) {
  const Session net = Session::open(nets() / "tiny_half.onnx", {});
  EXPECT_EQ(net.inputs()[0].type, "float16");
  const auto out = net.run({{"image", picture()}}, {"logits", "head_weight"});
  expect_near(out[0].values, expected()["logits"], 2e-2);  // fp16 has 11 bits; values up to 4
  const auto exact = Session::open(nets() / "tiny.onnx", {}).run({{"image", picture()}}, {"head_weight"});
  EXPECT_EQ(out[1].values, exact[0].values);  // the weights are fp16 numbers
}

TEST(Session, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_half(value), bits);
  }
  EXPECT_EQ(float_to_half(65504.0F), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);        // rounds to infinity
  EXPECT_EQ(float_to_half(1 + 0x1.0p-11F), 0x3C00);  // a tie goes to even
  EXPECT_EQ(float_to_half(1 + 3 * 0x1.0p-11F), 0x3C02);
  EXPECT_EQ(float_to_half(0x1.0p-25F), 0x0000);
  EXPECT_EQ(float_to_half(0x1.8p-25F), 0x0001);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::nanf("")))));
}

TEST(Session, ReadsWeightsFromTheFileBesideIt) {
  const Session net = Session::open(nets() / "tiny_outside.onnx", {});
  expect_near(net.run({{"image", picture()}}, {"logits"})[0].values, expected()["logits"], 1e-5);
}

TEST(Session, GivesTheGuidedGradientOfEachOutput) {
  const Session net = Session::open(nets() / "tiny_guided.onnx", {});
  for (int k = 0; k < 3; ++k) {
    Tensor target{{1, 3}, {0, 0, 0}};
    target.values[k] = 1;
    expect_near(net.run({{"image", picture()}, {"target", target}}, {"guided_gradient"})[0].values,
                expected()["guided"][k], 1e-5);
  }
}

TEST(Session, SaysWhatIsWrong) {
  EXPECT_EQ(code_of([] { Session::open("/no/such.onnx", {}); }, "/no/such.onnx"), ErrorCode::FileMissing);
  const auto folder = testing::fresh_folder("words");
  testing::put(folder / "words.onnx", "these are words, not a net");
  EXPECT_EQ(code_of([&] { Session::open(folder / "words.onnx", {}); }, "words.onnx"), ErrorCode::ModelInvalid);
  const Session net = Session::open(nets() / "tiny.onnx", {});
  EXPECT_EQ(code_of([&] { net.run({{"picture", picture()}}, {"logits"}); }, "it has image"), ErrorCode::ModelInvalid);
  EXPECT_EQ(code_of([&] { net.run({{"image", picture()}}, {"answer"}); }, "logits"), ErrorCode::ModelInvalid);
  Tensor small{{1, 1, 8, 8}, std::vector<float>(64)};
  EXPECT_EQ(code_of([&] { net.run({{"image", small}}, {"logits"}); }, "[-1,1,16,16]"), ErrorCode::ModelInvalid);
  Tensor lying{{1, 1, 16, 16}, std::vector<float>(3)};
  EXPECT_EQ(code_of([&] { net.run({{"image", lying}}, {"logits"}); }), ErrorCode::ModelInvalid);
}

TEST(Session, SaysWhichProviderIsMissing) {
  EXPECT_EQ(code_of([] { Session::open(nets() / "tiny.onnx", {.provider = "cuda"}); }, "CPUExecutionProvider"),
            ErrorCode::ProviderMissing);
  EXPECT_EQ(code_of([] { Session::open(nets() / "tiny.onnx", {.provider = "openvino"}); }, "openvino"),
            ErrorCode::ProviderMissing);
  EXPECT_EQ(code_of([] { Session::open(nets() / "tiny.onnx", {.provider = "abacus"}); }, "abacus"),
            ErrorCode::ProviderMissing);
}

TEST(Session, IsSharedByThreadsAndAlwaysAnswersTheSame) {
  const Session net = Session::open(nets() / "tiny.onnx", {.threads = 2, .arena = false});
  const auto wanted = net.run({{"image", picture()}}, {"logits"})[0].values;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        if (net.run({{"image", picture()}}, {"logits"})[0].values != wanted) ++wrong;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace rouage::infer
