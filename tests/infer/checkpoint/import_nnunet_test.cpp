// Checkpoints that PyTorch wrote, imported, run by ONNX Runtime and compared with PyTorch's own answer.
#include "infer/checkpoint/import_nnunet.h"

#include <gtest/gtest.h>

#include "peers.h"

namespace rouage::infer {
namespace {

using testing::answer_of;
using testing::expect_refused;
using testing::Json;
using testing::kData;
using testing::largest_difference;
using testing::make_checkpoints;
using testing::plain_case;
using testing::plain_net;
using testing::put;
using testing::read_npy;
using testing::Scratch;
namespace fs = std::filesystem;

// Two float32 runtimes sum in different orders; logits of these nets are of the order of 1.
constexpr double kTolerance = 2e-4;

void expect_same_answers(const Scratch& scratch, const Json& one) {
  const std::string name = one.at("name");
  SCOPED_TRACE(name);
  const fs::path folder = scratch.path / name, out = scratch.path / (name + "-package");
  try {
    const NnunetImportReport report = import_nnunet(folder, out, {});
    for (const NnunetFoldReport& fold : report.folds) {
      const Tensor wanted = read_npy(folder / ("fold_" + fold.fold + ".npy"));
      const Tensor got = answer_of(out / ("fold_" + fold.fold) / "model.onnx", read_npy(folder / "input.npy"));
      EXPECT_LE(largest_difference(got, wanted), kTolerance) << "fold " << fold.fold;
      double largest = 0;
      for (const float v : wanted.values) largest = std::max(largest, std::abs(static_cast<double>(v)));
      EXPECT_GT(largest, 0.1) << "an answer of nothing compares equal with anything";
    }
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

void expect_all_same(const Json& cases) {
  if (!testing::have_torch()) GTEST_SKIP() << "python3-torch is not installed";
  const Scratch scratch;
  make_checkpoints(scratch, cases);
  for (const Json& one : cases) expect_same_answers(scratch, one);
}

Json changed(Json one, const std::string& name, const Json& net, const Json& keys = Json::object()) {
  one["name"] = name;
  if (net.is_object()) one["net"].update(net);
  one.update(keys);
  return one;
}

TEST(ImportNnunet, PlainNetsAnswerAsInTorch) {
  Json anisotropic = plain_case("anisotropic");
  anisotropic["patch"] = {4, 16, 24};
  expect_all_same(
      {plain_case("three_axes"), plain_case("two_axes", 2),
       changed(plain_case("no_bias"), "no_bias", {{"bias", false}}),
       changed(plain_case("two_axes_no_bias", 2), "two_axes_no_bias",
               {{"bias", false}, {"channels", 3}, {"classes", 5}}),
       changed(anisotropic, "anisotropic",
               {{"kernels", {{1, 3, 3}, {3, 3, 3}, {3, 5, 3}}}, {"strides", {{1, 1, 1}, {1, 2, 2}, {2, 2, 3}}}}),
       changed(plain_case("uneven"), "uneven", {{"blocks", {1, 3, 2}}, {"decoder", {3, 1}}, {"channels", 2}}),
       changed(plain_case("slope"), "slope", {{"slope", 0.2}, {"eps", 1e-3}, {"affine", false}}),
       changed(plain_case("relu"), "relu", {{"relu", true}}),
       changed(plain_case("dropout"), "dropout", {{"dropout", true}})});
}

TEST(ImportNnunet, ResidualNetsAnswerAsInTorch) {
  Json anisotropic = plain_case("residual_anisotropic");
  anisotropic["patch"] = {4, 16, 16};
  const Json residual = {{"residual", true}, {"blocks", {1, 2, 3}}, {"decoder", {1, 1}}};
  Json same_features = residual;
  same_features["features"] = {4, 8, 8};  // a stride without a change of features: a pool, no projection
  Json thin = residual;
  thin["kernels"] = {{1, 3, 3}, {3, 3, 3}, {3, 3, 3}};
  thin["strides"] = {{1, 1, 1}, {1, 2, 2}, {2, 2, 2}};
  expect_all_same({changed(plain_case("x"), "residual", residual),
                   changed(plain_case("x", 2), "residual_two_axes", residual),
                   changed(plain_case("x"), "residual_same_features", same_features),
                   changed(anisotropic, "residual_anisotropic", thin)});
}

TEST(ImportNnunet, WeightsAreReadHoweverTheyAreStored) {
  expect_all_same({changed(plain_case("x"), "half", {}, {{"dtype", "float16"}}),
                   changed(plain_case("x"), "bfloat", {}, {{"dtype", "bfloat16"}}),
                   changed(plain_case("x"), "double", {}, {{"dtype", "float64"}}),
                   changed(plain_case("x"), "strided", {}, {{"strided", true}}),
                   changed(plain_case("x"), "shared", {}, {{"shared", true}}),
                   changed(plain_case("x"), "protocol5", {}, {{"protocol", 5}}),
                   changed(plain_case("x"), "protocol4", {}, {{"protocol", 4}, {"numpy_axes", true}}),
                   changed(plain_case("x"), "parallel", {}, {{"prefix", "module."}}),
                   changed(plain_case("x"), "compiled", {}, {{"prefix", "_orig_mod.module."}}),
                   changed(plain_case("x"), "single", {}, {{"single_names", true}}),
                   changed(plain_case("x"), "old_plans", {{"features", {4, 8, 8}}}, {{"old", true}}),
                   changed(plain_case("x"), "folds", {}, {{"folds", {0, 1, 3}}})});
}

/// The net of a real plan with a tenth of its features, its patch cut to what the strides need.
Json reduced(const std::string& file, const std::string& configuration, const std::string& name) {
  const Json plans = Json::parse(read_text(kData / "nnunet_plans" / file));
  Json own = plans["configurations"][configuration];
  const bool old = !own.contains("architecture");
  const Json arguments = old ? Json() : own["architecture"]["arch_kwargs"];
  const Json& kernels = old ? own["conv_kernel_sizes"] : arguments["kernel_sizes"];
  const Json& strides = old ? own["pool_op_kernel_sizes"] : arguments["strides"];
  const int d = static_cast<int>(kernels[0].size());
  Json patch = Json::array(), features = Json::array();
  for (int axis = 0; axis < d; ++axis) {
    int factor = 1;
    for (const Json& stride : strides) factor *= stride[axis].get<int>();
    patch.push_back(2 * factor);
  }
  for (std::size_t s = 0; s < kernels.size(); ++s) features.push_back(std::min(3 << s, 12));
  Json one = {{"name", name}, {"configuration", configuration}, {"patch", patch}, {"mirroring", nullptr}, {"old", old}};
  one["net"] = {{"d", d},
                {"features", features},
                {"kernels", kernels},
                {"strides", strides},
                {"blocks", old ? own["n_conv_per_stage_encoder"] : arguments["n_conv_per_stage"]},
                {"decoder", old ? own["n_conv_per_stage_decoder"] : arguments["n_conv_per_stage_decoder"]},
                {"bias", true},
                {"channels", own["normalization_schemes"].size()},
                {"classes", 2}};
  return one;
}

TEST(ImportNnunet, TheNetsOfRealPlansAnswerAsInTorch) {
  if (!fs::exists(kData / "nnunet_plans")) GTEST_SKIP() << "no ../shared/data/nnunet_plans";
  expect_all_same(
      {reduced("BigBooleanJohn__spine-segmentations/plans.json", "2d", "spine_2d"),
       reduced("NIH-MIP__FDG-PET-CT_AI/nnUNetPlans.json", "3d_fullres", "petct"),
       reduced("Usamakhan843__3D-Lung-Tumor-Segmentation-with-nnU-Net/nnUNetPlans.json", "3d_lowres", "lung"),
       reduced("timdehaan1__automatic-liver-segmentation-nnUnet/plans.json", "3d_fullres", "liver")});
}

TEST(ImportNnunet, GoldenWeightsGiveTheGoldenLogits) {
  if (!testing::have_torch()) GTEST_SKIP() << "python3-torch is not installed";
  if (std::system("/usr/bin/python3 -c 'import onnx' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3-onnx is not installed";
  for (const std::string name : {"ct_iso", "mr_aniso"}) {
    const fs::path golden = kData / "nnunet_golden" / name;
    if (!fs::exists(golden)) GTEST_SKIP() << "no ../shared/data/nnunet_golden";
    SCOPED_TRACE(name);
    const Scratch scratch;
    testing::run_python("golden_checkpoint.py", {golden.string(), (scratch.path / "model").string()});
    const NnunetImportReport report = import_nnunet(scratch.path / "model", scratch.path / "package", {});
    EXPECT_EQ(report.architecture, "PlainConvUNet, 3D, 4 stages of 8 to 64 features");
    const Tensor wanted = read_npy(scratch.path / "model/first_patch_logits.npy");
    const Tensor got =
        answer_of(scratch.path / "package/fold_0/model.onnx", read_npy(scratch.path / "model/first_patch.npy"));
    EXPECT_LE(largest_difference(got, wanted), 3e-4);  // the golden folder's own tolerance
  }
}

TEST(ImportNnunet, OtherNetsThanThePlansSayAreRefused) {
  if (!testing::have_torch()) GTEST_SKIP() << "python3-torch is not installed";
  const Scratch scratch;
  const std::string weight = "encoder.stages.1.0.convs.1.norm.bias";
  Json wider = plain_case("wider");
  wider["plans"] =
      Json::parse(R"({"configurations": {"3d_fullres": {"patch_size": [12, 12, 12], "UNet_class_name": "PlainConvUNet",
    "UNet_base_num_features": 8, "unet_max_num_features": 8, "n_conv_per_stage_encoder": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2],
    "conv_kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3]], "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2], [2, 2, 2]]}}})");
  Json classes = plain_case("classes");
  classes["dataset"] = Json::parse(R"({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}})");
  const Json cases = {
      changed(plain_case("x"), "missing", {}, {{"drop", {weight}}, {"single_names", true}}),
      changed(plain_case("x"), "left_over", {}, {{"add", {{"encoder.stages.0.0.convs.0.norm.running_mean", {4}}}}}),
      changed(plain_case("x"), "two_values", {}, {{"alter", {"encoder.stages.0.0.convs.0.all_modules.0.weight"}}}),
      changed(plain_case("x"), "not_finite", {}, {{"spoil", {weight}}, {"single_names", true}}),
      changed(plain_case("x"), "trainer", {}, {{"trainer", "nnUNetTrainerGELU"}}),
      changed(plain_case("x"), "axis", {}, {{"mirroring", {0, 3}}}),
      changed(plain_case("x", 2), "axis_2d", {}, {{"mirroring", {0, 2}}}),
      changed(plain_case("x"), "legacy", {}, {{"legacy", true}}),
      changed(plain_case("x"), "pool", {},
              {{"configuration_keys", {{"architecture", {{"network_class_name", "a.b.SwinUNETR"}}}}}}),
      wider,
      classes};
  make_checkpoints(scratch, cases);
  const auto refused = [&](const std::string& name, const std::string& word) {
    SCOPED_TRACE(name);
    expect_refused([&] { import_nnunet(scratch.path / name, scratch.path / "out", {}); }, word);
    EXPECT_FALSE(fs::exists(scratch.path / "out")) << "half a package was left";
    EXPECT_FALSE(fs::exists(scratch.path / ".out.part"));
  };
  refused("missing", weight + " is missing");
  refused("left_over", "running_mean [4] is left over");
  refused("two_values", "differ");
  refused("not_finite", weight + " holds values that are not finite");
  refused("trainer", "nnUNetTrainerGELU may have built another net");
  refused("axis", "mirroring axis");
  refused("axis_2d", "an axis that the net does not have");
  refused("legacy", "before torch 1.6");
  refused("pool", "SwinUNETR");
  refused("wider", "has the shape [4, 1, 3, 3, 3], the plans make it [8, 1, 3, 3, 3]");
  refused("classes", "decoder.seg_layers.1.weight has the shape [3, 4, 1, 1, 1]");
  EXPECT_NO_THROW(
      import_nnunet(scratch.path / "trainer", scratch.path / "out", {.accept_trainer = "nnUNetTrainerGELU"}));
}

// SEG-6
TEST(ImportNnunet, FilesThatAttackAreRefusedAndNothingIsExecuted) {
  if (!testing::have_torch()) GTEST_SKIP() << "python3-torch is not installed";
  const Scratch scratch;
  make_checkpoints(scratch, Json::array({plain_case("model")}));
  const fs::path mark = scratch.path / "executed", file = scratch.path / "model/fold_0/checkpoint_final.pth";
  testing::run_python("hostile_checkpoints.py", {file.string(), (scratch.path / "hostile").string(), mark.string()});
  int seen = 0;
  for (const fs::path& hostile : files_below(scratch.path / "hostile")) {
    SCOPED_TRACE(hostile.filename().string());
    fs::copy_file(hostile, file, fs::copy_options::overwrite_existing);
    const Error error = testing::error_of([&] { import_nnunet(scratch.path / "model", scratch.path / "out", {}); });
    EXPECT_EQ(error.code(), ErrorCode::CheckpointInvalid) << error.what();
    EXPECT_FALSE(error.remedy().empty());
    EXPECT_NE(error.file().find("checkpoint_final.pth"), std::string::npos) << error.what();
    ++seen;
  }
  EXPECT_EQ(seen, 16);
  EXPECT_FALSE(fs::exists(mark)) << "a checkpoint ran a program";
}

TEST(ImportNnunet, ACheckpointCutAnywhereIsRefused) {
  if (!testing::have_torch()) GTEST_SKIP() << "python3-torch is not installed";
  const Scratch scratch;
  make_checkpoints(scratch, Json::array({plain_case("model")}));
  const fs::path file = scratch.path / "model/fold_0/checkpoint_final.pth";
  const Bytes whole = read_file(file, kMebibyte);
  for (std::size_t part = 0; part < 40; ++part) {
    write_file(file, std::span(whole).first(whole.size() * part / 40));
    EXPECT_EQ(testing::error_of([&] { import_nnunet(scratch.path / "model", scratch.path / "out", {}); }).code(),
              ErrorCode::CheckpointInvalid)
        << part;
  }
}

}  // namespace
}  // namespace rouage::infer
