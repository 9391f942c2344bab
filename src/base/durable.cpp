#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/service.h"

namespace rouage {
namespace {

/// Write-back is begun after so many bytes, so that finish() has little left to wait for.
constexpr std::uint64_t kWriteBackStep = 256 * 1024;

[[noreturn]] void fail(const std::filesystem::path& path, const char* doing) {
  const int cause = errno;
  const bool full = cause == ENOSPC || cause == EDQUOT;
  throw Error(full ? ErrorCode::DiskFull : ErrorCode::FileUnwritable,
              fmt::format("{}: {}", doing, std::strerror(cause)))
      .file(path);
}

void sync_path(const std::filesystem::path& path, int flags, bool data_only) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(path);
  const int result = data_only ? ::fdatasync(descriptor) : ::fsync(descriptor);
  const int cause = errno;
  ::close(descriptor);
  if (result != 0) {
    errno = cause;
    fail(path, "flushing");
  }
}

}  // namespace

DurableFile::DurableFile(std::filesystem::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (descriptor_ < 0) fail(path_, "creating");
}

DurableFile::~DurableFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!finished_) ::unlink(path_.c_str());
}

void DurableFile::write(std::span<const std::uint8_t> bytes) {
  digest_.add(bytes);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, "writing");
    size_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (size_ - started_ >= kWriteBackStep) {
    ::sync_file_range(descriptor_, static_cast<off64_t>(started_), static_cast<off64_t>(size_ - started_),
                      SYNC_FILE_RANGE_WRITE);
    started_ = size_;
  }
}

Digest DurableFile::finish(bool sync) {
  if (sync && ::fdatasync(descriptor_) != 0) fail(path_, "flushing");
  if (::close(std::exchange(descriptor_, -1)) != 0) fail(path_, "closing");
  finished_ = true;
  return digest_.finish();
}

void flush_file(const std::filesystem::path& path) {
  sync_path(path, O_RDONLY, true);
}
void sync_folder(const std::filesystem::path& folder) {
  sync_path(folder, O_RDONLY | O_DIRECTORY, false);
}

std::uint64_t free_bytes(const std::filesystem::path& path) {
  struct statvfs figures {};
  if (::statvfs(path.c_str(), &figures) != 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(path);
  return static_cast<std::uint64_t>(figures.f_bavail) * figures.f_frsize;
}

Bytes read_file_range(const std::filesystem::path& path, std::uint64_t offset, std::size_t length) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(path);
  Bytes bytes(length);
  std::size_t got = 0;
  while (got < length) {
    const ssize_t n = ::pread(descriptor, bytes.data() + got, length - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += static_cast<std::size_t>(n);
  }
  ::close(descriptor);
  bytes.resize(got);
  return bytes;
}

}  // namespace rouage
