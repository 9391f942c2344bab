#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/host.h"
#include "route/glob.h"
#include "route/rule.h"

namespace rouage::route {
namespace {

constexpr std::string_view kUpstream = "upstream:";
constexpr std::uint64_t kLargestFile = kMebibyte;
constexpr int kPriorsWithoutRule = 1;

[[noreturn]] void refuse(const std::string& file, const Rule& rule, const std::string& key, const std::string& detail) {
  throw Error(ErrorCode::RulesInvalid,
              fmt::format("rule \"{}\", line {}, {}: {}", rule.step.rule, rule.line, key, detail))
      .file(file);
}

/// A rule of the cog's own modalities only, written as literals, that the cog takes none of can never fire.
void check_modalities(const Rule& rule, const CogFacts& cog, const std::string& file) {
  if (cog.modalities.empty()) return;
  for (const Condition& condition : rule.when) {
    if (condition.key != "modality") continue;
    const bool possible = std::any_of(cog.modalities.begin(), cog.modalities.end(), [&](const std::string& taken) {
      return std::any_of(condition.folded.begin(), condition.folded.end(),
                         [&](const std::string& pattern) { return glob_matches(pattern, folded(taken)); });
    });
    if (!possible)
      refuse(file, rule, "when.modality",
             fmt::format("can never fire: {} takes {} only", cog.name, listed(cog.modalities)));
  }
}

/// Follows "upstream:" from `name`; a way back to a cog on the way is a circle.
void check_circle(const Rules& rules, const std::string& name, std::vector<std::string> way, const Rule& rule,
                  const std::string& file) {
  const bool seen = std::find(way.begin(), way.end(), name) != way.end();
  way.push_back(name);
  if (seen) refuse(file, rule, "cog", "the cogs wait for each other in a circle: " + listed(way));
  if (const CogFacts* cog = find_cog(rules.cogs, name))
    for (const std::string& upstream : upstream_of(*cog)) check_circle(rules, upstream, way, rule, file);
}

}  // namespace

const CogFacts* find_cog(const std::vector<CogFacts>& cogs, const std::string& name) {
  const auto found = std::find_if(cogs.begin(), cogs.end(), [&](const CogFacts& cog) { return cog.name == name; });
  return found == cogs.end() ? nullptr : &*found;
}

std::vector<std::string> upstream_of(const CogFacts& cog) {
  std::vector<std::string> names;
  for (const std::string& role : cog.required_roles)
    if (role.starts_with(kUpstream)) names.push_back(role.substr(kUpstream.size()));
  return names;
}

bool requires_role(const CogFacts& cog, const std::string& role) {
  return std::find(cog.required_roles.begin(), cog.required_roles.end(), role) != cog.required_roles.end();
}

void check_roles(const Rules& rules, const std::string& file) {
  std::set<std::string> run;
  for (const auto& rule : rules.rules) run.insert(rule->step.cog);
  for (const auto& rule : rules.rules) {
    const CogFacts* cog = find_cog(rules.cogs, rule->step.cog);
    if (cog == nullptr) continue;  // refused where its line was read
    check_modalities(*rule, *cog, file);
    if (requires_role(*cog, "prior") && rule->step.priors < 1)
      refuse(file, *rule, "priors", cog->name + " needs an earlier examination: priors must be at least 1");
    if (requires_role(*cog, "companion") && rule->step.companion.empty())
      refuse(file, *rule, "companion",
             cog->name + " needs another series of the study: companion must name its modality");
    for (const std::string& upstream : upstream_of(*cog))
      if (!run.contains(upstream))
        refuse(file, *rule, "cog",
               fmt::format("{} needs the result of {}, and no rule runs {}", cog->name, upstream, upstream));
    for (const std::string& role : cog->required_roles)
      if (role != "current" && role != "prior" && role != "companion" && !role.starts_with(kUpstream))
        refuse(file, *rule, "cog",
               fmt::format("{} needs the role \"{}\", which nothing here provides", cog->name, role));
    check_circle(rules, cog->name, {}, *rule, file);
  }
}

std::vector<std::shared_ptr<const Rule>> built_in_rules(const std::vector<CogFacts>& cogs) {
  std::vector<std::shared_ptr<const Rule>> rules;
  for (const CogFacts& cog : cogs) {
    auto rule = std::make_shared<Rule>();
    rule->step.rule = "built-in: " + cog.name;
    rule->step.cog = cog.name;
    rule->step.waits_for = upstream_of(cog);
    if (requires_role(cog, "prior")) rule->step.priors = kPriorsWithoutRule;
    if (requires_role(cog, "companion")) rule->step.companion = "*";
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::vector<std::uint32_t> Rules::tags() const {
  constexpr std::uint32_t kModality = 0x00080060;  // asked for by every cog
  std::set<std::uint32_t> tags{kModality};
  for (const auto& rule : rules)
    for (const auto* conditions : {&rule->when, &rule->unless})
      for (const Condition& condition : *conditions) tags.insert(condition.tags.begin(), condition.tags.end());
  return {tags.begin(), tags.end()};
}

std::vector<std::string> destinations_of(const Rules& rules) {
  std::set<std::string> names;
  for (const auto& rule : rules.rules) names.insert(rule->step.destinations.begin(), rule->step.destinations.end());
  return {names.begin(), names.end()};
}

Rules read_rules(const std::filesystem::path& file, const std::vector<CogFacts>& cogs) {
  if (file.empty()) return rules_from_text("", cogs, "built-in rules");
  return rules_from_text(read_text(file, kLargestFile), cogs, file.string());
}

}  // namespace rouage::route
