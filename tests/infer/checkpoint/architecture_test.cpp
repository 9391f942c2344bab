// Plans and datasets as numbers: the four real plans, and what is refused instead of being guessed.
#include "infer/checkpoint/architecture.h"

#include <gtest/gtest.h>

#include "infer/checkpoint/trainers.h"
#include "infer/checkpoint/unet_graph.h"
#include "infer/checkpoint/weight_names.h"
#include "peers.h"

namespace rouage::infer::checkpoint {
namespace {

using testing::expect_refused;
using testing::kData;
using Json = nlohmann::json;

const std::string kDataset = R"({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2}})";

Json plans_with(const Json& configuration) {
  return {{"configurations", {{"c", configuration}}}};
}
Json sound() {
  return {{"patch_size", {32, 32, 32}},
          {"architecture",
           {{"network_class_name", "x.y.PlainConvUNet"},
            {"arch_kwargs",
             {{"n_stages", 2},
              {"features_per_stage", {8, 16}},
              {"conv_op", "torch.nn.modules.conv.Conv3d"},
              {"kernel_sizes", {{3, 3, 3}, {3, 3, 3}}},
              {"strides", {{1, 1, 1}, {2, 2, 2}}},
              {"n_conv_per_stage", {2, 2}},
              {"n_conv_per_stage_decoder", {2}},
              {"conv_bias", true},
              {"norm_op", "torch.nn.InstanceNorm3d"},
              {"norm_op_kwargs", {{"eps", 1e-5}, {"affine", true}}},
              {"nonlin", "torch.nn.LeakyReLU"},
              {"nonlin_kwargs", {{"inplace", true}}}}}}}};
}
UNetPlan read(const Json& plans, const std::string& configuration = "c", const std::string& dataset = kDataset) {
  return read_unet_plan(plans.dump(), dataset, configuration);
}
void expect_key_refused(const std::string& key, const Json& value, const std::string& word) {
  Json plans = plans_with(sound());
  plans["configurations"]["c"]["architecture"]["arch_kwargs"][key] = value;
  SCOPED_TRACE(key);
  expect_refused([&] { read(plans); }, word);
  expect_refused([&] { read(plans); }, key);
}

struct RealPlans {
  const char* file;
  const char* configuration;
  std::size_t stages;
  std::uint32_t last_features;
  Extents patch;
};
class RealPlansTest : public ::testing::TestWithParam<RealPlans> {};

TEST_P(RealPlansTest, AreRead) {
  const std::filesystem::path file = kData / "nnunet_plans" / GetParam().file;
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no ../shared/data/nnunet_plans";
  const std::string plans = read_text(file);
  const UNetPlan plan = read_unet_plan(plans, kDataset, GetParam().configuration);
  EXPECT_EQ(plan.class_name, "PlainConvUNet");
  EXPECT_EQ(plan.stages(), GetParam().stages);
  EXPECT_EQ(plan.features.front(), 32U);
  EXPECT_EQ(plan.features.back(), GetParam().last_features);
  EXPECT_EQ(plan.patch, GetParam().patch);
  EXPECT_EQ(plan.decoder_convs.size(), plan.stages() - 1);
  EXPECT_TRUE(plan.conv_bias);
  EXPECT_EQ(plan.negative_slope, 0.01F);
  EXPECT_GT(build_unet(plan).weight_values(), 10'000'000U);
}
INSTANTIATE_TEST_SUITE_P(
    Architecture, RealPlansTest,
    ::testing::Values(
        RealPlans{"BigBooleanJohn__spine-segmentations/plans.json", "3d_fullres", 6, 320, {128, 128, 128}},
        RealPlans{"BigBooleanJohn__spine-segmentations/plans.json", "2d", 7, 512, {256, 256}},
        RealPlans{"NIH-MIP__FDG-PET-CT_AI/nnUNetPlans.json", "3d_fullres", 6, 320, {128, 128, 128}},
        RealPlans{"NIH-MIP__FDG-PET-CT_AI/nnUNetPlans.json", "2d", 7, 512, {448, 448}},
        RealPlans{"NIH-MIP__FDG-PET-CT_AI/nnUNetPlans.json", "3d_cascade_fullres", 6, 320, {128, 128, 128}},
        RealPlans{"Usamakhan843__3D-Lung-Tumor-Segmentation-with-nnU-Net/nnUNetPlans.json",
                  "3d_fullres",
                  6,
                  320,
                  {80, 192, 160}},
        RealPlans{"Usamakhan843__3D-Lung-Tumor-Segmentation-with-nnU-Net/nnUNetPlans.json", "2d", 8, 512, {512, 512}},
        RealPlans{"timdehaan1__automatic-liver-segmentation-nnUnet/plans.json", "3d_fullres", 6, 320, {28, 192, 256}},
        RealPlans{"timdehaan1__automatic-liver-segmentation-nnUnet/plans.json", "2d", 6, 512, {192, 256}}));

TEST(Architecture, ACascadesSecondStageHasAChannelMoreForEachForegroundLabel) {
  Json plans = plans_with(sound());
  plans["configurations"]["second"] = {{"inherits_from", "c"}, {"previous_stage", "c"}};
  EXPECT_EQ(read(plans).channels, 1U);
  EXPECT_EQ(read(plans, "second").channels, 3U);
}

TEST(Architecture, OutputsAreLabelsWithoutIgnoreOrRegions) {
  const auto outputs = [](const std::string& labels) {
    return read_dataset_facts(R"({"channel_names": {"0": "CT"}, "labels": )" + labels + "}").outputs;
  };
  EXPECT_EQ(outputs(R"({"background": 0, "a": 1, "b": 2})"), 3U);
  EXPECT_EQ(outputs(R"({"background": 0, "a": 1, "ignore": 2})"), 2U);
  EXPECT_EQ(outputs(R"({"background": 0, "whole": [1, 2], "core": [2]})"), 2U);
  EXPECT_EQ(outputs(R"({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "ignore": 4})"), 2U);
}

TEST(Architecture, RefusesInheritanceInACircle) {
  const Json plans = {{"configurations", {{"c", {{"inherits_from", "d"}}}, {"d", {{"inherits_from", "c"}}}}}};
  expect_refused([&] { read(plans); }, "circle");
  expect_refused([&] { read(plans, "e"); }, "no such configuration");
}

TEST(Architecture, RefusesWhatWouldChangeTheArithmetic) {
  EXPECT_EQ(read(plans_with(sound())).stages(), 2U);
  expect_key_refused("conv_op", "torch.nn.Conv1d", "only Conv2d and Conv3d");
  expect_key_refused("norm_op", "torch.nn.BatchNorm3d", "only instance norm");
  expect_key_refused("norm_op", "torch.nn.InstanceNorm2d", "only instance norm");
  expect_key_refused("nonlin", "torch.nn.GELU", "only LeakyReLU");
  expect_key_refused("nonlin_kwargs", {{"slope", 0.2}}, "not built here");
  expect_key_refused("norm_op_kwargs", {{"track_running_stats", true}}, "not built here");
  expect_key_refused("squeeze_excitation", true, "not built here");
  expect_key_refused("nonlin_first", true, "not built here");
  expect_key_refused("pool", "max", "not built here");
  expect_key_refused("bottleneck_channels", 16, "not built here");
  expect_key_refused("stem_channels", 16, "not built here");
  expect_key_refused("something_of_tomorrow", 1, "not built here");
}

TEST(Architecture, AcceptsWhatChangesNothingAtInference) {
  Json plans = plans_with(sound());
  Json& arguments = plans["configurations"]["c"]["architecture"]["arch_kwargs"];
  arguments["dropout_op"] = "torch.nn.Dropout3d";
  arguments["dropout_op_kwargs"] = {{"p", 0.2}};
  arguments["deep_supervision"] = true;
  arguments["squeeze_excitation"] = false;
  arguments["pool"] = "conv";
  EXPECT_EQ(read(plans).features, (std::vector<std::uint32_t>{8, 16}));
}

TEST(Architecture, RefusesSizesThatNoNetHas) {
  expect_key_refused("n_stages", 1000000, "whole number from 2 to 16");
  expect_key_refused("n_stages", 2.5, "whole number");
  expect_key_refused("features_per_stage", {8, 1e18}, "whole number");
  expect_key_refused("features_per_stage", {8}, "2 entries");
  expect_key_refused("features_per_stage", {8, -1}, "whole number");
  expect_key_refused("kernel_sizes", {{3, 3, 3}, {2, 3, 3}}, "even kernels");
  expect_key_refused("kernel_sizes", {{3, 3, 3}, {3, 3}}, "3 numbers");
  expect_key_refused("strides", {{2, 2, 2}, {2, 2, 2}}, "first stage");
  expect_key_refused("strides", {{1, 1, 1}, {0, 2, 2}}, "whole number");
  expect_key_refused("n_conv_per_stage", "two", "a list");
}

TEST(Architecture, RefusesAPatchThatTheStridesDoNotDivide) {
  Json plans = plans_with(sound());
  plans["configurations"]["c"]["patch_size"] = {32, 32, 31};
  expect_refused([&] { read(plans); }, "axis 2: 31");
  plans["configurations"]["c"]["patch_size"] = {32, 32};
  expect_refused([&] { read(plans); }, "as many axes");
}

TEST(Architecture, RefusesMoreWeightsThanAnyFileBeforeReadingOne) {
  Json configuration = sound();
  configuration["architecture"]["arch_kwargs"]["features_per_stage"] = {8192, 8192};
  const UNetPlan plan = read(plans_with(configuration));
  expect_refused([&] { build_unet(plan); }, "1 GiB", ErrorCode::ModelInvalid);
}

TEST(Architecture, RefusesOtherNetsAndDamagedFiles) {
  Json configuration = sound();
  configuration["architecture"]["network_class_name"] = "x.y.PrimusM";
  expect_refused([&] { read(plans_with(configuration)); }, "PrimusM");
  expect_refused([] { read_unet_plan("{", kDataset, "c"); }, "plans.json");
  expect_refused([] { read_unet_plan("[]", kDataset, "c"); }, "plans.json");
  expect_refused([] { read(plans_with(sound()), "c", "{"); }, "dataset.json");
  expect_refused([] { read(plans_with(sound()), "c", R"({"channel_names": {"1": "CT"}, "labels": {"a": 1}})"); },
                 "channel 0");
  expect_refused(
      [] { read(plans_with(sound()), "c", R"({"channel_names": {"0": "CT"}, "labels": {"0": "background"}})"); },
      "labels.0");
  expect_refused([] { read(plans_with(sound()), "c", R"({"channel_names": {"0": "CT"}, "labels": {"a": [1, 1e9]}})"); },
                 "labels.a");
}

// SEG-2
TEST(Architecture, KnowsTheTrainersThatKeepThePlannedNet) {
  for (const char* good : {"nnUNetTrainer", "nnUNetTrainerNoMirroring", "nnUNetTrainer_4000epochs_NoMirroring",
                           "nnUNetTrainer_DASegOrd0_NoMirroring", "nnUNetTrainer_250epochs",
                           "nnUNetTrainer_onlyMirror01_1500ep", "nnUNetTrainerDA5", "nnUNetTrainerDiceCELoss_noSmooth",
                           "nnUNetTrainer_probabilisticOversampling_033", "nnUNetTrainerNoDeepSupervision"})
    EXPECT_TRUE(keeps_planned_net(good)) << good;
  for (const char* bad : {"nnUNetTrainerBN", "nnUNetTrainerGELU", "nnUNetTrainer_ReLU", "nnUNetTrainerUMambaBot",
                          "STUNetTrainer", "", "nnUNetTrainer_", "x"})
    EXPECT_FALSE(keeps_planned_net(bad)) << bad;
}

TEST(Architecture, SecondNamesLeadToTheFirst) {
  EXPECT_EQ(first_name("encoder.stages.0.0.convs.0.all_modules.0.weight"), "encoder.stages.0.0.convs.0.conv.weight");
  EXPECT_EQ(first_name("encoder.stages.0.0.convs.0.all_modules.1.bias"), "encoder.stages.0.0.convs.0.norm.bias");
  EXPECT_EQ(first_name("decoder.encoder.stem.convs.0.all_modules.2.weight"), "encoder.stem.convs.0.norm.weight");
  EXPECT_EQ(first_name("decoder.encoder.stages.0.0.convs.0.conv.bias"), "encoder.stages.0.0.convs.0.conv.bias");
  EXPECT_FALSE(first_name("encoder.stages.0.0.convs.0.conv.bias"));
  EXPECT_FALSE(first_name("a.all_modules.x.bias"));
  EXPECT_TRUE(is_deep_supervision_head("decoder.seg_layers.0.weight", 2));
  EXPECT_FALSE(is_deep_supervision_head("decoder.seg_layers.2.weight", 2));
  EXPECT_FALSE(is_deep_supervision_head("decoder.seg_layers.0.gain", 2));
}

}  // namespace
}  // namespace rouage::infer::checkpoint
