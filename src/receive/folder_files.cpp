#include "receive/folder_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace rouage::receive {
namespace {

constexpr int kDeepest = 32;

bool ends_with(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

/// "a/b/c" -> ("a/b", "c").
std::pair<std::string, std::string> parent_and_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

FileStamp stamp_from(const struct stat& info) {
  return {static_cast<std::uint64_t>(info.st_size),
          static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

bool same_file(int folder, const std::string& name, const FileStamp& stamp) {
  struct stat info {};
  return ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
         stamp_from(info) == stamp;
}

}  // namespace

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void OpenFile::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

FileStamp stamp_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? stamp_from(info) : FileStamp{};
}

bool takeable_name(std::string_view name) {
  if (name.empty() || name.front() == '.' || name == "DICOMDIR" || name == "Thumbs.db" || name == "desktop.ini")
    return false;
  const std::string lower = lower_case(name);
  for (const char* end : {".part", ".tmp", ".temp", ".filepart", ".partial", ".crdownload", "~"})
    if (ends_with(lower, end)) return false;
  return true;
}

bool Root::open(const std::filesystem::path& folder) {
  root_ = OpenFile(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return static_cast<bool>(root_);
}

OpenFile Root::open_folder(const std::string& path, bool make) const {
  OpenFile at(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (path.empty() || !at) return at;
  for (const std::string& name : split(path, '/')) {
    if (name.empty() || name == "." || name == "..") return OpenFile{};
    if (make && ::mkdirat(at.get(), name.c_str(), 0750) != 0 && errno != EEXIST) return OpenFile{};
    at = OpenFile(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!at) return at;
  }
  return at;
}

bool Root::walk_below(const OpenFile& folder, const std::string& path, int depth,
                      const std::function<void(const std::string&, const FileStamp&)>& file,
                      const std::function<void(const std::string&)>& folders) const {
  const int again = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseFolder> listing(again >= 0 ? ::fdopendir(again) : nullptr);
  if (!listing) return false;
  folders(path);
  bool whole = true;
  errno = 0;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name(static_cast<const char*>(entry->d_name));
    const std::string below = path.empty() ? name : path + "/" + name;
    struct stat info {};
    if (name.front() == '.' || ::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      errno = 0;
      continue;
    }
    if (S_ISREG(info.st_mode) && takeable_name(name)) file(below, stamp_from(info));
    const bool ours = path.empty() && (name == kTakenFolder || name == kRefusedFolder);
    if (S_ISDIR(info.st_mode) && !ours && depth < kDeepest) {
      const OpenFile child(::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (child) whole = walk_below(child, below, depth + 1, file, folders) && whole;
    }
    errno = 0;
  }
  return whole && errno == 0;
}

bool Root::walk(const std::function<void(const std::string&, const FileStamp&)>& file,
                const std::function<void(const std::string&)>& folder) const {
  return walk_below(root_, "", 0, file, folder);
}

OpenFile Root::open_file(const std::string& path) const {
  const auto [parent, name] = parent_and_name(path);
  const OpenFile folder = open_folder(parent, false);
  if (!folder) return OpenFile{};
  // O_NONBLOCK: a named pipe that took the file's place must not hold us.
  OpenFile file(::openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (file && (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))) file.close();
  return file;
}

std::optional<FileStamp> Root::stamp(const std::string& path) const {
  const auto [parent, name] = parent_and_name(path);
  const OpenFile folder = open_folder(parent, false);
  struct stat info {};
  if (!folder || ::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
    return std::nullopt;
  return stamp_from(info);
}

bool Root::remove(const std::string& path, const FileStamp& stamp) const {
  const auto [parent, name] = parent_and_name(path);
  const OpenFile folder = open_folder(parent, false);
  return folder && same_file(folder.get(), name, stamp) && ::unlinkat(folder.get(), name.c_str(), 0) == 0;
}

std::string Root::move(const std::string& path, const FileStamp& stamp, const std::string& into,
                       const std::string& suffix) const {
  const auto [parent, name] = parent_and_name(path);
  const OpenFile from = open_folder(parent, false);
  const std::string place = parent.empty() ? into : into + "/" + parent;
  const OpenFile to = open_folder(place, true);
  if (!from || !to || !same_file(from.get(), name, stamp)) return {};
  for (const std::string& chosen : {name, name + "-" + suffix}) {
    if (::renameat2(from.get(), name.c_str(), to.get(), chosen.c_str(), RENAME_NOREPLACE) == 0)
      return place + "/" + chosen;
    if (errno == EINVAL || errno == ENOSYS) {  // some network file systems: look first, then rename
      struct stat info {};
      if (::fstatat(to.get(), chosen.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 &&
          ::renameat(from.get(), name.c_str(), to.get(), chosen.c_str()) == 0)
        return place + "/" + chosen;
    }
  }
  return {};
}

bool Root::write_note(const std::string& path, std::string_view text) const {
  const auto [parent, name] = parent_and_name(path);
  const OpenFile folder = open_folder(parent, false);
  if (!folder) return false;
  const OpenFile file(
      ::openat(folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace rouage::receive
