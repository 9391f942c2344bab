// RTE-8: a rules file with a mistake is refused as a whole, the mistake named. RTE-9: for every series it is said which
// rule fired and why, and why each other one did not.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "base/host.h"
#include "route/glob.h"
#include "route/route.h"

using namespace rouage;
using namespace rouage::route;

namespace {

const std::vector<CogFacts> kCogs{
    {.name = "chest", .modalities = {"CR", "DX"}, .required_roles = {"current"}},
    {.name = "organs", .modalities = {"CT"}, .required_roles = {"current"}},
    {.name = "body_composition", .modalities = {"CT"}, .required_roles = {"current", "upstream:organs"}},
    {.name = "follow_up", .modalities = {"CT"}, .required_roles = {"current", "prior"}},
    {.name = "lesions", .modalities = {"PT"}, .required_roles = {"current", "companion"}}};

/// A chest film of a woman of 45 by CR_ROOM1.
SeriesFacts film() {
  SeriesFacts facts;
  facts.attributes = {
      {0x00080060, "CR"}, {0x00180015, "CHEST"}, {0x0008103E, "Thorax de FACE"},          {0x00081030, "Radiographie"},
      {0x00100040, "F"},  {0x00180060, "120"},   {0x00080008, "ORIGINAL\\PRIMARY\\AXIAL"}};
  facts.sender = "CR_ROOM1";
  facts.called_ae = "ROUAGE";
  facts.instances = 2;
  facts.age_a = 45;
  return facts;
}

Rules rules_of(const std::string& text) {
  return rules_from_text(text, kCogs, "rules.toml");
}

/// A rule for chest with these lines in it.
Rules chest_rule(const std::string& lines) {
  return rules_of("[[rule]]\nname = \"r\"\ncog = \"chest\"\n" + lines);
}

Explanation::Line line_of(const std::string& lines, const SeriesFacts& facts) {
  return explain(chest_rule(lines), facts).lines.at(0);
}
bool fires(const std::string& lines, const SeriesFacts& facts) {
  return line_of(lines, facts).fired;
}

/// The message of the error, "" when there is none.
std::string refusal(const std::string& text) {
  try {
    rules_of(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::RulesInvalid);
    EXPECT_EQ(error.file(), "rules.toml");
    return error.detail();
  }
  return "";
}
std::string chest_refusal(const std::string& lines) {
  return refusal("[[rule]]\nname = \"r\"\ncog = \"chest\"\n" + lines);
}

}  // namespace

// ---- words ----------------------------------------------------------------------------------------------------------

TEST(Glob, ComparesWithoutCaseAndAccents) {
  EXPECT_EQ(folded("ŒDÈME Çà ÉTÉ Straße"), "oedeme ca ete strasse");
  EXPECT_EQ(folded("e\xCC\x81t\xC3\xA9"), "ete");  // an accent of its own
  EXPECT_EQ(folded("2 ÷ 3 × 4 ÿ"), "2 ÷ 3 × 4 y");
  EXPECT_TRUE(glob_matches("*thorax*", folded("RX Thoràx face")));
}

TEST(Glob, StarsAndQuestionMarks) {
  EXPECT_TRUE(glob_matches("a*c?e", "abbbcde"));
  EXPECT_FALSE(glob_matches("a*c?e", "abbbce"));
  EXPECT_TRUE(glob_matches("?", "\xE6\x97\xA5"));  // one character of three bytes
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_TRUE(glob_matches("*a*b*c", "xxaxxbxxc"));
}

// A pattern of many stars against a text of the longest kind: a backtracking expression would need ages.
TEST(Glob, HostileTextTakesNoTime) {
  std::string pattern;
  for (int i = 0; i < 120; ++i) pattern += "*a";
  const std::string text = folded(std::string(1 << 20, 'a') + "b");
  EXPECT_EQ(text.size(), kLongestText);
  const double started_s = monotonic_s();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(glob_matches(pattern + "*b", text));
  EXPECT_LT(monotonic_s() - started_s, 5) << "100 matches, each at most 0.3 million steps";
}

// ---- each condition -------------------------------------------------------------------------------------------------

TEST(Condition, WordsOfTheHeader) {
  EXPECT_TRUE(fires("when.modality = \"CR\"", film()));
  EXPECT_TRUE(fires("when.modality = [\"DX\", \"CR\"]", film()));
  EXPECT_FALSE(fires("when.modality = \"DX\"", film()));
  EXPECT_TRUE(fires("when.body_part = \"chest\"", film()));
  EXPECT_FALSE(fires("when.body_part = \"ABDOMEN\"", film()));
  EXPECT_TRUE(fires("when.description = \"*thorax*\"", film())) << "series description";
  EXPECT_TRUE(fires("when.description = \"radio*\"", film())) << "study description";
  EXPECT_FALSE(fires("when.series_description = \"radio*\"", film()));
  EXPECT_TRUE(fires("when.study_description = \"radio*\"", film()));
  EXPECT_TRUE(fires("when.sex = \"F\"", film()));
  EXPECT_FALSE(fires("when.sex = \"M\"", film()));
  EXPECT_FALSE(fires("when.view = \"*\"", film())) << "absent: not even * fits";
}

TEST(Condition, WhereItCameFrom) {
  EXPECT_TRUE(fires("when.sender = \"CR_*\"", film()));
  EXPECT_FALSE(fires("when.sender = \"CT_*\"", film()));
  EXPECT_TRUE(fires("when.called_ae = \"ROUAGE\"", film()));
}

TEST(Condition, AgeKnownAndUnknown) {
  SeriesFacts facts = film();
  EXPECT_TRUE(fires("when.age_min = 18\nwhen.age_unknown = \"no\"", facts));
  EXPECT_FALSE(fires("when.age_min = 46\nwhen.age_unknown = \"yes\"", facts));
  EXPECT_TRUE(fires("when.age_max = 45\nwhen.age_unknown = \"no\"", facts));
  facts.age_a.reset();
  EXPECT_FALSE(fires("when.age_min = 18\nwhen.age_unknown = \"no\"", facts));
  EXPECT_TRUE(fires("when.age_min = 18\nwhen.age_unknown = \"yes\"", facts));
}

TEST(Condition, NumberOfInstances) {
  EXPECT_TRUE(fires("when.instances_min = 2", film()));
  EXPECT_FALSE(fires("when.instances_min = 3", film()));
  EXPECT_FALSE(fires("when.instances_max = 1", film()));
}

TEST(Condition, AnyTagByNumberOrKeyword) {
  EXPECT_TRUE(fires("when.tag.\"0018,0060\" = \"12?\"", film()));
  EXPECT_TRUE(fires("when.tag.\"(0018,0060)\" = {min = 100, max = 130}", film()));
  EXPECT_TRUE(fires("when.tag.KVP = {min = 100}", film()));
  EXPECT_FALSE(fires("when.tag.KVP = {max = 100}", film()));
  EXPECT_FALSE(fires("when.tag.Modality = {min = 0}", film())) << "not a number";
  EXPECT_TRUE(fires("when.tag.ImageType = \"PRIMARY\"", film())) << "any of several values";
  EXPECT_TRUE(fires("when.tag.\"0029,1010\" = \"x\"\nwhen.modality=\"CR\"", film()) == false) << "private, absent";
}

TEST(Condition, OfTheOrder) {
  SeriesFacts facts = film();
  EXPECT_FALSE(fires("when.order.priority = \"S\"", facts));
  facts.order_priority = "S";
  facts.order_procedure = "RXTHO";
  EXPECT_TRUE(fires("when.order.priority = \"S\"\nwhen.order.procedure = [\"RX*\"]", facts));
}

TEST(Condition, UnlessExcludesByAnyOfItsLines) {
  EXPECT_FALSE(fires("unless.sex = \"F\"", film()));
  EXPECT_TRUE(fires("unless.sex = \"M\"", film()));
  EXPECT_FALSE(fires("unless.sex = \"M\"\nunless.sender = \"CR*\"", film()));
}

// ---- steps ----------------------------------------------------------------------------------------------------------

TEST(Rules, AStepCarriesWhatTheRuleSays) {
  const Rules rules = chest_rule(
      "priority = \"emergency\"\ndeadline_s = 600\npriors = 2\ndestinations = [\"pacs\", \"ris\"]\n"
      "options.operating_point = \"sensitive\"\noptions.maps = true\noptions.level = 0.5\noptions.n = 3\n");
  const Explanation explanation = explain(rules, film());
  ASSERT_EQ(explanation.steps.size(), 1U);
  const Step& step = explanation.steps[0];
  EXPECT_EQ(step.priority, Priority::emergency);
  EXPECT_EQ(step.deadline_s, 600);
  EXPECT_EQ(step.priors, 2);
  EXPECT_EQ(step.destinations, (std::vector<std::string>{"pacs", "ris"}));
  EXPECT_EQ(step.options, (std::map<std::string, std::string>{
                              {"operating_point", "sensitive"}, {"maps", "true"}, {"level", "0.5"}, {"n", "3"}}));
  EXPECT_EQ(destinations_of(rules), (std::vector<std::string>{"pacs", "ris"}));
}

TEST(Rules, WithoutAFileEveryCogRunsOnWhatItTakes) {
  const Rules rules = read_rules({}, kCogs);
  const Explanation cr = explain(rules, film());
  ASSERT_EQ(cr.steps.size(), 1U);
  EXPECT_EQ(cr.steps[0].cog, "chest");
  EXPECT_EQ(cr.lines.size(), kCogs.size());
  SeriesFacts ct = film();
  ct.attributes[0x00080060] = "CT";
  const Explanation steps = explain(rules, ct);
  ASSERT_EQ(steps.steps.size(), 3U);
  EXPECT_EQ(steps.steps[1].waits_for, std::vector<std::string>{"organs"});
  EXPECT_EQ(steps.steps[2].priors, 1);
  EXPECT_EQ(explain(rules_of("# only a comment\n"), film()).steps.size(), 1U);
  EXPECT_TRUE(explain(rules_of("rule = []\n"), film()).steps.empty()) << "no rule on purpose";
}

TEST(Rules, NameTheTagsThatTheyLookAt) {
  const std::vector<std::uint32_t> tags = chest_rule("when.tag.KVP = \"1*\"\nunless.sex = \"M\"").tags();
  EXPECT_EQ(tags, (std::vector<std::uint32_t>{0x00080060, 0x00100040, 0x00180060}));
}

// The explanation as an engineer reads it: one line a rule, with the values seen.
TEST(Rules, ExplainInPlainWords) {
  const Rules rules = rules_of(R"(
[[rule]]
name = "emergency films"
cog = "chest"
priority = "emergency"
when.modality = ["CR", "DX"]
when.order.priority = ["S", "A"]

[[rule]]
name = "children"
cog = "chest"
when.age_max = 17
when.age_unknown = "no"

[[rule]]
name = "not the bedside unit"
cog = "chest"
when.description = "*abdomen*"
unless.sender = "CR_*"

[[rule]]
name = "adult films"
cog = "chest"
when.modality = ["CR", "DX"]
when.body_part = "CHEST"
when.description = ["*thorax*", "*chest*"]
when.age_min = 18
when.age_unknown = "no"

[[rule]]
name = "all films again"
cog = "chest"
when.instances_min = 1
stop = true

[[rule]]
name = "organs"
cog = "organs"
)");
  std::string text;
  for (const Explanation::Line& line : explain(rules, film()).lines)
    text += (line.fired ? "+ " : "- ") + line.rule + ": " + line.why + "\n";
  EXPECT_EQ(text, R"(- emergency films: order priority is absent, S, A is asked for
- children: age 45 is not at most 17
- not the bedside unit: description Radiographie, "Thorax de FACE" does not fit *abdomen*; excluded: sender CR_ROOM1 fits CR_*
+ adult films: modality CR is one of CR, DX; body part is CHEST; description "Thorax de FACE" fits *thorax*; age 45 is at least 18
- all films again: number of instances 2 is at least 1; but rule "adult films" asks for chest already
- organs: not looked at: rule "all films again" stops
)");
}

TEST(Rules, ACogIsGivenOnlyWhatItTakes) {
  SeriesFacts mr = film();
  mr.attributes[0x00080060] = "MR";
  const Explanation::Line line = line_of("when.sex = \"F\"", mr);
  EXPECT_FALSE(line.fired);
  EXPECT_EQ(line.why, "sex is F; but chest takes CR, DX, not MR");
}

TEST(Rules, HostileHeaderTextsAreBoundedAndShownOnOneLine) {
  SeriesFacts facts = film();
  facts.attributes[0x0008103E] = "\x1b[31mred\n" + std::string(1 << 20, 'x');
  const Explanation::Line line = line_of("when.series_description = \"*y\"", facts);
  EXPECT_LT(line.why.size(), 200U);
  EXPECT_EQ(line.why.find('\n'), std::string::npos);
  EXPECT_EQ(line.why.find('\x1b'), std::string::npos);
}

// ---- mistakes -------------------------------------------------------------------------------------------------------

TEST(Mistake, InTheSyntaxNamesTheLine) {
  EXPECT_NE(refusal("[[rule]]\nname = \n").find("line 2"), std::string::npos);
}

TEST(Mistake, OfAKeyIsNamedWithTheNearestKey) {
  EXPECT_EQ(chest_refusal("prioritty = \"high\""),
            "rule \"r\", line 4, prioritty: there is no such key; did you mean \"priority\"?");
  EXPECT_EQ(chest_refusal("when.modalitty = \"CR\""),
            "rule \"r\", line 4, when.modalitty: there is no such condition; did you mean \"modality\"?");
  EXPECT_EQ(chest_refusal("unless.agemin = 3"),
            "rule \"r\", line 4, unless.agemin: there is no such condition; did you mean \"age_min\"?");
  EXPECT_EQ(chest_refusal("when.order.prio = \"S\""), "rule \"r\", line 4, when.order.prio: is no key of order");
  EXPECT_EQ(refusal("[[rules]]\nname = \"r\"\n"),
            "line 1, rules: only [[rule]] may stand here; did you mean \"rule\"?");
  EXPECT_EQ(refusal("[rule]\nname = \"r\"\n"), "line 1, rule: is written [[rule]]");
}

TEST(Mistake, OfATypeOrRange) {
  EXPECT_EQ(chest_refusal("when.modality = 3"), "rule \"r\", line 4, when.modality: must be a text or a list of texts");
  EXPECT_EQ(chest_refusal("when.modality = []"), "rule \"r\", line 4, when.modality: is an empty list");
  EXPECT_EQ(chest_refusal("when.modality = [\"CR\", 3]"),
            "rule \"r\", line 4, when.modality: must be a text in quotes");
  EXPECT_EQ(chest_refusal("when.age_min = \"18\""), "rule \"r\", line 4, when.age_min: must be a number");
  EXPECT_EQ(chest_refusal("when.age_min = -1"), "rule \"r\", line 4, when.age_min: must be from 0 to 150");
  EXPECT_EQ(chest_refusal("when.age_min = nan"), "rule \"r\", line 4, when.age_min: must be from 0 to 150");
  EXPECT_EQ(chest_refusal("priors = 1.5"), "rule \"r\", line 4, priors: must be a whole number");
  EXPECT_EQ(chest_refusal("priors = 99999999999"), "rule \"r\", line 4, priors: must be from 0 to 20");
  EXPECT_EQ(chest_refusal("stop = \"yes\""), "rule \"r\", line 4, stop: must be true or false");
  EXPECT_EQ(chest_refusal("when = 3"), "rule \"r\", line 4, when: must be a table");
  EXPECT_EQ(chest_refusal("options = 3"), "rule \"r\", line 4, options: must be a table");
  EXPECT_EQ(chest_refusal("priority = \"urgent\""),
            "rule \"r\", line 4, priority: \"urgent\" is none of emergency, high, routine, background");
  EXPECT_EQ(chest_refusal("when.sex = \"female\""), "rule \"r\", line 4, when.sex: \"female\" is none of M, F, O");
  EXPECT_NE(chest_refusal("when.sender = \"" + std::string(300, 'x') + "\"").find("longer than 256"),
            std::string::npos);
}

TEST(Mistake, OfBounds) {
  EXPECT_NE(chest_refusal("when.age_min = 20\nwhen.age_max = 10\nwhen.age_unknown = \"no\"").find("is above age_max"),
            std::string::npos);
  EXPECT_NE(chest_refusal("when.instances_min = 20\nwhen.instances_max = 10").find("is above instances_max"),
            std::string::npos);
  EXPECT_NE(chest_refusal("when.age_min = 18").find("age_unknown: is missing"), std::string::npos);
  EXPECT_NE(chest_refusal("when.age_unknown = \"no\"").find("is of no use"), std::string::npos);
  EXPECT_NE(chest_refusal("when.age_min = 18\nwhen.age_unknown = \"maybe\"").find("is none of yes, no"),
            std::string::npos);
}

TEST(Mistake, OfATag) {
  EXPECT_EQ(chest_refusal("when.tag.KVPP = \"1\""),
            "rule \"r\", line 4, when.tag.KVPP: \"KVPP\" is no tag (\"0018,1030\") and no keyword of the dictionary");
  EXPECT_EQ(chest_refusal("when.tag.KVP = {minn = 1}"),
            "rule \"r\", line 4, when.tag.KVP.minn: is neither min nor max; did you mean \"min\"?");
  EXPECT_EQ(chest_refusal("when.tag.KVP = {}"), "rule \"r\", line 4, when.tag.KVP: needs min, max or both");
}

TEST(Mistake, OfANameOrACog) {
  EXPECT_EQ(refusal("[[rule]]\ncog = \"chest\""), "rule \"number 1\", line 1, name: is missing");
  EXPECT_EQ(refusal("[[rule]]\nname = \"a\""), "rule \"a\", line 1, cog: is missing");
  EXPECT_EQ(refusal("[[rule]]\nname = \"a\"\ncog = \"chset\""),
            "rule \"a\", line 3, cog: there is no cog \"chset\"; did you mean \"chest\"?");
  EXPECT_EQ(refusal("[[rule]]\nname = \"a\"\ncog = \"chest\"\n[[rule]]\nname = \"a\"\ncog = \"chest\"\n"),
            "rule \"a\", line 4, name: the rule of line 1 has this name already");
}

TEST(Mistake, OfARoleThatNothingProvides) {
  EXPECT_EQ(refusal("[[rule]]\nname = \"a\"\ncog = \"follow_up\""),
            "rule \"a\", line 1, priors: follow_up needs an earlier examination: priors must be at least 1");
  EXPECT_EQ(
      refusal("[[rule]]\nname = \"a\"\ncog = \"lesions\""),
      "rule \"a\", line 1, companion: lesions needs another series of the study: companion must name its modality");
  EXPECT_EQ(refusal("[[rule]]\nname = \"a\"\ncog = \"lesions\"\ncompanion = \"CT\""), "");
  EXPECT_EQ(refusal("[[rule]]\nname = \"a\"\ncog = \"body_composition\""),
            "rule \"a\", line 1, cog: body_composition needs the result of organs, and no rule runs organs");
  EXPECT_EQ(chest_refusal("when.modality = [\"MR\", \"CT\"]"),
            "rule \"r\", line 1, when.modality: can never fire: chest takes CR, DX only");
  const std::vector<CogFacts> circle{{.name = "a", .modalities = {}, .required_roles = {"upstream:b"}},
                                     {.name = "b", .modalities = {}, .required_roles = {"upstream:a"}}};
  EXPECT_THROW(rules_from_text("[[rule]]\nname=\"a\"\ncog=\"a\"\n[[rule]]\nname=\"b\"\ncog=\"b\"\n", circle, "x"),
               Error);
}

TEST(Mistake, OfAFileThatIsNotThere) {
  EXPECT_THROW(read_rules("/nowhere/rules.toml", kCogs), Error);
}
