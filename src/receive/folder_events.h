/// inotify on a folder and all below it: which files were closed after writing or moved in. Internal to the room.
#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "receive/folder_files.h"

namespace rouage::receive {

class FolderEvents {
 public:
  explicit FolderEvents(std::filesystem::path folder);
  /// False when the system has no watch left to give; said once in the log.
  bool watch(const std::string& folder);
  bool working() const { return working_; }
  /// Waits at most so long, or until wake(); then all that has happened.
  struct News {
    std::vector<std::string> closed;  ///< files, relative
    bool look_everywhere = false;     ///< events were lost, or a folder came: walk it all
  };
  News wait(double most_s);
  void wake() const;  ///< from any thread

 private:
  void read_events(News& news);
  std::filesystem::path folder_;
  OpenFile inotify_, wake_;
  std::map<int, std::string> watched_;      // by watch descriptor
  std::map<std::string, int> descriptors_;  // and back
  bool working_ = false;
};

}  // namespace rouage::receive
