/// The one configuration file of `rouage serve` (docs/formats/config.md): TOML, read strictly.
///
///   Config config = read_config("rouage.toml");     // or demo_config(): loopback, results leave at once
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/http.h"
#include "base/service.h"
#include "results/delivery.h"
#include "route/route.h"
#include "store/store.h"

namespace rouage::app {

struct AllowedCaller {
  std::string ae_title, address;  ///< "" any; address: numeric IP or CIDR block
};

struct NamedPeer {
  std::string ae_title, host;
  int port = 104;
};

struct TlsSettings {
  std::string certificate, key, authorities;  ///< PEM files; off when certificate is empty
  bool verify_peer = true;
};

struct DimseSettings {
  bool on = true;
  std::string address = "127.0.0.1";
  int port = 11112;
  int max_associations = 200, max_per_address = 50;
  double idle_timeout_s = 300;
  bool any_called_ae = true;
  std::vector<AllowedCaller> allowed;  ///< empty: everybody
  TlsSettings tls;
  store::Policy policy = store::Policy::after_first_read;  ///< of results by C-FIND, C-MOVE, C-GET
};

struct FolderSettings {
  std::filesystem::path path;
  std::string after = "keep";  ///< keep, delete, move
};

struct MllpSettings {
  bool on = false;
  std::string address = "127.0.0.1";
  int port = 2575;
  std::vector<std::string> allowed;  ///< addresses or CIDR blocks; empty: everybody
};

struct PriorsSettings {
  std::string ae_title, url;  ///< of a [[peer]], or a DICOMweb base URL; both empty: none are fetched
  std::string retrieve = "get";
  std::string bearer_token_file;
  double deadline_s = 60, years = 10;
};

struct RouteSettings {
  std::filesystem::path rules;  ///< empty: the built-in rules
  route::DispatchLimits limits;
  route::RetryRules retry;
  double item_deadline_s = 300;  ///< a child that takes longer is ended
};

struct ModelSettings {
  std::vector<std::string> folders;  ///< searched before the product's own
  std::map<std::string, std::string> packages, options;
  std::string provider = "cpu";
  int threads = 0;  ///< of one net; 0: cores / workers
};

struct AuditSettings {
  std::string syslog;                         ///< "udp://host:514", "tcp://host:601", "tls://host:6514"; "" none
  std::string authorities, certificate, key;  ///< PEM files, for tls
  std::filesystem::path file;
};

struct Config {
  std::filesystem::path source;  ///< empty: the demo configuration
  std::string language = "en";
  std::string ae_title = "ROUAGE";
  bool pictures = true;
  store::StoreOptions store;
  DimseSettings dimse;
  std::vector<NamedPeer> peers;
  HttpOptions http;
  bool http_on = true;
  store::Policy dicomweb_policy = store::Policy::after_first_read;
  std::vector<FolderSettings> folders;
  MllpSettings mllp;
  PriorsSettings priors;
  RouteSettings route;
  ModelSettings models;
  std::vector<results::Destination> destinations;
  LogOptions log;
  AuditSettings audit;
  std::string ntp_server;
  double stop_patience_s = 30;
};

/// Errors: FileMissing, ConfigInvalid (file, line, key, what is allowed).
Config read_config(const std::filesystem::path& file);
/// Loopback only, ./rouage-data, every exit `at_once`: to try it out, never for a hospital.
Config demo_config();
/// What a person should know before it runs: exits that wait for a reading room, syncing off, an open port without
/// TLS or allow list...
std::vector<std::string> warnings_of(const Config& config);

}  // namespace rouage::app
