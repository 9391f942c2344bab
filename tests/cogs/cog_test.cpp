// The contract of cogs: identities that do not depend on order, and results that feed other cogs.
#include "cogs/cog.h"

#include <gtest/gtest.h>

namespace rouage::cogs {
namespace {

Provenance provenance() {
  Provenance p;
  p.cog = "chest";
  p.cog_version = "1";
  p.models = {{"net", "1", "aa", "me"}};
  p.engine = "e";
  p.precision = "f32";
  p.language = "en";
  p.parameters = {{"a", "1"}, {"b", "2"}};
  p.input_uids = {"1.2", "1.3"};
  return p;
}

TEST(Provenance, IsTheSameWhateverTheOrderOfItsInputs) {
  Provenance other = provenance();
  other.input_uids = {"1.3", "1.2"};
  EXPECT_EQ(provenance().uid_parts(), other.uid_parts());
}

TEST(Provenance, ChangesWithEveryPartOfIt) {
  const std::string base = derived_id("x", {digest_of(provenance().uid_parts()).hex()});
  const auto changed = [&](const std::function<void(Provenance&)>& change) {
    Provenance p = provenance();
    change(p);
    return derived_id("x", {digest_of(p.uid_parts()).hex()}) != base;
  };
  EXPECT_TRUE(changed([](Provenance& p) { p.cog_version = "2"; }));
  EXPECT_TRUE(changed([](Provenance& p) { p.models[0].digest = "ab"; }));
  EXPECT_TRUE(changed([](Provenance& p) { p.engine = "f"; }));
  EXPECT_TRUE(changed([](Provenance& p) { p.precision = "f16"; }));
  EXPECT_TRUE(changed([](Provenance& p) { p.language = "fr"; }));
  EXPECT_TRUE(changed([](Provenance& p) { p.parameters["a"] = "2"; }));
  EXPECT_TRUE(changed([](Provenance& p) { p.input_uids.push_back("1.4"); }));
  EXPECT_TRUE(changed([](Provenance& p) { p.upstream_uids.push_back("1.4"); }));
  EXPECT_TRUE(changed([](Provenance& p) { p.upstream_uids = p.input_uids, p.input_uids.clear(); }));
}

TEST(Cogs, AreListedOnceAndFoundByName) {
  ASSERT_EQ(all_cogs().size(), 1U);
  const Cog* chest = find_cog("chest");
  ASSERT_NE(chest, nullptr);
  EXPECT_EQ(chest->required_roles, std::vector<std::string>{"current"});
  EXPECT_EQ(chest->packages, (std::vector<std::string>{"rouage-chest", "rouage-chest-gate"}));
  EXPECT_EQ(find_cog("palm reading"), nullptr);
}

/// A second cog, as a later issue would write it: it needs no picture, only what the chest cog found.
CogResult count_positives(const CogInput& input, const CogContext&) {
  CogResult result;
  const auto chest = input.upstream.find("chest");
  if (chest == input.upstream.end()) {
    result.status = Status::ineligible;
    result.reasons.push_back({"no_upstream", "the chest cog's result is needed", {}});
    return result;
  }
  double positives = 0;
  for (const Finding& f : chest->second->findings) positives += f.positive ? 1 : 0;
  Measurement m;
  m.name = "positive_findings";
  m.value = positives;
  m.unit = "1";
  result.measurements.push_back(m);
  return result;
}

TEST(Cogs, OneConsumesAnothersResult) {
  auto chest = std::make_shared<CogResult>();
  chest->findings.resize(3);
  chest->findings[0].positive = chest->findings[2].positive = true;
  const Cog counter{"counter", "1", "counts", {}, {"upstream"}, {}, nullptr, &count_positives, nullptr};
  CogInput input;
  EXPECT_EQ(counter.run(input, {}).status, Status::ineligible);
  input.upstream["chest"] = chest;
  EXPECT_EQ(counter.run(input, {}).measurements.at(0).value, 2);
}

}  // namespace
}  // namespace rouage::cogs
