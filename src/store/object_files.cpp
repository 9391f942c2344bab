#include "store/object_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::store {
namespace fs = std::filesystem;
namespace {

constexpr long kXfsMagic = 0x58465342;  // not in linux/magic.h

[[noreturn]] void fail(const fs::path& path, const char* doing, int cause) {
  const bool full = cause == ENOSPC || cause == EDQUOT;
  const ErrorCode code = full              ? ErrorCode::DiskFull
                         : cause == ENOENT ? ErrorCode::FileMissing
                                           : ErrorCode::FileUnwritable;
  throw Error(code, fmt::format("{}: {}", doing, std::strerror(cause))).file(path);
}

}  // namespace

fs::path study_folder(const std::string& study_uid) {
  const std::string digest = sha256(study_uid).short_hex();
  return fs::path(digest.substr(0, 2)) / digest;
}

std::string object_name(const std::string& sop_uid, const std::string& digest_hex) {
  return sha256(sop_uid).short_hex() + "-" + digest_hex + ".dcm";
}

fs::path object_path(const std::string& study_uid, const std::string& sop_uid, const std::string& digest_hex) {
  return study_folder(study_uid) / object_name(sop_uid, digest_hex);
}

Placed place(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return Placed::moved;
  if (errno == EEXIST) return Placed::occupied;
  if (errno != EINVAL && errno != ENOSYS) fail(to, "moving", errno);
  // A file system that cannot refuse to replace: a link can.
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (errno == EEXIST) return Placed::occupied;
    fail(to, "linking", errno);
  }
  ::unlink(from.c_str());
  return Placed::moved;
}

void make_folder_durable(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) fail(folder, "making the folder", problem.value());
  sync_folder(folder.parent_path());
  sync_folder(folder.parent_path().parent_path());
}

bool flush_covers_rename(const fs::path& folder) {
  struct statfs figures {};
  if (::statfs(folder.c_str(), &figures) != 0) return false;
  const long kind = static_cast<long>(figures.f_type);
  return kind == EXT4_SUPER_MAGIC || kind == kXfsMagic || kind == BTRFS_SUPER_MAGIC;
}

namespace {

/// Where the data set begins: behind the meta header, by its group length (PS3.10 7.1); 0 when that is not there.
std::uint64_t dataset_offset(const Bytes& start) {
  constexpr std::size_t kGroupLength = 132, kAfter = 144;
  if (start.size() < kAfter || std::memcmp(start.data() + 128, "DICM\x02\x00\x00\x00UL\x04\x00", 12) != 0) return 0;
  std::uint64_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | start[kGroupLength + 8 + static_cast<std::size_t>(i)];
  return kAfter + length;
}

}  // namespace

bool same_dataset(const fs::path& a, const fs::path& b) {
  constexpr std::size_t kStart = 4'096, kPiece = 1 << 20;
  std::uint64_t at_a = dataset_offset(read_file_start(a, kStart)), at_b = dataset_offset(read_file_start(b, kStart));
  if (at_a == 0 || at_b == 0) return false;
  std::error_code problem;
  const std::uint64_t size_a = fs::file_size(a, problem), size_b = fs::file_size(b, problem);
  if (problem || size_a < at_a || size_b < at_b || size_a - at_a != size_b - at_b) return false;
  while (at_a < size_a) {
    const Bytes one = read_file_range(a, at_a, kPiece), other = read_file_range(b, at_b, kPiece);
    if (one.empty() || one != other) return false;
    at_a += one.size();
    at_b += one.size();
  }
  return true;
}

void Flusher::Job::run_if_waiting() {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::waiting) return;
    phase_ = Phase::running;
  }
  std::exception_ptr error;
  try {
    work_();
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  error_ = error;
  phase_ = Phase::done;
  ended_.notify_all();
}

void Flusher::Job::finish() {
  run_if_waiting();
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return phase_ == Phase::done; });
  if (error_) std::rethrow_exception(error_);
}

Flusher::Flusher(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

Flusher::~Flusher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<Flusher::Job> Flusher::begin(std::function<void()> work) {
  auto job = std::make_shared<Job>();
  job->work_ = std::move(work);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  more_.notify_one();
  return job;
}

void Flusher::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    more_.wait(lock, [&] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::shared_ptr<Job> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job->run_if_waiting();
    lock.lock();
  }
}

}  // namespace rouage::store
