#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "app/audit.h"
#include "app/audit_syslog.h"
#include "base/error.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

/// Lines appended to FILE; at its limit it becomes FILE.1, FILE.1 becomes FILE.2, and the last is removed.
class RotatingFile {
 public:
  RotatingFile(fs::path path, std::uint64_t limit, int files) : path_(std::move(path)), limit_(limit), files_(files) {
    if (!path_.empty()) open();
  }
  ~RotatingFile() { close(); }
  RotatingFile(const RotatingFile&) = delete;
  RotatingFile& operator=(const RotatingFile&) = delete;

  /// Errors: FileUnwritable, DiskFull.
  void add(const std::string& line) {
    if (path_.empty()) return;
    if (descriptor_ < 0) open();
    if (size_ > 0 && size_ + line.size() > limit_) rotate();
    std::string_view left = line;
    while (!left.empty()) {
      const ssize_t n = ::write(descriptor_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail();
      size_ += static_cast<std::uint64_t>(n);
      left.remove_prefix(static_cast<std::size_t>(n));
    }
  }

 private:
  [[noreturn]] void fail() const {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    throw Error(full ? ErrorCode::DiskFull : ErrorCode::FileUnwritable, std::strerror(errno)).file(path_);
  }
  void open() {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor_ < 0) fail();
    size_ = static_cast<std::uint64_t>(::lseek(descriptor_, 0, SEEK_END));
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  void rotate() {
    close();
    std::error_code ignored;
    const auto numbered = [&](int n) { return fs::path(path_.string() + "." + std::to_string(n)); };
    fs::remove(numbered(files_), ignored);
    for (int n = files_ - 1; n >= 1; --n)
      if (fs::exists(numbered(n), ignored)) fs::rename(numbered(n), numbered(n + 1), ignored);
    fs::rename(path_, numbered(1), ignored);
    open();
  }

  fs::path path_;
  std::uint64_t limit_, size_ = 0;
  int files_, descriptor_ = -1;
};

}  // namespace

struct AuditTrail::State {
  struct Waiting {
    std::uint64_t number;
    std::string line;
  };
  AuditOptions options;
  std::mutex file_mutex;
  RotatingFile file;
  std::unique_ptr<SyslogSender> sender;  // of the thread only

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Waiting> queue;
  Counts counts;
  std::uint64_t unsaid_drops = 0;
  bool stopping = false;
  double stop_by_s = 0;
  std::thread thread;

  explicit State(AuditOptions given)
      : options(std::move(given)), file(options.file, options.file_bytes, std::max(1, options.files)) {}

  void write_file(const std::string& xml) {
    try {
      const std::scoped_lock lock(file_mutex);
      file.add(xml + "\n");
    } catch (const Error& error) {
      metrics().counter("rouage_audit_file_errors_total", "audit messages that the file did not take").add();
      log_event(LogLevel::error, "app", "audit file not written", {{"why", error.what()}});
    }
  }

  void enqueue(std::string line) {
    const std::scoped_lock lock(mutex);
    ++counts.recorded;
    if (!thread.joinable()) return;
    if (queue.size() >= options.queue) {
      queue.pop_front();
      drop_one();
    }
    queue.push_back({counts.recorded, std::move(line)});
    changed.notify_all();
  }

  void drop_one() {
    ++counts.dropped;
    ++unsaid_drops;
    metrics().counter("rouage_audit_dropped_total", "audit messages that syslog never got").add();
  }

  /// One message; what failed for good (too large for UDP) is dropped.
  bool send(const std::string& line) {
    try {
      sender->send(line);
      return true;
    } catch (const Error& error) {
      const bool again = error_entry(error.code()).retry;
      log_event(LogLevel::error, "app", again ? "audit repository not reached" : "audit message cannot be sent",
                {{"why", error.what()}});
      const std::scoped_lock lock(mutex);
      if (!again) drop_one();
      return !again;
    }
  }

  void say_drops() {
    std::uint64_t drops = 0;
    {
      const std::scoped_lock lock(mutex);
      drops = std::exchange(unsaid_drops, 0);
    }
    if (drops == 0) return;
    AuditParticipant nobody;
    const AuditMessage alert =
        audit_alert(AuditAlert::audit_stopped, nobody, nobody, fmt::format("{} audit messages were dropped", drops),
                    AuditOutcome::serious_failure);
    const double now = utc_now_s();
    const std::string xml = audit_xml(alert, options.source, now);
    write_file(xml);
    enqueue(syslog_line(xml, now));
  }

  void run() {
    double wait_s = options.first_wait_s;
    while (true) {
      Waiting next;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty() || (stopping && monotonic_s() >= stop_by_s)) return;
        next = queue.front();
      }
      if (send(next.line)) {
        {
          const std::scoped_lock lock(mutex);
          if (!queue.empty() && queue.front().number == next.number) {
            queue.pop_front();
            ++counts.sent;
          }
        }
        wait_s = options.first_wait_s;
        say_drops();
        continue;
      }
      std::unique_lock lock(mutex);
      const double wait = stopping ? std::min(0.2, wait_s) : wait_s;
      changed.wait_for(lock, std::chrono::duration<double>(wait), [&] { return stopping; });
      wait_s = std::min(wait_s * 2, options.longest_wait_s);
      if (stopping && monotonic_s() >= stop_by_s) return;
    }
  }
};

AuditTrail::AuditTrail(AuditOptions options) : state_(std::make_unique<State>(std::move(options))) {
  State& state = *state_;
  if (state.options.syslog.empty()) return;
  state.sender = std::make_unique<SyslogSender>(
      syslog_address(state.options.syslog),
      SyslogSecurity{state.options.authorities, state.options.certificate, state.options.key},
      state.options.send_timeout_s);
  state.thread = std::thread([&state] { state.run(); });
}

AuditTrail::~AuditTrail() {
  stop(0);
}

void AuditTrail::record(const AuditMessage& message) {
  try {
    const double now = utc_now_s();
    const std::string xml = audit_xml(message, state_->options.source, now);
    state_->write_file(xml);
    state_->enqueue(syslog_line(xml, now));
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "app", "audit message not recorded", {{"why", error.what()}});
  }
}

void AuditTrail::stop(double patience_s) {
  std::thread ended;
  {
    const std::scoped_lock lock(state_->mutex);
    if (!state_->thread.joinable()) return;
    state_->stopping = true;
    state_->stop_by_s = monotonic_s() + patience_s;
    state_->changed.notify_all();
    ended.swap(state_->thread);
  }
  ended.join();
  const std::scoped_lock lock(state_->mutex);
  if (!state_->queue.empty())
    log_event(LogLevel::error, "app", "audit messages were not sent before the stop",
              {{"count", std::to_string(state_->queue.size())}});
}

AuditTrail::Counts AuditTrail::counts() const {
  const std::scoped_lock lock(state_->mutex);
  Counts counts = state_->counts;
  counts.waiting = state_->queue.size();
  return counts;
}

}  // namespace rouage::app
