/// Objects as files: where they lie, how they come there, how they become durable.
#pragma once
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/values.h"

namespace rouage::store {

/// Folder of a study below FOLDER/objects: "<2 hex>/<16 hex>", digests of its UID. UIDs never name files.
std::filesystem::path study_folder(const std::string& study_uid);
/// "<16 hex of the SOP Instance UID>-<64 hex of the content>.dcm".
std::string object_name(const std::string& sop_uid, const std::string& digest_hex);
std::filesystem::path object_path(const std::string& study_uid, const std::string& sop_uid,
                                  const std::string& digest_hex);

enum class Placed { moved, occupied };
/// Renames within one file system, never over an existing file. Errors: FileUnwritable, DiskFull, FileMissing.
Placed place(const std::filesystem::path& from, const std::filesystem::path& to);
/// Makes the folder and flushes the entries above it. Errors: FileUnwritable, DiskFull.
void make_folder_durable(const std::filesystem::path& folder);

/// Whether fsync of a file makes its rename durable too: the file systems that order their metadata (ext4, XFS, btrfs:
/// the rename is in the journal before the file's own flush). On others the folder must be flushed as well.
bool flush_covers_rename(const std::filesystem::path& folder);

/// True when two Part 10 files hold the same data set behind their meta headers. Errors: FileMissing.
bool same_dataset(const std::filesystem::path& a, const std::filesystem::path& b);

/// A few threads that flush files while the caller writes the index. A job that no thread has begun is done by the
/// caller who waits for it, so that a full queue only takes away the overlap.
class Flusher {
 public:
  explicit Flusher(int threads);
  ~Flusher();
  class Job {
   public:
    /// Runs it or waits for it; throws what it threw. Once.
    void finish();

   private:
    friend class Flusher;
    enum class Phase { waiting, running, done };
    std::mutex mutex_;
    std::condition_variable ended_;
    Phase phase_ = Phase::waiting;
    std::function<void()> work_;
    std::exception_ptr error_;
    void run_if_waiting();
  };
  std::shared_ptr<Job> begin(std::function<void()> work);

 private:
  void serve();
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rouage::store
