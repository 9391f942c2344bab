// What is read of a package, and what is refused rather than guessed.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "infer/nnunet/nnunet.h"
#include "infer/small_package.h"
#include "npy.h"

namespace rouage::infer {
namespace {

using nlohmann::json;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::filesystem::path kPlans = std::filesystem::path(ROUAGE_SHARED_DIR) / "data/nnunet_plans";

json small_plans() {
  const json fn = "resample_data_or_seg_to_shape";
  const auto kwargs = [](bool seg, int order) {
    return json{{"is_seg", seg}, {"order", order}, {"order_z", 0}, {"force_separate_z", nullptr}};
  };
  return {{"dataset_name", "Dataset001_Test"},
          {"plans_name", "nnUNetPlans"},
          {"transpose_forward", {0, 1, 2}},
          {"transpose_backward", {0, 1, 2}},
          {"image_reader_writer", "SimpleITKIO"},
          {"foreground_intensity_properties_per_channel",
           {{"0", {{"mean", 1.5}, {"std", 2}, {"percentile_00_5", -3}, {"percentile_99_5", 4}}}}},
          {"configurations",
           {{"3d_fullres",
             {{"patch_size", {8, 8, 8}},
              {"spacing", {1, 1, 1}},
              {"normalization_schemes", {"CTNormalization"}},
              {"use_mask_for_norm", {false}},
              {"preprocessor_name", "DefaultPreprocessor"},
              {"resampling_fn_data", fn},
              {"resampling_fn_seg", fn},
              {"resampling_fn_probabilities", fn},
              {"resampling_fn_data_kwargs", kwargs(false, 3)},
              {"resampling_fn_seg_kwargs", kwargs(true, 1)},
              {"resampling_fn_probabilities_kwargs", kwargs(false, 1)}}}}}};
}
const char* const kDataset =
    R"({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"})";

/// The detail of the refusal, which must be PackageInvalid; "" when it was accepted.
std::string refusal(const json& plans, const std::string& dataset = kDataset, const std::string& inference = "",
                    const std::string& configuration = "") {
  try {
    parse_nnunet(plans.dump(), dataset, inference, configuration);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::PackageInvalid) << e.what();
    return e.what();
  }
  return "";
}

#define EXPECT_REFUSED(said, words) EXPECT_NE((said).find(words), std::string::npos) << (said)

TEST(Plans, RealOnesAreRead) {
  if (!std::filesystem::exists(kPlans)) GTEST_SKIP() << "no plans at " << kPlans;
  const auto pet = kPlans / "NIH-MIP__FDG-PET-CT_AI";
  const std::string plans = text_of(pet / "nnUNetPlans.json"), dataset = text_of(pet / "dataset.json");
  const NnunetModel full = parse_nnunet(plans, dataset, "", "3d_fullres");
  EXPECT_EQ(full.patch, (Shape3{128, 128, 128}));
  EXPECT_EQ(full.channels.size(), 2U);
  EXPECT_EQ(full.channels[0].scheme, Normalization::z_score);
  EXPECT_EQ(full.channels[1].scheme, Normalization::ct);
  EXPECT_LT(full.channels[1].percentile_00_5, full.channels[1].percentile_99_5);
  EXPECT_EQ(full.net_channels(), 2U);
  const NnunetModel cascade = parse_nnunet(plans, dataset, "", "3d_cascade_fullres");  // inherits from 3d_fullres
  EXPECT_EQ(cascade.patch, full.patch);
  EXPECT_EQ(cascade.previous_stage, "3d_lowres");
  EXPECT_EQ(cascade.net_channels(), 3U);
  const NnunetModel flat = parse_nnunet(plans, dataset, "", "2d");
  EXPECT_TRUE(flat.two_dimensional);
  EXPECT_EQ(flat.patch, (Shape3{1, 448, 448}));
  const auto lung = kPlans / "Usamakhan843__3D-Lung-Tumor-Segmentation-with-nnU-Net";
  EXPECT_EQ(parse_nnunet(text_of(lung / "nnUNetPlans.json"), text_of(lung / "dataset.json"), "", "3d_fullres").patch,
            (Shape3{80, 192, 160}));
  const auto liver = kPlans / "timdehaan1__automatic-liver-segmentation-nnUnet";
  EXPECT_TRUE(
      parse_nnunet(text_of(liver / "plans.json"), text_of(liver / "dataset.json"), R"({"configuration": "3d_fullres"})")
          .channels[0]
          .inside_mask);
}

TEST(Plans, TheOnlyConfigurationIsTakenAndSaid) {
  const NnunetModel model = parse_nnunet(small_plans().dump(), kDataset, "");
  EXPECT_EQ(model.configuration, "3d_fullres");
  EXPECT_EQ(model.warnings.size(), 2U);  // configuration, mirroring
  const NnunetModel told = parse_nnunet(
      small_plans().dump(), kDataset, R"({"configuration": "3d_fullres", "inference_allowed_mirroring_axes": [2, 0]})");
  EXPECT_TRUE(told.warnings.empty());
  EXPECT_EQ(told.mirror_axes, (std::vector<int>{2, 0}));
}

TEST(Plans, SeveralConfigurationsNeedAChoice) {
  json plans = small_plans();
  plans["configurations"]["other"] = {{"inherits_from", "3d_fullres"}, {"patch_size", {4, 4, 4}}};
  EXPECT_REFUSED(refusal(plans), "several: 3d_fullres, other");
  EXPECT_EQ(parse_nnunet(plans.dump(), kDataset, "", "other").patch, (Shape3{4, 4, 4}));
  EXPECT_REFUSED(refusal(plans, kDataset, "", "none"), "no configuration \"none\"");
}

TEST(Plans, InheritanceInACircleIsRefused) {
  json plans = small_plans();
  plans["configurations"]["a"] = {{"inherits_from", "b"}};
  plans["configurations"]["b"] = {{"inherits_from", "a"}};
  EXPECT_REFUSED(refusal(plans, kDataset, "", "a"), "inherits from itself");
}

// SEG-2
TEST(Plans, UnknownNamesAreRefusedNeverReplaced) {
  const auto changed = [](const std::string& key, const json& value) {
    json plans = small_plans();
    plans["configurations"]["3d_fullres"][key] = value;
    return refusal(plans);
  };
  EXPECT_REFUSED(changed("normalization_schemes", json{"MyNormalization"}), "MyNormalization");
  EXPECT_REFUSED(changed("resampling_fn_data", "resample_mine"), "resample_mine");
  EXPECT_REFUSED(changed("resampling_fn_probabilities", "resample_mine"), "resample_mine");
  EXPECT_REFUSED(changed("preprocessor_name", "MyPreprocessor"), "MyPreprocessor");
  EXPECT_REFUSED(changed("resampling_fn_data_kwargs", json({{"order", 3}, {"order_z", 0}})), "force_separate_z");
  EXPECT_REFUSED(
      changed("resampling_fn_data_kwargs", json({{"order", 2}, {"order_z", 0}, {"force_separate_z", nullptr}})),
      "order");
  EXPECT_REFUSED(changed("resampling_fn_data_kwargs",
                         json({{"order", 3}, {"order_z", 0}, {"force_separate_z", nullptr}, {"new_thing", 1}})),
                 "new_thing");
  json plans = small_plans();
  plans["image_reader_writer"] = "NaturalImage2DIO";
  EXPECT_REFUSED(refusal(plans), "NaturalImage2DIO");
  plans = small_plans();
  plans["label_manager"] = "MyManager";
  EXPECT_REFUSED(refusal(plans), "MyManager");
}

TEST(Plans, ContradictionsAreRefused) {
  json plans = small_plans();
  plans["transpose_backward"] = {2, 1, 0};
  EXPECT_REFUSED(refusal(plans), "does not undo");
  plans = small_plans();
  plans["transpose_forward"] = {0, 0, 2};
  EXPECT_REFUSED(refusal(plans), "permutation");
  plans = small_plans();
  plans["configurations"]["3d_fullres"]["patch_size"] = {8, 0, 8};
  EXPECT_REFUSED(refusal(plans), "patch_size");
  plans = small_plans();
  plans["configurations"]["3d_fullres"]["spacing"] = {1, -1, 1};
  EXPECT_REFUSED(refusal(plans), "spacing");
  plans = small_plans();
  plans.erase("foreground_intensity_properties_per_channel");
  EXPECT_REFUSED(refusal(plans), "foreground_intensity_properties");
  EXPECT_REFUSED(refusal(small_plans(), R"({"channel_names": {"0": "CT", "1": "PET"}, "labels": {"background": 0}})"),
                 "one entry a channel");
  EXPECT_REFUSED(refusal(small_plans(), kDataset, R"({"inference_allowed_mirroring_axes": [3]})"), "mirroring_axes");
  EXPECT_REFUSED(refusal(small_plans(), kDataset, "[1"), "inference.json");
  EXPECT_REFUSED(refusal(json("text")), "plans.json");
}

TEST(Plans, OldNamesAreRead) {
  json plans = small_plans();
  plans["foreground_intensity_properties_by_modality"] = plans["foreground_intensity_properties_per_channel"];
  plans.erase("foreground_intensity_properties_per_channel");
  const NnunetModel model =
      parse_nnunet(plans.dump(), R"({"modality": {"0": "CT"}, "labels": {"background": 0, "a": 1}})", "");
  EXPECT_EQ(model.channels[0].mean, 1.5);
}

NnunetModel with_labels(const std::string& rest) {
  return parse_nnunet(small_plans().dump(), R"({"channel_names": {"0": "CT"}, )" + rest + "}", "");
}

TEST(Labels, RegionsKeepTheFilesOrder) {
  const NnunetModel m = with_labels(
      R"("labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}, "regions_class_order": [1, 2, 3])");
  EXPECT_TRUE(m.regions);
  EXPECT_EQ(m.written_labels, (std::vector<std::uint16_t>{1, 2, 3}));
  EXPECT_EQ(m.foreground_labels, (std::vector<std::uint16_t>{1, 2, 3}));
  EXPECT_EQ(m.labels[1].name, "whole");
}

TEST(Labels, AListOfOneIsALabel) {
  const NnunetModel m = with_labels(R"("labels": {"background": [0], "a": [1], "b": 2, "ignore": 3})");
  EXPECT_FALSE(m.regions);
  EXPECT_EQ(m.classes(), 3U);
}

TEST(Labels, WhatCannotBeIsRefused) {
  const auto said = [](const std::string& rest) {
    return refusal(small_plans(), R"({"channel_names": {"0": "CT"}, )" + rest + "}");
  };
  EXPECT_REFUSED(said(R"("labels": {"background": 0, "a": 2})"), "without a gap");
  EXPECT_REFUSED(said(R"("labels": {"a": 1})"), "background");
  EXPECT_REFUSED(said(R"("labels": {"background": 0, "a": [1, 2]})"), "regions_class_order");
  EXPECT_REFUSED(said(R"("labels": {"background": 0, "ignore": 1, "a": 2})"), "highest");
  EXPECT_REFUSED(said(R"("labels": {"background": 0, "a": -1})"), "whole number");
}

TEST(Labels, From255OnTheReferenceWritesUint16) {
  const auto many = [](int n) {
    json labels = {{"background", 0}};
    for (int i = 1; i <= n; ++i) labels["l" + std::to_string(i)] = i;
    return with_labels("\"labels\": " + labels.dump());
  };
  EXPECT_FALSE(many(254).wide_labels());
  EXPECT_TRUE(many(255).wide_labels());
}

TEST(Package, FoldsAreFoundByNumber) {
  const auto folder = testing::fresh_folder("package");
  testing::put(folder / "plans.json", small_plans().dump());
  testing::put(folder / "dataset.json", kDataset);
  const auto code = [&] {
    try {
      read_nnunet(folder);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code(), ErrorCode::PackageInvalid);  // no fold
  for (const char* fold : {"fold_10", "fold_2", "fold_all"}) {
    std::filesystem::create_directories(folder / fold);
    testing::put(folder / fold / "model.onnx", "x");
  }
  const NnunetModel model = read_nnunet(folder);
  ASSERT_EQ(model.folds.size(), 2U);
  EXPECT_EQ(model.folds[0].name, "fold_2");
  EXPECT_EQ(model.folds[1].name, "fold_10");
  std::filesystem::remove(folder / "dataset.json");
  EXPECT_EQ(code(), ErrorCode::FileMissing);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rouage::infer
