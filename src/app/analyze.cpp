#include "app/analyze.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "app/journal.h"
#include "app/worker_pool.h"
#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

volatile std::sig_atomic_t g_interrupted = 0;
extern "C" void interrupt(int) {
  g_interrupted = 1;
}

std::string file_safe(const std::string& text) {
  std::string safe;
  for (const char c : text.substr(0, 60)) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    safe += plain ? c : '_';
  }
  return safe.empty() ? "film" : safe;
}

std::string study_folder(const std::string& study_uid) {
  return "study-" + sha256(study_uid).short_hex();
}

std::vector<std::string> paths_of(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  paths.reserve(names.size());
  for (const std::string& name : names) paths.push_back((folder / name).string());
  return paths;
}

/// Lines are told in the order of the inputs, whichever child was first; only those that must wait are kept.
struct OrderedLines {
  Teller& teller;
  std::size_t told;
  std::map<std::size_t, std::string> waiting;
  void give(std::size_t i, std::string document) {
    waiting[i] = std::move(document);
    for (; !waiting.empty() && waiting.begin()->first == told; ++told) {
      teller.tell(waiting.begin()->second);
      waiting.erase(waiting.begin());
    }
  }
};

/// Where a run stands: what is finished, what is told, what each study holds.
class Run {
 public:
  Run(const AnalyzeOptions& options, std::vector<PlannedInput> inputs)
      : options_(options),
        inputs_(std::move(inputs)),
        out_(options.out),
        lock_(out_),
        journal_(out_),
        models_(models_identity(options.settings)),
        teller_(options, inputs_.size()) {}

  int execute() {
    WorkerPool pool(pool_options());
    films(pool);
    if (g_interrupted == 0) studies(pool);
    teller_.close();
    std::error_code ignored;
    fs::remove_all(out_ / ".rouage" / "staging", ignored);
    if (g_interrupted != 0) return 130;
    return refused_ > 0 ? 1 : 0;
  }

 private:
  struct Study {
    std::vector<std::string> keys;
    std::vector<fs::path> folders;
  };

  PoolOptions pool_options() const {
    const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    const int wanted = options_.jobs > 0 ? options_.jobs : cores;
    const int children = std::max(1, std::min<int>(wanted, static_cast<int>(inputs_.size())));
    RunSettings settings = options_.settings;
    if (settings.threads <= 0) settings.threads = std::max(1, cores / children);
    return {children, options_.memory_mb, options_.deadline_s, settings_to_json(settings), throw_from_json};
  }

  /// Everything that the answer depends on, besides the file's bytes (which the journal compares by size and time).
  std::string key_of(const FilmJob& job) const {
    RunSettings settings = options_.settings;
    settings.threads = 0;
    return derived_id("film", {film_request(job, ""), settings_to_json(settings), models_, cog_version()});
  }
  std::string cog_version() const { return cogs::find_cog(options_.settings.cog)->version; }

  void films(WorkerPool& pool) {
    std::vector<std::size_t> pending;
    keys_.resize(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].problem.empty()) {
        finish(i, "refused", inputs_[i].problem, inputs_[i].problem_message);
        continue;
      }
      keys_[i] = key_of(inputs_[i].job);
      if (const JournalEntry* entry = journal_.find(keys_[i], inputs_[i].job.path)) {
        remember_study(*entry);
        finish(i, entry->status, entry->document, {});
      } else {
        pending.push_back(i);
      }
    }
    ProgressBar progress("films", inputs_.size());
    std::map<std::size_t, std::unique_ptr<StagedFolder>> staged;
    pool.run(
        pending.size(),
        [&](std::size_t n) {
          const std::size_t i = pending[n];
          staged[i] = std::make_unique<StagedFolder>(out_ / ".rouage" / "staging" / std::to_string(i));
          return film_request(inputs_[i].job, staged[i]->path());
        },
        [&](std::size_t n, const PoolOutcome& outcome) {
          const std::size_t i = pending[n];
          film_done(i, outcome, *staged[i]);
          staged.erase(i);
          progress.advance(finished_, inputs_[i].job.path.filename().string());
        },
        [] { return g_interrupted != 0; });
  }

  void film_done(std::size_t i, const PoolOutcome& outcome, StagedFolder& staged) {
    const fs::path& input = inputs_[i].job.path;
    if (!outcome.answered) {
      const Error error = Error(ErrorCode::WorkerEnded, outcome.failure).file(input);
      // Not journaled: a second run tries again.
      return finish(
          i, "refused",
          refused_document(input.string(), options_.settings.cog, "WorkerEnded", error.what(), "", error.remedy()),
          error.what());
    }
    const JobAnswer answer = parse_answer(outcome.answer);
    JournalEntry entry;
    entry.key = keys_[i];
    entry.status = answer.status;
    note_state(entry, input);
    entry.document = answer.document;
    if (answer.status != "refused") {
      const std::string name = file_safe(input.stem().string()) + "-" + sha256(keys_[i]).short_hex().substr(0, 8);
      entry.folder = (fs::path(study_folder(answer.study_instance_uid)) / name).string();
      entry.study_instance_uid = answer.study_instance_uid;
      staged.publish(out_ / entry.folder);
      entry.files_digest = folder_digest(out_ / entry.folder);
      entry.document = with_outputs(answer.document, input.string(), paths_of(out_ / entry.folder, answer.files));
    }
    remember_study(entry);
    journal_.add(entry);
    finish(i, entry.status, entry.document, answer.message);
  }

  void remember_study(const JournalEntry& entry) {
    if (entry.study_instance_uid.empty()) return;
    auto [study, fresh] = studies_.try_emplace(entry.study_instance_uid);
    if (fresh) study_order_.push_back(entry.study_instance_uid);
    study->second.keys.push_back(entry.key);
    study->second.folders.push_back(out_ / entry.folder);
  }

  void finish(std::size_t i, const std::string& status, const std::string& document, const std::string& message) {
    if (status == "refused") {
      ++refused_;
      const std::string said = message.empty() ? document_reason(document) : message;
      std::fprintf(stderr, "refused: %s\n", said.c_str());
    }
    ++finished_;
    film_lines_.give(i, document);
  }

  void studies(WorkerPool& pool) {
    std::vector<std::size_t> pending;
    OrderedLines lines{teller_, 0, {}};
    for (std::size_t i = 0; i < study_order_.size(); ++i) {
      const std::string& uid = study_order_[i];
      Study& study = studies_[uid];
      // The same films in another order are the same study.
      std::sort(study.folders.begin(), study.folders.end());
      study.folders.erase(std::unique(study.folders.begin(), study.folders.end()), study.folders.end());
      std::sort(study.keys.begin(), study.keys.end());
      if (const JournalEntry* entry = journal_.find(study_key(uid), marker(uid)))
        lines.give(i, entry->document);
      else
        pending.push_back(i);
    }
    ProgressBar progress("studies", pending.size());
    std::map<std::size_t, std::unique_ptr<StagedFolder>> staged;
    std::size_t done = 0;
    pool.run(
        pending.size(),
        [&](std::size_t n) {
          staged[n] = std::make_unique<StagedFolder>(out_ / ".rouage" / "staging" / ("study-" + std::to_string(n)));
          const std::string& uid = study_order_[pending[n]];
          return study_request(uid, studies_[uid].folders, staged[n]->path());
        },
        [&](std::size_t n, const PoolOutcome& outcome) {
          lines.give(pending[n], study_done(study_order_[pending[n]], outcome, *staged[n]));
          staged.erase(n);
          progress.advance(++done);
        },
        [] { return g_interrupted != 0; });
  }

  std::string study_key(const std::string& uid) const {
    std::vector<std::string> parts = studies_.at(uid).keys;
    parts.push_back(uid);
    return "study-" + digest_of(parts).hex();
  }
  /// A study has no input file of its own: its result document stands for it in the journal.
  fs::path marker(const std::string& uid) const { return out_ / study_folder(uid) / "examination" / "results.json"; }

  std::string study_done(const std::string& uid, const PoolOutcome& outcome, StagedFolder& staged) {
    if (!outcome.answered) {
      ++refused_;
      const Error error = Error(ErrorCode::WorkerEnded, outcome.failure).file(uid);
      std::fprintf(stderr, "refused: %s\n", error.what());
      return refused_document(uid, options_.settings.cog, "WorkerEnded", error.what(), "", error.remedy());
    }
    const JobAnswer answer = parse_answer(outcome.answer);
    if (answer.status == "refused") {
      ++refused_;
      std::fprintf(stderr, "refused: %s\n", answer.message.c_str());
      return answer.document;
    }
    JournalEntry entry;
    entry.key = study_key(uid);
    entry.status = answer.status;
    entry.folder = (fs::path(study_folder(uid)) / "examination").string();
    staged.publish(out_ / entry.folder);
    note_state(entry, marker(uid));
    entry.files_digest = folder_digest(out_ / entry.folder);
    entry.document = with_outputs(answer.document, uid, paths_of(out_ / entry.folder, answer.files));
    journal_.add(entry);
    return entry.document;
  }

  const AnalyzeOptions& options_;
  std::vector<PlannedInput> inputs_;
  fs::path out_;
  FolderLock lock_;
  Journal journal_;
  std::string models_;
  Teller teller_;
  std::vector<std::string> keys_;
  std::map<std::string, Study> studies_;
  std::vector<std::string> study_order_;
  OrderedLines film_lines_{teller_, 0, {}};
  std::size_t finished_ = 0, refused_ = 0;
};

}  // namespace

int analyze(const AnalyzeOptions& options) {
  std::vector<PlannedInput> inputs = plan_inputs(options);
  const bool none_opened =
      std::all_of(inputs.begin(), inputs.end(), [](const PlannedInput& input) { return !input.problem.empty(); });
  if (none_opened) {
    for (const PlannedInput& input : inputs) {
      std::fprintf(stderr, "refused: %s\n", input.problem_message.c_str());
      if (options.json) std::printf("%s\n", input.problem.c_str());
    }
    if (inputs.empty()) std::fprintf(stderr, "rouage: no file was found in the given folders\n");
    return 3;
  }
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  return Run(options, std::move(inputs)).execute();
}

}  // namespace rouage::app
