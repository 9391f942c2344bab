// codes.toml: facts with sources, no identifier that fails its check digit, no code where its condition is not met.
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "dicom/code.h"

namespace rouage::dicom {
namespace {

TEST(Codes, everySnomedRowHasAValidCheckDigit) {
  int rows = 0;
  for (const CodeRow& row : code_table()) {
    if (row.scheme != "SCT") continue;
    EXPECT_TRUE(valid_sct_identifier(row.value)) << row.key << " " << row.value;
    ++rows;
  }
  EXPECT_GT(rows, 300);
}

TEST(Codes, rejectedIdentifiersFailTheCheckDigit) {
  for (const char* wrong : {"95436003", "60567007", "129614006", "78381009", "", "12", "6004600a", "060046008"})
    EXPECT_FALSE(valid_sct_identifier(wrong)) << wrong;
}

TEST(Codes, noRejectedRowIsInTheTable) {
  const std::set<std::string> rejected = {"95436003",  "60567007", "RID4803", "423341008", "164873001", "47693006",
                                          "129614006", "78381009", "4468000", "414403008", "309529002", "287272002"};
  for (const CodeRow& row : code_table())
    if (row.key.starts_with("finding.")) EXPECT_FALSE(rejected.contains(std::string(row.value))) << row.key;
}

TEST(Codes, everyRowNamesItsSource) {
  for (const CodeRow& row : code_table()) {
    EXPECT_FALSE(row.source.empty()) << row.key;
    EXPECT_FALSE(row.meaning.empty()) << row.key;
    EXPECT_LE(row.meaning.size(), 64U) << row.key << ": Code Meaning is LO";
  }
}

// RES-5
TEST(FindingCode, chestXray14) {
  const std::vector<std::tuple<const char*, const char*, const char*>> expected = {
      {"Atelectasis", "SCT", "46621007"},
      {"Cardiomegaly", "SCT", "8186001"},
      {"Effusion", "SCT", "60046008"},
      {"Infiltration", "DCM", "112121"},
      {"Mass", "SCT", "4147007"},
      {"Nodule", "SCT", "27925004"},
      {"Pneumonia", "SCT", "233604007"},
      {"Pneumothorax", "SCT", "36118008"},
      {"Consolidation", "SCT", "95436008"},
      {"Edema", "SCT", "19242006"},
      {"Emphysema", "SCT", "87433001"},
      {"Fibrosis", "SCT", "51615001"},
      {"Pleural_Thickening", "RADLEX", "RID28509"},
      {"Hernia", "RADLEX", "RID4895"},
      // No single concept, or one that needs knowledge a label does not carry:
      {"Lung_Lesion", "99ROUAGE", "Lung_Lesion"},
      {"Support_Devices", "99ROUAGE", "Support_Devices"},
      {"Lung_Opacity", "DCM", "112001"}};
  for (const auto& [label, scheme, value] : expected) {
    const Code code = finding_code(label);
    EXPECT_EQ(code.scheme, scheme) << label;
    EXPECT_EQ(code.value, value) << label;
    EXPECT_FALSE(code.meaning.empty()) << label;
  }
}

TEST(FindingCode, aConditionOnTheSiteIsMetByTheSite) {
  EXPECT_EQ(finding_site("Nodule")->value, "39607008");
  EXPECT_EQ(finding_site("Mass")->value, "39607008");
  EXPECT_EQ(finding_site("Pleural_Thickening")->value, "RID1362");
  EXPECT_FALSE(finding_site("Effusion"));
}

TEST(FindingCode, aLongPrivateLabelStillFitsACodeValue) {
  const Code a = finding_code("Something_that_no_table_knows"), b = finding_code("Something_that_no_table_knows_2");
  EXPECT_EQ(a.scheme, "99ROUAGE");
  EXPECT_LE(a.value.size(), 16U);
  EXPECT_NE(a.value, b.value);
}

TEST(ConceptCode, anUnknownNameIsAProgrammingError) {
  EXPECT_EQ(concept_code("imaging_measurement_report").value, "126000");
  EXPECT_THROW(concept_code("no such concept"), Error);
}

}  // namespace
}  // namespace rouage::dicom
