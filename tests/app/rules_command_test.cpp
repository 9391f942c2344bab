// RTE-9: an engineer is told which rule fires and why.
#include <gtest/gtest.h>

#include "program.h"

using namespace program;

namespace {

constexpr auto kRules = R"([[rule]]
name = "emergency films"
cog = "chest"
priority = "emergency"
when.order.priority = ["S", "A"]

[[rule]]
name = "adult films"
cog = "chest"
priors = 2
destinations = ["pacs"]
when.modality = ["CR", "DX"]
when.age_min = 18
when.age_unknown = "no"
unless.sender = "BEDSIDE*"
)";

void write(const fs::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

}  // namespace

TEST(RulesCommand, TellsWhichRuleFiresForAFileAndWhy) {
  const Folder folder("rules");
  make_phantoms(folder, 1);
  write(folder / "rules.toml", kRules);
  const std::string test =
      "rules test " + (folder / "film1.dcm").string() + " --rules " + (folder / "rules.toml").string();
  const Outcome text = run(test + " --sender CR1");
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("- emergency films: order priority is absent, S, A is asked for"), std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("+ adult films: modality CR is one of CR, DX; age 50 is at least 18"), std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("=> chest (routine, 2 priors)"), std::string::npos) << text.out;
  EXPECT_NE(run(test + " --sender BEDSIDE2").out.find("excluded: sender BEDSIDE2 fits BEDSIDE*"), std::string::npos);

  const Json document = Json::parse(run(test + " --order-priority S --json").out);
  ASSERT_EQ(document.size(), 1U);
  EXPECT_EQ(document[0]["instances"], 1);
  EXPECT_EQ(document[0]["rules"][0]["fired"], true);
  ASSERT_EQ(document[0]["steps"].size(), 1U);
  EXPECT_EQ(document[0]["steps"][0]["cog"], "chest");
  EXPECT_EQ(document[0]["steps"][0]["priority"], "emergency");
}

TEST(RulesCommand, GroupsAFolderBySeriesAndNamesWhatItRefuses) {
  const Folder folder("rules-folder");
  make_phantoms(folder, 2);
  write(folder / "note.txt", "not a film");
  const Outcome outcome = run("rules test " + folder.path().string() + " --json");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("note.txt"), std::string::npos) << outcome.err;
  const Json document = Json::parse(outcome.out);
  ASSERT_FALSE(document.empty());
  for (const Json& series : document) EXPECT_EQ(series["steps"][0]["rule"], "built-in: chest");
  EXPECT_EQ(run("rules test " + (folder / "absent").string()).exit_code, 3);
}

TEST(RulesCommand, ChecksAFile) {
  const Folder folder("rules-check");
  write(folder / "rules.toml", kRules);
  const Outcome good = run("rules check " + (folder / "rules.toml").string() + " --json");
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(Json::parse(good.out), (Json{{"rules", 2}, {"destinations", {"pacs"}}}));
  write(folder / "bad.toml", std::string(kRules) + "when.bodypart = \"CHEST\"\n");
  const Outcome bad = run("rules check " + (folder / "bad.toml").string());
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_NE(bad.err.find("line 16, when.bodypart: there is no such condition; did you mean \"body_part\"?"),
            std::string::npos)
      << bad.err;
}
