// Organs without a net on real patients. Expert lungs of one patient; elsewhere the output of a model, called so.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cogs/organs/classical.h"
#include "image/volume_files.h"
#include "stats/segmentation.h"

namespace rouage::cogs::organs {
namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(ROUAGE_SHARED_DIR) / "data";

const ClassicalOrgan& organ(const ClassicalOrgans& found, ClassicalLabel label) {
  return found.organs.at(static_cast<std::size_t>(label) - 1);
}

image::LabelMap merged(const image::LabelMap& map, const std::vector<std::uint16_t>& labels, ClassicalLabel to) {
  image::LabelMap result{map.grid, std::vector<std::uint16_t>(map.values.size()), ""};
  for (std::size_t v = 0; v < map.values.size(); ++v)
    for (const auto label : labels)
      if (map.values[v] == label) result.values[v] = static_cast<std::uint16_t>(to);
  return result;
}

stats::SegmentationScores scores(const image::LabelMap& reference, const ClassicalOrgans& found, ClassicalLabel label) {
  const std::vector<std::uint16_t> one{static_cast<std::uint16_t>(label)};
  return stats::compare_label_maps(reference, found.labels, one, {.tolerance_mm = 3, .threads = 2}).at(0).scores;
}

TEST(ClassicalOrgansOnPatients, LungsOfLung1AreTheExpertsLungs) {
  const fs::path folder = kData / "ct_lung1_001";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared/data/ct_lung1_001 is not here";
  if (std::system("/usr/bin/python3 -c 'import pydicom, nibabel, skimage' 2>/dev/null") != 0)
    GTEST_SKIP() << "no python3-pydicom, python3-nibabel or python3-skimage";
  const fs::path expert = fs::temp_directory_path() / "rouage_lung1_expert.nii.gz";
  ASSERT_EQ(std::system(("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/cogs/organs_expert_lungs.py " + folder.string() +
                         " " + expert.string())
                            .c_str()),
            0);
  const image::LabelMap reference = image::read_label_map(expert);
  fs::remove(expert);
  const ClassicalOrgans found =
      classical_organs(image::read_volume(folder / "ct_2x2mean.nii.gz"), {.assume_hounsfield = true, .threads = 2});
  ASSERT_EQ(found.refusal, "");
  for (const auto label : {ClassicalLabel::lung_left, ClassicalLabel::lung_right}) {
    const auto s = scores(reference, found, label);
    EXPECT_GT(*s.dice, 0.95) << organ(found, label).name;
    EXPECT_LT(s.surface->hausdorff95_mm, 12) << organ(found, label).name;
  }
  EXPECT_EQ(organ(found, ClassicalLabel::airways).absent, "");
  EXPECT_GT(organ(found, ClassicalLabel::airways).ml,
            20);  // an adult's trachea and main bronchi hold some 40 to 100 ml
  EXPECT_LT(organ(found, ClassicalLabel::airways).ml, 150);
}

TEST(ClassicalOrgansOnPatients, AgreeWithAModelsOutputOnATrunk) {
  const fs::path folder = kData / "ct_totalsegmentator";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared/data/ct_totalsegmentator is not here";
  const ClassicalOrgans found =
      classical_organs(image::read_volume(folder / "example_ct.nii.gz"), {.assume_hounsfield = true, .threads = 2});
  ASSERT_EQ(found.refusal, "");
  const image::LabelMap model = image::read_label_map(folder / "example_seg_fast_force_split.nii.gz");
  // The bases of the lungs at 3 mm: agreement with a model's output, not with the truth.
  EXPECT_GT(*scores(merged(model, {10, 11}, ClassicalLabel::lung_left), found, ClassicalLabel::lung_left).dice, 0.85);
  EXPECT_GT(*scores(merged(model, {12, 13, 14}, ClassicalLabel::lung_right), found, ClassicalLabel::lung_right).dice,
            0.85);
  std::vector<std::uint16_t> bones{75, 76, 77, 78};
  for (std::uint16_t label = 25; label <= 50; ++label) bones.push_back(label);
  for (std::uint16_t label = 91; label <= 116; ++label) bones.push_back(label);
  EXPECT_GT(*scores(merged(model, bones, ClassicalLabel::bone), found, ClassicalLabel::bone).dice, 0.8);
  // Every organ that the model names lies in the body that we find.
  std::uint64_t named = 0, outside = 0;
  for (std::size_t v = 0; v < model.values.size(); ++v) {
    named += model.values[v] != 0;
    outside += model.values[v] != 0 && found.labels.values[v] == 0;
  }
  EXPECT_LT(outside, named / 1000);
}

TEST(ClassicalOrgansOnPatients, FindNoLungInAHeadAndRefuseDisplayValues) {
  if (!fs::exists(kData / "ct_niivue")) GTEST_SKIP() << "../shared/data/ct_niivue is not here";
  for (const char* name : {"CT_AVM.nii.gz", "CT_pitch.nii.gz"}) {
    const auto volume = image::read_volume(kData / "ct_niivue" / name);
    EXPECT_EQ(classical_organs(volume).refusal, "unit_missing") << name;
    EXPECT_EQ(classical_organs(volume, {.assume_hounsfield = true}).refusal, "no_air") << name;  // 0..563, 0..255
  }
  EXPECT_EQ(classical_organs(image::read_volume(kData / "ct_totalsegmentator/example_mr_sm.nii.gz"),
                             {.assume_hounsfield = true})
                .refusal,
            "no_air");
}

}  // namespace
}  // namespace rouage::cogs::organs
