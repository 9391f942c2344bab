#include "app/worker_pool.h"

#include <unistd.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/host.h"
#include "route/child.h"

namespace rouage::app {
namespace {

constexpr std::size_t kIdle = static_cast<std::size_t>(-1);
constexpr double kLongestWait_s = 0.2;

route::ChildSettings settings_of(const PoolOptions& options) {
  return {.program = program_path().string(),
          // The limit is set by the child itself: a build with sanitizers can have none.
          .arguments = {"work", "--child", "--memory-mb", std::to_string(options.memory_mb), "--parent",
                        std::to_string(::getpid())},
          // Large pages for the heap, where the kernel offers them: a quarter of the page faults of a cold start less.
          .environment = {{"GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"}},
          .hello = options.settings_json,
          .greets = true};
}

}  // namespace

struct WorkerPool::Worker {
  explicit Worker(const PoolOptions& options) : child(settings_of(options)) {}
  route::Child child;
  std::size_t item = kIdle;
  double started_s = 0;
};

WorkerPool::WorkerPool(PoolOptions options) : options_(std::move(options)) {
  for (int i = 0; i < options_.children; ++i) workers_.push_back(std::make_unique<Worker>(options_));
}

WorkerPool::~WorkerPool() = default;

void WorkerPool::run(std::size_t count, const std::function<std::string(std::size_t)>& request,
                     const std::function<void(std::size_t, const PoolOutcome&)>& done,
                     const std::function<bool()>& stop) {
  std::size_t next = 0, running = 0;

  const auto feed = [&](Worker& worker) {
    worker.child.start();
    const std::string line = request(next);
    worker.item = next++;
    worker.started_s = monotonic_s();
    ++running;
    worker.child.send(line);
  };
  const auto settle = [&](Worker& worker, const route::ChildAnswer& said) {
    if (said.kind == route::ChildAnswer::Kind::unfit && options_.unfit) options_.unfit(said.text);
    const std::size_t item = std::exchange(worker.item, kIdle);
    --running;
    if (said.answered())
      done(item, {.answered = true, .answer = said.text, .failure = {}});
    else
      done(item, {.answered = false, .answer = {}, .failure = said.text});
  };

  while (true) {
    for (const auto& worker : workers_)
      if (next < count && worker->item == kIdle && !stop()) feed(*worker);
    if (running == 0) return;
    std::vector<route::Child*> busy;
    for (const auto& worker : workers_)
      if (worker->item != kIdle) busy.push_back(&worker->child);
    route::Child::wait(busy, kLongestWait_s);
    for (const auto& worker : workers_) {
      if (worker->item == kIdle) continue;
      if (const std::optional<route::ChildAnswer> said = worker->child.look()) {
        settle(*worker, *said);
      } else if (monotonic_s() - worker->started_s > options_.deadline_s) {
        worker->child.kill();
        settle(*worker,
               {route::ChildAnswer::Kind::too_long, "took longer than " + number_text(options_.deadline_s) + " s"});
      }
    }
  }
}

}  // namespace rouage::app
