/// What the parts of Store share.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/host.h"
#include "store/object_files.h"
#include "store/series_watch.h"
#include "store/store.h"
#include "store/store_tables.h"

namespace rouage::store {

/// UTC seconds that never go back, whatever the machine's clock does: arrivals are compared with each other.
class SteadyUtc {
 public:
  double now();
  void not_before(double utc_s);

 private:
  std::mutex mutex_;
  double last_ = 0;
};

/// Which SOP Instance UIDs are being taken in: one arrival of a UID at a time, and what is here is said only after its
/// bytes are durable.
class InFlight {
 public:
  /// Waits until none of them is in flight, then claims all. `start_s` is kept until release().
  void claim(const std::set<std::string>& sop_uids, double start_s);
  void release(const std::set<std::string>& sop_uids, double start_s);
  void wait_for(const std::set<std::string>& sop_uids);
  /// Everything that began before this moment is durable or was given up.
  double oldest(double now_s);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> uids_;
  std::multiset<double> starts_;
};

/// Room on the disk, counting bytes that were promised and are not yet written.
class DiskRoom {
 public:
  DiskRoom(std::filesystem::path folder, std::uint64_t keep_free) : folder_(std::move(folder)), keep_(keep_free) {}
  std::optional<Error> no_room(std::uint64_t bytes);
  void arrived(std::uint64_t bytes);
  bool refusing() const { return refusing_; }
  std::uint64_t free() const;

 private:
  std::filesystem::path folder_;
  std::uint64_t keep_;
  std::mutex mutex_;
  std::deque<std::pair<double, std::uint64_t>> promised_;  ///< monotonic time, bytes
  std::atomic<bool> refusing_{false};
};

/// A series that was seen lately: a further slice of it is one insertion.
struct KnownSeries {
  sql::SeriesRow row;
  std::string sender;  ///< of its first instance
};

/// Identities that an A40 gave up, and who survives.
class Merges {
 public:
  void set(std::vector<sql::Merge> merges);
  void add(const sql::Merge& merge);
  std::string survivor(const std::string& patient_id) const;
  /// The id itself and all that were merged with it, in either direction.
  std::vector<std::string> same_patient(const std::string& patient_id) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> into_;
};

struct Store::State {
  explicit State(StoreOptions store_options);
  StoreOptions options;
  std::filesystem::path objects, incoming, mark;
  std::unique_ptr<FolderLock> lock;
  std::unique_ptr<Database> database;
  PolicyOnlyPermit policies;
  std::atomic<const ReleasePermit*> permit{&policies};
  SteadyUtc clock;
  mutable InFlight in_flight;
  mutable DiskRoom room;
  SeriesWatch watch;
  Merges merges;
  std::unique_ptr<Flusher> flusher;
  bool flush_folders = true;

  std::mutex known_mutex;
  std::unordered_map<std::string, KnownSeries> known;  ///< by study and series UID
  std::set<std::string> known_folders;                 ///< of studies, made and flushed
  std::atomic<std::int64_t> last_study{0}, last_series{0}, last_message{0};
  std::atomic<double> marked_s{0};

  void open();
  void recover();
  std::size_t remove_unfinished(double since_s);
  void remove_orphans(double since_s);
  void write_mark();
  std::optional<KnownSeries> known_series(const std::string& study_uid, const std::string& series_uid);
  void remember(const std::string& study_uid, const std::string& series_uid, const KnownSeries& series);
  void forget_known();
  void make_folder(const std::string& study_uid);
  /// Finds or makes study and series in the index.
  KnownSeries series_in_index(Transaction& tx, const dicom::IndexEntry& entry, const receive::Origin& origin,
                              bool is_result, double now_s);
  int expire_results(double now_s, const std::function<bool(const std::string&)>& wanted);
  int expire_studies(double now_s, const std::function<bool(const std::string&)>& wanted);
  void remove_study(std::int64_t id, const std::string& study_uid);
  bool may_leave(const std::string& exit, Policy policy, const std::string& study, const std::string& sop) const;
};

}  // namespace rouage::store
