#include "app/journal.h"

#include <filesystem>
#include <optional>

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
namespace {

constexpr int kFormat = 1;

struct FileState {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
};

std::optional<FileState> state_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileState{static_cast<std::uint64_t>(info.st_size),
                   std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Json to_json(const JournalEntry& entry) {
  return {{"format", kFormat},
          {"key", entry.key},
          {"size", entry.size},
          {"modified_ns", entry.modified_ns},
          {"status", entry.status},
          {"folder", entry.folder},
          {"files_digest", entry.files_digest},
          {"study", entry.study_instance_uid},
          {"document", entry.document}};
}

JournalEntry from_json(const Json& json) {
  JournalEntry entry;
  entry.key = json.at("key");
  entry.size = json.at("size");
  entry.modified_ns = json.at("modified_ns");
  entry.status = json.at("status");
  entry.folder = json.at("folder");
  entry.files_digest = json.at("files_digest");
  entry.study_instance_uid = json.at("study");
  entry.document = json.at("document");
  return entry;
}

}  // namespace

Journal::Journal(fs::path out) : out_(std::move(out)), path_(out_ / ".rouage" / "journal.jsonl") {
  std::error_code ignored;
  if (!fs::exists(path_, ignored)) return;
  for (const std::string& line : split(read_text(path_, 4096 * kMebibyte), '\n')) {
    const Json json = Json::parse(line, nullptr, false);
    // A torn line is what a crash leaves: its input is simply done again.
    if (!json.is_object() || json.value("format", 0) != kFormat) continue;
    try {
      JournalEntry entry = from_json(json);
      const std::string key = entry.key;
      entries_[key] = std::move(entry);
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::TableInvalid, error.what())
          .file(path_)
          .remedy("give another --out, or remove this journal");
    }
  }
}

const JournalEntry* Journal::find(const std::string& key, const fs::path& input) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  const JournalEntry& entry = found->second;
  const auto state = state_of(input);
  if (!state || state->size != entry.size || state->modified_ns != entry.modified_ns) return nullptr;
  if (!entry.folder.empty() && folder_digest(out_ / entry.folder) != entry.files_digest) return nullptr;
  return &entry;
}

void Journal::add(const JournalEntry& entry) const {
  append_line(path_, to_json(entry).dump());
}

void note_state(JournalEntry& entry, const fs::path& input) {
  const FileState state = state_of(input).value_or(FileState{});
  entry.size = state.size;
  entry.modified_ns = state.modified_ns;
}

std::string folder_digest(const fs::path& folder) {
  std::error_code missing;
  if (!fs::is_directory(folder, missing)) return "";
  std::vector<std::string> parts;
  for (const fs::path& file : files_below(folder)) {
    parts.push_back(file.filename().string());
    parts.push_back(file_digest(file, 4096 * kMebibyte).hex());
  }
  return digest_of(parts).hex();
}

}  // namespace rouage::app
