/// Child processes (route/child.h) that do the work of one run, served by one thread: pixels are decoded and nets run
/// there, never here. A child that crashes, hangs or eats memory ends one item; the next item gets a fresh child.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rouage::app {

struct PoolOptions {
  int children = 1;
  std::uint64_t memory_mb = 4096;  ///< address space of a child (RLIMIT_AS); 0: no limit
  double deadline_s = 300;         ///< an item that takes longer is killed
  std::string settings_json;       ///< first line that a child reads
  /// Given a child's first line when it is not empty: why it cannot work. It throws, and the run ends.
  std::function<void(const std::string&)> unfit;
};

/// How one item ended.
struct PoolOutcome {
  bool answered = false;
  std::string answer;   ///< the child's line
  std::string failure;  ///< when not answered: "crashed (signal 11)", "took longer than 300 s", ...
};

class WorkerPool {
 public:
  explicit WorkerPool(PoolOptions options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs all requests; `done(index, outcome)` is called on this thread, in the order of completion. `request(index)`
  /// is asked only when a child is free, so that a million items need no memory. Stops early when `stop()` is true
  /// (nothing new is started, running items are finished).
  void run(std::size_t count, const std::function<std::string(std::size_t)>& request,
           const std::function<void(std::size_t, const PoolOutcome&)>& done, const std::function<bool()>& stop);

 private:
  struct Worker;
  PoolOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace rouage::app
