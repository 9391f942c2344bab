/// Relevant earlier examinations, fetched before a work item runs.
#pragma once
#include <memory>
#include <mutex>

#include "app/config.h"
#include "receive/header_reader.h"
#include "receive/priors.h"
#include "route/route.h"
#include "store/store.h"

namespace rouage::app {

class PriorsFetcher {
 public:
  /// Without a source in the configuration nothing is fetched.
  PriorsFetcher(const Config& config, store::Store& store, std::shared_ptr<receive::PriorsGate> gate,
                receive::HeaderReader& headers);
  /// At most item.priors studies, for at most the configured time. Never throws: what a peer does not give is logged,
  /// and the item runs without. Thread-safe; one fetch at a time, so that a PACS is not asked by all workers at once.
  void fetch_for(const route::Item& item);

 private:
  const Config& config_;
  store::Store& store_;
  receive::HeaderReader& headers_;
  receive::PriorsSource source_;
  bool on_ = false;
  std::mutex one_at_a_time_;
};

}  // namespace rouage::app
