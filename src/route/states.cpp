#include "route/route.h"

namespace rouage::route {

std::string state_name(ItemState state) {
  switch (state) {
    case ItemState::due:
      return "due";
    case ItemState::running:
      return "running";
    case ItemState::done:
      return "done";
    case ItemState::failed:
      return "failed";
    case ItemState::parked:
      return "parked";
    case ItemState::cancelled:
      return "cancelled";
    case ItemState::expired:
      break;
  }
  return "expired";
}

}  // namespace rouage::route
