// From TOML to rules: every key known, every value of its type, every mistake named with file, rule, key and line.
#include <fmt/format.h>

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/values.h"
#include "route/glob.h"
#include "route/rule.h"

namespace rouage::route {
namespace {

constexpr std::size_t kMostRules = 1000, kMostPatterns = 200;
constexpr double kLongestDeadline_s = 30 * 86400.0;
constexpr int kMostPriors = 20;

/// What can be said of a series by one word: key in the file, name for people, where it is looked for.
struct TextKey {
  std::string_view key, name;
  Condition::Source source;
  std::vector<std::uint32_t> tags;
};
const std::vector<TextKey>& text_keys() {
  using Source = Condition::Source;
  static const std::vector<TextKey> keys{
      {"modality", "modality", Source::attributes, {0x00080060}},
      {"body_part", "body part", Source::attributes, {0x00180015}},
      {"description", "description", Source::attributes, {0x00081030, 0x0008103E, 0x00181030}},
      {"study_description", "study description", Source::attributes, {0x00081030}},
      {"series_description", "series description", Source::attributes, {0x0008103E}},
      {"protocol", "protocol", Source::attributes, {0x00181030}},
      {"view", "view", Source::attributes, {0x00185101}},
      {"sex", "sex", Source::attributes, {0x00100040}},
      {"station", "station", Source::attributes, {0x00081010}},
      {"institution", "institution", Source::attributes, {0x00080080}},
      {"manufacturer", "manufacturer", Source::attributes, {0x00080070}},
      {"sender", "sender", Source::sender, {}},
      {"called_ae", "called AE title", Source::called_ae, {}}};
  return keys;
}
constexpr std::array kOtherKeys{"age_min", "age_max", "age_unknown", "instances_min", "instances_max", "order", "tag"};
constexpr std::array kRuleKeys{"name",   "cog",       "when",         "unless",  "priority", "deadline_s",
                               "priors", "companion", "destinations", "options", "stop"};
constexpr std::array kPriorities{"emergency", "high", "routine", "background"};

template <typename List>
std::vector<std::string> words(const List& list) {
  return {list.begin(), list.end()};
}

long line_of(const toml::node& node) {
  return static_cast<long>(node.source().begin.line);
}

/// One rule's table while it is read: errors know where they are.
struct Place {
  std::string file, rule;
  [[noreturn]] void refuse(const toml::node& node, const std::string& key, const std::string& detail) const {
    throw Error(ErrorCode::RulesInvalid, fmt::format("rule \"{}\", line {}, {}: {}", rule, line_of(node), key, detail))
        .file(file);
  }
};

std::string text_of(const Place& place, const toml::node& node, const std::string& key) {
  if (!node.is_string()) place.refuse(node, key, "must be a text in quotes");
  std::string text = node.value<std::string>().value();
  if (text.empty()) place.refuse(node, key, "must not be empty");
  if (text.size() > kLongestPattern) place.refuse(node, key, fmt::format("is longer than {} bytes", kLongestPattern));
  return text;
}

/// A text, or a list of texts.
std::vector<std::string> texts_of(const Place& place, const toml::node& node, const std::string& key) {
  if (node.is_string()) return {text_of(place, node, key)};
  const toml::array* array = node.as_array();
  if (array == nullptr) place.refuse(node, key, "must be a text or a list of texts");
  if (array->empty()) place.refuse(node, key, "is an empty list");
  if (array->size() > kMostPatterns) place.refuse(node, key, fmt::format("lists more than {} texts", kMostPatterns));
  std::vector<std::string> texts;
  for (const toml::node& element : *array) texts.push_back(text_of(place, element, key));
  return texts;
}

double number_of(const Place& place, const toml::node& node, const std::string& key, double least, double most) {
  const std::optional<double> value = node.is_number() ? node.value<double>() : std::nullopt;
  if (!value) place.refuse(node, key, "must be a number");
  if (!std::isfinite(*value) || *value < least || *value > most)
    place.refuse(node, key, fmt::format("must be from {} to {}", number_text(least), number_text(most)));
  return *value;
}

int integer_of(const Place& place, const toml::node& node, const std::string& key, int least, int most) {
  if (!node.is_integer()) place.refuse(node, key, "must be a whole number");
  return static_cast<int>(number_of(place, node, key, least, most));
}

std::string choice_of(const Place& place, const toml::node& node, const std::string& key,
                      const std::vector<std::string>& allowed) {
  const std::string text = text_of(place, node, key);
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end())
    place.refuse(node, key, fmt::format("\"{}\" is none of {}{}", text, listed(allowed), did_you_mean(text, allowed)));
  return text;
}

const toml::table& table_of(const Place& place, const toml::node& node, const std::string& key) {
  const toml::table* table = node.as_table();
  if (table == nullptr) place.refuse(node, key, "must be a table");
  return *table;
}

Condition text_condition(const Place& place, const toml::node& node, const std::string& key) {
  Condition condition;
  condition.key = key;
  condition.line = line_of(node);
  condition.patterns = texts_of(place, node, key);
  for (const std::string& pattern : condition.patterns) condition.folded.push_back(folded(pattern));
  return condition;
}

/// "0018,1030", "(0018,1030)", "00181030" or a keyword.
std::optional<std::uint32_t> tag_named(std::string_view name) {
  std::string digits;
  for (const char c : name)
    if (c != '(' && c != ')' && c != ',') digits += c;
  if (digits.size() == 8 && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos)
    return static_cast<std::uint32_t>(std::stoul(digits, nullptr, 16));
  return dicom::tag_of(name);
}

Condition tag_condition(const Place& place, const toml::node& node, const std::string& name, const std::string& key) {
  const std::optional<std::uint32_t> tag = tag_named(name);
  if (!tag)
    place.refuse(node, key, fmt::format("\"{}\" is no tag (\"0018,1030\") and no keyword of the dictionary", name));
  Condition condition;
  if (const toml::table* range = node.as_table()) {
    for (const auto& [bound, value] : *range) {
      const std::string bound_key = key + "." + std::string(bound.str());
      if (bound.str() == "min")
        condition.least = number_of(place, value, bound_key, -1e12, 1e12);
      else if (bound.str() == "max")
        condition.most = number_of(place, value, bound_key, -1e12, 1e12);
      else
        place.refuse(value, bound_key, "is neither min nor max" + did_you_mean(bound.str(), {"min", "max"}));
    }
    if (!condition.numeric()) place.refuse(node, key, "needs min, max or both");
    condition.key = key;
    condition.line = line_of(node);
  } else {
    condition = text_condition(place, node, key);
  }
  condition.tags = {*tag};
  const std::string keyword = dicom::keyword_of(*tag);
  condition.name = fmt::format("{}({:04X},{:04X})", keyword.empty() ? "" : keyword + " ", *tag >> 16U, *tag & 0xFFFFU);
  return condition;
}

std::vector<Condition> order_conditions(const Place& place, const toml::table& table, const std::string& key) {
  std::vector<Condition> conditions;
  for (const auto& [name, node] : table) {
    const std::string whole = key + "." + std::string(name.str());
    if (name.str() != "priority" && name.str() != "procedure")
      place.refuse(node, whole, "is no key of order" + did_you_mean(name.str(), {"priority", "procedure"}));
    Condition condition = text_condition(place, node, whole);
    condition.name = "order " + std::string(name.str());
    condition.source =
        name.str() == "priority" ? Condition::Source::order_priority : Condition::Source::order_procedure;
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

/// age_min, age_max and age_unknown make one condition; so do the two bounds of instances.
void add_numbers(const Place& place, const toml::table& table, const std::string& path,
                 std::vector<Condition>& conditions) {
  long line = 0;
  const auto bound = [&](const char* name, double most) -> std::optional<double> {
    const toml::node* node = table.get(name);
    if (node == nullptr) return std::nullopt;
    line = line_of(*node);
    return number_of(place, *node, path + "." + name, 0, most);
  };
  Condition age;
  age.key = path + ".age";
  age.name = "age";
  age.source = Condition::Source::age;
  age.least = bound("age_min", 150);
  age.most = bound("age_max", 150);
  age.line = line;
  const toml::node* unknown = table.get("age_unknown");
  if (unknown != nullptr) age.unknown_holds = choice_of(place, *unknown, path + ".age_unknown", {"yes", "no"}) == "yes";
  if (age.numeric() && !unknown)
    place.refuse(table, path + ".age_unknown", "is missing: say \"yes\" or \"no\" for patients whose age is not known");
  if (unknown != nullptr && !age.numeric())
    place.refuse(*unknown, path + ".age_unknown", "is of no use without age_min or age_max");
  if (age.least && age.most && *age.least > *age.most) place.refuse(table, path + ".age_min", "is above age_max");
  if (age.numeric()) conditions.push_back(age);
  Condition instances;
  instances.key = path + ".instances";
  instances.name = "number of instances";
  instances.source = Condition::Source::instances;
  instances.least = bound("instances_min", 1e9);
  instances.most = bound("instances_max", 1e9);
  instances.line = line;
  if (instances.least && instances.most && *instances.least > *instances.most)
    place.refuse(table, path + ".instances_min", "is above instances_max");
  if (instances.numeric()) conditions.push_back(instances);
}

std::vector<Condition> conditions_of(const Place& place, const toml::table& table, const std::string& path) {
  std::vector<Condition> conditions;
  for (const auto& [name, node] : table) {
    const std::string word(name.str());
    const std::string key = path + "." + word;
    const auto known = std::find_if(text_keys().begin(), text_keys().end(),
                                    [&](const TextKey& candidate) { return candidate.key == word; });
    if (known != text_keys().end()) {
      Condition condition = text_condition(place, node, key);
      condition.key = word;
      condition.name = known->name;
      condition.source = known->source;
      condition.tags = known->tags;
      if (word == "sex")
        for (const std::string& sex : condition.patterns)
          if (sex != "M" && sex != "F" && sex != "O") place.refuse(node, key, "\"" + sex + "\" is none of M, F, O");
      conditions.push_back(std::move(condition));
    } else if (word == "tag") {
      for (const auto& [tag, value] : table_of(place, node, key))
        conditions.push_back(tag_condition(place, value, std::string(tag.str()), key + "." + std::string(tag.str())));
    } else if (word == "order") {
      for (Condition& condition : order_conditions(place, table_of(place, node, key), key))
        conditions.push_back(std::move(condition));
    } else if (std::find(kOtherKeys.begin(), kOtherKeys.end(), word) == kOtherKeys.end()) {
      std::vector<std::string> all = words(kOtherKeys);
      for (const TextKey& candidate : text_keys()) all.emplace_back(candidate.key);
      place.refuse(node, key, "there is no such condition" + did_you_mean(word, all));
    }
  }
  add_numbers(place, table, path, conditions);
  std::stable_sort(conditions.begin(), conditions.end(),
                   [](const Condition& a, const Condition& b) { return a.line < b.line; });
  return conditions;
}

std::map<std::string, std::string> options_of(const Place& place, const toml::table& table) {
  std::map<std::string, std::string> options;
  for (const auto& [name, node] : table) {
    const std::string key = "options." + std::string(name.str());
    std::string value;
    if (node.is_boolean())
      value = *node.value<bool>() ? "true" : "false";
    else if (node.is_integer())
      value = std::to_string(*node.value<std::int64_t>());
    else if (node.is_floating_point())
      value = number_text(*node.value<double>());
    else
      value = text_of(place, node, key);
    options.emplace(name.str(), std::move(value));
  }
  return options;
}

/// Name and cog first: every later error names the rule.
Rule named_rule(Place& place, const toml::table& table, const std::vector<CogFacts>& cogs) {
  Rule rule;
  rule.line = line_of(table);
  const toml::node* name = table.get("name");
  if (name == nullptr) place.refuse(table, "name", "is missing");
  rule.step.rule = text_of(place, *name, "name");
  place.rule = rule.step.rule;
  const toml::node* cog = table.get("cog");
  if (cog == nullptr) place.refuse(table, "cog", "is missing");
  rule.step.cog = text_of(place, *cog, "cog");
  const CogFacts* known = find_cog(cogs, rule.step.cog);
  if (known == nullptr) {
    std::vector<std::string> names;
    for (const CogFacts& candidate : cogs) names.push_back(candidate.name);
    place.refuse(*cog, "cog",
                 fmt::format("there is no cog \"{}\"{}", rule.step.cog, did_you_mean(rule.step.cog, names)));
  }
  rule.step.waits_for = upstream_of(*known);
  return rule;
}

void read_key(const Place& place, const std::string& key, const toml::node& node, Rule& rule) {
  Step& step = rule.step;
  if (key == "when") {
    rule.when = conditions_of(place, table_of(place, node, key), key);
  } else if (key == "unless") {
    rule.unless = conditions_of(place, table_of(place, node, key), key);
  } else if (key == "priority") {
    const std::string word = choice_of(place, node, key, words(kPriorities));
    step.priority =
        static_cast<Priority>(std::find(kPriorities.begin(), kPriorities.end(), word) - kPriorities.begin());
  } else if (key == "deadline_s") {
    step.deadline_s = number_of(place, node, key, 1, kLongestDeadline_s);
  } else if (key == "priors") {
    step.priors = integer_of(place, node, key, 0, kMostPriors);
  } else if (key == "companion") {
    step.companion = text_of(place, node, key);
  } else if (key == "destinations") {
    step.destinations = texts_of(place, node, key);
  } else if (key == "options") {
    step.options = options_of(place, table_of(place, node, key));
  } else if (key == "stop") {
    if (!node.is_boolean()) place.refuse(node, key, "must be true or false");
    rule.stop = *node.value<bool>();
  } else if (key != "name" && key != "cog") {
    place.refuse(node, key, "there is no such key" + did_you_mean(key, words(kRuleKeys)));
  }
}

Rule read_rule(Place place, const toml::table& table, const std::vector<CogFacts>& cogs) {
  Rule rule = named_rule(place, table, cogs);
  for (const auto& [key, node] : table) read_key(place, std::string(key.str()), node, rule);
  return rule;
}

toml::table parsed(std::string_view text, const std::string& file) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::RulesInvalid,
                fmt::format("line {}: {}", error.source().begin.line, std::string_view(error.description())))
        .file(file);
  }
}

}  // namespace

Rules rules_from_text(std::string_view text, const std::vector<CogFacts>& cogs, const std::string& name_for_errors) {
  Rules rules;
  rules.cogs = cogs;
  const toml::table document = parsed(text, name_for_errors);
  for (const auto& [key, node] : document)
    if (key.str() != "rule")
      throw Error(ErrorCode::RulesInvalid, fmt::format("line {}, {}: only [[rule]] may stand here{}", line_of(node),
                                                       key.str(), did_you_mean(key.str(), {"rule"})))
          .file(name_for_errors);
  if (document.empty()) {
    rules.rules = built_in_rules(cogs);
    return rules;
  }
  const toml::array* array = document.get_as<toml::array>("rule");
  if (array == nullptr || (!array->empty() && !array->is_array_of_tables()))
    throw Error(ErrorCode::RulesInvalid,
                fmt::format("line {}, rule: is written [[rule]]", line_of(*document.get("rule"))))
        .file(name_for_errors);
  if (array->size() > kMostRules)
    throw Error(ErrorCode::RulesInvalid, fmt::format("more than {} rules", kMostRules)).file(name_for_errors);
  std::map<std::string, long> lines;
  for (const toml::node& node : *array) {
    const Place place{name_for_errors, fmt::format("number {}", rules.rules.size() + 1)};
    Rule rule = read_rule(place, *node.as_table(), cogs);
    const auto [first, added] = lines.emplace(rule.step.rule, rule.line);
    if (!added)
      Place{name_for_errors, rule.step.rule}.refuse(
          node, "name", fmt::format("the rule of line {} has this name already", first->second));
    rules.rules.push_back(std::make_shared<const Rule>(std::move(rule)));
  }
  check_roles(rules, name_for_errors);
  return rules;
}

}  // namespace rouage::route
