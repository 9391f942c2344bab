/// `rouage simulate-load`: modalities that send at a hospital's pace, and what the receiver's acknowledgements took.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "app/commands.h"
#include "app/load_objects.h"
#include "base/error.h"
#include "base/host.h"
#include "dimse/dimse.h"

namespace rouage::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct LoadOptions {
  std::string to, called = "ROUAGE", calling = "LOAD", run;
  double per_hour = 400, minutes = 1, ct_share = 0.15;
  int studies = 0, associations = 4;
  LoadShape shape;
  bool json = false;
};

struct Study {
  int number = 0;
  bool ct = false;
  double due_s = 0;  ///< after the start
};

/// Arrivals as a hospital has them: independent of each other (a Poisson process), so that they come in clusters.
std::vector<Study> plan(const LoadOptions& options) {
  std::mt19937_64 random(options.shape.seed);
  const auto draw = [&] { return static_cast<double>(random() >> 11U) * 0x1p-53; };
  std::vector<Study> studies;
  double due_s = 0;
  while (true) {
    const double gap_s = -std::log1p(-draw()) * 3600 / options.per_hour;
    const bool ct = draw() < options.ct_share;
    if (!studies.empty()) due_s += gap_s;
    const int number = static_cast<int>(studies.size());
    if (options.studies > 0 ? number >= options.studies : due_s > options.minutes * 60 && number > 0) return studies;
    studies.push_back({number, ct, due_s});
  }
}

/// What came of it; one lock, taken once an object.
struct Tally {
  std::mutex mutex;
  std::vector<double> acknowledged_s, films_s, ct_s, late_s;
  std::map<std::string, int> failures;
  std::uint64_t bytes = 0;
};

class Sender {
 public:
  Sender(const LoadOptions& options, const LoadObjects& objects, const fs::path& folder, const std::vector<Study>& plan,
         double started_s, Tally& tally)
      : options_(options), objects_(objects), folder_(folder), plan_(plan), started_s_(started_s), tally_(tally) {
    const std::size_t colon = options.to.rfind(':');
    peer_ = {.host = options.to.substr(0, colon),
             .port = std::stoi(options.to.substr(colon + 1)),
             .ae_title = options.called,
             .tls = {}};
  }
  /// Takes the next study that nobody has taken, until there is none.
  void run(std::atomic<std::size_t>& next) {
    for (std::size_t i = next++; i < plan_.size(); i = next++) {
      const fs::path folder = folder_ / std::to_string(plan_[i].number);
      const auto files = objects_.write_study(plan_[i].number, plan_[i].ct, folder);
      wait_until(started_s_ + plan_[i].due_s);
      send(plan_[i], files);
      fs::remove_all(folder);
    }
  }

 private:
  static void wait_until(double when_s) {
    const double left_s = when_s - monotonic_s();
    if (left_s > 0) std::this_thread::sleep_for(std::chrono::duration<double>(left_s));
  }
  void fail(const std::string& why, int objects) {
    const std::lock_guard lock(tally_.mutex);
    tally_.failures[why] += objects;
  }
  void send(const Study& study, const std::vector<fs::path>& files) {
    const double begun_s = monotonic_s();
    std::size_t done = 0;
    try {
      dimse::Scu scu(peer_, options_.calling, dimse::proposals_for({files.front()}));
      for (; done < files.size(); ++done) {
        const double asked_s = monotonic_s();
        const dimse::Status status = scu.store(files[done]);
        const double took_s = monotonic_s() - asked_s;
        if (!status.good()) fail(fmt::format("0x{:04X}", status.code), 1);
        const std::lock_guard lock(tally_.mutex);
        if (status.good()) tally_.acknowledged_s.push_back(took_s);
        tally_.bytes += status.good() ? fs::file_size(files[done]) : 0;
      }
    } catch (const Error& error) {
      fail(std::string(error_entry(error.code()).name), static_cast<int>(files.size() - done));
    }
    const std::lock_guard lock(tally_.mutex);
    tally_.late_s.push_back(std::max(0.0, begun_s - started_s_ - study.due_s));
    if (done == files.size()) (study.ct ? tally_.ct_s : tally_.films_s).push_back(monotonic_s() - begun_s);
  }

  const LoadOptions& options_;
  const LoadObjects& objects_;
  const fs::path& folder_;
  const std::vector<Study>& plan_;
  double started_s_;
  Tally& tally_;
  dimse::Peer peer_;
};

Json quantiles(std::vector<double> values) {
  if (values.empty()) return {{"n", 0}};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))];
  };
  return {{"n", values.size()}, {"p50_s", at(0.5)}, {"p95_s", at(0.95)}, {"p99_s", at(0.99)}, {"max_s", values.back()}};
}

void print_for_people(const Json& report) {
  TextTable table({"", "n", "p50 ms", "p95 ms", "p99 ms", "max ms"}, "<>>>>>");
  for (const auto& [key, title] : std::map<std::string, std::string>{{"acknowledgement", "an object's acknowledgement"},
                                                                     {"film", "a film"},
                                                                     {"ct", "a CT series"},
                                                                     {"late", "begun late (too few --associations)"}}) {
    std::vector<std::string> row{title, report[key]["n"].dump()};
    for (const char* quantile : {"p50_s", "p95_s", "p99_s", "max_s"})
      row.push_back(report[key].contains(quantile) ? fmt::format("{:.1f}", report[key][quantile].get<double>() * 1000)
                                                   : "");
    table.row(row);
  }
  std::printf("%s", table.text().c_str());
  std::printf("%s studies, %s objects, %.0f MB in %.0f s\n", report["studies"].dump().c_str(),
              report["objects"].dump().c_str(), report["bytes"].get<double>() / 1e6, report["seconds"].get<double>());
  for (const auto& [why, count] : report["failures"].items())
    std::printf("failed, %s: %s objects\n", why.c_str(), count.dump().c_str());
}

int simulate(LoadOptions& options) {
  const std::size_t colon = options.to.rfind(':');
  if (colon == std::string::npos || options.to.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
      options.to.size() - colon - 1 > 5 || options.to.size() == colon + 1)
    throw Error(ErrorCode::Usage, "--to wants HOST:PORT, got " + options.to);
  options.shape.run = options.run.empty() ? utc_now_text() + " " + std::to_string(::getpid()) : options.run;
  const std::vector<Study> studies = plan(options);
  const LoadObjects objects(options.shape);
  StagedFolder folder(fs::temp_directory_path() / fmt::format("rouage-load-{}", ::getpid()));
  Tally tally;
  std::atomic<std::size_t> next{0};
  const double started_s = monotonic_s();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < options.associations; ++i)
      threads.emplace_back([&] { Sender(options, objects, folder.path(), studies, started_s, tally).run(next); });
  }
  const Json report{{"studies", studies.size()},
                    {"objects", tally.acknowledged_s.size()},
                    {"bytes", tally.bytes},
                    {"seconds", monotonic_s() - started_s},
                    {"run", options.shape.run},
                    {"acknowledgement", quantiles(tally.acknowledged_s)},
                    {"film", quantiles(tally.films_s)},
                    {"ct", quantiles(tally.ct_s)},
                    {"late", quantiles(tally.late_s)},
                    {"failures", tally.failures}};
  if (options.json)
    std::printf("%s\n", report.dump().c_str());
  else
    print_for_people(report);
  if (tally.acknowledged_s.empty()) return 3;
  return tally.failures.empty() ? 0 : 1;
}

}  // namespace

void add_simulate_load(CLI::App& program, int& exit_code) {
  CLI::App* command = program.add_subcommand(
      "simulate-load",
      "Sends synthetic films and CT series at a hospital's pace. Docs: docs/commands/simulate-load.md");
  const auto options = std::make_shared<LoadOptions>();
  command->add_option("--to", options->to, "HOST:PORT of the receiver")->required();
  command->add_option("--aet", options->called, "its AE title")->capture_default_str();
  command->add_option("--calling", options->calling, "ours")->capture_default_str();
  command->add_option("--studies-per-hour", options->per_hour, "at random times, on average so many")
      ->check(CLI::Range(0.1, 1e7))
      ->capture_default_str();
  command->add_option("--minutes", options->minutes, "how long")->check(CLI::Range(0.0, 1e5))->capture_default_str();
  command->add_option("--studies", options->studies, "so many instead of --minutes")->check(CLI::Range(1, 1000000));
  command->add_option("--ct-share", options->ct_share, "of the studies are CT series, the others films")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--slices", options->shape.slices, "of a CT series")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--ct-pixels", options->shape.ct_pixels, "rows and columns of a slice")
      ->check(CLI::Range(16, 2048))
      ->capture_default_str();
  command->add_option("--film-pixels", options->shape.film_pixels, "rows and columns of a film")
      ->check(CLI::Range(256, 4096))
      ->capture_default_str();
  command->add_option("--associations", options->associations, "at once, at most")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--seed", options->shape.seed, "of arrival times and pixels")->capture_default_str();
  command->add_option("--run", options->run,
                      "names the run: the same name sends the same studies again (default: now)");
  command->add_flag("--json", options->json, "one JSON document");
  command->callback([options, &exit_code] { exit_code = simulate(*options); });
}

}  // namespace rouage::app
