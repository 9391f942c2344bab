/// What a program that runs for months needs: an orderly stop, a log, figures to scrape, bytes that are durable.
///
///   Gate gate;  if (auto pass = gate.enter()) {...}          // no pass: the service is stopping
///   log_event(LogLevel::info, "receive", "object stored", {{"ae", "CT1"}, patient_field("sop", uid)});
///   static Counter& stored = metrics().counter("rouage_objects_stored_total", "objects made durable");  stored.add();
///   DurableFile file(folder / "x.part");  file.write(bytes);  file.finish();   // on the disk, digest known
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/values.h"

namespace rouage {

/// Seconds since 1970 UTC: for records of when something happened and for deadlines; never part of a result.
double utc_now_s();
/// "2026-11-24T08:00:00.250Z".
std::string utc_text(double utc_s);

/// An orderly stop: after close(), nobody enters; close() returns when all who entered have left. Thread-safe.
class Gate {
 public:
  class Pass {
   public:
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass();
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    Gate* gate_;
  };
  Pass enter();
  bool closed() const { return closed_; }
  /// Waits at most `patience_s` for those inside; false when some are still there.
  bool close(double patience_s = 30);

 private:
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::condition_variable left_;
  int inside_ = 0;
};

enum class LogLevel { debug, info, warning, error };
struct LogField {
  std::string key, value;
  bool patient = false;  ///< names a patient, or a UID that leads to one: salted digest unless the log may hold it
};
inline LogField patient_field(std::string key, std::string value) {
  return {std::move(key), std::move(value), true};
}
struct LogOptions {
  LogLevel least = LogLevel::info;
  bool json = true;           ///< one JSON object a line; else text for a terminal
  bool patient_data = false;  ///< write patient fields as they are
  std::string salt;           ///< of their digests; a store has its own
};
void set_log_options(LogOptions options);
/// One line on standard error: {"time","level","room","event",fields...}. Thread-safe.
void log_event(LogLevel level, std::string_view room, std::string_view event, const std::vector<LogField>& fields = {});

/// Figures in Prometheus' text form. Names end in the unit (_total, _seconds, _bytes). Thread-safe.
using MetricLabels = std::map<std::string, std::string>;
class Counter {
 public:
  void add(double by = 1);
  double value() const { return value_; }

 private:
  std::atomic<double> value_{0};
};
class Gauge {
 public:
  void set(double value) { value_ = value; }
  void add(double by);
  double value() const { return value_; }

 private:
  std::atomic<double> value_{0};
};
/// Buckets fixed from 1 ms to 1000 s, a factor of about 2 each.
class Histogram {
 public:
  static constexpr int kBuckets = 20;
  void observe(double seconds);
  double upper_s(int bucket) const;
  std::uint64_t count(int bucket) const { return buckets_[static_cast<std::size_t>(bucket)]; }
  double sum() const { return sum_; }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets_{};
  std::atomic<double> sum_{0};
};
class Metrics {
 public:
  Metrics();
  ~Metrics();
  /// The same name and labels give the same object, which lives as long as the registry.
  Counter& counter(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  std::string text() const;  ///< exposition format 0.0.4

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};
/// The process' own registry: figures are of the process, so this one thing is shared.
Metrics& metrics();

/// A new file that is written in pieces, digested on the way, and durable after finish(). Removed by the destructor
/// when finish() was not called. Errors: FileUnwritable, DiskFull.
class DurableFile {
 public:
  explicit DurableFile(std::filesystem::path path);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;
  void write(std::span<const std::uint8_t> bytes);
  std::uint64_t size() const { return size_; }
  /// Bytes flushed to the disk (not yet the folder's entry: sync_folder). Returns SHA-256 of all bytes. Once.
  /// sync false: the caller flushes later, with flush_file.
  Digest finish(bool sync = true);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0, started_ = 0;
  Sha256 digest_;
  bool finished_ = false;
};
/// Bytes of an existing file to the disk. Errors: FileMissing, FileUnwritable.
void flush_file(const std::filesystem::path& path);
/// A folder's entries (new, renamed, removed files) to the disk. Errors: FileUnwritable.
void sync_folder(const std::filesystem::path& folder);
/// Bytes that may still be written on the file system of `path`. Errors: FileMissing.
std::uint64_t free_bytes(const std::filesystem::path& path);
/// `length` bytes at `offset`, fewer at the end of the file. Errors: FileMissing.
Bytes read_file_range(const std::filesystem::path& path, std::uint64_t offset, std::size_t length);

}  // namespace rouage
