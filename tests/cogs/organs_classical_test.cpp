// Organs without a net on a synthetic trunk whose organs are known. Real patients: organs_real_test.cpp.
#include <gtest/gtest.h>

#include "base/error.h"
#include "cogs/organs_phantom.h"
#include "image/volume_shapes.h"
#include "stats/segmentation.h"

namespace rouage::cogs::organs {
namespace {

using image::LabelMap, image::Volume;
using test::trunk, test::Trunk, test::TrunkOptions;

const ClassicalOrgan& organ(const ClassicalOrgans& found, ClassicalLabel label) {
  return found.organs.at(static_cast<std::size_t>(label) - 1);
}

bool warned(const ClassicalOrgans& found, const std::string& code) {
  for (const auto& warning : found.warnings)
    if (warning.code == code) return true;
  return false;
}

double dice(const LabelMap& truth, const LabelMap& found, ClassicalLabel label) {
  const std::vector<std::uint16_t> one{static_cast<std::uint16_t>(label)};
  return stats::compare_label_maps(truth, found, one, {.surfaces = false})[0].scores.dice.value_or(-1);
}

std::uint64_t in_both(const LabelMap& labels, const LabelMap& truth, std::uint16_t label, std::uint16_t truth_label) {
  std::uint64_t n = 0;
  for (std::size_t v = 0; v < labels.values.size(); ++v)
    n += labels.values[v] == label && truth.values[v] == truth_label;
  return n;
}

TEST(ClassicalOrgans, AreThoseOfThePhantom) {
  const Trunk t = trunk();
  const ClassicalOrgans found = classical_organs(t.ct, {.threads = 2});
  ASSERT_EQ(found.refusal, "");
  ASSERT_EQ(found.organs.size(), 5u);
  // Surfaces of 4 mm voxels; the closing at the hilum and the bronchi's ends are what differs.
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::lung_left), 0.97);
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::lung_right), 0.97);
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::bone), 0.9);  // discs of two voxels are closed in part
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::airways), 0.7);
  EXPECT_LT(organ(found, ClassicalLabel::lung_left).ml, organ(found, ClassicalLabel::lung_right).ml);
  EXPECT_NEAR(organ(found, ClassicalLabel::lung_right).mean_hu, -850, 60);
  for (const ClassicalOrgan& o : found.organs) EXPECT_EQ(o.absent, "") << o.name;
  // The body is all labels; the table and the air are none.
  std::uint64_t body = 0, extra = 0, missed = 0;
  for (std::size_t v = 0; v < t.truth.values.size(); ++v) {
    body += t.truth.values[v] != 0;
    extra += found.labels.values[v] != 0 && t.truth.values[v] == 0;
    missed += found.labels.values[v] == 0 && t.truth.values[v] != 0;
  }
  EXPECT_LT(extra, body / 100);
  EXPECT_LT(missed, body / 50);
}

// SEG-1
TEST(ClassicalOrgans, LeftIsThePatientsLeftInAllFortyEightAxisOrders) {
  const Trunk t = trunk({.voxel_mm = 6});
  const ClassicalOrgans straight = classical_organs(t.ct, {.threads = 2});
  ASSERT_EQ(straight.refusal, "");
  ASSERT_GT(dice(t.truth, straight.labels, ClassicalLabel::lung_left), 0.9);
  ASSERT_EQ(test::all_orientations().size(), 48u);
  for (const std::string& orientation : test::all_orientations()) {
    const Volume<float> turned = image::reoriented(t.ct, orientation);
    ASSERT_EQ(turned.grid.orientation(), orientation);
    const ClassicalOrgans found = classical_organs(turned, {.threads = 2});
    ASSERT_EQ(found.labels.grid, turned.grid) << orientation;
    EXPECT_EQ(image::reoriented(found.labels, "LPS").values, straight.labels.values) << orientation;
    const auto left = image::mask_of(found.labels, static_cast<std::uint16_t>(ClassicalLabel::lung_left));
    const auto pieces = image::component_list(left, image::Connectivity::corners);
    ASSERT_FALSE(pieces.empty());
    const auto& c = pieces[0].centroid;
    EXPECT_GT(turned.grid.position(c[0], c[1], c[2])[0], 30) << orientation;  // mm to the patient's left
  }
}

TEST(ClassicalOrgans, AreTheSameBytesWithAnyNumberOfThreads) {
  const Trunk t = trunk({.voxel_mm = 6, .bridge = true});
  EXPECT_EQ(classical_organs(t.ct, {.threads = 1}).labels.values, classical_organs(t.ct, {.threads = 3}).labels.values);
}

TEST(ClassicalOrgans, PartLungsThatTouch) {
  const Trunk t = trunk({.bridge = true});
  const ClassicalOrgans found = classical_organs(t.ct);
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::lung_left), 0.96);
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::lung_right), 0.96);
  EXPECT_FALSE(warned(found, "lungs_split_at_midline"));
}

TEST(ClassicalOrgans, HoldANoduleAtThePleura) {
  const Trunk t = trunk({.voxel_mm = 2.5, .nodule = true});
  const ClassicalOrgans found = classical_organs(t.ct, {.threads = 2});
  std::uint64_t nodule = 0, held = 0;
  for (std::uint32_t k = 0; k < t.ct.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < t.ct.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < t.ct.grid.size[0]; ++i) {
        const auto p = t.ct.grid.position(i, j, k);
        const auto& c = test::detail::kNodule;
        if (std::hypot(p[0] - c[0], p[1] - c[1], p[2] - c[2]) > test::detail::kNoduleMm) continue;
        if (t.truth.at(i, j, k) != static_cast<std::uint16_t>(ClassicalLabel::lung_left)) continue;
        ++nodule;
        held += found.labels.at(i, j, k) == static_cast<std::uint16_t>(ClassicalLabel::lung_left);
      }
  ASSERT_GT(nodule, 10u);
  EXPECT_GT(held, nodule * 6 / 10);  // a ball of 8 mm dips a little into the dent
}

TEST(ClassicalOrgans, SayWhenOneLungIsMissingAndWhichSideTheOtherIs) {
  for (const bool left : {true, false}) {
    const Trunk t = trunk({.voxel_mm = 5, .right_lung = !left, .left_lung = left, .arms = false});
    const ClassicalOrgans found = classical_organs(t.ct, {.threads = 2});
    const auto there = left ? ClassicalLabel::lung_left : ClassicalLabel::lung_right;
    const auto gone = left ? ClassicalLabel::lung_right : ClassicalLabel::lung_left;
    EXPECT_GT(dice(t.truth, found.labels, there), 0.9) << left;
    EXPECT_EQ(organ(found, gone).absent, "one_lung");
    EXPECT_EQ(organ(found, gone).ml, 0);
    EXPECT_TRUE(warned(found, "one_lung"));
  }
}

TEST(ClassicalOrgans, SayWhenTheThoraxIsNotThere) {
  const Trunk t = trunk({.voxel_mm = 5, .lungs = false});
  const ClassicalOrgans found = classical_organs(t.ct);
  ASSERT_EQ(found.refusal, "");
  EXPECT_EQ(organ(found, ClassicalLabel::lung_left).absent, "no_lung");
  EXPECT_EQ(organ(found, ClassicalLabel::lung_right).absent, "no_lung");
  EXPECT_EQ(organ(found, ClassicalLabel::airways).absent, "no_trachea");
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::bone), 0.9);
}

TEST(ClassicalOrgans, WarnWhenLungsAreCutAndWhenNoTracheaIsSeen) {
  const Trunk t = trunk({.voxel_mm = 5, .trachea = false});
  Trunk cut = t;
  const std::size_t plane = std::size_t{t.ct.grid.size[0]} * t.ct.grid.size[1];
  cut.ct.grid.size[2] = 40;
  cut.ct.values.resize(plane * 40);
  EXPECT_FALSE(warned(classical_organs(t.ct), "lungs_cut"));
  const ClassicalOrgans found = classical_organs(cut.ct);
  EXPECT_TRUE(warned(found, "lungs_cut"));
  EXPECT_TRUE(warned(found, "no_trachea"));
}

TEST(ClassicalOrgans, KeepBowelGasAndTableOut) {
  const Trunk t = trunk();
  const ClassicalOrgans found = classical_organs(t.ct, {.threads = 2});
  for (std::uint32_t k = 0; k < t.ct.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < t.ct.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < t.ct.grid.size[0]; ++i) {
        const auto p = t.ct.grid.position(i, j, k);
        if (std::hypot(p[0] + 50, p[1] + 40, p[2] + 135) < 12)  // the bubble: body, no lung
          EXPECT_EQ(found.labels.at(i, j, k), static_cast<std::uint16_t>(ClassicalLabel::other_body));
        if (p[1] > 116) EXPECT_EQ(found.labels.at(i, j, k), 0) << p[0] << " " << p[1] << " " << p[2];
      }
  // Where the spine's cortex meets what has no label, nothing of bone is outside the body.
  EXPECT_EQ(in_both(found.labels, t.truth, static_cast<std::uint16_t>(ClassicalLabel::bone), 0), 0u);
}

TEST(ClassicalOrgans, LeaveAHeartAndAnAortaFullOfContrastOutOfBoneAndSaySo) {
  const Trunk t = trunk({.contrast = true});
  const ClassicalOrgans found = classical_organs(t.ct, {.threads = 2});
  EXPECT_TRUE(warned(found, "contrast_left_out"));
  EXPECT_FALSE(warned(classical_organs(trunk().ct, {.threads = 2}), "contrast_left_out"));
  std::uint64_t contrast = 0, bone = 0;
  for (std::size_t v = 0; v < t.ct.values.size(); ++v) {
    if (t.truth.values[v] != static_cast<std::uint16_t>(ClassicalLabel::other_body) || t.ct.values[v] < 300) continue;
    ++contrast;
    bone += found.labels.values[v] == static_cast<std::uint16_t>(ClassicalLabel::bone);
  }
  ASSERT_GT(contrast, 3000u);
  EXPECT_LT(bone, contrast / 20);
  EXPECT_GT(dice(t.truth, found.labels, ClassicalLabel::bone), 0.85);
}

// ---- refusals

std::string refusal(const Volume<float>& volume, const ClassicalOptions& options = {}) {
  const ClassicalOrgans found = classical_organs(volume, options);
  if (!found.refusal.empty()) {
    EXPECT_TRUE(found.organs.empty());
    EXPECT_EQ(found.labels.grid, volume.grid);
    for (const auto value : found.labels.values) EXPECT_EQ(value, 0);
  }
  return found.refusal;
}

// SEG-9
TEST(ClassicalOrgans, RefuseWhatIsNoCtInHounsfieldUnits) {
  const Trunk t = trunk({.voxel_mm = 8});
  Volume<float> v = t.ct;
  v.unit = "";
  EXPECT_EQ(refusal(v), "unit_missing");
  EXPECT_EQ(refusal(v, {.assume_hounsfield = true}), "");
  v.unit = "Bq/mL";
  EXPECT_EQ(refusal(v, {.assume_hounsfield = true}), "not_hounsfield");
  v = t.ct;
  for (float& value : v.values) value += 1024;
  EXPECT_EQ(refusal(v), "no_air");
  v = t.ct;
  for (float& value : v.values) value = -1000;
  EXPECT_EQ(refusal(v), "no_soft_tissue");
  v = t.ct;
  v.values[7] = std::nanf("");
  EXPECT_EQ(refusal(v), "not_finite");
  v = t.ct;
  v.grid.step_mm[2] = {0, 2, 8};
  EXPECT_EQ(refusal(v), "tilted");
  v = t.ct;
  v.grid.step_mm[2] = {0, 0, 15};
  EXPECT_EQ(refusal(v), "too_coarse");
  v = t.ct;
  v.grid.size[2] = 2;
  v.values.resize(v.grid.voxels());
  EXPECT_EQ(refusal(v), "too_few_slices");
  v.values.pop_back();
  EXPECT_THROW(classical_organs(v), Error);
}

TEST(ClassicalOrgans, RefuseDustWithoutABody) {
  Volume<float> v = trunk({.voxel_mm = 8}).ct;
  std::mt19937 random(4);
  for (float& value : v.values) value = random() % 5 == 0 ? 30.0f : -1000.0f;
  EXPECT_EQ(refusal(v), "no_body");
}

}  // namespace
}  // namespace rouage::cogs::organs
