#include "route/route.h"

#include <algorithm>
#include <array>

namespace rouage::route {
namespace {

constexpr std::array<std::string_view, 8> kStates{"due",    "running",   "done",    "failed",
                                                  "parked", "cancelled", "expired", "waiting"};

}  // namespace

std::string state_name(ItemState state) {
  return std::string(kStates.at(static_cast<std::size_t>(state)));
}

std::optional<ItemState> state_of(std::string_view name) {
  const auto found = std::find(kStates.begin(), kStates.end(), name);
  if (found == kStates.end()) return std::nullopt;
  return static_cast<ItemState>(found - kStates.begin());
}

}  // namespace rouage::route
