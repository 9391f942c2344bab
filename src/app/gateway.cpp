#include "app/gateway.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "app/audited_sink.h"
#include "app/cog_runner.h"
#include "app/commitments.h"
#include "app/dicomweb_routes.h"
#include "app/gateway_answers.h"
#include "app/operations_routes.h"
#include "app/priors_fetcher.h"
#include "app/systemd_notify.h"
#include "app/ups_routes.h"
#include "base/host.h"
#include "cogs/cog.h"
#include "receive/dimse_front.h"
#include "receive/folder.h"
#include "receive/header_reader.h"
#include "receive/hl7.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

constexpr double kLongestSleep = 5, kHousekeeping = 600, kItemsKept = 180 * 86400.0;
constexpr std::size_t kExpiredAtOnce = 1000;

std::vector<std::string> model_folders(const ModelSettings& models) {
  std::vector<std::string> folders = models.folders;
  folders.push_back((product_folder() / "models").string());
  return folders;
}

CogRunnerOptions runner_options(const Config& config) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  CogRunnerOptions options;
  options.settings.language = config.language;
  options.settings.provider = config.models.provider;
  options.settings.model_folders = model_folders(config.models);
  options.settings.packages = config.models.packages;
  options.settings.options = config.models.options;
  options.settings.pictures = config.pictures;
  options.settings.threads =
      config.models.threads > 0 ? config.models.threads : std::max(1, cores / config.route.limits.workers);
  options.folder = fs::absolute(config.store.folder);
  options.limits = config.route.limits.cogs;
  options.deadline_s = config.route.item_deadline_s;
  options.tries = config.route.retry.tries;
  return options;
}

AuditOptions audit_options(const Config& config) {
  AuditOptions options;
  options.source.source_id = config.ae_title;
  options.syslog = config.audit.syslog;
  options.authorities = config.audit.authorities;
  options.certificate = config.audit.certificate;
  options.key = config.audit.key;
  options.file = config.audit.file;
  return options;
}

route::Rules rules_of(const Config& config) {
  if (config.route.rules.empty()) return route::rules_from_text("", cog_facts(), "built-in rules");
  route::Rules rules = route::read_rules(config.route.rules, cog_facts());
  for (const std::string& name : route::destinations_of(rules))
    if (std::none_of(config.destinations.begin(), config.destinations.end(),
                     [&](const results::Destination& d) { return d.name == name; }))
      throw Error(ErrorCode::RulesInvalid, "a rule sends to \"" + name + "\", which is no [[destination]]")
          .file(config.route.rules);
  return rules;
}

}  // namespace

struct Gateway::State {
  explicit State(Config given)
      : config(std::move(given)),
        store(config.store),
        rules(rules_of(config)),
        items(store.database(), config.route.retry),
        deliveries(store.database(), config.destinations, permit, config.ae_title),
        trail(audit_options(config)),
        sink(store, trail, config.ae_title, config.dimse.address),
        gate(std::make_shared<receive::PriorsGate>(sink)),
        priors(config, store, gate, headers),
        runner(runner_options(config), store, items, deliveries, headers),
        dispatcher(items, config.route.limits,
                   [this](const route::Item& item, const std::function<bool()>& cancelled) {
                     if (item.priors > 0) priors.fetch_for(item);
                     return runner.run(item, cancelled);
                   }),
        commitments(store, config.ae_title,
                    [this](const std::string& ae, const std::string&) { return configured_peer(config, ae); }),
        answers(config, store, deliveries, commitments, trail) {
    store.set_permit(&permit);
    deliveries.on_delivered([this](const results::Destination& destination, const std::string& study,
                                   const std::string& sop_class) { answers.delivered(destination, study, sop_class); });
    store.on_change([this] { wake(); });
    store.on_series([this](store::Transaction& tx, const store::SeriesReady& series) { plan(tx, series); });
  }

  void plan(store::Transaction& tx, const store::SeriesReady& series);
  void look_after_series();
  void housekeeping();
  void say_expired();
  void open_doors();
  void wake();
  std::vector<std::string> not_ready() const;
  std::shared_ptr<const Operations> operations();

  Config config;
  store::PolicyOnlyPermit permit;
  store::Store store;
  route::Rules rules;
  route::Items items;
  results::Deliveries deliveries;
  receive::HeaderReader headers;
  ObjectReader objects;
  ObjectReader rule_reader{{.children = 1, .deadline_s = 5}};  ///< asked in a transaction: never for long
  AuditTrail trail;
  AuditedSink sink;
  std::shared_ptr<receive::PriorsGate> gate;
  PriorsFetcher priors;
  CogRunner runner;
  route::Dispatcher dispatcher;
  Commitments commitments;
  GatewayAnswers answers;
  std::unique_ptr<receive::DimseFront> dimse;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<receive::MllpServer> mllp;
  std::vector<std::unique_ptr<receive::FolderWatch>> folders;
  mutable std::mutex mutex;
  std::condition_variable changed;
  bool something_new = false, stopping = false, stopped = false;
  std::thread looker;
  std::set<std::int64_t> expired_said;  ///< of this run, so that the index is asked once; of the looker only
  double started_s = utc_now_s();
};

/// What must follow a complete series is recorded with the judgement itself.
void Gateway::State::plan(store::Transaction& tx, const store::SeriesReady& series) {
  if (series.prior) return;  // fetched to be compared with, not to be worked on
  const route::SeriesFacts facts = series_facts(store, rules.tags(), series, [this](const fs::path& file) {
    try {
      return dicom::attributes_from_json(rule_reader.json(file, ""));
    } catch (const Error& error) {
      log_event(LogLevel::warning, "route", "a rule asks for an attribute that cannot be read: taken as absent",
                {{"why", error.what()}});
      return dicom::Attributes{};
    }
  });
  const route::Explanation explanation = route::explain(rules, facts);
  items.plan(tx, explanation, series);
  log_event(LogLevel::info, "route", "series complete",
            {patient_field("series", series.series_instance_uid),
             {"modality", series.modality},
             {"sender", series.sender},
             {"instances", std::to_string(series.instances)},
             {"version", std::to_string(series.version)},
             {"why", series.reason},
             {"steps", std::to_string(explanation.steps.size())}});
}

void Gateway::State::wake() {
  {
    const std::lock_guard lock(mutex);
    something_new = true;
  }
  changed.notify_all();
}

void Gateway::State::look_after_series() {
  double cleaned_s = monotonic_s(), expired_s = 0, fed_s = 0;
  const std::optional<double> watchdog_s = watchdog_period_s();
  while (true) {
    double wait_s = kLongestSleep;
    try {
      if (monotonic_s() - expired_s > kLongestSleep) {
        expired_s = monotonic_s();
        say_expired();
      }
      wait_s = std::min(store.look(), watchdog_s.value_or(kLongestSleep));
      // Only a loop that the store answers feeds the watchdog.
      if (watchdog_s && monotonic_s() - fed_s >= *watchdog_s) {
        notify_systemd("WATCHDOG=1");
        fed_s = monotonic_s();
      }
      if (monotonic_s() - cleaned_s > kHousekeeping) {
        cleaned_s = monotonic_s();
        housekeeping();
      }
    } catch (const Error& error) {
      log_event(LogLevel::error, "store", "looking after the series failed; again soon", {{"why", error.what()}});
    }
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::duration<double>(std::clamp(wait_s, 0.005, kLongestSleep)),
                     [this] { return something_new || stopping; });
    something_new = false;
    if (stopping) return;
  }
}

/// An item whose deadline passed before its turn is said to the study as any other that gives no result.
void Gateway::State::say_expired() {
  for (const route::Item& item : items.list(route::ItemState::expired, "", kExpiredAtOnce))
    if (expired_said.insert(item.id).second && items.outputs(item.id).empty())
      runner.say_unavailable(item, results::UnavailableReason::expired, "its deadline passed before its turn came");
}

/// Retention: a study that is still worked on or not delivered stays.
void Gateway::State::housekeeping() {
  std::vector<std::string> given_up;
  const int removed = store.expire(utc_now_s(), [&](const std::string& study) {
    const bool wanted = items.pending(study) || deliveries.wanted(study);
    if (!wanted) given_up.push_back(study);
    return wanted;
  });
  for (const std::string& study : given_up)
    if (store
            .objects({.patient_id = {},
                      .study_instance_uid = study,
                      .series_instance_uid = {},
                      .sop_instance_uid = {},
                      .inside = true})
            .empty())
      runner.forget(study);
  items.forget(utc_now_s() - kItemsKept);
  if (removed > 0)
    log_event(LogLevel::info, "store", "studies removed by the retention rule", {{"count", std::to_string(removed)}});
}

std::vector<std::string> Gateway::State::not_ready() const {
  std::vector<std::string> reasons;
  if (const auto full = store.no_room(0)) reasons.emplace_back(full->what());
  {
    const std::lock_guard lock(mutex);
    if (stopping) reasons.emplace_back("stopping");
  }
  return reasons;
}

std::shared_ptr<const Operations> Gateway::State::operations() {
  Operations o;
  o.store = &store;
  o.items = &items;
  o.dispatcher = &dispatcher;
  o.deliveries = &deliveries;
  o.warnings = warnings_of(config);
  o.not_ready = [this] { return not_ready(); };
  o.language = config.language;
  o.started_s = started_s;
  o.ae_title = config.ae_title;
  o.dimse_port = dimse ? dimse->port() : 0;
  o.mllp_port = mllp ? mllp->port() : 0;
  return std::make_shared<const Operations>(std::move(o));
}

namespace {

receive::DimseFrontOptions dimse_options(const Config& config) {
  receive::DimseFrontOptions options;
  options.address = config.dimse.address;
  options.port = config.dimse.port;
  options.max_associations = config.dimse.max_associations;
  options.max_per_address = config.dimse.max_per_address;
  options.patience_s = config.stop_patience_s;
  options.log = config.log;
  options.server.ae_title = config.ae_title;
  if (!config.dimse.any_called_ae) options.server.called_titles = {config.ae_title};
  options.server.idle_timeout_s = config.dimse.idle_timeout_s;
  const TlsSettings& tls = config.dimse.tls;
  if (!tls.certificate.empty())
    options.server.tls = dimse::TlsFiles{tls.certificate, tls.key, tls.authorities, tls.verify_peer};
  for (const AllowedCaller& allowed : config.dimse.allowed) {
    receive::AllowedPeer peer{allowed.ae_title, {}};
    if (!allowed.address.empty()) peer.addresses.push_back(allowed.address);
    options.allowed.push_back(std::move(peer));
  }
  return options;
}

}  // namespace

void Gateway::State::open_doors() {
  if (config.dimse.on) dimse = std::make_unique<receive::DimseFront>(dimse_options(config), *gate, answers);
  if (config.mllp.on) {
    receive::MllpOptions options;
    options.address = config.mllp.address;
    options.port = config.mllp.port;
    options.allowed = config.mllp.allowed;
    options.hl7.application = config.ae_title;
    mllp = std::make_unique<receive::MllpServer>(options, sink);
    mllp->start();
  }
  for (const FolderSettings& folder : config.folders) {
    receive::FolderOptions options;
    options.folder = folder.path;
    options.state = fs::absolute(config.store.folder) / "run";
    options.after = folder.after == "delete" ? receive::AfterTaking::remove
                    : folder.after == "move" ? receive::AfterTaking::move
                                             : receive::AfterTaking::keep;
    options.move_refused = folder.after != "keep";
    folders.push_back(std::make_unique<receive::FolderWatch>(
        options, sink, [this](const fs::path& file) { return headers.read(file); }));
    folders.back()->start();
  }
  if (config.http_on) {
    Routes routes;
    add_operations_routes(routes, operations());
    DicomWebContext web{.store = store, .sink = sink, .headers = headers, .objects = objects, .public_url = {}};
    web.policy = config.dicomweb_policy;
    add_dicomweb_routes(routes, web);
    add_ups_routes(routes, std::make_shared<route::Ups>(items, ups_sources(store, permit, config.dicomweb_policy,
                                                                           cog_facts(), config.ae_title)));
    http = std::make_unique<HttpServer>(config.http, std::move(routes));
    http->start();
  }
}

Gateway::Gateway(Config config) : state_(std::make_unique<State>(std::move(config))) {}

Gateway::~Gateway() {
  stop();
}

void Gateway::start() {
  State& s = *state_;
  s.trail.record(audit_started(true, "rouage serve"));
  const int again = s.items.recover();
  if (again > 0)
    log_event(LogLevel::warning, "route", "items that were at work when the gateway ended are due again",
              {{"count", std::to_string(again)}});
  s.deliveries.start();
  s.commitments.start();
  s.dispatcher.start();
  s.looker = std::thread([&s] { s.look_after_series(); });
  for (const cogs::Cog& cog : cogs::all_cogs()) s.runner.warm(cog.name, std::min(2, s.config.route.limits.workers));
  s.open_doors();
}

void Gateway::stop() {
  State& s = *state_;
  if (s.stopped) return;
  s.stopped = true;
  const double patience_s = s.config.stop_patience_s;
  if (s.dimse) s.dimse->stop();
  if (s.mllp) s.mllp->stop(patience_s);
  for (const auto& folder : s.folders) folder->stop(patience_s);
  {
    const std::lock_guard lock(s.mutex);
    s.stopping = true;
  }
  s.changed.notify_all();
  if (s.looker.joinable()) s.looker.join();
  s.dispatcher.stop(patience_s);
  s.commitments.stop();
  s.deliveries.stop(patience_s);
  if (s.http) s.http->stop(patience_s);  // last, so that /ready and the status page can say that it stops
  s.trail.record(audit_started(false, "rouage serve"));
  s.trail.stop(5);
}

int Gateway::dimse_port() const {
  return state_->dimse ? state_->dimse->port() : 0;
}
int Gateway::http_port() const {
  return state_->http ? state_->http->port() : 0;
}
int Gateway::mllp_port() const {
  return state_->mllp ? state_->mllp->port() : 0;
}

}  // namespace rouage::app
