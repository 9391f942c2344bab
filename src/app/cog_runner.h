/// One work item from objects to results: cogs run in children, results are recorded and their deliveries planned in
/// one transaction with the end of the item.
///
///   CogRunner runner(options, store, items, deliveries, headers);
///   runner.warm(2);                                     // children that have their nets open before the first item
///   RunOutcome outcome = runner.run(item, cancelled);   // a route::Executor
///
/// FOLDER/work holds what is being made, FOLDER/results/<study>/<cog>/films/<film> what was made beside the DICOM
/// objects (JSON, FHIR, picture); the objects themselves go to the store.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "app/film_job.h"
#include "receive/header_reader.h"
#include "results/delivery.h"
#include "route/route.h"
#include "store/store.h"

namespace rouage::app {

struct CogRunnerOptions {
  RunSettings settings;  ///< of every cog; the cog's name and the item's own options are set per item
  std::filesystem::path folder;
  std::map<std::string, route::CogLimits> limits;
  double deadline_s = 300;
  int tries = 3;  ///< after the last one "AI unavailable" is said
};

class CogRunner {
 public:
  CogRunner(CogRunnerOptions options, store::Store& store, route::Items& items, results::Deliveries& deliveries,
            receive::HeaderReader& headers);
  ~CogRunner();
  /// Never throws. Thread-safe.
  route::RunOutcome run(const route::Item& item, const std::function<bool()>& cancelled);
  /// Says "AI unavailable" for an item that will not run (parked, expired). Thread-safe, once per item in effect.
  void say_unavailable(const route::Item& item, results::UnavailableReason reason, const std::string& why);
  /// Removes what lies beside the objects of a study that retention removed.
  void forget(const std::string& study_instance_uid);
  /// Starts children with this cog's nets open. Errors: what a child says of itself (PackageDigest, RuntimeMissing...).
  void warm(const std::string& cog, int children);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::app
