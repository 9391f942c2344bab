// What the SR documents say, row by row of their templates.
#include <gtest/gtest.h>
#include <filesystem>

#include "base/host.h"
#include "results/dicom_dump.h"
#include "results/documents.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

using results::SrItem;

const SrItem* child_named(const SrItem& node, const std::string& code_value) {
  for (const SrItem& child : node.children)
    if (child.concept_name && child.concept_name->value == code_value) return &child;
  return nullptr;
}

std::vector<const SrItem*> groups_of(const SrItem& root, const std::string& template_id) {
  std::vector<const SrItem*> groups;
  const SrItem* measurements = child_named(root, "126010");
  if (measurements)
    for (const SrItem& child : measurements->children)
      if (child.template_id == template_id) groups.push_back(&child);
  return groups;
}

dicom::SrObject report(const std::string& language = "en") {
  return results::measurement_report(sample_picture(), sample_result(), language);
}

TEST(MeasurementReport, rowsOfTid1500) {
  const dicom::SrObject object = report("fr");
  EXPECT_EQ(object.root.template_id, "1500");
  EXPECT_EQ(object.root.concept_name->value, "126000");
  EXPECT_EQ(child_named(object.root, "121049")->code.value, "fr");
  EXPECT_EQ(child_named(object.root, "121005")->code.value, "121007");
  EXPECT_EQ(child_named(object.root, "121058")->code.value, "43468-8");
  EXPECT_NE(child_named(object.root, "111028"), nullptr);
  EXPECT_EQ(groups_of(object.root, "1501").size(), 6U);  // remarkable, four findings, age
  EXPECT_EQ(groups_of(object.root, "1410").size(), 2U);
}

TEST(MeasurementReport, aFindingHasCodeProbabilityAndOperatingPoint) {
  const dicom::SrObject object = report();
  const SrItem& group = *groups_of(object.root, "1501").at(1);
  EXPECT_EQ(child_named(group, "112039")->text, "Effusion");
  EXPECT_EQ(child_named(group, "121071")->code, (results::Code{"60046008", "SCT", ""}));
  EXPECT_DOUBLE_EQ(child_named(group, "122157")->number, 0.873);
  EXPECT_DOUBLE_EQ(child_named(group, "op_threshold")->number, 0.5);
  EXPECT_EQ(child_named(group, "op_result")->code.value, "10828004");
  EXPECT_EQ(child_named(group, "272741003")->code.value, "7771000") << "left stays left";
  EXPECT_EQ(child_named(group, "111003")->text, "0.1.0");
}

TEST(MeasurementReport, aRegionLiesOnItsImage) {
  const dicom::SrObject object = report();
  const SrItem& outline = *child_named(*groups_of(object.root, "1410").at(1), "111030");
  EXPECT_EQ(outline.graphic_type, "POLYLINE");
  EXPECT_EQ(outline.points.size(), 5U) << "four corners, closed";
  EXPECT_EQ(outline.children.at(0).relationship, "SELECTED FROM");
  EXPECT_EQ(outline.children.at(0).reference.sop_instance_uid, "1.2.3.4.1");
}

TEST(MeasurementReport, normalityFollowsTheOperatingPoint) {
  EXPECT_EQ(child_named(*groups_of(report().root, "1501").at(0), "121402")->code.value, "263654008");
  cogs::CogResult low = sample_result();
  low.scores["remarkable"] = 0.1;
  EXPECT_EQ(
      child_named(*groups_of(results::measurement_report(sample_picture(), low, "en").root, "1501").at(0), "121402")
          ->code.value,
      "17621005");
  low.score_operating_points.clear();
  EXPECT_EQ(
      child_named(*groups_of(results::measurement_report(sample_picture(), low, "en").root, "1501").at(0), "121402")
          ->code.value,
      "371934000")
      << "undetermined without an operating point";
}

TEST(MeasurementReport, theAgeHasUnitAndUncertainty) {
  const dicom::SrObject object = report();
  const SrItem& number = *child_named(*groups_of(object.root, "1501").at(5), "estimated_age");
  EXPECT_EQ(number.unit, (results::Code{"a", "UCUM", ""}));
  EXPECT_DOUBLE_EQ(number.number, 58.27419);
  EXPECT_DOUBLE_EQ(number.children.at(0).number, 8.1);
}

TEST(ChestCad, saysWhatIsAboveTheOperatingPointOnly) {
  const auto cad = results::chest_cad(sample_picture(), sample_result(), "en");
  ASSERT_TRUE(cad);
  const SrItem& summary = *child_named(cad->root, "111017");
  EXPECT_EQ(summary.code.value, "111242");
  ASSERT_EQ(summary.children.size(), 2U) << "Cardiomegaly is no chest CAD finding, Pleural_Thickening is negative";
  EXPECT_EQ(child_named(summary.children[1], "112024")->code.value, "27925004");
  EXPECT_EQ(child_named(summary.children[1], "111010")->points.at(0).x, 26.25);
  EXPECT_EQ(child_named(cad->root, "111064")->code.value, "111222");
}

TEST(ChestCad, withoutFindings) {
  cogs::CogResult result = sample_result();
  for (cogs::Finding& finding : result.findings) finding.positive = false;
  const auto cad = results::chest_cad(sample_picture(), result, "en");
  EXPECT_EQ(child_named(cad->root, "111017")->code.value, "111241");
}

TEST(SrDocuments, keepTheRulesOfTheirClassForDcmtk) {
  EXPECT_EQ(sr_complaint(dicom::write_sr(report())), "");
  EXPECT_EQ(sr_complaint(dicom::write_sr(*results::chest_cad(sample_picture(), sample_result(), "en"))), "");
  EXPECT_EQ(sr_complaint(dicom::write_sr(results::measurement_report(sample_picture(), ineligible_result(), "en"))),
            "");
}

TEST(PrivateConcepts, areAllDocumented) {
  const std::string manual = read_text(std::filesystem::path(ROUAGE_SOURCE_DIR) / "docs/formats/objects.md");
  for (const dicom::Code& code : results::private_concepts())
    EXPECT_NE(manual.find("`" + code.value + "`"), std::string::npos) << code.value;
}

TEST(RegionMask, centresDecide) {
  const auto mask =
      results::region_mask(sample_region("Mass", cogs::Box{1.5, 0.49, 3.5, 1.5}, cogs::Laterality::none, 1), 5, 3);
  EXPECT_EQ(mask, (std::vector<std::uint8_t>{0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(RegionMask, aBoxAndItsPolygonAgree) {
  const auto box =
      results::region_mask(sample_region("Mass", cogs::Box{2.2, 3.7, 40.1, 33.3}, cogs::Laterality::none, 1), 64, 48);
  const auto polygon =
      results::region_mask(sample_region("Mass", cogs::Polygon{{{2.2, 3.7}, {40.1, 3.7}, {40.1, 33.3}, {2.2, 33.3}}},
                                         cogs::Laterality::none, 1),
                           64, 48);
  EXPECT_EQ(box, polygon);
}

}  // namespace
}  // namespace rouage::test
