/// What a watched folder has given already: one line a file, appended and flushed, made short again when most lines are
/// out of date (docs/formats/folder-journal.md). Internal to the room; one thread.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/values.h"
#include "receive/folder_files.h"

namespace rouage::receive {

class FolderJournal {
 public:
  struct Entry {
    FileStamp stamp;
    Digest digest;
    bool taken = true;  ///< else refused
  };
  struct Line {
    enum class Kind { taken, refused, gone } kind = Kind::taken;
    std::string path;
    FileStamp stamp;
    Digest digest;
  };
  /// A line that a crash cut short is left out.  Errors: FileUnwritable.
  explicit FolderJournal(std::filesystem::path file);
  const Entry* find(const std::string& path) const;
  /// Durable on return. Errors: FileUnwritable, DiskFull; what it says is known in memory all the same.
  void add(const std::vector<Line>& lines);
  std::size_t size() const { return entries_.size(); }

 private:
  void read();
  void compact();
  void remember(const Line& line);
  std::filesystem::path file_;
  std::unordered_map<std::string, Entry> entries_;
  std::size_t lines_ = 0;
};

}  // namespace rouage::receive
