/// What touches the machine: files, folders, clock, progress. Nothing else in Rouage opens a file or reads a clock.
///
///   Bytes bytes = read_file(path, 512 * kMebibyte);             // Errors: FileMissing, FileTooLarge
///   write_file_atomic(path, bytes);                             // a reader sees the old file or the new one, whole
///   StagedFolder staged(out / ".staging");  ...write into staged.path()...;  staged.publish(out / "film");
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/values.h"

namespace rouage {

inline constexpr std::uint64_t kMebibyte = 1024 * 1024;

/// Whole file. Errors: FileMissing (absent, a folder, not readable), FileTooLarge (over cap, said before reading).
Bytes read_file(const std::filesystem::path& path, std::uint64_t cap_bytes);
/// SHA-256 of a whole file, read in pieces. Errors: as read_file.
Digest file_digest(const std::filesystem::path& path, std::uint64_t cap_bytes);
/// The first `most` bytes, or all of a shorter file: what a header needs. Errors: FileMissing.
Bytes read_file_start(const std::filesystem::path& path, std::size_t most);
std::string read_text(const std::filesystem::path& path, std::uint64_t cap_bytes = 64 * kMebibyte);

/// Written beside its place, flushed to the disk, renamed. Errors: FileUnwritable.
void write_file_atomic(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);
void write_file_atomic(const std::filesystem::path& path, std::string_view text);
/// Plain write without flushing, for files inside a StagedFolder.  Errors: FileUnwritable.
void write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);
/// One line added and flushed to the disk: journals.  Errors: FileUnwritable.
void append_line(const std::filesystem::path& path, std::string_view line);

/// A folder that appears whole or not at all: files go to `staging` (made empty; same file system as the destination),
/// `publish` renames it into place, making parents and replacing an older folder of that name. Without publish the
/// destructor removes it. Nothing is flushed to the disk: who must survive a power cut compares digests afterwards, as
/// the journal of `rouage analyze` does.
class StagedFolder {
 public:
  explicit StagedFolder(std::filesystem::path staging);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  const std::filesystem::path& path() const { return staging_; }
  void publish(const std::filesystem::path& destination);

 private:
  std::filesystem::path staging_;
  bool published_ = false;
};

/// Held while one process works in a folder (flock on FOLDER/.rouage/lock). Errors: FolderBusy, FileUnwritable.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// All regular files below `path`, sorted by name, hidden files and folders left out; `path` itself when it is a file.
/// Symbolic links to folders are not followed. Errors: FileMissing.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& path);

/// Folder of the running program, and the product's read-only files (models/, page/ texts): $ROUAGE_HOME, else the
/// first of <program>/../.. (build tree), <program>/../share/rouage that has a models folder.
std::filesystem::path program_path();
std::filesystem::path product_folder();

/// Monotonic seconds, for progress and benchmarks only; never part of a result.
double monotonic_s();
/// "2026-11-24T08:00:00Z": for logs and journals only; never part of a result.
std::string utc_now_text();

/// One line on standard error that rewrites itself, only when standard error is a terminal.
class ProgressBar {
 public:
  ProgressBar(std::string what, std::size_t total);
  ~ProgressBar();
  void advance(std::size_t done, std::string_view note = {});

 private:
  std::string what_;
  std::size_t total_;
  double started_s_, drawn_s_ = -1;
  bool terminal_;
};

/// Plain aligned table for people: columns of numbers (`>` alignment) and of words (`<`), UTF-8 widths respected.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headers, std::string alignments);
  void row(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::string alignments_;
};

/// Rows of a CSV file (RFC 4180: quotes, doubled quotes, CRLF), the first row being the header.
struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  /// Column index, or -1.
  int column(std::string_view name) const;
};
/// Errors: TableInvalid (names the line), FileMissing.
CsvTable read_csv(const std::filesystem::path& path);

}  // namespace rouage
