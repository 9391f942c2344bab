#include <array>
#include <utility>

#include "store/store.h"

namespace rouage::store {
namespace {

constexpr std::array<std::pair<Policy, const char*>, 4> kPolicies = {{{Policy::at_once, "at_once"},
                                                                      {Policy::after_first_read, "after_first_read"},
                                                                      {Policy::after_signature, "after_signature"},
                                                                      {Policy::never, "never"}}};

}  // namespace

std::string policy_name(Policy policy) {
  for (const auto& [one, name] : kPolicies)
    if (one == policy) return name;
  return {};
}

std::optional<Policy> policy_of(std::string_view name) {
  for (const auto& [policy, text] : kPolicies)
    if (name == text) return policy;
  return {};
}

ExitAnswer PolicyOnlyPermit::ask(const ExitRequest& request) const {
  switch (request.policy) {
    case Policy::at_once:
      return {true, "the destination takes results at once"};
    case Policy::after_first_read:
      return {false, "waits for a first read, and there is no reading room"};
    case Policy::after_signature:
      return {false, "waits for a signature, and there is no reading room"};
    case Policy::never:
      break;
  }
  return {false, "the destination never takes results"};
}

}  // namespace rouage::store
