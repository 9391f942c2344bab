// What the header alone decides.
#include "cogs/chest/header_rules.h"

#include <array>

#include <gtest/gtest.h>

#include "fixture.h"

namespace rouage::cogs::chest {
namespace {

infer::Package package() {
  infer::Package p;
  p.modalities = {"CR", "DX"};
  p.views = {"PA", "AP"};
  p.body_part = "CHEST";
  p.minimum_age_a = 18;
  return p;
}

/// First reason's code, or "" when nothing is refused.
std::string refused(const std::function<void(Picture&)>& change) {
  Picture picture = testing::adult_film();
  change(picture);
  const Eligibility e = header_eligibility(picture, package());
  EXPECT_EQ(e.eligible, e.reasons.empty());
  return e.reasons.empty() ? "" : e.reasons.front().code;
}
std::string turned(const char* row, const char* column) {
  return refused([&](Picture& p) { std::get<image::Film>(p.image).patient_orientation = {row, column}; });
}

TEST(HeaderRules, AnAdultsFrontalFilmPasses) {
  EXPECT_EQ(refused([](Picture&) {}), "");
  for (const char* view : {"PA", "AP", "AP SUPINE", "ap_portable", ""})
    EXPECT_EQ(refused([&](Picture& p) { p.header.view_position = view; }), "") << view;
}

TEST(HeaderRules, OtherModalitiesAreRefused) {
  for (const char* modality : {"MG", "CT", "MR", "US", "NM", "PT"})
    EXPECT_EQ(refused([&](Picture& p) { p.header.modality = modality; }), "wrong_modality") << modality;
  EXPECT_EQ(refused([](Picture& p) { p.header.modality = "OT", p.header.made_from_picture = true; }), "");
}

TEST(HeaderRules, OtherBodyPartsAreRefusedSynonymsAndSilenceAreNot) {
  for (const char* part : {"CHEST", "Thorax", " LUNG", "CHEST_PA", "POUMONS", ""})
    EXPECT_EQ(refused([&](Picture& p) { p.header.body_part = part; }), "") << part;
  for (const char* part : {"ABDOMEN", "HAND", "SKULL", "BREAST", "TSPINE", "CHESTABDOMEN"})
    EXPECT_EQ(refused([&](Picture& p) { p.header.body_part = part; }), "wrong_body_part") << part;
}

TEST(HeaderRules, LateralAndObliqueViewsAreRefused) {
  for (const char* view : {"LL", "RL", "LATERAL", "LAO", "RPO", "LLD", "MLO"})
    EXPECT_EQ(refused([&](Picture& p) { p.header.view_position = view; }), "not_frontal") << view;
}

TEST(HeaderRules, AnUnknownViewIsAWarningOnly) {
  Picture picture = testing::adult_film();
  picture.header.view_position = "SWIMMER'S";
  const Eligibility e = header_eligibility(picture, package());
  EXPECT_TRUE(e.eligible);
  ASSERT_EQ(e.warnings.size(), 1U);
  EXPECT_NE(e.warnings[0].find("SWIMMER'S"), std::string::npos);
}

TEST(HeaderRules, ChildrenAreRefusedUnknownAgeIsSaid) {
  EXPECT_EQ(refused([](Picture& p) { p.header.age_a = 17.9; }), "child");
  EXPECT_EQ(refused([](Picture& p) { p.header.age_a = 0; }), "child");
  EXPECT_EQ(refused([](Picture& p) { p.header.age_a = 18; }), "");
  Picture picture = testing::adult_film();
  picture.header.age_a.reset();
  const Eligibility e = header_eligibility(picture, package());
  EXPECT_TRUE(e.eligible);
  ASSERT_EQ(e.warnings.size(), 1U);
  EXPECT_NE(e.warnings[0].find("age unknown"), std::string::npos);
}

TEST(HeaderRules, EveryWayToHangAFilmIsKnown) {
  EXPECT_EQ(turned("L", "F"), "");
  EXPECT_EQ(turned("L", "FP"), "") << "a tilt is no turn";
  EXPECT_EQ(turned("R", "F"), "mirrored");
  EXPECT_EQ(turned("F", "R"), "rotated_90");
  EXPECT_EQ(turned("R", "H"), "rotated_180");
  EXPECT_EQ(turned("H", "L"), "rotated_270");
  EXPECT_EQ(turned("A", "F"), "not_frontal");
  EXPECT_EQ(turned("P", "H"), "not_frontal");
  EXPECT_EQ(turned("", ""), "") << "not said: the gate decides";
}

TEST(HeaderRules, AFilmTurnedAndSeenFromBehindGetsBothReasons) {
  for (const auto& [row, column] : {std::pair{"F", "L"}, {"L", "H"}, {"H", "R"}}) {
    Picture picture = testing::adult_film();
    std::get<image::Film>(picture.image).patient_orientation = {row, column};
    const Eligibility e = header_eligibility(picture, package());
    ASSERT_EQ(e.reasons.size(), 2U) << row << column;
    EXPECT_EQ(e.reasons[1].code, "mirrored");
  }
}

/// Rotating a picture to the left by 90 degrees makes the old column direction the new row direction.
TEST(HeaderRules, QuarterTurnsFollowEachOther) {
  std::array<std::string, 2> hanging{"L", "F"};
  const auto opposite = [](const std::string& d) {
    return std::string(d == "L" ? "R" : d == "R" ? "L" : d == "F" ? "H" : "F");
  };
  for (const char* code : {"upright", "rotated_90", "rotated_180", "rotated_270", "upright"}) {
    EXPECT_EQ(hanging_of(hanging).code, code);
    hanging = {hanging[1], opposite(hanging[0])};
  }
}

}  // namespace
}  // namespace rouage::cogs::chest
