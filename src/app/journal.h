/// What an output folder remembers of finished inputs, so that `analyze` can be interrupted and go on.
///
/// OUT/.rouage/journal.jsonl, one line an input, flushed to the disk after the film's folder is in place. An entry
/// counts only while the files that it names are there with the recorded digest (a power cut may have emptied them).
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rouage::app {

struct JournalEntry {
  std::string key;  ///< input path, its facts, settings, cog, models
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::string status;  ///< done, ineligible, refused
  std::string folder;  ///< relative to OUT; "" for a refused input
  std::string files_digest;
  std::string study_instance_uid;
  std::string document;  ///< the line printed by --json
};

class Journal {
 public:
  /// Reads what is there; a torn last line is ignored. Errors: FileUnwritable, TableInvalid for a foreign file.
  explicit Journal(std::filesystem::path out);
  /// The entry of this key, of an earlier run, when the input is unchanged and the outputs are whole.
  const JournalEntry* find(const std::string& key, const std::filesystem::path& input) const;
  /// For the next run: this one does not keep it in memory.
  void add(const JournalEntry& entry) const;

 private:
  std::filesystem::path out_, path_;
  std::map<std::string, JournalEntry> entries_;
};

/// Size and time of change of a file, for the entry; zero when it is gone.
void note_state(JournalEntry& entry, const std::filesystem::path& input);

/// SHA-256 over the names and bytes of a folder's files.
std::string folder_digest(const std::filesystem::path& folder);

}  // namespace rouage::app
