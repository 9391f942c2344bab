#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "app/commands.h"
#include "app/gateway.h"
#include "app/systemd_notify.h"
#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "dicom/reading.h"

namespace rouage::app {
namespace {

struct ServeOptions {
  std::string config, data;
  int dimse_port = -1, http_port = -1;
  bool check = false;
};

Config config_of(const ServeOptions& options) {
  Config config = options.config.empty() ? demo_config() : read_config(options.config);
  if (!options.data.empty()) config.store.folder = options.data;
  if (options.dimse_port >= 0) config.dimse.port = options.dimse_port;
  if (options.http_port >= 0) config.http.port = options.http_port;
  if (::isatty(STDERR_FILENO) != 0) config.log.json = false;
  return config;
}

/// SIGTERM and SIGINT are taken by read() in one place instead of interrupting whichever thread runs. To be called
/// before the first thread starts.
int stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  const int descriptor = ::signalfd(-1, &signals, SFD_CLOEXEC);
  if (descriptor < 0) throw Error(ErrorCode::Internal, "signals cannot be watched");
  return descriptor;
}

void wait_for_stop(int signals) {
  signalfd_siginfo received{};
  while (::read(signals, &received, sizeof received) < 0 && errno == EINTR) {
  }
}

void say_hello(const Config& config, const Gateway& gateway) {
  log_event(
      LogLevel::info, "app", "started",
      {{"program", version_text()},
       {"ae", config.ae_title},
       {"data", std::filesystem::absolute(config.store.folder).string()},
       {"dimse", gateway.dimse_port() > 0 ? fmt::format("{}:{}", config.dimse.address, gateway.dimse_port()) : "off"},
       {"http", gateway.http_port() > 0 ? fmt::format("{}:{}", config.http.address, gateway.http_port()) : "off"},
       {"mllp", gateway.mllp_port() > 0 ? fmt::format("{}:{}", config.mllp.address, gateway.mllp_port()) : "off"}});
  for (const std::string& warning : warnings_of(config)) log_event(LogLevel::warning, "app", warning);
  // For programs that start it with ports 0.
  std::printf("{\"dimse\":%d,\"http\":%d,\"mllp\":%d}\n", gateway.dimse_port(), gateway.http_port(),
              gateway.mllp_port());
  std::fflush(stdout);
}

int serve(const ServeOptions& options) {
  const Config config = config_of(options);
  if (options.check) {
    for (const std::string& warning : warnings_of(config)) std::fprintf(stderr, "note: %s\n", warning.c_str());
    std::printf("the configuration is sound\n");
    return 0;
  }
  const int signals = stop_signals();
  set_log_options(config.log);
  dicom::initialise();
  Gateway gateway(config);
  gateway.start();
  say_hello(config, gateway);
  notify_systemd("READY=1");
  wait_for_stop(signals);
  notify_systemd("STOPPING=1");
  log_event(LogLevel::info, "app", "stopping");
  gateway.stop();
  log_event(LogLevel::info, "app", "stopped");
  ::close(signals);
  return 0;
}

}  // namespace

void add_serve(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand(
      "serve",
      "The gateway: receives studies, runs the fitting cogs, sends the results back. Without --config it\n"
      "listens on loopback, keeps everything in ./rouage-data, and lets results out at once: to try it out.\n"
      "Prints its ports as one JSON line; SIGTERM stops it in order. Docs: docs/commands/serve.md");
  const auto options = std::make_shared<ServeOptions>();
  command->add_option("--config", options->config, "TOML file (docs/formats/config.md)");
  command->add_option("--data", options->data, "another data folder than the configuration's");
  command->add_option("--dimse-port", options->dimse_port, "another DIMSE port; 0: any free one")
      ->check(CLI::Range(0, 65535));
  command->add_option("--http-port", options->http_port, "another HTTP port; 0: any free one")
      ->check(CLI::Range(0, 65535));
  command->add_flag("--check", options->check, "only check the configuration");
  command->callback([options, &exit_code] { exit_code = serve(*options); });
}

}  // namespace rouage::app
