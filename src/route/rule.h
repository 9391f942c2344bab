/// One [[rule]] as it was read (docs/formats/rules.md); private to the room.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "route/route.h"

namespace rouage::route {

/// One line of `when` or `unless`.
struct Condition {
  enum class Source { attributes, sender, called_ae, order_priority, order_procedure, age, instances };
  std::string key;   ///< as in the file: "modality", "tag.ProtocolName"
  std::string name;  ///< for people: "modality", "ProtocolName (0018,1030)"
  Source source = Source::attributes;
  std::vector<std::uint32_t> tags;    ///< source attributes: any of them may hold
  std::vector<std::string> patterns;  ///< texts: as written
  std::vector<std::string> folded;    ///< texts: as compared
  std::optional<double> least, most;  ///< numbers
  std::optional<bool> unknown_holds;  ///< age
  long line = 0;                      ///< in the file: explanations follow its order
  bool numeric() const { return least.has_value() || most.has_value(); }
};

struct Rule {
  Step step;                      ///< what it asks for; step.rule is its name
  std::vector<Condition> when;    ///< all must hold
  std::vector<Condition> unless;  ///< none may hold
  bool stop = false;              ///< when it fires, later rules are not looked at
  long line = 0;                  ///< of its header in the file; 0: built in
};

const CogFacts* find_cog(const std::vector<CogFacts>& cogs, const std::string& name);
/// The X of each "upstream:X" among the required roles.
std::vector<std::string> upstream_of(const CogFacts& cog);
bool requires_role(const CogFacts& cog, const std::string& role);

/// Roles and graph of all rules together. `file` for the error.  Errors: RulesInvalid.
void check_roles(const Rules& rules, const std::string& file);
/// Every cog on what it accepts.
std::vector<std::shared_ptr<const Rule>> built_in_rules(const std::vector<CogFacts>& cogs);

}  // namespace rouage::route
