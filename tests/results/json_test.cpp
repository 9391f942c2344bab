// The `analyze` document: keys of docs/formats/analyze.md, stable order, everything read back.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "results/results.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

using Json = nlohmann::ordered_json;

const results::LineContext kFilm{"films/a.dcm", {}, {"sr.dcm", "seg.dcm"}, "1.2.3", "1.2.3.4.1"};

TEST(AnalyzeJson, hasTheMinimumKeysInTheirOrder) {
  const Json json = Json::parse(results::analyze_json(sample_result(), kFilm));
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys,
            (std::vector<std::string>{"input", "level", "cog", "status", "reason", "reasons", "findings", "scores",
                                      "score_operating_points", "measurements", "regions", "warnings", "draft_text",
                                      "outputs", "model", "study_instance_uid", "sop_instance_uid", "provenance"}));
  EXPECT_EQ(json["findings"][0]["label"], "Effusion");
  EXPECT_EQ(json["findings"][0]["code"]["scheme"], "SCT");
  EXPECT_EQ(json["findings"][0]["regions"][0], "region-Effusion");
  EXPECT_EQ(json["scores"]["remarkable"], 0.9125);
  EXPECT_EQ(json["measurements"][0]["name"], "estimated_age");
  EXPECT_EQ(json["model"]["digest"], std::string(64, 'a'));
  EXPECT_EQ(json["reason"], "");
}

TEST(AnalyzeJson, isOneLine) {
  EXPECT_EQ(results::analyze_json(sample_result(), kFilm).find('\n'), std::string::npos);
}

TEST(AnalyzeJson, numbersReadBackExactly) {
  cogs::CogResult result = sample_result();
  result.scores["remarkable"] = 0.1 + 0.2;  // 0.30000000000000004
  result.findings[0].raw_score = 1.0 / 3;
  const std::string text = results::analyze_json(result, kFilm);
  const cogs::CogResult back = results::parse_analyze_json(text);
  EXPECT_EQ(back.scores.at("remarkable"), 0.1 + 0.2);
  EXPECT_EQ(back.findings[0].raw_score, 1.0 / 3);
}

TEST(AnalyzeJson, theStudyRowHasItsFilms) {
  const Json json = Json::parse(results::analyze_json(study_result(), {"1.2.3", {"a.dcm", "b.dcm"}, {}, "1.2.3", ""}));
  EXPECT_EQ(json["level"], "study");
  EXPECT_EQ(json["input"], "1.2.3");
  EXPECT_EQ(json["inputs"], (std::vector<std::string>{"a.dcm", "b.dcm"}));
}

TEST(AnalyzeJson, anIneligibleFilmGivesItsReasons) {
  const Json json = Json::parse(results::analyze_json(ineligible_result(), kFilm));
  EXPECT_EQ(json["status"], "ineligible");
  EXPECT_EQ(json["reason"], "the film seems mirrored: left and right are exchanged");
  EXPECT_EQ(json["reasons"][0]["code"], "mirrored");
  EXPECT_TRUE(json["findings"].empty());
}

// Writing what was parsed gives the same text: nothing that the document holds is lost on the way to the study row.
TEST(ParseAnalyzeJson, isTheInverse) {
  for (const cogs::CogResult& result : {sample_result(), ineligible_result(), study_result()}) {
    const std::string text = results::analyze_json(result, kFilm);
    EXPECT_EQ(results::analyze_json(results::parse_analyze_json(text), kFilm), text);
  }
  const cogs::CogResult back = results::parse_analyze_json(results::analyze_json(sample_result(), kFilm));
  EXPECT_EQ(back.provenance.uid_parts(), sample_result().provenance.uid_parts());
  EXPECT_EQ(back.findings[0].laterality, cogs::Laterality::left);
}

TEST(ParseAnalyzeJson, refusesWhatIsNoResult) {
  for (const char* text : {"", "[]", "{}", "{\"status\": \"refused\"}", "not json", "{\"status\": 3}"}) {
    try {
      results::parse_analyze_json(text);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::TableInvalid) << text;
    }
  }
}

}  // namespace
}  // namespace rouage::test
