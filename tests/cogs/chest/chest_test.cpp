// One film through the cog.
#include "cogs/chest/chest.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "fixture.h"

namespace rouage::cogs::chest {
namespace {

using testing::adult_film;
using testing::ChestBench;
using testing::input_of;

ErrorCode code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::Internal;
}

TEST(Chest, GivesEveryOutputItsPlace) {
  const ChestBench bench;
  const CogResult r = run(input_of(adult_film()), bench.context);
  EXPECT_EQ(r.status, Status::done);
  EXPECT_EQ(r.level, Level::image);
  ASSERT_EQ(r.findings.size(), 1U);
  const Finding& f = r.findings[0];
  EXPECT_EQ(f.label, "Effusion");
  EXPECT_FALSE(f.code.value.empty());
  EXPECT_TRUE(f.positive);
  EXPECT_EQ(f.operating_point->name, "balanced");
  EXPECT_EQ(*f.operating_point->sensitivity, 0.8);
  const auto& output = bench.context.model("x")->package().outputs[0];
  EXPECT_DOUBLE_EQ(*f.probability, *output.probability(f.raw_score));
  EXPECT_TRUE(r.scores.contains("remarkable"));
  ASSERT_EQ(r.measurements.size(), 1U);
  EXPECT_EQ(r.measurements[0].name, "estimated_age");
  EXPECT_EQ(r.measurements[0].unit, "a");
  EXPECT_EQ(*r.measurements[0].uncertainty, 9);
  EXPECT_EQ(r.provenance.models.size(), 2U);
  EXPECT_EQ(r.provenance.input_uids, std::vector<std::string>{"1.2.3.1"});
  EXPECT_EQ(r.provenance.parameters.at("thresholds"), "Effusion=0.01;");
}

// COG-3
TEST(Chest, NeverClaimsWithoutARegion) {
  const ChestBench bench;
  for (std::size_t i = 0; i < 6; ++i) {
    const CogResult r = run(input_of(adult_film(i)), bench.context);
    for (const Finding& f : r.findings) EXPECT_EQ(f.positive, !f.regions.empty()) << f.label;
    std::size_t listed = 0;
    for (const Finding& f : r.findings) listed += f.regions.size();
    EXPECT_EQ(listed, r.regions.size());
    for (const Region& region : r.regions) {
      const Box& box = std::get<Box>(region.shape);
      EXPECT_LT(box.x0, box.x1);
      EXPECT_LT(box.y0, box.y1);
      EXPECT_GE(box.x0, 0);
      EXPECT_LE(box.x1, 256);
      EXPECT_FALSE(region.derivation.empty());
      EXPECT_EQ(region.sop_instance_uid, "1.2.3." + std::to_string(i + 1));
    }
  }
}

// COG-2
TEST(Chest, ANegativeFindingIsListedWithoutRegion) {
  const ChestBench bench(0.9999);
  const CogResult r = run(input_of(adult_film()), bench.context);
  ASSERT_EQ(r.findings.size(), 1U);
  EXPECT_FALSE(r.findings[0].positive);
  EXPECT_TRUE(r.regions.empty());
  EXPECT_TRUE(r.derived_images.empty());
}

TEST(Chest, ASecondRunGivesTheSameIdsAndMaps) {
  const ChestBench bench;
  const CogResult a = run(input_of(adult_film()), bench.context), b = run(input_of(adult_film()), bench.context);
  EXPECT_EQ(a.findings[0].id, b.findings[0].id);
  EXPECT_EQ(a.findings[0].tracking_uid, b.findings[0].tracking_uid);
  EXPECT_EQ(a.regions[0].id, b.regions[0].id);
  EXPECT_EQ(a.derived_images[0].values, b.derived_images[0].values);
  const CogResult other = run(input_of(adult_film(1)), bench.context);
  EXPECT_NE(a.findings[0].id, other.findings[0].id);
  EXPECT_NE(a.findings[0].tracking_uid, other.findings[0].tracking_uid);
}

// COG-1
TEST(Chest, AnIneligibleFilmGetsItsReasonsAndNothingElse) {
  const ChestBench bench(0.0001, 0.0001);
  const CogResult r = run(input_of(adult_film()), bench.context);
  EXPECT_EQ(r.status, Status::ineligible);
  EXPECT_FALSE(r.reasons.empty());
  EXPECT_TRUE(r.findings.empty());
  EXPECT_TRUE(r.scores.empty());
  EXPECT_TRUE(r.measurements.empty());
  EXPECT_TRUE(r.regions.empty());
  EXPECT_FALSE(r.provenance.models.empty()) << "who refused is said too";
}

TEST(Chest, MapsAreMadeForWhatIsAskedEvenTheAge) {
  ChestBench bench(0.9999);
  bench.context.options = {{"explain", "estimated_age, Effusion"}, {"guided", "on"}};
  const CogResult r = run(input_of(adult_film()), bench.context);
  std::vector<std::string> made;
  for (const DerivedImage& image : r.derived_images) {
    made.push_back(image.role + " " + image.label);
    EXPECT_EQ(image.values.size(), std::size_t{image.columns} * image.rows);
    for (const float v : image.values) EXPECT_TRUE(v >= 0 && v <= 1);
  }
  EXPECT_EQ(made, (std::vector<std::string>{"activation_map Effusion", "guided_grad_cam Effusion",
                                            "activation_map estimated_age", "guided_grad_cam estimated_age"}));
  bench.context.options = {{"explain", "all"}, {"maps", "off"}};
  EXPECT_TRUE(run(input_of(adult_film()), bench.context).derived_images.empty());
}

TEST(Chest, AForeignNetGetsOcclusionMapsAndCallsNothingPositive) {
  ChestBench bench;
  auto& yaml = bench.model.yaml;
  testing::replace(yaml, "features: features, logits: logits, head_weight: head_weight, head_bias: head_bias",
                   "logits: logits");
  testing::replace(yaml, "guided: {file: tiny_guided.onnx, image: image, target: target, gradient: guided_gradient}\n",
                   "");
  testing::replace(yaml,
                   ", calibration: {method: platt, a: 1.5, b: -0.25, set_on: drawn}, operating_points: [{name: "
                   "balanced, threshold: 0.01, "
                   "sensitivity: 0.8, specificity: 0.7, positives: 10, negatives: 20, set_on: drawn}]",
                   "");
  testing::replace(yaml, ", calibration: {method: platt, a: 1, b: 0, set_on: drawn}", "");
  bench.model.write();
  bench.lend();
  bench.context.options = {{"explain", "Effusion"}};
  const CogResult r = run(input_of(adult_film()), bench.context);
  EXPECT_FALSE(r.findings.at(0).positive);
  EXPECT_FALSE(r.findings.at(0).probability);
  ASSERT_EQ(r.derived_images.size(), 1U);
  EXPECT_EQ(r.derived_images[0].role, "occlusion_map");
  EXPECT_NE(r.warnings.back().find("no calibration"), std::string::npos);
}

TEST(Chest, SaysThatTheAgeIsUnknown) {
  const ChestBench bench;
  Picture picture = adult_film();
  picture.header.age_a.reset();
  picture.header.warnings = {"from the reader"};
  const CogResult r = run(input_of(picture), bench.context);
  ASSERT_EQ(r.warnings.size(), 2U);
  EXPECT_EQ(r.warnings[0], "from the reader");
  EXPECT_NE(r.warnings[1].find("age unknown"), std::string::npos);
}

TEST(Chest, RefusesWhatItWasNotMadeFor) {
  ChestBench bench;
  EXPECT_EQ(code_of([&] { run({}, bench.context); }), ErrorCode::RoleMissing);
  CogInput two = input_of(adult_film());
  two.current.push_back(adult_film(1));
  EXPECT_EQ(code_of([&] { run(two, bench.context); }), ErrorCode::RoleMissing);
  bench.context.options = {{"operating_point", "bold"}};
  EXPECT_EQ(code_of([&] { run(input_of(adult_film()), bench.context); }), ErrorCode::OptionInvalid);
  bench.context.options = {{"explain", "Gout"}};
  EXPECT_EQ(code_of([&] { run(input_of(adult_film()), bench.context); }), ErrorCode::OptionInvalid);
  bench.context.options = {{"expalin", "all"}};
  EXPECT_EQ(code_of([&] { run(input_of(adult_film()), bench.context); }), ErrorCode::OptionInvalid);
  bench.context.options = {};
  const std::atomic<bool> stop{true};
  bench.context.cancel = &stop;
  EXPECT_EQ(code_of([&] { run(input_of(adult_film()), bench.context); }), ErrorCode::Cancelled);
}

}  // namespace
}  // namespace rouage::cogs::chest
