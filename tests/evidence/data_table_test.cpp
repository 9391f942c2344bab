#include <gtest/gtest.h>

#include "base/error.h"
#include "evidence/evidence.h"

namespace rouage::evidence {
namespace {

TEST(DataTable, CommasWithPoints) {
  const auto table = DataTable::parse("case,score\nA,0.25\n\"B, or not\",1e-3\n", "t.csv");
  ASSERT_EQ(table.rows(), 2U);
  EXPECT_EQ(table.text(1, 0), "B, or not");
  EXPECT_DOUBLE_EQ(*table.number(1, 1), 1e-3);
}

TEST(DataTable, ExcelInFrenchHasSemicolonsDecimalCommasAndAMark) {
  const auto table = DataTable::parse(
      "\xEF\xBB\xBF"
      "cas;score;vérité\r\né1;0,25;oui\r\né2;;Non\r\n;;\r\n",
      "t.csv");
  ASSERT_EQ(table.rows(), 2U);
  EXPECT_DOUBLE_EQ(*table.number(0, 1), 0.25);
  EXPECT_FALSE(table.number(1, 1));
  EXPECT_TRUE(*table.flag(0, table.column("vérité")));
  EXPECT_FALSE(*table.flag(1, 2));
}

// EVI-6
TEST(DataTable, NamesLineColumnAndCell) {
  const auto table = DataTable::parse("case,score\n1,2\n\n2,many\n", "scores.csv");
  try {
    table.number(1, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::TableInvalid);
    EXPECT_NE(std::string(error.what()).find("line 4"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("scores.csv"), std::string::npos);
  }
}

TEST(DataTable, RefusesWhatItWouldHaveToGuess) {
  const auto code = [](std::string_view text) {
    try {
      DataTable::parse(text, "t");
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code(""), ErrorCode::TableInvalid);
  EXPECT_EQ(code("a,b\n1\n"), ErrorCode::TableInvalid);
  EXPECT_EQ(code("a,a\n1,2\n"), ErrorCode::TableInvalid);
  EXPECT_EQ(code("a,b\n\"1,2\n"), ErrorCode::TableInvalid);
  EXPECT_EQ(code("a\n\xE9t\xE9\n"), ErrorCode::TableInvalid);  // Latin-1
  EXPECT_EQ(code(std::string_view("\xFF\xFE"
                                  "a\0",
                                  4)),
            ErrorCode::TableInvalid);
  const auto table = DataTable::parse("a\nmaybe\n1.0\n", "t");
  EXPECT_THROW(table.flag(0, 0), Error);
  EXPECT_TRUE(*table.flag(1, 0));
  EXPECT_THROW(table.column("b"), Error);
}

// EVI-1
TEST(Outcome, JsonHasTheAgreedKeysAndNoNaN) {
  Outcome outcome{.analysis = "roc"};
  outcome.estimates.push_back(
      {.name = "auc", .value = 0.9, .lower = 0.8, .upper = 0.95, .method = "DeLong (1988)", .n = 10});
  outcome.estimates.push_back({.name = "auc", .stratum = "sex=F", .why = "one class only"});
  outcome.tests.push_back({.name = "difference", .method = "z", .statistic = 1.0 / 0.0, .p = 0.5});
  const std::string json = outcome_json(outcome);
  EXPECT_NE(json.find(R"x("value":0.9,"lower":0.8,"upper":0.95,"level":0.95,"method":"DeLong (1988)","n":10)x"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("value":null)"), std::string::npos);
  EXPECT_NE(json.find(R"x("why":"one class only")x"), std::string::npos);
  EXPECT_NE(json.find(R"("statistic":null)"), std::string::npos);
  EXPECT_EQ(json.find("nan"), std::string::npos);
  EXPECT_NE(outcome_text(outcome, "fr").find("0,9"), std::string::npos);
}

}  // namespace
}  // namespace rouage::evidence
