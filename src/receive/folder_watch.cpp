#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "receive/folder.h"
#include "receive/folder_events.h"
#include "receive/folder_files.h"
#include "receive/folder_journal.h"

namespace rouage::receive {
namespace fs = std::filesystem;
namespace {

/// Files that share one group commit of the store.
constexpr std::size_t kBatchFiles = 32;
constexpr std::uint64_t kBatchBytes = 128 * kMebibyte;
constexpr double kTick = 0.25;

/// A file that is seen and not yet taken.
struct Waiting {
  FileStamp stamp;
  double since_s = 0;  ///< of this size and time (monotonic)
  double not_before_s = 0;
  bool closed = false;
  int attempt = 0;
};

/// One file on its way to the store.
struct Candidate {
  std::string path;
  FileStamp stamp;
};

std::string archive_kind(const Bytes& start) {
  const auto begins = [&](std::string_view mark) {
    return start.size() >= mark.size() &&
           std::equal(mark.begin(), mark.end(), start.begin(),
                      [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
  };
  if (begins("PK\x03\x04")) return "a zip archive";
  if (begins("\x1F\x8B")) return "a gzip file";
  return {};
}

}  // namespace

struct FolderWatch::State {
  FolderOptions options;
  InstanceSink& sink;
  ReadHeader read_header;
  std::string sender, name_seed;
  Root root;
  FolderEvents events;
  FolderJournal journal;
  std::map<std::string, Waiting> waiting;  // of the thread only, as all above
  double walk_at_s = 0;
  std::uint64_t copies = 0;

  std::thread thread;
  std::atomic<bool> stopping{false};
  mutable std::mutex mutex;
  std::condition_variable ended_signal;
  FolderStatus status;
  bool walked = false;
  bool ended = true;

  State(FolderOptions given, InstanceSink& to, ReadHeader reader);
  void run();
  void walk();
  void see(const std::string& path, const FileStamp& stamp, bool closed);
  bool due(const Waiting& file, double now) const;
  double next_wait(double now) const;
  std::vector<Candidate> due_files(double now) const;
  void take(std::vector<Candidate> files);
  std::optional<Arrival> arrival(const Candidate& file);
  std::optional<fs::path> copied(const Candidate& file, Digest& digest);
  bool rested(const Candidate& file, double seconds) const;
  void later(const Candidate& file, double seconds);
  void settle(const Candidate& file, const Digest& digest, const Receipt& receipt,
              std::vector<FolderJournal::Line>& lines);
  void refuse(const Candidate& file, const Digest& digest, ErrorCode code, const std::string& why);
  void after_taking(const Candidate& file, const Digest& digest, std::vector<FolderJournal::Line>& lines);
  void note(const std::vector<FolderJournal::Line>& lines);
};

FolderWatch::State::State(FolderOptions given, InstanceSink& to, ReadHeader reader)
    : options(std::move(given)),
      sink(to),
      read_header(std::move(reader)),
      sender("folder:" + options.folder.string()),
      name_seed(sha256(sender + utc_now_text() + std::to_string(::getpid())).short_hex()),
      events(options.folder),
      journal(options.state / ("folder-" + sha256(options.folder.string()).short_hex() + ".journal")) {}

void FolderWatch::State::see(const std::string& path, const FileStamp& stamp, bool closed) {
  if (stamp.size == 0) {
    waiting.erase(path);
    return;
  }
  const FolderJournal::Entry* known = journal.find(path);
  if (known != nullptr && known->stamp == stamp) {
    // Taken, but the process died before it was removed or moved.
    if (known->taken && options.after != AfterTaking::keep) {
      std::vector<FolderJournal::Line> lines;
      after_taking({path, stamp}, known->digest, lines);
      note(lines);
    }
    return;
  }
  const double now = monotonic_s();
  Waiting& file = waiting[path];
  if (!(file.stamp == stamp)) file = {stamp, now, 0, false, 0};
  if (closed && !file.closed) {
    file.closed = true;
    file.since_s = now;
  }
}

void FolderWatch::State::walk() {
  std::set<std::string> seen;
  const bool whole = root.open(options.folder) && root.walk(
                                                      [&](const std::string& path, const FileStamp& stamp) {
                                                        see(path, stamp, false);
                                                        if (waiting.count(path) != 0) seen.insert(path);
                                                      },
                                                      [&](const std::string& folder) { events.watch(folder); });
  if (whole) std::erase_if(waiting, [&](const auto& file) { return seen.count(file.first) == 0; });
  const std::scoped_lock lock(mutex);
  if (whole != status.reachable || !std::exchange(walked, true))
    log_event(whole ? LogLevel::info : LogLevel::error, "receive",
              whole ? "folder is watched" : "folder cannot be read", {{"folder", options.folder.string()}});
  status.reachable = whole;
  status.events = events.working();
  status.waiting = waiting.size();
}

bool FolderWatch::State::due(const Waiting& file, double now) const {
  return now >= file.not_before_s && now - file.since_s >= (file.closed ? options.closed_quiet_s : options.quiet_s);
}

std::vector<Candidate> FolderWatch::State::due_files(double now) const {
  std::vector<Candidate> files;
  std::uint64_t bytes = 0;
  for (const auto& [path, file] : waiting) {
    if (!due(file, now)) continue;
    if (files.size() == kBatchFiles || (!files.empty() && bytes + file.stamp.size > kBatchBytes)) break;
    bytes += file.stamp.size;
    files.push_back({path, file.stamp});
  }
  return files;
}

double FolderWatch::State::next_wait(double now) const {
  double wait = std::max(0.0, walk_at_s - now);
  for (const auto& [path, file] : waiting) {
    const double quiet = file.closed ? options.closed_quiet_s : options.quiet_s;
    wait = std::min(wait, std::max(kTick / 5, std::max(file.since_s + quiet, file.not_before_s) - now));
  }
  return std::min(wait, 60.0);
}

bool FolderWatch::State::rested(const Candidate& file, double seconds) const {
  const auto found = waiting.find(file.path);
  return found != waiting.end() && monotonic_s() - found->second.since_s >= seconds;
}

void FolderWatch::State::later(const Candidate& file, double seconds) {
  const auto found = waiting.find(file.path);
  if (found == waiting.end()) return;
  ++found->second.attempt;
  found->second.not_before_s = monotonic_s() + seconds;
}

/// The file's bytes in the store's incoming folder, or nothing: it changed meanwhile, or went away.
std::optional<fs::path> FolderWatch::State::copied(const Candidate& file, Digest& digest) {
  const OpenFile source = root.open_file(file.path);
  if (!source || !(stamp_of(source.get()) == file.stamp)) {
    waiting.erase(file.path);
    if (source) see(file.path, stamp_of(source.get()), false);
    return std::nullopt;
  }
  const fs::path target = sink.incoming() / fmt::format("folder-{}-{}.part", name_seed, copies++);
  DurableFile copy(target);
  Bytes piece(1024 * 1024);
  while (copy.size() <= file.stamp.size) {
    const ssize_t n = ::read(source.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(file.path);  // the share went away
    if (n == 0) break;
    copy.write({piece.data(), static_cast<std::size_t>(n)});
  }
  const FileStamp after = stamp_of(source.get());
  if (!(after == file.stamp) || copy.size() != file.stamp.size) {
    see(file.path, after, false);
    return std::nullopt;
  }
  digest = copy.finish(false);  // the store flushes what it keeps
  return target;
}

void FolderWatch::State::refuse(const Candidate& file, const Digest& digest, ErrorCode code, const std::string& why) {
  metrics().counter("rouage_folder_files_total", "files of watched folders", {{"outcome", "refused"}}).add();
  log_event(LogLevel::warning, "receive", "folder file refused",
            {{"folder", options.folder.string()},
             patient_field("file", file.path),
             {"code", std::string(error_entry(code).name)},
             {"why", why}});
  waiting.erase(file.path);
  std::string place = file.path;
  if (options.move_refused) {
    const std::string moved = root.move(file.path, file.stamp, kRefusedFolder, digest.short_hex());
    if (!moved.empty()) {
      place.clear();
      root.write_note(moved + ".txt", std::string(error_entry(code).name) + ": " + why + "\n");
    }
  }
  if (!place.empty()) note({{FolderJournal::Line::Kind::refused, place, file.stamp, digest}});
  const std::scoped_lock lock(mutex);
  ++status.refused;
  status.last_refusal = file.path + ": " + why;
}

/// Copies and reads one file. Nothing: not now, or refused (then said).
std::optional<Arrival> FolderWatch::State::arrival(const Candidate& file) {
  if (file.stamp.size > options.max_file_bytes) {
    refuse(file, {}, ErrorCode::FileTooLarge, fmt::format("{} bytes", file.stamp.size));
    return std::nullopt;
  }
  Digest digest;
  const auto copy = copied(file, digest);
  if (!copy) return std::nullopt;
  const auto drop = [&] {
    std::error_code ignored;
    fs::remove(*copy, ignored);
    return std::nullopt;
  };
  // Touched, or copied over by the same bytes: nothing new.
  if (const auto* known = journal.find(file.path); known != nullptr && known->taken && known->digest == digest) {
    std::vector<FolderJournal::Line> lines = {{FolderJournal::Line::Kind::taken, file.path, file.stamp, digest}};
    after_taking(file, digest, lines);
    note(lines);
    return drop();
  }
  const std::string archive = archive_kind(read_file_start(*copy, 4));
  if (!archive.empty()) {
    refuse(file, digest, ErrorCode::NotDicom, archive + ": archives are not opened");
    return drop();
  }
  const OpenFile written(::open(copy->c_str(), O_RDONLY | O_CLOEXEC));
  if (written && !ends_whole(written.get(), file.stamp.size)) {
    if (rested(file, options.incomplete_s))
      refuse(file, digest, ErrorCode::PixelDataTruncated, "the file ends in the middle of an element");
    else
      later(file, std::min(options.incomplete_s / 10, 30.0));
    return drop();
  }
  try {
    Arrival made{*copy, file.stamp.size, digest, read_header(*copy), {}};
    made.origin.way = Origin::Way::folder;
    made.origin.sender = sender;
    return made;
  } catch (const Error& error) {
    // A file that was closed early may not be whole: it is refused only when it has rested as one without events.
    if (error_entry(error.code()).retry || !rested(file, options.quiet_s))
      later(file, error_entry(error.code()).retry ? options.retry_s : options.quiet_s / 4);
    else
      refuse(file, digest, error.code(), error.detail());
    return drop();
  }
}

void FolderWatch::State::after_taking(const Candidate& file, const Digest& digest,
                                      std::vector<FolderJournal::Line>& lines) {
  if (options.after == AfterTaking::keep) return;
  const bool done = options.after == AfterTaking::remove
                        ? root.remove(file.path, file.stamp)
                        : !root.move(file.path, file.stamp, kTakenFolder, digest.short_hex()).empty();
  if (done)
    lines.push_back({FolderJournal::Line::Kind::gone, file.path, file.stamp, digest});
  else
    log_event(LogLevel::warning, "receive", "folder file taken, but it cannot be removed or moved",
              {{"folder", options.folder.string()}, patient_field("file", file.path)});
}

/// The journal is help, not truth: when it cannot be written, files come again after a restart and are duplicates.
void FolderWatch::State::note(const std::vector<FolderJournal::Line>& lines) {
  try {
    journal.add(lines);
  } catch (const Error& error) {
    log_event(LogLevel::error, "receive", "folder journal not written", {{"why", error.what()}});
  }
}

void FolderWatch::State::settle(const Candidate& file, const Digest& digest, const Receipt& receipt,
                                std::vector<FolderJournal::Line>& lines) {
  if (receipt.outcome == Outcome::refused) {
    if (error_entry(receipt.code).retry)
      later(file, options.retry_s);
    else
      refuse(file, digest, receipt.code, receipt.text);
    return;
  }
  const bool again = receipt.outcome == Outcome::duplicate;
  metrics()
      .counter("rouage_folder_files_total", "files of watched folders", {{"outcome", again ? "duplicate" : "taken"}})
      .add();
  waiting.erase(file.path);
  lines.push_back({FolderJournal::Line::Kind::taken, file.path, file.stamp, digest});
  const std::scoped_lock lock(mutex);
  ++(again ? status.duplicates : status.taken);
}

void FolderWatch::State::take(std::vector<Candidate> files) {
  std::vector<Candidate> ready;
  std::vector<Arrival> arrivals;
  std::vector<Digest> digests;
  for (const Candidate& file : files) {
    if (stopping) break;
    if (sink.no_room(file.stamp.size)) {
      later(file, options.retry_s);
      continue;
    }
    try {
      if (auto made = arrival(file)) {
        ready.push_back(file);
        digests.push_back(made->digest);
        arrivals.push_back(std::move(*made));
      }
    } catch (const std::exception& error) {  // the share, or our disk: both may come back
      later(file, options.retry_s);
      log_event(LogLevel::error, "receive", "folder file not read",
                {{"folder", options.folder.string()}, patient_field("file", file.path), {"why", error.what()}});
    }
  }
  if (arrivals.empty()) return;
  const std::vector<Receipt> receipts = sink.accept(std::move(arrivals));
  std::vector<FolderJournal::Line> lines, gone;
  for (std::size_t i = 0; i < ready.size(); ++i) settle(ready[i], digests[i], receipts.at(i), lines);
  note(lines);  // before anything is removed: what is gone from the folder stands here and in the store
  for (const FolderJournal::Line& line : lines) after_taking({line.path, line.stamp}, line.digest, gone);
  note(gone);
}

void FolderWatch::State::run() {
  while (!stopping) {
    try {
      double now = monotonic_s();
      if (now >= walk_at_s) {
        walk();
        walk_at_s = monotonic_s() + options.rescan_s;
      }
      now = monotonic_s();
      std::vector<Candidate> files = due_files(now);
      const bool busy = !files.empty();
      if (busy) take(std::move(files));
      const FolderEvents::News news = events.wait(busy ? 0 : next_wait(now));
      for (const std::string& path : news.closed)
        if (const auto stamp = root.stamp(path)) see(path, *stamp, true);
      if (news.look_everywhere) walk_at_s = 0;
      const std::scoped_lock lock(mutex);
      status.waiting = waiting.size();
    } catch (const std::exception& error) {
      log_event(LogLevel::error, "receive", "folder watch failed; it goes on",
                {{"folder", options.folder.string()}, {"why", error.what()}});
      events.wait(1);
    }
  }
  const std::scoped_lock lock(mutex);
  ended = true;
  ended_signal.notify_all();
}

FolderWatch::FolderWatch(FolderOptions options, InstanceSink& sink, ReadHeader read_header)
    : state_(std::make_unique<State>(std::move(options), sink, std::move(read_header))) {}

FolderWatch::~FolderWatch() {
  stop(0);
}

void FolderWatch::start() {
  if (state_->thread.joinable()) return;
  state_->stopping = false;
  state_->ended = false;
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

bool FolderWatch::stop(double patience_s) {
  if (!state_->thread.joinable()) return true;
  state_->stopping = true;
  state_->events.wake();
  std::unique_lock lock(state_->mutex);
  const bool in_time =
      state_->ended_signal.wait_for(lock, std::chrono::duration<double>(patience_s), [&] { return state_->ended; });
  lock.unlock();
  state_->thread.join();
  return in_time;
}

FolderStatus FolderWatch::status() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->status;
}

}  // namespace rouage::receive
