#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/host.h"

namespace rouage {
namespace fs = std::filesystem;
namespace {

std::string last_error() {
  return std::generic_category().message(errno);
}

/// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  bool open() const { return value_ >= 0; }

 private:
  int value_;
};

void write_all(const Descriptor& file, std::span<const std::uint8_t> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

/// A regular file opened for reading, and its size.
Descriptor opened(const fs::path& path, std::uint64_t& size) {
  Descriptor file(path, O_RDONLY);
  struct stat info {};
  if (!file.open() || ::fstat(file.get(), &info) != 0) throw Error(ErrorCode::FileMissing, last_error()).file(path);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::FileMissing, "not a regular file").file(path);
  size = static_cast<std::uint64_t>(info.st_size);
  return file;
}

/// The same, refused before a byte is read when it is over the cap.
Descriptor opened_within(const fs::path& path, std::uint64_t cap_bytes, std::uint64_t& size) {
  Descriptor file = opened(path, size);
  if (size > cap_bytes)
    throw Error(ErrorCode::FileTooLarge, std::to_string(size) + " bytes, the limit is " + std::to_string(cap_bytes))
        .file(path);
  return file;
}

Bytes read_bytes(const Descriptor& file, std::size_t size, const fs::path& path) {
  Bytes bytes(size);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::FileMissing, last_error()).file(path);
    if (got == 0) break;  // the file became shorter meanwhile
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw Error(ErrorCode::FileUnwritable, failure.message()).file(folder);
}

void flush_folder(const fs::path& folder) {
  const Descriptor descriptor(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor.open()) ::fsync(descriptor.get());
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.size() > 1 && name.front() == '.' && name != "..";
}

void collect(const fs::path& folder, std::vector<fs::path>& files) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, fs::directory_options::skip_permission_denied, failure)) {
    if (hidden(entry.path())) continue;
    if (entry.is_directory(failure) && !entry.is_symlink(failure))
      collect(entry.path(), files);
    else if (entry.is_regular_file(failure))
      files.push_back(entry.path());
  }
  if (failure) throw Error(ErrorCode::FileMissing, failure.message()).file(folder);
}

}  // namespace

Bytes read_file(const fs::path& path, std::uint64_t cap_bytes) {
  std::uint64_t size = 0;
  const Descriptor file = opened_within(path, cap_bytes, size);
  return read_bytes(file, size, path);
}

Digest file_digest(const fs::path& path, std::uint64_t cap_bytes) {
  std::uint64_t size = 0;
  const Descriptor file = opened_within(path, cap_bytes, size);
  Sha256 hash;
  Bytes chunk(std::min<std::uint64_t>(size, kMebibyte));
  for (std::uint64_t rest = size; rest > 0;) {
    const ssize_t got = ::read(file.get(), chunk.data(), std::min<std::uint64_t>(rest, chunk.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::FileMissing, last_error()).file(path);
    if (got == 0) break;  // the file became shorter meanwhile
    hash.add(std::span(chunk).first(static_cast<std::size_t>(got)));
    rest -= static_cast<std::uint64_t>(got);
  }
  return hash.finish();
}

Bytes read_file_start(const fs::path& path, std::size_t most) {
  std::uint64_t size = 0;
  const Descriptor file = opened(path, size);
  return read_bytes(file, std::min<std::uint64_t>(size, most), path);
}

std::string read_text(const fs::path& path, std::uint64_t cap_bytes) {
  const Bytes bytes = read_file(path, cap_bytes);
  return {bytes.begin(), bytes.end()};
}

void write_file(const fs::path& path, std::span<const std::uint8_t> bytes) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.open()) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
  write_all(file, bytes, path);
}

void write_file_atomic(const fs::path& path, std::span<const std::uint8_t> bytes) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  make_folder(folder);
  const fs::path partial = folder / ("." + path.filename().string() + "." + std::to_string(::getpid()) + ".part");
  {
    const Descriptor file(partial, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.open()) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
    write_all(file, bytes, path);
    if (::fdatasync(file.get()) != 0) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) {
    const std::string why = last_error();
    ::unlink(partial.c_str());
    throw Error(ErrorCode::FileUnwritable, why).file(path);
  }
  flush_folder(folder);
}

void write_file_atomic(const fs::path& path, std::string_view text) {
  write_file_atomic(path, as_bytes(text));
}

void append_line(const fs::path& path, std::string_view line) {
  if (path.has_parent_path()) make_folder(path.parent_path());
  const Descriptor file(path, O_WRONLY | O_CREAT | O_APPEND);
  if (!file.open()) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
  const std::string whole = std::string(line) + "\n";
  write_all(file, as_bytes(whole), path);
  if (::fdatasync(file.get()) != 0) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
}

StagedFolder::StagedFolder(fs::path staging) : staging_(std::move(staging)) {
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
  make_folder(staging_);
}

StagedFolder::~StagedFolder() {
  if (published_) return;
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void StagedFolder::publish(const fs::path& destination) {
  if (destination.has_parent_path()) make_folder(destination.parent_path());
  std::error_code failure;
  fs::remove_all(destination, failure);
  fs::rename(staging_, destination, failure);
  if (failure) throw Error(ErrorCode::FileUnwritable, failure.message()).file(destination);
  published_ = true;
}

FolderLock::FolderLock(const fs::path& folder) {
  const fs::path path = folder / ".rouage" / "lock";
  make_folder(path.parent_path());
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw Error(ErrorCode::FileUnwritable, last_error()).file(path);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    throw Error(ErrorCode::FolderBusy).file(folder);
  }
}

FolderLock::~FolderLock() {
  ::close(descriptor_);
}

std::vector<fs::path> files_below(const fs::path& path) {
  std::error_code failure;
  const auto status = fs::status(path, failure);
  if (failure || !fs::exists(status)) throw Error(ErrorCode::FileMissing, "no such file or folder").file(path);
  if (!fs::is_directory(status)) return {path};
  std::vector<fs::path> files;
  collect(path, files);
  std::sort(files.begin(), files.end());
  return files;
}

fs::path program_path() {
  std::error_code failure;
  fs::path path = fs::read_symlink("/proc/self/exe", failure);
  if (failure) throw Error(ErrorCode::Internal, "/proc/self/exe cannot be read: " + failure.message());
  return path;
}

fs::path product_folder() {
  if (const char* home = std::getenv("ROUAGE_HOME"); home != nullptr && *home != '\0') return home;
  const fs::path folder = program_path().parent_path();
  for (const fs::path& candidate : {folder / ".." / "..", folder / ".." / "share" / "rouage", folder}) {
    std::error_code ignored;
    if (fs::is_directory(candidate / "models", ignored)) return fs::weakly_canonical(candidate, ignored);
  }
  throw Error(ErrorCode::FileMissing, "no models folder near the program")
      .file(folder)
      .remedy("set ROUAGE_HOME to the folder that holds models/");
}

}  // namespace rouage
