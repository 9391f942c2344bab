// Codes of structures: left and right are never lost, whatever the table's row lacks.
#include <gtest/gtest.h>

#include "base/host.h"
#include "dicom/volume_objects/made_volumes.h"

namespace rouage::dicom {
namespace {

std::string side_in(const std::string& name) {
  const bool left = name.find("left") != std::string::npos, right = name.find("right") != std::string::npos;
  return left ? "left" : right ? "right" : "";
}

CsvTable organs() {
  return read_csv(made::shared_data() / "codes/organs_snomed.csv");
}

// SEG-1
TEST(OrganCodes, everyRowOfTheTableKeepsItsSideCategoryAndCorrection) {
  if (!std::filesystem::exists(made::shared_data() / "codes")) GTEST_SKIP() << "shared data are not there";
  const CsvTable table = organs();
  int sided = 0;
  for (const auto& row : table.rows) {
    const auto cell = [&](std::string_view name) { return row[static_cast<std::size_t>(table.column(name))]; };
    const std::string name = cell("structure");
    const OrganCodes codes = organ_codes(name);
    EXPECT_EQ(codes.type.value, cell("type_code_correction").empty() ? cell("type_code") : cell("type_code_correction"))
        << name;
    EXPECT_EQ(codes.category.value, cell("category_code_in_cid7150")) << name;
    EXPECT_EQ(codes.region ? codes.region->value : "", cell("region_code")) << name;
    if (!cell("modifier_code").empty()) EXPECT_EQ(codes.modifier.value_or(Code{}).value, cell("modifier_code")) << name;
    const std::string side = side_in(name);
    if (side.empty()) {
      EXPECT_FALSE(laterality_of(codes)) << name;
      continue;
    }
    ++sided;
    if (const auto laterality = laterality_of(codes))
      EXPECT_EQ(*laterality, concept_code(side)) << name;
    else
      EXPECT_NE(lower_case(codes.type.meaning).find(side), std::string::npos) << name << ": the side is nowhere";
  }
  EXPECT_GE(sided, 69) << "rows with a side in organs_snomed.csv";
}

TEST(OrganCodes, theSideSurvivesTheWayThroughASegmentation) {
  if (!std::filesystem::exists(made::shared_data() / "codes")) GTEST_SKIP() << "shared data are not there";
  const CsvTable table = organs();
  std::vector<VolumeSegment> segments;
  for (const auto& row : table.rows)
    segments.push_back(made::segment_of(static_cast<std::uint16_t>(segments.size() + 1), row[0]));
  const image::LabelMap map =
      made::painted(made::axial_grid(16, 16, 2), [](const image::Point3&) { return std::uint16_t{1}; });
  for (const SegKind kind : {SegKind::binary, SegKind::label_map}) {
    const ReadSeg seg =
        read_seg(made::file_of(made::seg_of(map.grid, segments, kind, SegSyntax::deflated), map, "sides"));
    ASSERT_EQ(seg.segments.size(), segments.size());
    for (std::size_t n = 0; n < segments.size(); ++n) {
      EXPECT_EQ(seg.segments[n].codes.type, segments[n].codes.type);
      EXPECT_EQ(seg.segments[n].codes.category, segments[n].codes.category);
      EXPECT_EQ(seg.segments[n].codes.region, segments[n].codes.region);
      EXPECT_EQ(laterality_of(seg.segments[n].codes), laterality_of(segments[n].codes)) << segments[n].label;
    }
  }
}

TEST(OrganCodes, aCystTakesTheSideInItsRegion) {
  const OrganCodes codes = organ_codes("kidney_cyst_left");
  EXPECT_FALSE(codes.modifier);
  ASSERT_TRUE(codes.region_modifier);
  EXPECT_EQ(*codes.region_modifier, concept_code("left"));
}

TEST(OrganCodes, unknownNamesArePrivateAndKeepTheirSide) {
  const OrganCodes codes = organ_codes("Parotid Gland Right of my own net");
  EXPECT_EQ(codes.type.scheme, "99ROUAGE");
  EXPECT_LE(codes.type.value.size(), 16U);
  EXPECT_EQ(codes.modifier.value_or(Code{}), concept_code("right"));
  EXPECT_FALSE(organ_codes("left_to_right_shunt").modifier) << "both words: no side";
  EXPECT_FALSE(organ_codes("leftover").modifier);
}

TEST(Tg263, namesEndInTheirSide) {
  EXPECT_EQ(tg263_name("kidney_left"), "Kidney_L");
  EXPECT_EQ(tg263_name("kidney_right"), "Kidney_R");
  EXPECT_EQ(tg263_name("spinal_cord"), "SpinalCord");
  EXPECT_EQ(tg263_name("torso_fat"), "");
}

// White is L 100, a 0, b 0; sRGB red is L 54.3, a 80.8, b 69.9 at D50 (Lindbloom's calculator). One unit of 255 in a
// and b.
TEST(CielabOf, isThatOfThePublishedColours) {
  const auto white = cielab_of({255, 255, 255}), black = cielab_of({0, 0, 0}), red = cielab_of({255, 0, 0});
  EXPECT_NEAR(white[0], 65'535, 30);
  EXPECT_NEAR(white[1], 128 * 257, 60);
  EXPECT_NEAR(white[2], 128 * 257, 60);
  EXPECT_EQ(black[0], 0);
  EXPECT_NEAR(red[0] / 655.35, 54.29, 0.1);
  EXPECT_NEAR(red[1] / 257.0 - 128, 80.8, 0.2);
  EXPECT_NEAR(red[2] / 257.0 - 128, 69.9, 0.2);
}

}  // namespace
}  // namespace rouage::dicom
