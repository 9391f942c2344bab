#include "app/priors_fetcher.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/gateway_answers.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::app {

PriorsFetcher::PriorsFetcher(const Config& config, store::Store& store, std::shared_ptr<receive::PriorsGate> gate,
                             receive::HeaderReader& headers)
    : config_(config), store_(store), headers_(headers) {
  source_.calling_ae = config.ae_title;
  source_.bearer_token_file = config.priors.bearer_token_file;
  if (!config.priors.ae_title.empty()) {
    source_.peer = configured_peer(config, config.priors.ae_title);
    if (config.priors.retrieve == "move") {
      source_.move_to = config.ae_title;
      source_.gate = std::move(gate);
    }
  } else {
    source_.url = config.priors.url;
  }
  on_ = source_.peer.has_value() || !source_.url.empty();
}

void PriorsFetcher::fetch_for(const route::Item& item) {
  if (!on_) return;
  const std::lock_guard lock(one_at_a_time_);
  try {
    const auto objects = store_.objects({.patient_id = {},
                                         .study_instance_uid = item.study_instance_uid,
                                         .series_instance_uid = item.series_instance_uid,
                                         .sop_instance_uid = {},
                                         .inside = true});
    if (objects.empty()) return;
    receive::CurrentStudy current = receive::current_study_of(headers_.read(objects.front().file));
    current.other_ids = store_.merged_ids(current.patient_id);
    const double until_s = monotonic_s() + config_.priors.deadline_s;
    receive::PriorRules rules;
    rules.most = static_cast<std::size_t>(item.priors);
    rules.years = config_.priors.years;
    const receive::PriorsFound found = receive::find_priors(source_, rules, current, config_.priors.deadline_s / 2);
    const receive::FetchReport report = receive::fetch_priors(
        source_, found, current, store_, [this](const std::filesystem::path& file) { return headers_.read(file); },
        std::max(1.0, until_s - monotonic_s()));
    const bool whole = found.failure.empty() && report.failures.empty() && report.in_time;
    log_event(whole ? LogLevel::info : LogLevel::warning, "receive", "priors fetched",
              {patient_field("study", item.study_instance_uid),
               {"from", source_.name()},
               {"studies", std::to_string(report.studies_whole.size())},
               {"objects", std::to_string(report.objects)},
               {"failure", found.failure.empty() && !report.failures.empty() ? report.failures.front() : found.failure},
               {"seconds", fixed_text(report.seconds, 2)}});
  } catch (const std::exception& error) {
    log_event(LogLevel::warning, "receive", "priors were not fetched; the item runs without",
              {patient_field("study", item.study_instance_uid), {"why", error.what()}});
  }
}

}  // namespace rouage::app
