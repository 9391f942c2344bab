#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "base/error.h"
#include "base/host.h"
#include "receive/dimse_front.h"

namespace rouage::app {
namespace {

namespace fs = std::filesystem;

struct ReceiveOptions {
  bool listener = false, json = false;
  std::string address = "127.0.0.1", ae_title = "ROUAGE";
  int port = 0;
  fs::path folder;
  std::string certificate, key, authorities;
};

/// Files in a folder, named by their instance UIDs; the same instance again with other content gets a number.
class FolderSink : public receive::InstanceSink {
 public:
  FolderSink(fs::path folder, bool json) : folder_(std::move(folder)), json_(json) {
    fs::create_directories(incoming());
  }
  ~FolderSink() override {
    std::error_code ignored;
    fs::remove_all(incoming(), ignored);
  }
  FolderSink(const FolderSink&) = delete;
  FolderSink& operator=(const FolderSink&) = delete;
  fs::path incoming() const override { return folder_ / ".incoming"; }
  std::optional<Error> no_room(std::uint64_t) const override {
    constexpr std::uint64_t kKeptFree = 256 * kMebibyte;
    if (free_bytes(folder_) < kKeptFree) return Error(ErrorCode::DiskFull);
    return {};
  }
  std::vector<receive::Receipt> accept(std::vector<receive::Arrival> arrivals) override {
    std::vector<receive::Receipt> receipts;
    for (const receive::Arrival& arrival : arrivals) {
      try {
        receipts.push_back(keep(arrival));
      } catch (const Error& error) {
        receipts.push_back({receive::Outcome::refused, error.code(), error.detail()});
      } catch (const fs::filesystem_error& error) {
        receipts.push_back({receive::Outcome::refused, ErrorCode::FileUnwritable, error.what()});
      }
    }
    return receipts;
  }
  void association_opened(std::uint64_t, const receive::Origin&) override {}
  void association_ended(std::uint64_t, bool) override {}
  void note_lists(const std::vector<receive::SeriesList>&) override {}
  void note_message(const receive::OrderMessage&) override {}

 private:
  receive::Receipt keep(const receive::Arrival& arrival) {
    flush_file(arrival.file);
    const std::lock_guard lock(mutex_);
    fs::path place = folder_ / (arrival.entry.sop_instance_uid + ".dcm");
    for (int number = 2; fs::exists(place); ++number) {
      if (fs::file_size(place) == arrival.bytes && file_digest(place, arrival.bytes) == arrival.digest) {
        fs::remove(arrival.file);
        return {receive::Outcome::duplicate, ErrorCode::Internal, "received before"};
      }
      place = folder_ / fmt::format("{}-{}.dcm", arrival.entry.sop_instance_uid, number);
    }
    fs::rename(arrival.file, place);
    sync_folder(folder_);
    if (json_)
      fmt::print("{}\n", nlohmann::ordered_json{{"file", place.string()},
                                                {"sender", arrival.origin.sender},
                                                {"address", arrival.origin.address},
                                                {"sop_class", arrival.entry.sop_class_uid},
                                                {"sop_instance", arrival.entry.sop_instance_uid},
                                                {"transfer_syntax", arrival.entry.transfer_syntax_uid},
                                                {"bytes", arrival.bytes}}
                             .dump());
    else
      fmt::print("{} from {}\n", place.string(), arrival.origin.sender);
    std::fflush(stdout);
    return {receive::Outcome::stored, ErrorCode::Internal, ""};
  }

  fs::path folder_;
  bool json_;
  std::mutex mutex_;
};

/// A plain receiver holds nothing to be asked for.
class NoAnswers : public receive::Answers {
 public:
  dimse::Status find(const dimse::Caller&, const std::string&, const dicom::Attributes&,
                     const std::function<bool(const dicom::Attributes&)>&) override {
    return kNotOffered;
  }
  dimse::Services::Retrieval retrieve(const dimse::Caller&, const std::string&, const dicom::Attributes&,
                                      const std::string&) override {
    return {kNotOffered, {}, {}};
  }
  dimse::Status commitment(const dimse::Caller&, const std::string&,
                           const std::vector<std::pair<std::string, std::string>>&) override {
    return kNotOffered;
  }
  dimse::Status committed(const dimse::Caller&, const std::string&, const std::vector<std::string>&,
                          const std::vector<std::string>&) override {
    return kNotOffered;
  }

 private:
  const dimse::Status kNotOffered{0x0122, "a plain receiver"};
};

int receive_until_stopped(const ReceiveOptions& given) {
  sigset_t stops;
  ::sigemptyset(&stops);
  ::sigaddset(&stops, SIGINT);
  ::sigaddset(&stops, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &stops, nullptr);  // before the first thread: they all inherit it
  FolderSink sink(given.folder, given.json);
  NoAnswers answers;
  receive::DimseFrontOptions options;
  options.address = given.address;
  options.port = given.port;
  options.server.ae_title = given.ae_title;
  options.log.json = false;
  options.log.least = LogLevel::warning;
  set_log_options(options.log);
  if (!given.certificate.empty())
    options.server.tls = dimse::TlsFiles{given.certificate, given.key, given.authorities, !given.authorities.empty()};
  receive::DimseFront front(options, sink, answers);
  fmt::print(stderr, "{} listens on {}:{}, files go to {}; Ctrl-C ends\n", given.ae_title, given.address, front.port(),
             given.folder.string());
  int signal = 0;
  ::sigwait(&stops, &signal);
  front.stop();
  return 0;
}

}  // namespace

void add_receive(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand(
      "receive", "Receive DICOM objects into a folder, until Ctrl-C: no index, no AI. Docs: docs/commands/receive.md");
  const auto options = std::make_shared<ReceiveOptions>();
  command->add_option("--port", options->port, "port to listen on; 0: any free one")->check(CLI::Range(0, 65535));
  command->add_option("--out", options->folder, "folder for the files");
  command->add_option("--address", options->address, "numeric address to listen on")->capture_default_str();
  command->add_option("--aet", options->ae_title, "our AE title")->capture_default_str();
  auto* certificate = command->add_option("--tls-certificate", options->certificate, "PEM file: TLS");
  auto* key = command->add_option("--tls-key", options->key, "PEM file of its private key");
  certificate->needs(key);
  key->needs(certificate);
  command->add_option("--tls-authorities", options->authorities, "PEM file: clients must show a certificate of these")
      ->needs(certificate);
  command->add_flag("--json", options->json, "one JSON line an object");
  command->add_flag("--listener", options->listener, "the gateway's listener process (internal)")->group("");
  command->callback([options, &exit_code] {
    if (options->listener) {
      exit_code = receive::dimse_listener_as_child();
      return;
    }
    if (options->folder.empty()) throw CLI::RequiredError("--out");
    exit_code = receive_until_stopped(*options);
  });
}

}  // namespace rouage::app
