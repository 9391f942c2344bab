#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "base/error.h"
#include "base/host.h"
#include "dimse/dimse.h"

namespace rouage::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct PeerOptions {
  std::string to, called = "ANY-SCP", calling = "ROUAGE";
  std::string certificate, key, authorities;
  bool tls = false, json = false;
  double timeout_s = 60;
};

dimse::Peer peer_of(const PeerOptions& options) {
  const std::size_t colon = options.to.rfind(':');
  int port = 0;
  const char* const end = options.to.data() + options.to.size();
  if (colon == std::string::npos || colon == 0 ||
      std::from_chars(options.to.data() + colon + 1, end, port).ptr != end || port < 1 || port > 65535)
    throw Error(ErrorCode::Usage, fmt::format("\"{}\" is not HOST:PORT", options.to));
  dimse::Peer peer{.host = options.to.substr(0, colon), .port = port, .ae_title = options.called};
  peer.answer_timeout_s = options.timeout_s;
  if (options.tls || !options.certificate.empty() || !options.authorities.empty())
    peer.tls = dimse::TlsFiles{options.certificate, options.key, options.authorities, !options.authorities.empty()};
  return peer;
}

void add_peer_options(CLI::App& command, PeerOptions& options) {
  command.add_option("--aet", options.called, "AE title of the peer")->capture_default_str();
  command.add_option("--calling", options.calling, "our AE title")->capture_default_str();
  command.add_option("--timeout-s", options.timeout_s, "longest wait for an answer")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 3600.0));
  command.add_flag("--tls", options.tls, "TLS, whoever the peer is");
  auto* certificate = command.add_option("--tls-certificate", options.certificate, "PEM file: what we show");
  auto* key = command.add_option("--tls-key", options.key, "PEM file of its private key");
  certificate->needs(key);
  key->needs(certificate);
  command.add_option("--tls-authorities", options.authorities, "PEM file: who may vouch for the peer");
  command.add_flag("--json", options.json, "JSON on standard output");
}

struct Sent {
  fs::path file;
  dimse::Status status;
};

/// Files that are DICOM, with their kinds; the others get a status of ours.
std::vector<fs::path> readable(const std::vector<fs::path>& files, std::vector<Sent>& refused) {
  std::vector<fs::path> good;
  for (const fs::path& file : files) {
    try {
      dimse::proposals_for({file});
      good.push_back(file);
    } catch (const Error& error) {
      refused.push_back({file, {static_cast<std::uint16_t>(error_entry(error.code()).dimse), error.detail()}});
    }
  }
  return good;
}

std::vector<Sent> send_all(const dimse::Peer& peer, const std::string& calling, const std::vector<fs::path>& files) {
  std::vector<Sent> sent;
  const std::vector<fs::path> good = readable(files, sent);
  if (good.empty()) return sent;
  dimse::Scu scu(peer, calling, dimse::proposals_for(good));
  ProgressBar bar("send", good.size());
  for (const fs::path& file : good) {
    sent.push_back({file, scu.store(file)});
    bar.advance(sent.size());
  }
  return sent;
}

int send(const PeerOptions& options, const std::vector<fs::path>& paths) {
  const dimse::Peer peer = peer_of(options);
  std::vector<fs::path> files;
  for (const fs::path& path : paths)
    for (const fs::path& file : files_below(path)) files.push_back(file);
  if (files.empty()) throw Error(ErrorCode::FileMissing, "no file to send").file(paths.front());
  const double begun_s = monotonic_s();
  const std::vector<Sent> sent = send_all(peer, options.calling, files);
  std::size_t refused = 0;
  Json rows = Json::array();
  for (const Sent& one : sent) {
    if (!one.status.good()) ++refused;
    if (options.json)
      rows.push_back({{"file", one.file.string()}, {"status", one.status.code}, {"text", one.status.text}});
    else if (!one.status.good())
      fmt::print(stderr, "{}: 0x{:04X} {}\n", one.file.string(), one.status.code, one.status.text);
  }
  const double seconds = monotonic_s() - begun_s;
  if (options.json)
    fmt::print(
        "{}\n",
        Json{{"sent", sent.size() - refused}, {"refused", refused}, {"seconds", seconds}, {"objects", rows}}.dump());
  else
    fmt::print("{} sent, {} refused, {:.1f} s\n", sent.size() - refused, refused, seconds);
  return refused == 0 ? 0 : 1;
}

int echo(const PeerOptions& options) {
  const dimse::Peer peer = peer_of(options);
  const double begun_s = monotonic_s();
  dimse::Scu scu(peer, options.calling, {{dimse::kVerificationClass, {}}});
  const dimse::Status status = scu.echo();
  const double milliseconds = (monotonic_s() - begun_s) * 1000;
  if (options.json)
    fmt::print("{}\n", Json{{"status", status.code}, {"milliseconds", milliseconds}}.dump());
  else
    fmt::print("{} at {} answers 0x{:04X} after {:.0f} ms\n", options.called, options.to, status.code, milliseconds);
  return status.code == 0 ? 0 : 1;
}

}  // namespace

void add_send(CLI::App& program, int& exit_code) {
  CLI::App* command =
      program.add_subcommand("send", "Send DICOM files to a peer by C-STORE, as they are. Docs: docs/commands/send.md");
  const auto options = std::make_shared<PeerOptions>();
  const auto files = std::make_shared<std::vector<fs::path>>();
  command->add_option("FILES", *files, "files or folders")->required();
  command->add_option("--to", options->to, "HOST:PORT")->required();
  add_peer_options(*command, *options);
  command->callback([options, files, &exit_code] { exit_code = send(*options, *files); });
}

void add_echo(CLI::App& program, int& exit_code) {
  CLI::App* command =
      program.add_subcommand("echo", "Ask a peer whether it answers (C-ECHO). Docs: docs/commands/echo.md");
  const auto options = std::make_shared<PeerOptions>();
  command->add_option("PEER", options->to, "HOST:PORT")->required();
  add_peer_options(*command, *options);
  command->callback([options, &exit_code] { exit_code = echo(*options); });
}

}  // namespace rouage::app
