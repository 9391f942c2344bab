#include "app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/host.h"
#include "base/toml_section.h"
#include "cogs/cog.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kManyMb = 1024LL * 1024 * 1024;
constexpr double kManySeconds = 1e9;
const std::vector<std::string> kPolicies{"at_once", "after_first_read", "after_signature", "never"};

store::Policy policy_in(Section& section, store::Policy fallback) {
  return *store::policy_of(section.choice("policy", store::policy_name(fallback), kPolicies));
}

int port_in(Section& section, int fallback) {
  return static_cast<int>(section.integer("port", fallback, 0, 65535));
}

TlsSettings tls_in(Section section) {
  TlsSettings tls;
  tls.certificate = section.text("certificate", "");
  tls.key = section.text("key", "");
  tls.authorities = section.text("authorities", "");
  tls.verify_peer = section.flag("verify_peer", !tls.authorities.empty());
  if (!tls.certificate.empty() && tls.key.empty()) section.wrong("certificate", "needs key beside it");
  if (tls.verify_peer && tls.authorities.empty() && !tls.certificate.empty())
    section.wrong("verify_peer", "needs authorities: the certificates that peers are checked against");
  return tls;
}

void read_store(Section section, store::StoreOptions& store) {
  const std::string database = section.choice("database", "sqlite", {"sqlite", "postgresql"});
  store.postgresql = section.text("postgresql", "");
  if (database == "postgresql" && store.postgresql.empty())
    section.wrong("database", "is postgresql: give postgresql = \"host=... dbname=... user=...\" too");
  if (database == "sqlite" && !store.postgresql.empty())
    section.wrong("postgresql", "is given, but database is sqlite");
  store.keep_free_bytes = static_cast<std::uint64_t>(section.integer("keep_free_mb", 2048, 16, kManyMb)) * kMebibyte;
  store.keep_days = section.number("keep_days", 0, 0, 36500);
  store.keep_results_days = section.number("keep_results_days", 0, 0, 36500);
  store.flush = section.flag("flush", true);
}

void read_completeness(Section section, store::CompletenessRules& rules) {
  const auto seconds = [&](const char* key, double& value) { value = section.number(key, value, 0, kManySeconds); };
  seconds("settle_s", rules.settle_s);
  seconds("unknown_quiet_s", rules.unknown_quiet_s);
  seconds("least_quiet_s", rules.least_quiet_s);
  seconds("most_quiet_s", rules.most_quiet_s);
  seconds("open_quiet_s", rules.open_quiet_s);
  seconds("broken_quiet_s", rules.broken_quiet_s);
  seconds("give_up_s", rules.give_up_s);
}

void read_dimse(Section section, DimseSettings& dimse) {
  dimse.on = section.flag("on", dimse.on);
  dimse.address = section.text("address", dimse.address);
  dimse.port = port_in(section, dimse.port);
  dimse.max_associations = static_cast<int>(section.integer("max_associations", dimse.max_associations, 1, 10000));
  dimse.max_per_address = static_cast<int>(section.integer("max_per_address", dimse.max_per_address, 1, 10000));
  dimse.idle_timeout_s = section.number("idle_timeout_s", dimse.idle_timeout_s, 1, kManySeconds);
  dimse.any_called_ae = section.flag("any_called_ae", dimse.any_called_ae);
  dimse.policy = policy_in(section, dimse.policy);
  dimse.tls = tls_in(section.table("tls"));
  for (Section& allow : section.tables("allow")) {
    dimse.allowed.push_back({allow.text("ae", ""), allow.text("address", "")});
    if (dimse.allowed.back().ae_title.empty() && dimse.allowed.back().address.empty())
      allow.wrong("ae", "or address must be given");
  }
}

void read_http(Section section, Config& config) {
  HttpOptions& http = config.http;
  config.http_on = section.flag("on", true);
  http.address = section.text("address", http.address);
  http.port = port_in(section, http.port);
  http.handler_threads = static_cast<int>(section.integer("handler_threads", http.handler_threads, 1, 256));
  http.max_body_bytes = static_cast<std::uint64_t>(section.integer(
                            "max_body_mb", static_cast<std::int64_t>(http.max_body_bytes / kMebibyte), 1, kManyMb)) *
                        kMebibyte;
  http.max_connections = static_cast<int>(section.integer("max_connections", http.max_connections, 1, 65535));
  http.max_connections_per_address =
      static_cast<int>(section.integer("max_per_address", http.max_connections_per_address, 1, 65535));
  http.origins = section.texts("origins");
  config.dicomweb_policy = policy_in(section, config.dicomweb_policy);
  const TlsSettings tls = tls_in(section.table("tls"));
  http.certificate = tls.certificate;
  http.key = tls.key;
  http.authorities = tls.verify_peer ? tls.authorities : "";
  const std::string token_file = section.text("bearer_token_file", "");
  if (!token_file.empty()) {
    http.bearer_token = trimmed(read_text(token_file, 4096));
    if (http.bearer_token.size() < 16) section.wrong("bearer_token_file", "holds fewer than 16 characters");
  }
}

results::Destination read_destination(Section& section) {
  results::Destination d;
  d.name = section.text("name", "");
  if (d.name.empty()) section.wrong("name", "is missing");
  const std::string kind = section.choice("kind", "", {"dicom", "stow", "fhir", "folder"});
  d.policy = policy_in(section, d.policy);
  d.roles = section.texts("roles");
  d.first_wait_s = section.number("first_wait_s", d.first_wait_s, 0.05, kManySeconds);
  d.longest_wait_s = section.number("longest_wait_s", d.longest_wait_s, d.first_wait_s, kManySeconds);
  const auto needed = [&](const char* key) {
    std::string value = section.text(key, "");
    if (value.empty()) section.wrong(key, "is missing: a destination of kind " + kind + " needs it");
    return value;
  };
  if (kind == "dicom") {
    d.kind = results::DestinationKind::dicom;
    d.host = needed("host");
    d.ae_title = needed("ae");
    d.port = port_in(section, 104);
    d.commitment = section.flag("commitment", false);
    d.commitment_wait_s = section.number("commitment_wait_s", d.commitment_wait_s, 1, kManySeconds);
  } else if (kind == "folder") {
    d.kind = results::DestinationKind::folder;
    d.folder = needed("folder");
  } else {
    d.kind = kind == "stow" ? results::DestinationKind::stow : results::DestinationKind::fhir;
    d.url = needed("url");
    d.bearer_token_file = section.text("bearer_token_file", "");
    d.user = section.text("user", "");
    d.password_file = section.text("password_file", "");
  }
  const TlsSettings tls = tls_in(section.table("tls"));
  if (d.kind == results::DestinationKind::dicom && !tls.authorities.empty() && tls.certificate.empty())
    section.wrong("tls", "needs certificate, key and authorities for DICOM");
  if (!tls.certificate.empty() || !tls.authorities.empty())
    d.tls = results::TlsPaths{tls.certificate, tls.key, tls.authorities};
  return d;
}

void read_route(Section section, RouteSettings& route) {
  route.rules = section.text("rules", "");
  route.limits.workers = static_cast<int>(section.integer("workers", route.limits.workers, 1, 256));
  route.limits.memory_mb = static_cast<std::uint64_t>(section.integer("memory_mb", 0, 0, kManyMb));
  const std::int64_t reserved = route.limits.workers >= 3 ? 1 : 0;
  route.limits.for_emergencies =
      static_cast<int>(section.integer("for_emergencies", reserved, 0, route.limits.workers - 1));
  route.retry.tries = static_cast<int>(section.integer("tries", route.retry.tries, 1, 100));
  route.retry.first_wait_s = section.number("first_wait_s", route.retry.first_wait_s, 0, kManySeconds);
  route.retry.longest_wait_s = section.number("longest_wait_s", route.retry.longest_wait_s, 0, kManySeconds);
  route.item_deadline_s = section.number("item_deadline_s", route.item_deadline_s, 1, kManySeconds);
  Section cogs = section.table("cogs");
  for (auto& [name, limits] : cogs.named_tables()) {
    if (cogs::find_cog(name) == nullptr) cogs.wrong(name, "is not a cog of this program");
    route::CogLimits& cog = route.limits.cogs[name];
    cog.at_once = static_cast<int>(limits.integer("at_once", cog.at_once, 1, 256));
    cog.memory_mb =
        static_cast<std::uint64_t>(limits.integer("memory_mb", static_cast<std::int64_t>(cog.memory_mb), 256, kManyMb));
  }
}

void read_models(Section section, ModelSettings& models) {
  models.folders = section.texts("folders");
  models.provider = section.choice("provider", models.provider, {"cpu", "cuda", "tensorrt", "openvino"});
  models.threads = static_cast<int>(section.integer("threads", models.threads, 0, 1024));
  models.packages = section.table("packages").all_texts();
  models.options = section.table("options").all_texts();
}

void read_ways_in(Section& root, Config& config) {
  read_dimse(root.table("dimse"), config.dimse);
  read_http(root.table("http"), config);
  for (Section& peer : root.tables("peer")) {
    config.peers.push_back({peer.text("ae", ""), peer.text("host", ""), port_in(peer, 104)});
    if (config.peers.back().ae_title.empty()) peer.wrong("ae", "is missing");
    if (config.peers.back().host.empty()) peer.wrong("host", "is missing");
  }
  for (Section& folder : root.tables("folder")) {
    config.folders.push_back({folder.text("path", ""), folder.choice("after", "keep", {"keep", "delete", "move"})});
    if (config.folders.back().path.empty()) folder.wrong("path", "is missing");
  }
  Section mllp = root.table("mllp");
  config.mllp.on = mllp.flag("on", mllp.has("port"));
  config.mllp.address = mllp.text("address", config.mllp.address);
  config.mllp.port = port_in(mllp, config.mllp.port);
  config.mllp.allowed = mllp.texts("allow");
  Section priors = root.table("priors");
  config.priors.ae_title = priors.text("ae", "");
  config.priors.url = priors.text("url", "");
  config.priors.retrieve = priors.choice("retrieve", "get", {"get", "move"});
  config.priors.bearer_token_file = priors.text("bearer_token_file", "");
  config.priors.deadline_s = priors.number("deadline_s", config.priors.deadline_s, 1, 3600);
  config.priors.years = priors.number("years", config.priors.years, 0, 200);
  if (!config.priors.ae_title.empty() &&
      std::none_of(config.peers.begin(), config.peers.end(),
                   [&](const NamedPeer& p) { return p.ae_title == config.priors.ae_title; }))
    priors.wrong("ae", "is not the ae of any [[peer]]");
}

void read_operations(Section& root, Config& config) {
  Section log = root.table("log");
  const std::string level = log.choice("level", "info", {"debug", "info", "warning", "error"});
  config.log.least = level == "debug"     ? LogLevel::debug
                     : level == "info"    ? LogLevel::info
                     : level == "warning" ? LogLevel::warning
                                          : LogLevel::error;
  config.log.json = log.flag("json", config.log.json);
  config.log.patient_data = log.flag("patient_data", false);
  Section audit = root.table("audit");
  config.audit.syslog = audit.text("syslog", "");
  config.audit.file = audit.text("file", "");
  config.audit.authorities = audit.text("authorities", "");
  config.audit.certificate = audit.text("certificate", "");
  config.audit.key = audit.text("key", "");
  config.ntp_server = root.table("clock").text("ntp_server", "");
}

}  // namespace

Config read_config(const fs::path& file) {
  TomlFile toml(file);
  Section root = toml.root();
  Config config;
  config.source = file;
  Section site = root.table("site");
  config.language = site.choice("language", config.language, {"en", "fr"});
  config.ae_title = site.text("ae", config.ae_title);
  if (config.ae_title.empty() || config.ae_title.size() > 16) site.wrong("ae", "must have 1 to 16 characters");
  config.store.folder = site.text("data", "rouage-data");
  config.pictures = site.flag("pictures", config.pictures);
  config.stop_patience_s = site.number("stop_patience_s", config.stop_patience_s, 0, 3600);
  read_store(root.table("store"), config.store);
  read_completeness(root.table("completeness"), config.store.completeness);
  read_ways_in(root, config);
  read_route(root.table("route"), config.route);
  read_models(root.table("models"), config.models);
  for (Section& destination : root.tables("destination")) {
    config.destinations.push_back(read_destination(destination));
    const std::string& name = config.destinations.back().name;
    if (std::count_if(config.destinations.begin(), config.destinations.end(),
                      [&](const results::Destination& d) { return d.name == name; }) > 1)
      destination.wrong("name", "\"" + name + "\" is used twice");
  }
  read_operations(root, config);
  root.finish();
  return config;
}

Config demo_config() {
  Config config;
  config.dimse.policy = config.dicomweb_policy = store::Policy::at_once;
  config.log.json = false;
  return config;
}

std::vector<std::string> warnings_of(const Config& config) {
  std::vector<std::string> warnings;
  const auto waits = [](store::Policy policy) {
    return policy == store::Policy::after_first_read || policy == store::Policy::after_signature;
  };
  const auto note = [&](const std::string& exit, store::Policy policy) {
    if (waits(policy))
      warnings.push_back(
          fmt::format("{}: policy {} waits for a physician, and there is no reading room yet: no result leaves by it "
                      "(policy = \"at_once\" lets results out unread)",
                      exit, store::policy_name(policy)));
  };
  if (config.dimse.on) note("DIMSE queries", config.dimse.policy);
  if (config.http_on) note("DICOMweb", config.dicomweb_policy);
  for (const results::Destination& d : config.destinations) note("destination " + d.name, d.policy);
  const auto open_to_all = [](const std::string& address) { return address != "127.0.0.1" && address != "::1"; };
  if (config.dimse.on && open_to_all(config.dimse.address) && config.dimse.allowed.empty())
    warnings.emplace_back("DIMSE: anybody who reaches the port may send and query: add [[dimse.allow]]");
  if (config.http_on && open_to_all(config.http.address) && config.http.bearer_token.empty() &&
      config.http.authorities.empty())
    warnings.emplace_back(
        "HTTP: anybody who reaches the port may send and query: add bearer_token_file or client certificates");
  if (!config.store.flush)
    warnings.emplace_back("store.flush is off: an acknowledged object may be lost in a power cut");
  if (config.destinations.empty())
    warnings.emplace_back("no [[destination]]: results stay here, to be queried by DICOMweb or C-FIND");
  return warnings;
}

}  // namespace rouage::app
