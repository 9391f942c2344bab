/// Hostile DICOM bytes are parsed in children: one that crashes, hangs or eats memory costs its own file only.
///
///   HeaderReader headers;                                        // `rouage read-headers --child`
///   const dicom::IndexEntry entry = headers.read(file);          // HeaderInvalid when the file ends its reader
///
/// The conversation: "<decimal length>\n<bytes>" both ways; an answer begins with '+' (what was asked for) or '-' (an
/// Error as JSON). Children live on between files, are started when needed and leave when the gateway is gone.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "dicom/object.h"

namespace rouage::receive {

struct ReaderOptions {
  std::filesystem::path program;   ///< empty: this program
  std::string command;             ///< its hidden subcommand; called with --child, --memory-mb and --deadline-s
  int children = 2;                ///< at once; more callers wait
  std::uint64_t memory_mb = 2048;  ///< heap of a child
  double deadline_s = 30;          ///< of one request; then the child is killed
  std::uint64_t answer_bytes = 64ULL * 1024 * 1024;  ///< a longer answer ends the child
};

/// A few children that all do the same. Thread-safe.
class ReaderChildren {
 public:
  explicit ReaderChildren(ReaderOptions options);
  ~ReaderChildren();
  ReaderChildren(const ReaderChildren&) = delete;
  ReaderChildren& operator=(const ReaderChildren&) = delete;
  /// Errors: what the child answered; HeaderInvalid (two children crashed on it, one took too long or said too much);
  /// WorkerEnded (no child can be started: a retry helps).
  std::string ask(const std::string& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The child's side: takes its limits, answers requests until its input ends. `answer` throws what is to be answered as
/// an error. Returns the exit code.
int answer_as_child(std::uint64_t memory_mb, double deadline_s,
                    const std::function<std::string(const std::string&)>& answer);

/// dicom::index_entry in a child. Thread-safe.
class HeaderReader {
 public:
  explicit HeaderReader(ReaderOptions options = {});
  /// Errors: as dicom::index_entry and ReaderChildren::ask, with the file's name.
  dicom::IndexEntry read(const std::filesystem::path& file);

 private:
  ReaderChildren children_;
};

/// `rouage read-headers --child`.
int read_headers_as_child(std::uint64_t memory_mb, double deadline_s);

}  // namespace rouage::receive
