// Which rule fires, in plain words with the values that were seen.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/values.h"
#include "route/glob.h"
#include "route/rule.h"

namespace rouage::route {
namespace {

constexpr std::uint32_t kModality = 0x00080060;
constexpr std::size_t kLongestShown = 80;

struct Verdict {
  bool holds = false;
  std::string why;
};

/// Text from the network, fit for one line of a log or a page.
std::string shown(std::string_view value) {
  std::string text;
  for (const char c : value.substr(0, kLongestShown)) text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  while (!text.empty() && !valid_utf8(text)) text.pop_back();
  if (value.size() > kLongestShown) text += "...";
  const bool word = text.find_first_of(" \\\"") == std::string::npos;
  return word ? text : "\"" + text + "\"";
}

/// Present values, in the order of the condition's tags.
std::vector<std::string> values_of(const Condition& condition, const SeriesFacts& facts) {
  std::vector<std::string> values;
  const auto add = [&](std::string_view value) {
    value = trimmed(value);
    if (!value.empty()) values.emplace_back(value);
  };
  switch (condition.source) {
    case Condition::Source::sender:
      add(facts.sender);
      break;
    case Condition::Source::called_ae:
      add(facts.called_ae);
      break;
    case Condition::Source::order_priority:
      add(facts.order_priority);
      break;
    case Condition::Source::order_procedure:
      add(facts.order_procedure);
      break;
    default:
      for (const std::uint32_t tag : condition.tags)
        if (const auto found = facts.attributes.find(tag); found != facts.attributes.end()) add(found->second);
  }
  return values;
}

/// Any value of a multi-valued attribute, or all of it as one text.
bool matches(const std::string& pattern, const std::string& value) {
  if (glob_matches(pattern, folded(value))) return true;
  if (value.find('\\') == std::string::npos) return false;
  const std::vector<std::string> parts = split(std::string_view(value).substr(0, kLongestText), '\\');
  return std::any_of(parts.begin(), parts.end(),
                     [&](const std::string& part) { return glob_matches(pattern, folded(trimmed(part))); });
}

Verdict text_verdict(const Condition& condition, const SeriesFacts& facts) {
  const std::vector<std::string> values = values_of(condition, facts);
  const std::string asked = listed(condition.patterns);
  const bool wild = std::any_of(condition.patterns.begin(), condition.patterns.end(), has_wild_cards);
  const bool several = condition.patterns.size() > 1;
  for (const std::string& value : values)
    for (std::size_t i = 0; i < condition.folded.size(); ++i)
      if (matches(condition.folded[i], value)) {
        if (wild) return {true, fmt::format("{} {} fits {}", condition.name, shown(value), condition.patterns[i])};
        return {true, fmt::format("{} {}", condition.name,
                                  several ? fmt::format("{} is one of {}", shown(value), asked)
                                          : fmt::format("is {}", shown(value)))};
      }
  if (values.empty()) return {false, fmt::format("{} is absent, {} is asked for", condition.name, asked)};
  std::vector<std::string> seen;
  for (const std::string& value : values) seen.push_back(shown(value));
  const char* relation = wild ? (several ? "fits none of" : "does not fit") : (several ? "is not one of" : "is not");
  return {false, fmt::format("{} {} {} {}", condition.name, listed(seen), relation, asked)};
}

Verdict range_verdict(const Condition& condition, double value) {
  const bool holds = (!condition.least || value >= *condition.least) && (!condition.most || value <= *condition.most);
  std::string range;
  if (condition.least && condition.most)
    range = fmt::format("between {} and {}", number_text(*condition.least), number_text(*condition.most));
  else if (condition.least)
    range = "at least " + number_text(*condition.least);
  else
    range = "at most " + number_text(*condition.most);
  return {holds, fmt::format("{} {} is {}{}", condition.name, number_text(value), holds ? "" : "not ", range)};
}

Verdict number_verdict(const Condition& condition, const SeriesFacts& facts) {
  const std::vector<std::string> values = values_of(condition, facts);
  if (values.empty()) return {false, condition.name + " is absent, a number is asked for"};
  const std::string first = split(values.front(), '\\').front();
  const std::string_view text = trimmed(first);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    return {false, fmt::format("{} {} is no number", condition.name, shown(text))};
  return range_verdict(condition, value);
}

Verdict verdict_of(const Condition& condition, const SeriesFacts& facts) {
  if (condition.source == Condition::Source::instances) return range_verdict(condition, facts.instances);
  if (condition.source == Condition::Source::age) {
    if (facts.age_a) return range_verdict(condition, *facts.age_a);
    const bool holds = condition.unknown_holds.value_or(false);
    return {holds, std::string("age is unknown, which ") + (holds ? "counts" : "does not count")};
  }
  return condition.numeric() ? number_verdict(condition, facts) : text_verdict(condition, facts);
}

void add(std::string& text, const std::string& more) {
  text += (text.empty() ? "" : "; ") + more;
}

Verdict conditions_verdict(const Rule& rule, const SeriesFacts& facts) {
  std::string held, failed;
  for (const Condition& condition : rule.when) {
    const Verdict verdict = verdict_of(condition, facts);
    add(verdict.holds ? held : failed, verdict.why);
  }
  for (const Condition& condition : rule.unless) {
    const Verdict verdict = verdict_of(condition, facts);
    if (verdict.holds) add(failed, "excluded: " + verdict.why);
  }
  if (!failed.empty()) return {false, failed};
  return {true, held.empty() ? "no condition" : held};
}

Verdict cog_verdict(const Rules& rules, const Rule& rule, const SeriesFacts& facts) {
  const CogFacts* cog = find_cog(rules.cogs, rule.step.cog);
  if (cog == nullptr || cog->modalities.empty()) return {true, {}};
  const auto found = facts.attributes.find(kModality);
  const std::string modality(found == facts.attributes.end() ? "" : trimmed(found->second));
  const bool taken = std::find(cog->modalities.begin(), cog->modalities.end(), modality) != cog->modalities.end();
  const std::string seen = modality.empty() ? "a series without a modality" : shown(modality);
  return {taken, fmt::format("{} takes {}{}", cog->name, listed(cog->modalities), taken ? "" : ", not " + seen)};
}

}  // namespace

Explanation explain(const Rules& rules, const SeriesFacts& facts) {
  Explanation explanation;
  std::string stopped_by;
  for (const auto& rule : rules.rules) {
    Explanation::Line line{.rule = rule->step.rule, .fired = false, .why = {}};
    if (!stopped_by.empty()) {
      line.why = fmt::format("not looked at: rule \"{}\" stops", stopped_by);
      explanation.lines.push_back(line);
      continue;
    }
    const Verdict conditions = conditions_verdict(*rule, facts);
    const Verdict cog = cog_verdict(rules, *rule, facts);
    line.why = conditions.why;
    line.fired = conditions.holds && cog.holds;
    if (!cog.holds || rule->line == 0) line.why = rule->line == 0 ? cog.why : line.why + "; but " + cog.why;
    const auto asked = std::find_if(explanation.steps.begin(), explanation.steps.end(),
                                    [&](const Step& step) { return step.cog == rule->step.cog; });
    if (line.fired && asked != explanation.steps.end()) {
      line.fired = false;
      line.why += fmt::format("; but rule \"{}\" asks for {} already", asked->rule, asked->cog);
    } else if (line.fired) {
      explanation.steps.push_back(rule->step);
      if (!rule->step.waits_for.empty()) line.why += "; waits for " + listed(rule->step.waits_for);
    }
    if (conditions.holds && cog.holds && rule->stop) stopped_by = rule->step.rule;
    if (line.why.empty()) line.why = "no condition";
    explanation.lines.push_back(std::move(line));
  }
  return explanation;
}

}  // namespace rouage::route
