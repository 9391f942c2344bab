#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/config.h"
#include "app/http_get.h"
#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace {

using Json = nlohmann::json;

struct StatusOptions {
  std::string config, host;
  int port = 0;
  bool json = false;
};

std::string megabytes(const Json& bytes) {
  return fmt::format("{:.0f} MB", bytes.get<double>() / static_cast<double>(kMebibyte));
}

void print_for_people(const Json& status) {
  std::printf("%s  AE %s  since %s  %s\n", status["program"].get<std::string>().c_str(),
              status["ae_title"].get<std::string>().c_str(), status["started"].get<std::string>().c_str(),
              status["ready"].get<bool>() ? "ready" : "NOT READY");
  for (const Json& reason : status["not_ready"]) std::printf("  ! %s\n", reason.get<std::string>().c_str());
  for (const Json& warning : status["warnings"]) std::printf("  - %s\n", warning.get<std::string>().c_str());
  const Json& store = status["store"];
  TextTable objects({"studies", "series", "objects", "results", "arriving", "incomplete", "conflicts", "kept", "free"},
                    ">>>>>>>>>");
  objects.row({store["studies"].dump(), store["series"].dump(), store["instances"].dump(), store["results"].dump(),
               store["series_waiting"].dump(), store["series_partial"].dump(), store["conflicts"].dump(),
               megabytes(store["bytes"]), megabytes(store["free_bytes"])});
  std::printf("\n%s", objects.text().c_str());
  TextTable items({"work items", "count"}, "<>");
  for (const auto& [state, count] : status["items"].items()) items.row({state, count.dump()});
  std::printf("\n%s", items.text().c_str());
  TextTable queues({"destination", "state", "to send", "withheld", "delivered", "last error"}, "<<>>><");
  for (const Json& queue : status["destinations"])
    queues.row({queue["destination"], queue["reachable"].get<bool>() ? "reachable" : "not reachable",
                queue["due"].dump(), queue["waiting_release"].dump(), queue["delivered"].dump(), queue["last_error"]});
  if (!status["destinations"].empty()) std::printf("\n%s", queues.text().c_str());
}

int show_status(const StatusOptions& options) {
  const Config config = options.config.empty() ? demo_config() : read_config(options.config);
  const std::string host =
      options.host.empty() ? (config.http.address == "0.0.0.0" ? "127.0.0.1" : config.http.address) : options.host;
  if (!config.http.certificate.empty())
    throw Error(ErrorCode::Usage, "this server speaks TLS only")
        .remedy("ask it by curl --cacert ... https://" + host + "/api/status");
  const HttpAnswer answer =
      http_get(host, options.port > 0 ? options.port : config.http.port, "/api/status", config.http.bearer_token, 10);
  if (answer.status == 401 || answer.status == 403)
    throw Error(ErrorCode::NotAuthorised, "the server asks for its bearer token").remedy("give its --config");
  if (answer.status != 200)
    throw Error(ErrorCode::RequestInvalid, fmt::format("the server answered {}", answer.status));
  const Json status = Json::parse(answer.body, nullptr, false);
  if (!status.is_object() || !status.contains("store"))
    throw Error(ErrorCode::RequestInvalid, "what listens there is not rouage serve");
  if (options.json)
    std::printf("%s\n", answer.body.c_str());
  else
    print_for_people(status);
  return status["ready"].get<bool>() ? 0 : 1;
}

}  // namespace

void add_status(CLI::App& program, int& exit_code) {
  CLI::App* command =
      program.add_subcommand("status",
                             "Ask a running `rouage serve` how it is: store, work items, destinations, what is wrong.\n"
                             "Exit code 0 when it is ready, 1 when it is not. Docs: docs/commands/status.md");
  const auto options = std::make_shared<StatusOptions>();
  command->add_option("--config", options->config, "the server's configuration: address, port, token");
  command->add_option("--host", options->host, "another host than the configuration's");
  command->add_option("--port", options->port, "another HTTP port")->check(CLI::Range(1, 65535));
  command->add_flag("--json", options->json, "the whole document (docs/formats/status.md)");
  command->callback([options, &exit_code] { exit_code = show_status(*options); });
}

}  // namespace rouage::app
