// A package is read strictly: whatever is missing, unknown, wrong or exchanged is named.
#include "infer/package.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "infer/package_yaml.h"
#include "small_package.h"

namespace rouage::infer {
namespace {

using testing::SmallPackage;

struct Refusal {
  ErrorCode code = ErrorCode::Internal;
  std::string says;
};
Refusal refusal(const SmallPackage& small) {
  small.write();
  try {
    read_package(small.folder);
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {};
}

void expect_refused(const std::string& from, const std::string& to, const std::string& says) {
  SmallPackage small("changed");
  testing::replace(small.yaml, from, to);
  const Refusal r = refusal(small);
  EXPECT_EQ(r.code, ErrorCode::PackageInvalid) << from << " -> " << to;
  EXPECT_NE(r.says.find(says), std::string::npos) << r.says;
}

TEST(Package, ReadsEveryField) {
  const SmallPackage small;
  const Package p = read_package(small.folder);
  EXPECT_EQ(p.name, "tiny");
  EXPECT_EQ(p.version, "1.2.3");
  EXPECT_EQ(p.modalities, (std::vector<std::string>{"CR", "DX"}));
  EXPECT_EQ(p.minimum_age_a, 18);
  EXPECT_EQ(p.input.size, 16);
  EXPECT_EQ(p.input.clip, 4);
  EXPECT_EQ(p.features, "features");
  EXPECT_EQ(p.guided_target, "target");
  ASSERT_EQ(p.outputs.size(), 3U);
  EXPECT_EQ(p.outputs[0].operating_point("balanced")->threshold, 0.4);
  EXPECT_EQ(p.outputs[0].operating_point("balanced")->negatives, 20);
  EXPECT_EQ(p.outputs[0].operating_point("sensitive"), nullptr);
  EXPECT_NEAR(*p.outputs[0].probability(0.5), 1 / (1 + std::exp(-(1.5 * 0.5 - 0.25))), 1e-15);
  EXPECT_FALSE(p.outputs[2].probability(0.5));
  EXPECT_EQ(p.outputs[2].uncertainty_sd, 9);
  EXPECT_EQ(p.numbers.at("sharpness.threshold"), -1.75);
  EXPECT_EQ(p.numbers.at("sharpness.inner.deep"), 3);
  EXPECT_FALSE(p.numbers.contains("sharpness.formula"));
  ASSERT_EQ(p.performance.size(), 1U);
  EXPECT_EQ(p.performance[0].estimate.upper, 0.9);
  EXPECT_EQ(p.digest, sha256(small.yaml).hex());
}

TEST(Package, NamesTheKeyAndItsLine) {
  expect_refused("format: rouage-model/1", "format: rouage-model/2", "line 1, format");
  expect_refused("version: 1.2.3\n", "", "version");
  expect_refused("size: 16", "size: sixteen", "line 10, input.size");
  expect_refused("size: 16", "size: 16.5", "whole number");
  expect_refused("resize: squeeze_area", "resize: stretch", "input.resize");
  expect_refused("normalisation: film_standardise", "normalisation: zscore", "input.normalisation");
  expect_refused("minimum_age_a: 18", "minimum_age: 18", "eligibility.minimum_age");
  expect_refused("kind: score", "kind: guess", "line 15, outputs[1].kind");
  expect_refused("index: 1", "index: 0", "twice");
  expect_refused("label: remarkable", "label: Effusion", "twice");
  expect_refused("a: 1.5", "a: -1.5", "outputs[0].calibration.a");
  expect_refused("a: 1.5", "a: .nan", "outputs[0].calibration.a");
  expect_refused("threshold: 0.4", "threshold: 40", "from 0 to 1");
  expect_refused("method: platt", "method: isotonic", "platt");
  expect_refused("licence: none", "licence: none\nlicence: none", "twice");
  expect_refused("cog: chest", "cog: [chest]", "cog");
  expect_refused("features: features, ", "", "belong together");
  expect_refused("file: tiny.onnx", "file: other.onnx", "other.onnx");
  expect_refused("  tiny.onnx: ", "  ../tiny.onnx: ", "../tiny.onnx");
  expect_refused("licence: none", "licence: \"unclosed", "line");
  expect_refused("licence: none", "licence: none\nsurprise: word", "surprise");
}

// COG-5
TEST(Package, RefusesAFileThatIsNotTheOneItNames) {
  const SmallPackage small;
  Bytes net = read_file(small.folder / "tiny.onnx", kMebibyte);
  net[net.size() / 2] ^= 1;
  write_file(small.folder / "tiny.onnx", net);
  const Refusal r = refusal(small);
  EXPECT_EQ(r.code, ErrorCode::PackageDigest);
  EXPECT_NE(r.says.find("tiny.onnx"), std::string::npos) << r.says;
}

TEST(Package, RefusesANetThatNobodyListed) {
  const SmallPackage small;
  std::filesystem::copy_file(testing::nets() / "no_number.onnx", small.folder / "extra.ONNX");
  EXPECT_EQ(refusal(small).code, ErrorCode::PackageDigest);
}

TEST(Package, RefusesWeightsThatNobodyListed) {
  SmallPackage small("outside", {"tiny_outside.onnx", "tiny_guided.onnx"});
  testing::replace(small.yaml, "file: tiny.onnx", "file: tiny_outside.onnx");
  std::filesystem::copy_file(testing::nets() / "tiny_weights.bin", small.folder / "tiny_weights.bin");
  const Refusal r = refusal(small);
  EXPECT_EQ(r.code, ErrorCode::PackageInvalid);
  EXPECT_NE(r.says.find("tiny_weights.bin"), std::string::npos) << r.says;
}

TEST(Package, SaysWhatIsThereWhenANameIsUnknown) {
  const auto models = testing::fresh_folder("models");
  std::filesystem::create_directories(models / "alpha");
  testing::put(models / "alpha/model.yaml", "x");
  EXPECT_EQ(find_package("alpha", {models}), models / "alpha");
  EXPECT_EQ(find_package((models / "alpha").string(), {}), models / "alpha");
  for (const char* wrong : {"beta", "../models/alpha/.."}) try {
      find_package(wrong, {models});
      ADD_FAILURE() << wrong;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::FileMissing);
      EXPECT_NE(std::string(e.what()).find("alpha"), std::string::npos) << e.what();
    }
}

TEST(LoadedModel, LendsItsHeadAndRefusesAnswersThatAreNoNumbers) {
  const SmallPackage small;
  const auto model = load(read_package(small.folder), {});
  EXPECT_EQ(model->head_weight().shape, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(model->head_bias().values.size(), 3U);
  EXPECT_NE(model->guided(), nullptr);

  SmallPackage bad("bad", {"no_number.onnx"});
  testing::replace(
      bad.yaml,
      "graph: {file: tiny.onnx, features: features, logits: logits, head_weight: head_weight, head_bias: head_bias}",
      "graph: {file: no_number.onnx, logits: logits}");
  testing::replace(bad.yaml,
                   "guided: {file: tiny_guided.onnx, image: image, target: target, gradient: guided_gradient}\n", "");
  bad.write();
  const auto broken = load(read_package(bad.folder), {});
  EXPECT_TRUE(broken->head_weight().values.empty());
  EXPECT_EQ(broken->guided(), nullptr);
  try {
    broken->answer({{1, 1, 16, 16}, std::vector<float>(256)}, {"logits"});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::OutputInvalid);
  }
}

}  // namespace
}  // namespace rouage::infer
