#include "app/http_hall.h"

#include <chrono>

#include "base/service.h"

namespace rouage::app {
namespace {

Gauge& open_connections() {
  static Gauge& gauge = metrics().gauge("rouage_http_connections", "HTTP connections that are open");
  return gauge;
}

}  // namespace

bool Hall::may_enter(const std::string& address) {
  static Counter& refused = metrics().counter("rouage_http_connections_refused_total", "over a limit of connections");
  const std::lock_guard lock(mutex_);
  const bool full = links_.size() >= static_cast<std::size_t>(options.max_connections);
  const auto here = by_address_.find(address);
  if (stopping || full || (here != by_address_.end() && here->second >= options.max_connections_per_address)) {
    refused.add();
    return false;
  }
  ++by_address_[address];
  return true;
}

void Hall::enter(const std::shared_ptr<Link>& link) {
  open_connections().add(1);
  const std::lock_guard lock(mutex_);
  links_.insert(link);
}

void Hall::leave(const std::shared_ptr<Link>& link, const std::string& address) {
  open_connections().add(-1);
  {
    const std::lock_guard lock(mutex_);
    links_.erase(link);
    if (--by_address_[address] <= 0) by_address_.erase(address);
  }
  left_.notify_all();
}

std::vector<std::shared_ptr<Link>> Hall::inside() {
  const std::lock_guard lock(mutex_);
  return {links_.begin(), links_.end()};
}

bool Hall::wait_empty(double patience_s) {
  std::unique_lock lock(mutex_);
  return left_.wait_for(lock, std::chrono::duration<double>(std::max(0.0, patience_s)),
                        [this] { return links_.empty(); });
}

}  // namespace rouage::app
