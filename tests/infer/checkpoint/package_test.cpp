// The package that an import leaves: what it says, that every digest is compared, which folds are taken.
#include <gtest/gtest.h>

#include "base/values.h"
#include "infer/checkpoint/import_nnunet.h"
#include "infer/checkpoint/nnunet_yaml.h"
#include "peers.h"

namespace rouage::infer {
namespace {

using testing::answer_of;
using testing::expect_refused;
using testing::Json;
using testing::make_checkpoints;
using testing::plain_case;
using testing::put;
using testing::read_npy;
using testing::Scratch;
namespace fs = std::filesystem;

bool warned(const NnunetImportReport& report, const std::string& word) {
  for (const std::string& warning : report.warnings)
    if (warning.find(word) != std::string::npos) return true;
  return false;
}

class NnunetPackageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::have_torch()) GTEST_SKIP() << "python3-torch is not installed";
  }
  /// The case as a model folder of the running test.
  fs::path model(const Json& one) {
    make_checkpoints(scratch, Json::array({one}));
    return scratch.path / one.at("name").get<std::string>();
  }
  Scratch scratch;
  fs::path out = scratch.path / "package";
};

TEST_F(NnunetPackageTest, SaysWhatItIsAndKeepsTheJsonFilesByteForByte) {
  Json one = plain_case("model");
  one["folds"] = {0, 1};
  one["dataset"] = Json::parse(
      R"({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "kidney \"left\"": 2}, "file_ending": ".nii.gz"})");
  const fs::path folder = model(one);
  const NnunetImportReport report =
      import_nnunet(folder, out, {.version = "2.1", .maker = "A hospital", .licence = "CC BY 4.0"});
  EXPECT_TRUE(report.warnings.empty()) << report.warnings.front();
  ASSERT_EQ(report.folds.size(), 2U);
  EXPECT_EQ(report.folds[1].fold, "1");
  EXPECT_EQ(report.folds[0].parameters, report.folds[1].parameters);
  EXPECT_GT(report.folds[0].parameters, 5000U);
  const NnunetPackage package = check_nnunet_package(out);
  EXPECT_EQ(package.name, "dataset999_test-3d_fullres");
  EXPECT_EQ(package.version, "2.1");
  EXPECT_EQ(package.cog, "organs");
  EXPECT_EQ(package.engine, "nnunet");
  EXPECT_EQ(package.trainer, "nnUNetTrainer");
  EXPECT_EQ(package.weights_from, "checkpoint_final.pth");
  EXPECT_EQ(package.channels, std::vector<std::string>{"CT"});
  ASSERT_EQ(package.labels.size(), 3U);
  EXPECT_EQ(package.labels[2].name, "kidney \"left\"");
  EXPECT_EQ(package.labels[2].values, std::vector<int>{2});
  EXPECT_EQ(package.files.size(), 5U);
  for (const auto& [name, hex] : package.files)
    EXPECT_NE(fs::status(out / name).permissions() & fs::perms::others_read, fs::perms::none) << name << " is private";
  EXPECT_EQ(package.digest, sha256(read_text(out / "model.yaml")).hex());
  EXPECT_EQ(read_text(out / "plans.json"), read_text(folder / "plans.json"));
  EXPECT_EQ(read_text(out / "dataset.json"), read_text(folder / "dataset.json"));
  EXPECT_EQ(Json::parse(read_text(out / "inference.json")),
            Json::parse(R"({"configuration": "3d_fullres", "inference_allowed_mirroring_axes": [0, 1]})"));
}

TEST_F(NnunetPackageTest, TheSameFolderGivesTheSameBytes) {
  const fs::path folder = model(plain_case("model"));
  const std::string first = import_nnunet(folder, out, {}).package.digest;
  EXPECT_EQ(import_nnunet(folder, scratch.path / "again", {}).package.digest, first);
  EXPECT_EQ(import_nnunet(folder, out, {}).package.digest, first) << "an older package is replaced";
}

TEST_F(NnunetPackageTest, EveryFileIsCompared) {
  import_nnunet(model(plain_case("model")), out, {});
  for (const auto& [name, hex] : check_nnunet_package(out).files) {
    SCOPED_TRACE(name);
    const Bytes good = read_file(out / name, kMebibyte);
    Bytes bad = good;
    bad.back() ^= 1;
    write_file(out / name, bad);
    expect_refused([&] { check_nnunet_package(out); }, name, ErrorCode::PackageDigest);
    fs::remove(out / name);
    expect_refused([&] { check_nnunet_package(out); }, name, ErrorCode::FileMissing);
    write_file(out / name, good);
  }
  EXPECT_NO_THROW(check_nnunet_package(out));
  fs::create_directory(out / "fold_1");
  fs::copy_file(out / "fold_0/model.onnx", out / "fold_1/model.onnx");
  expect_refused([&] { check_nnunet_package(out); }, "fold_1/model.onnx", ErrorCode::PackageDigest);
}

TEST_F(NnunetPackageTest, FoldsAreTakenAsNnunetTakesThem) {
  Json one = plain_case("model");
  one["folds"] = {0, 2, "all"};
  const fs::path folder = model(one);
  fs::create_directory(folder / "fold_1");  // training stopped before its first checkpoint
  const NnunetImportReport all = import_nnunet(folder, out, {});
  EXPECT_EQ(all.package.folds, (std::vector<std::string>{"0", "2"}));
  EXPECT_TRUE(warned(all, "fold 1 has no checkpoint_final.pth"));
  EXPECT_TRUE(warned(all, "fold_all was left out"));
  EXPECT_TRUE(fs::exists(out / "fold_2/model.onnx"));
  EXPECT_EQ(import_nnunet(folder, out, {.folds = {2}}).package.folds, std::vector<std::string>{"2"});
  expect_refused([&] { import_nnunet(folder, out, {.folds = {1}}); }, "[0, 1, 2]", ErrorCode::FileMissing);
  const NnunetImportReport whole = import_nnunet(folder, out, {.fold_all = true});
  EXPECT_EQ(whole.package.folds, std::vector<std::string>{"all"});
  const Tensor got = answer_of(out / "fold_0/model.onnx", read_npy(folder / "input.npy"));
  EXPECT_LE(testing::largest_difference(got, read_npy(folder / "fold_all.npy")), 2e-4);
}

TEST_F(NnunetPackageTest, WhatIsMissingIsSaid) {
  Json best = plain_case("best");
  best["file"] = "checkpoint_best.pth";
  best.erase("mirroring");
  best["plans_inside_only"] = true;
  const NnunetImportReport report = import_nnunet(model(best), out, {});
  EXPECT_TRUE(warned(report, "checkpoint_best.pth was taken"));
  EXPECT_TRUE(warned(report, "does not say whether mirroring is allowed"));
  EXPECT_TRUE(warned(report, "plans.json is missing"));
  EXPECT_TRUE(warned(report, "maker or the licence"));
  EXPECT_FALSE(report.mirroring_axes);
  EXPECT_EQ(Json::parse(read_text(out / "inference.json"))["inference_allowed_mirroring_axes"], nullptr);
  expect_refused([&] { import_nnunet(scratch.path / "best", out, {.checkpoint = "checkpoint_latest.pth"}); },
                 "no fold has weights", ErrorCode::FileMissing);
  expect_refused([&] { import_nnunet(scratch.path / "best", out, {.checkpoint = "../x.pth"}); }, "file name",
                 ErrorCode::FileMissing);
}

TEST_F(NnunetPackageTest, PlansThatWereChangedAfterTrainingAreSaid) {
  const fs::path folder = model(plain_case("model"));
  Json plans = Json::parse(read_text(folder / "plans.json"));
  plans["configurations"]["3d_fullres"]["spacing"] = {2.0, 1.0, 1.0};
  put(folder / "plans.json", plans.dump());
  EXPECT_TRUE(warned(import_nnunet(folder, out, {}), "plans.json differs"));
}

TEST_F(NnunetPackageTest, AFolderThatIsNoPackageIsNotReplaced) {
  const fs::path folder = model(plain_case("model"));
  fs::create_directory(out);
  put(out / "thesis.txt", "years of work");
  expect_refused([&] { import_nnunet(folder, out, {}); }, "not replaced", ErrorCode::FileUnwritable);
  expect_refused([&] { import_nnunet(folder, folder, {}); }, "not replaced", ErrorCode::FileUnwritable);
  EXPECT_EQ(read_text(out / "thesis.txt"), "years of work");
}

TEST_F(NnunetPackageTest, ExportedOnnxFilesAreTakenAsTheyAre) {
  const fs::path folder = model(plain_case("model"));
  import_nnunet(folder, out, {});
  fs::copy_file(out / "fold_0/model.onnx", folder / "fold_0/model.onnx");
  put(folder / "inference.json",
      R"({"configuration": "3d_fullres", "inference_allowed_mirroring_axes": [2], "trainer": "nnUNetTrainerGELU"})");
  const NnunetImportReport report = import_nnunet(folder, scratch.path / "second", {});
  EXPECT_EQ(report.package.weights_from, "model.onnx");
  EXPECT_EQ(report.package.trainer, "nnUNetTrainerGELU");
  EXPECT_EQ(report.mirroring_axes, std::vector<int>{2});
  EXPECT_EQ(report.package.files.at("fold_0/model.onnx"), check_nnunet_package(out).files.at("fold_0/model.onnx"));
  EXPECT_EQ(import_nnunet(folder, scratch.path / "third", {.weights = NnunetWeights::checkpoint}).package.weights_from,
            "checkpoint_final.pth");

  fs::remove(folder / "inference.json");
  const NnunetImportReport bare = import_nnunet(folder, scratch.path / "fourth", {});
  EXPECT_TRUE(warned(bare, "inference.json is missing"));
  EXPECT_TRUE(warned(bare, "3d_fullres is the only one"));
  put(folder / "inference.json", R"({"inference_allowed_mirroring_axes": [7]})");
  expect_refused([&] { import_nnunet(folder, scratch.path / "fifth", {}); }, "axes from 0 to 2");
  put(folder / "inference.json", R"({"inference_allowed_mirroring_axes": null})");
  put(folder / "dataset.json", R"({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}})");
  expect_refused([&] { import_nnunet(folder, scratch.path / "fifth", {}); }, "one output with 2",
                 ErrorCode::ModelInvalid);
  put(folder / "fold_0/model.onnx", "no net");
  expect_refused([&] { import_nnunet(folder, scratch.path / "fifth", {}); }, "not an ONNX file",
                 ErrorCode::ModelInvalid);
}

TEST_F(NnunetPackageTest, WhatExportNnunetPyWritesIsImported) {
  const fs::path folder = scratch.path / "exported";
  testing::run_python("export_peer.py", {folder.string()});
  const NnunetImportReport report = import_nnunet(folder, out, {});
  EXPECT_EQ(report.package.folds, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(report.mirroring_axes, (std::vector<int>{0, 1, 2}));
  for (const std::string fold : {"0", "1"}) {
    const Tensor got = answer_of(out / ("fold_" + fold) / "model.onnx", read_npy(folder / "input.npy"));
    EXPECT_LE(testing::largest_difference(got, read_npy(folder / ("fold_" + fold + ".npy"))), 2e-4);
  }
}

const std::string kDigest(64, 'a');
NnunetPackage small_package() {
  NnunetPackage package{.folder = {},
                        .name = "n",
                        .version = "1",
                        .maker = "m",
                        .licence = "l",
                        .intended_use = "u: \"x\"",
                        .cog = "organs",
                        .engine = "nnunet"};
  package.configuration = "2d";
  package.trainer = "nnUNetTrainer";
  package.weights_from = "model.onnx";
  package.folds = {"0"};
  package.channels = {"CT"};
  package.labels = {{"background", {0}}, {"whole", {1, 2}}};
  package.files = {
      {"plans.json", kDigest}, {"dataset.json", kDigest}, {"inference.json", kDigest}, {"fold_0/model.onnx", kDigest}};
  return package;
}
void expect_yaml_refused(const std::string& from, const std::string& to, const std::string& word) {
  std::string yaml = checkpoint::nnunet_yaml(small_package());
  const auto at = yaml.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  yaml.replace(at, from.size(), to);
  expect_refused([&] { checkpoint::parse_nnunet_yaml(yaml); }, word, ErrorCode::PackageInvalid);
}

TEST(NnunetYaml, ReadsWhatItWrites) {
  const NnunetPackage package = small_package();
  const std::string yaml = checkpoint::nnunet_yaml(package);
  const NnunetPackage again = checkpoint::parse_nnunet_yaml(yaml);
  EXPECT_EQ(again.intended_use, package.intended_use);
  EXPECT_EQ(again.labels[1].values, package.labels[1].values);
  EXPECT_EQ(again.files, package.files);
  EXPECT_EQ(checkpoint::nnunet_yaml(again), yaml);
}

TEST(NnunetYaml, RefusesWhatItDoesNotKnow) {
  expect_yaml_refused("rouage-nnunet/1", "rouage-nnunet/2", "rouage-nnunet/1");
  expect_yaml_refused("name: ", "nmae: ", "nmae");
  expect_yaml_refused("cog: ", "name: ", "twice");
  expect_yaml_refused("engine: \"nnunet\"", "engine: \"onnx\"", "nnunet is expected");
  expect_yaml_refused("fold_0/model.onnx", "fold_0/../../model.onnx", "does not belong");
  expect_yaml_refused("fold_0/model.onnx", "/etc/passwd", "does not belong");
  expect_yaml_refused("folds: [\"0\"]", "folds: [\"0\", \"1\"]", "as many nets");
  expect_yaml_refused("values: [1, 2]", "values: [1, -2]", "whole number");
  expect_yaml_refused(kDigest, "A" + kDigest.substr(1), "64 lower-case");
  expect_yaml_refused("plans.json: ", "plans.jsno: ", "plans.jsno");
  expect_yaml_refused("labels:", "labels: [", "line");
}

TEST(NnunetYaml, OnlyItsOwnFormatIsAnNnunetPackage) {
  const Scratch scratch;
  EXPECT_FALSE(is_nnunet_package(scratch.path));
  put(scratch.path / "model.yaml", "format: rouage-model/1\n");
  EXPECT_FALSE(is_nnunet_package(scratch.path));
  put(scratch.path / "model.yaml", "format: rouage-nnunet/10\n");
  EXPECT_FALSE(is_nnunet_package(scratch.path));
  put(scratch.path / "model.yaml", checkpoint::nnunet_yaml(small_package()));
  EXPECT_TRUE(is_nnunet_package(scratch.path));
}

}  // namespace
}  // namespace rouage::infer
