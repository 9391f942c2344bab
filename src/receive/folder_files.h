/// Files below a folder that others write to: walked, opened, moved without ever following a symbolic link, so that
/// nobody can make the gateway read or move what lies outside. Internal to the room.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/values.h"

namespace rouage::receive {

class OpenFile {
 public:
  explicit OpenFile(int fd = -1) : fd_(fd) {}
  ~OpenFile() { close(); }
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close();

 private:
  int fd_;
};

/// What tells one version of a file from the next.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// A folder held open; paths are relative to it, with '/' between parts, none of them "." or "..".
class Root {
 public:
  Root() = default;
  /// Again before each walk: a share may have been mounted anew. False when it is not there; then nothing below is.
  bool open(const std::filesystem::path& folder);
  /// Regular files that may be taken, and the folders they lie in ("" is the root). False when a folder could not be
  /// read (a share that went away). At most 32 levels.
  bool walk(const std::function<void(const std::string& file, const FileStamp&)>& file,
            const std::function<void(const std::string& folder)>& folder) const;
  /// A regular file for reading; empty when it is gone, a link, or something else.
  OpenFile open_file(const std::string& path) const;
  std::optional<FileStamp> stamp(const std::string& path) const;
  /// Only when it still has this stamp.
  bool remove(const std::string& path, const FileStamp& stamp) const;
  /// To ROOT/`into`/path, made where needed; another file of that name there is kept, and this one gets `suffix`.
  /// Returns the new path, empty when it failed.
  std::string move(const std::string& path, const FileStamp& stamp, const std::string& into,
                   const std::string& suffix) const;
  bool write_note(const std::string& path, std::string_view text) const;

 private:
  OpenFile open_folder(const std::string& path, bool make) const;
  bool walk_below(const OpenFile& folder, const std::string& path, int depth,
                  const std::function<void(const std::string&, const FileStamp&)>& file,
                  const std::function<void(const std::string&)>& folders) const;
  OpenFile root_;
};

/// Folders of the root that the watch itself fills.
inline constexpr const char* kTakenFolder = "taken";
inline constexpr const char* kRefusedFolder = "refused";

FileStamp stamp_of(int fd);
/// May a file of this name be an object? (Not hidden, not half transferred, no DICOMDIR.)
bool takeable_name(std::string_view name);

/// Does the last element of the Part 10 file end inside of it? Walks element headers only; true when it cannot tell (no
/// Part 10 file, deflated, nested too deep).  A zero-filled tail of 4,096 bytes or more counts as not written yet.
bool ends_whole(int fd, std::uint64_t size);

}  // namespace rouage::receive
