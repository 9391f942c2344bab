// The examination's row out of its films.
#include <gtest/gtest.h>

#include <cmath>

#include "cogs/chest/chest.h"

namespace rouage::cogs::chest {
namespace {

CogResult film(const std::string& uid, double effusion, double remarkable, double age, double sd) {
  CogResult r;
  Finding f;
  f.label = "Effusion";
  f.probability = effusion;
  f.operating_point = OperatingPoint{};
  f.operating_point->threshold = 0.5;
  f.positive = effusion >= 0.5;
  if (f.positive) {
    Region region;
    region.id = "region-" + uid;
    region.sop_instance_uid = uid;
    f.regions = {region.id};
    f.laterality = uid == "1.1" ? Laterality::left : Laterality::right;
    r.regions.push_back(region);
  }
  r.findings.push_back(f);
  r.scores = {{"remarkable", remarkable}, {"view_ap", 0.3}, {"sex_male", remarkable}};
  r.score_operating_points["view_ap"] = {};
  Measurement m;
  m.name = "estimated_age";
  m.value = age;
  m.unit = "a";
  m.uncertainty = sd;
  r.measurements.push_back(m);
  r.warnings = {"shared", uid};
  r.provenance.cog = "chest";
  r.provenance.models = {{"net", "1", "d", "m"}};
  r.provenance.input_uids = {uid};
  return r;
}
CogResult refused(const std::string& uid, const std::string& code) {
  CogResult r;
  r.status = Status::ineligible;
  r.reasons.push_back({code, "text of " + code, {}});
  r.provenance.models = {{"net", "1", "d", "m"}};
  r.provenance.input_uids = {uid};
  return r;
}

TEST(Study, TakesTheStrongestFilmAndKeepsEveryRegion) {
  const CogResult s =
      combine({film("1.1", 0.6, 0.4, 60, 10), film("1.2", 0.9, 0.7, 70, 10), film("1.3", 0.1, 0.2, 65, 10)}, "9.9");
  EXPECT_EQ(s.level, Level::study);
  ASSERT_EQ(s.findings.size(), 1U);
  EXPECT_EQ(s.findings[0].level, Level::study);
  EXPECT_EQ(s.findings[0].probability, 0.9);
  EXPECT_TRUE(s.findings[0].positive);
  EXPECT_EQ(s.findings[0].laterality, Laterality::bilateral);
  EXPECT_EQ(s.findings[0].regions, (std::vector<std::string>{"region-1.1", "region-1.2"}));
  EXPECT_EQ(s.regions.size(), 2U);
  EXPECT_EQ(s.scores.at("remarkable"), 0.7);
  EXPECT_NEAR(s.scores.at("sex_male"), (0.4 + 0.7 + 0.2) / 3, 1e-12);
  EXPECT_FALSE(s.scores.contains("view_ap")) << "a projection belongs to a film";
  EXPECT_EQ(s.warnings, (std::vector<std::string>{"shared", "1.1", "1.2", "1.3"}));
  EXPECT_EQ(s.provenance.input_uids, (std::vector<std::string>{"1.1", "1.2", "1.3"}));
}

TEST(Study, WeighsTheAgeByItsVarianceWithoutPretendingToKnowMore) {
  const CogResult s = combine({film("1.1", 0, 0, 60, 5), film("1.2", 0, 0, 70, 10)}, "9.9");
  EXPECT_NEAR(s.measurements.at(0).value, (60 * 4 + 70) / 5.0, 1e-12);
  EXPECT_NEAR(*s.measurements.at(0).uncertainty, std::sqrt(2 / (1 / 25.0 + 1 / 100.0)), 1e-12);
  const CogResult equal = combine({film("1.1", 0, 0, 60, 8), film("1.2", 0, 0, 70, 8)}, "9.9");
  EXPECT_NEAR(*equal.measurements.at(0).uncertainty, 8, 1e-12) << "two films of one patient are not two patients";
}

TEST(Study, DoesNotDependOnTheOrderOfItsFilms) {
  const auto a = film("1.1", 0.6, 0.4, 60, 10), b = film("1.2", 0.9, 0.7, 70, 10);
  EXPECT_EQ(combine({a, b}, "9.9").findings[0].id, combine({b, a}, "9.9").findings[0].id);
  EXPECT_NE(combine({a, b}, "9.9").findings[0].id, combine({a, b}, "9.8").findings[0].id);
  EXPECT_NE(combine({a, b}, "9.9").findings[0].id, combine({a}, "9.9").findings[0].id);
}

TEST(Study, LeavesIneligibleFilmsOutAndSaysSo) {
  const CogResult s = combine({refused("1.1", "mirrored"), film("1.2", 0.9, 0.7, 70, 10)}, "9.9");
  EXPECT_EQ(s.status, Status::done);
  EXPECT_EQ(s.provenance.input_uids, std::vector<std::string>{"1.2"});
  EXPECT_EQ(s.warnings.front(), "a film was left out: text of mirrored");
}

TEST(Study, IsIneligibleWhenNoFilmIsLeft) {
  const CogResult s = combine({refused("1.1", "mirrored"), refused("1.2", "child"), refused("1.3", "child")}, "9.9");
  EXPECT_EQ(s.status, Status::ineligible);
  EXPECT_EQ(s.level, Level::study);
  ASSERT_EQ(s.reasons.size(), 2U);
  EXPECT_EQ(s.provenance.input_uids.size(), 3U);
  EXPECT_TRUE(s.findings.empty());
  EXPECT_EQ(combine({}, "9.9").reasons.at(0).code, "no_film");
}

}  // namespace
}  // namespace rouage::cogs::chest
