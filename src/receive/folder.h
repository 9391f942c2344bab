/// A watched folder: DICOM files that somebody else writes there are taken when they are whole, each once.
///
///   HeaderReader headers;
///   FolderWatch watch({.folder = "/srv/drop", .state = "rouage-data/run"}, sink,
///                     [&](const fs::path& file) { return headers.read(file); });
///   watch.start();  ...  watch.stop(10);
///
/// When a file is whole: it was closed or moved in (inotify) and has rested for closed_quiet_s, or its size and time
/// have not changed for quiet_s (network shares send no events); and its last DICOM element ends inside of it. What was
/// taken stands in a journal under `state` (docs/formats/folder-journal.md), so that a restart takes nothing twice;
/// what was taken but not yet journalled when the process died comes again and the store calls it a duplicate.
///
/// Left alone: hidden files and folders, names of unfinished transfers (.part, .tmp, .filepart, ~), DICOMDIR, empty
/// files, symbolic links (never followed), special files. Archives (zip, tar) are not opened: they are refused by name.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "receive/receive.h"

namespace rouage::receive {

enum class AfterTaking {
  keep,    ///< left where it is (the folder may be read-only)
  remove,  ///< removed after the object is durable here
  move     ///< into FOLDER/taken/, its own path kept
};

struct FolderOptions {
  std::filesystem::path folder;
  std::filesystem::path state;  ///< where the journal stands: on this machine, not on the share
  AfterTaking after = AfterTaking::keep;
  bool move_refused = false;  ///< into FOLDER/refused/, beside each a .txt that says why
  double quiet_s = 10, closed_quiet_s = 0.5;
  double incomplete_s = 300;  ///< a file whose last element is cut is refused when it has rested so long
  double rescan_s = 30;       ///< the whole folder is walked so often, events or not
  double retry_s = 10;        ///< after no room, or a store that could not keep it
  std::uint64_t max_file_bytes = 8ULL * 1024 * 1024 * 1024;
};

struct FolderStatus {
  std::uint64_t taken = 0, duplicates = 0, refused = 0, waiting = 0;  ///< since start; waiting: now
  bool events = false;     ///< inotify works; else only the rescan sees new files
  bool reachable = false;  ///< the folder could be walked last time
  std::string last_refusal;
};

/// Reads the header of a file that is hostile until proved otherwise: HeaderReader::read, in a child.
using ReadHeader = std::function<dicom::IndexEntry(const std::filesystem::path&)>;

/// One folder, one thread: a network share that hangs stalls only its own watch.
class FolderWatch {
 public:
  /// The folder may be absent (a share that is not mounted yet): that is said, and looked for again. Errors:
  /// FileUnwritable (the journal).
  FolderWatch(FolderOptions options, InstanceSink& sink, ReadHeader read_header);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;
  void start();
  /// The batch in hand is finished; false when that took longer than the patience. Idempotent.
  bool stop(double patience_s);
  FolderStatus status() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::receive
