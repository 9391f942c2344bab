#include "app/cog_children.h"

#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace {

std::unique_ptr<route::Child> make_child(const std::string& hello, std::uint64_t memory_mb) {
  return std::make_unique<route::Child>(
      route::ChildSettings{.program = program_path().string(),
                           .arguments = {"work", "--child", "--memory-mb", std::to_string(memory_mb), "--parent",
                                         std::to_string(::getpid())},
                           .environment = {{"GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"}},
                           .memory_mb = memory_mb,
                           .address_space_mb = 0,
                           .hello = hello,
                           .greets = true});
}

}  // namespace

struct CogChildren::State {
  struct Idle {
    std::string key;
    std::unique_ptr<route::Child> child;
  };
  int idle_most = 1;
  std::mutex mutex;
  std::condition_variable wanted;
  std::deque<Idle> idle;  ///< the longest idle first
  bool stopping = false;
  std::deque<std::pair<std::string, std::uint64_t>> to_start;  ///< key (the settings), memory
  std::thread starter;  ///< a child dies with the thread that started it, so this one lives as long as we do

  void put_back(const std::string& key, std::unique_ptr<route::Child> child) {
    if (!child->alive() || child->at_work()) return;
    std::unique_ptr<route::Child> surplus;
    {
      const std::lock_guard lock(mutex);
      if (stopping) return;
      idle.push_back({key, std::move(child)});
      if (static_cast<int>(idle.size()) > idle_most) {
        surplus = std::move(idle.front().child);
        idle.pop_front();
      }
    }
  }

  void start_children() {
    std::unique_lock lock(mutex);
    while (true) {
      wanted.wait(lock, [this] { return stopping || !to_start.empty(); });
      if (stopping) return;
      const auto [key, memory_mb] = to_start.front();
      to_start.pop_front();
      lock.unlock();
      try {
        auto child = make_child(key, memory_mb);
        child->start();
        put_back(key, std::move(child));
      } catch (const Error& error) {
        log_event(LogLevel::error, "route", "a worker cannot be started", {{"why", error.what()}});
      }
      lock.lock();
    }
  }
};

CogChildren::CogChildren(int idle_most) : state_(std::make_unique<State>()) {
  state_->idle_most = idle_most;
  state_->starter = std::thread([state = state_.get()] { state->start_children(); });
}

CogChildren::~CogChildren() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wanted.notify_all();
  for (State::Idle& idle : state_->idle) idle.child->kill();
  state_->starter.join();
}

CogChildren::Loan::Loan(CogChildren& home, std::string key, std::unique_ptr<route::Child> child)
    : home_(&home), key_(std::move(key)), child_(std::move(child)) {}

CogChildren::Loan::~Loan() {
  if (child_) home_->state_->put_back(key_, std::move(child_));
}

route::ChildAnswer CogChildren::Loan::ask(const std::string& line, double deadline_s,
                                          const std::function<bool()>& cancelled) {
  return child_->ask(line, deadline_s, cancelled);
}

CogChildren::Loan CogChildren::borrow(const RunSettings& settings, std::uint64_t memory_mb) {
  const std::string key = settings_to_json(settings);
  {
    const std::lock_guard lock(state_->mutex);
    // The latest that came back is the warmest.
    for (auto idle = state_->idle.rbegin(); idle != state_->idle.rend(); ++idle)
      if (idle->key == key) {
        Loan loan(*this, key, std::move(idle->child));
        state_->idle.erase(std::next(idle).base());
        return loan;
      }
  }
  return {*this, key, make_child(key, memory_mb)};
}

void CogChildren::warm(const RunSettings& settings, std::uint64_t memory_mb, int count) {
  {
    const std::lock_guard lock(state_->mutex);
    for (int i = 0; i < count; ++i) state_->to_start.emplace_back(settings_to_json(settings), memory_mb);
  }
  state_->wanted.notify_all();
}

}  // namespace rouage::app
