/// Where is it, is the series complete: objects on disk, their index, queries, complete series.
///
///   Store store({.folder = "rouage-data"});
///   store.on_series([&](Transaction& tx, const SeriesReady& series) { ...same transaction... });
///   store.accept({arrival});                        // durable on return
///   store.look();                                   // judges the series that are due; returns when to look again
///   store.query({.level = Level::study, .match = {{0x00100020, "42"}}}, ...);
///
/// On disk: FOLDER/objects/<2 hex>/<study>/<sop digest>-<content digest>.dcm (names are digests, never text from the
/// network), FOLDER/incoming (not yet acknowledged), FOLDER/index.sqlite. An object is never changed or overwritten.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/service.h"
#include "dicom/object.h"
#include "receive/receive.h"
#include "store/completeness.h"
#include "store/database.h"

namespace rouage::store {

/// When a result may leave by an exit. Configured per destination; asked at every exit.
enum class Policy { at_once, after_first_read, after_signature, never };
std::string policy_name(Policy policy);
std::optional<Policy> policy_of(std::string_view name);

struct ExitRequest {
  std::string exit;  ///< a destination's name, or "query" (C-FIND/MOVE/GET), "dicomweb", "ups", "page"
  Policy policy = Policy::after_first_read;
  std::string study_instance_uid, sop_instance_uid;  ///< sop empty: any result of the study
};
struct ExitAnswer {
  bool allowed = false;
  std::string why;
};
/// Asked by every exit of `store`, `results` and `app`; to be implemented by `review` and `autonomy`.
class ReleasePermit {
 public:
  virtual ~ReleasePermit() = default;
  virtual ExitAnswer ask(const ExitRequest& request) const = 0;
};
/// Without a reading room: at_once yes, never no, the two others no ("waits for a first read, and there is no reading
/// room"), which a configuration is told at start.
class PolicyOnlyPermit : public ReleasePermit {
 public:
  ExitAnswer ask(const ExitRequest& request) const override;
};

enum class Level { patient, study, series, instance };
struct Query {
  Level level = Level::study;
  dicom::Attributes match;         ///< PS3.4 C.2.2.2: single value, wild cards, date and time ranges, UID lists; "" any
  std::set<std::uint32_t> wanted;  ///< attributes to answer beside the level's required ones
  std::size_t limit = 1000, offset = 0;
  bool fuzzy = false;          ///< person names: word by word, without case and accents
  std::string exit = "query";  ///< for ReleasePermit: results that may not leave are not counted, nor found
  Policy policy = Policy::after_first_read;
};

/// What stands on the disk.
struct StoredObject {
  std::filesystem::path file;
  std::string study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid, digest;
  std::uint64_t bytes = 0;
  std::uint32_t frames = 0;
  bool is_result = false;
};
/// Which objects: by study, and narrower. Empty: any.
struct Selection {
  std::string patient_id, study_instance_uid, series_instance_uid, sop_instance_uid;
  std::string exit = "query";
  Policy policy = Policy::at_once;
  bool inside = false;  ///< for a cog or a check of our own: no exit, no question
};

/// A series that was judged whole (or given up on).
struct SeriesReady {
  std::string study_instance_uid, series_instance_uid, modality, sender;
  std::string called_ae;  ///< by which name the sender called us; "" when it did not come by DIMSE
  int version = 0;        ///< > 0: it had been handed on before, a later instance reopened it
  int instances = 0;
  bool partial = false;
  bool prior = false;              ///< it was fetched to be compared with (Origin::Way::priors)
  std::string reason;              ///< for people: why it was thought complete, with numbers
  double first_s = 0, last_s = 0;  ///< UTC: arrival of its first and latest instance
};

/// A result object that a work item made: in a staging folder, complete.
struct ResultObject {
  std::filesystem::path file;
  dicom::IndexEntry entry;
  std::uint64_t bytes = 0;
  Digest digest;
};

struct VerifyReport {
  std::uint64_t objects = 0, bytes = 0;
  std::vector<std::string> missing, damaged, unknown_files;  ///< paths, each with the SOP Instance UID where known
  bool good() const { return missing.empty() && damaged.empty() && unknown_files.empty(); }
};

struct StoreOptions {
  std::filesystem::path folder = "rouage-data";
  std::string postgresql;
  std::uint64_t keep_free_bytes = 2048ULL * 1024 * 1024;  ///< below it 0xA700 is answered; above it plus a tenth, not
  bool look_only = false;  ///< beside a running gateway: nothing is locked, recovered or written
  bool flush = true;       ///< false: acknowledge before the disk has it (benchmarks only; said in the log at start)
  CompletenessRules completeness;
  double keep_days = 0;  ///< a study that nobody touched for so long is removed; 0: never
  double keep_results_days = 0;
};

struct StoreStatus {
  std::uint64_t studies = 0, series = 0, instances = 0, results = 0, bytes = 0, free_bytes = 0;
  std::uint64_t series_waiting = 0, series_partial = 0, conflicts = 0, duplicates = 0;
  bool refusing = false;  ///< for want of disk
  std::string schema;
};

class Store : public receive::InstanceSink {
 public:
  /// Opens or makes the store; removes what was not acknowledged. Errors: FolderBusy, DatabaseFailed, StoreVersion.
  explicit Store(StoreOptions options);
  ~Store() override;
  Database& database();
  void set_permit(const ReleasePermit* permit);  ///< PolicyOnlyPermit until set

  std::filesystem::path incoming() const override;
  std::optional<Error> no_room(std::uint64_t bytes) const override;
  std::vector<receive::Receipt> accept(std::vector<receive::Arrival> arrivals) override;
  void association_opened(std::uint64_t association, const receive::Origin& origin) override;
  void association_ended(std::uint64_t association, bool released) override;
  void note_lists(const std::vector<receive::SeriesList>& lists) override;
  void note_message(const receive::OrderMessage& message) override;

  /// Called in the transaction that records the judgement: what must follow a complete series is recorded with it.
  void on_series(std::function<void(Transaction&, const SeriesReady&)> action);
  /// Judges what is due. Returns seconds until the next judgement may change; to be called then, and after arrivals.
  double look();
  /// Called when something arrived or ended, so that a sleeping caller of look() wakes up. On any thread.
  void on_change(std::function<void()> wake);

  /// Answers at most `limit` matches; returns whether there were more. `match` returns false to stop.
  bool query(const Query& query, const std::function<bool(const dicom::Attributes&)>& match) const;
  std::vector<StoredObject> objects(const Selection& selection) const;
  /// Those of `instances` (SOP class, SOP instance) that are here and durable.
  std::vector<bool> holds(const std::vector<std::pair<std::string, std::string>>& instances) const;
  /// The state of a series for people and for the page: why it waits or why it was thought complete.
  struct SeriesState {
    std::string series_instance_uid, study_instance_uid, modality, sender, state, reason;
    int instances = 0, version = 0;
    double first_s = 0, last_s = 0;
  };
  std::vector<SeriesState> series_states(const std::string& study_instance_uid, std::size_t limit) const;
  /// The latest order and earlier reports (HL7) of an accession number or a patient (merges followed).
  std::vector<receive::OrderMessage> messages_for(const std::string& accession_number,
                                                  const std::string& patient_id) const;

  /// Other ids of the same patient, by merges in either direction (HL7 A40).
  std::vector<std::string> merged_ids(const std::string& patient_id) const;

  /// Moves result files durably into objects/ (the same bytes twice: once), then, in the caller's transaction,
  /// indexes them as results of `series`. Objects of an older version of the series are marked superseded, not removed.
  std::vector<ResultObject> keep_results(std::vector<ResultObject> staged);
  void index_results(Transaction& tx, const std::vector<ResultObject>& kept, const std::string& series_instance_uid,
                     int series_version);

  VerifyReport verify(const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) const;
  /// Copies index and objects into an empty folder while the store is in use; the copy is a store. PostgreSQL: objects
  /// only (pg_dump gives the index). Returns the objects copied. Errors: FileUnwritable, StoreDamaged.
  std::uint64_t backup(const std::filesystem::path& folder) const;
  /// Removes studies older than the retention rules say, unless `wanted(study)`; returns how many.
  int expire(double now_s, const std::function<bool(const std::string&)>& wanted);
  StoreStatus status() const;

  struct State;  ///< of this room's own files

 private:
  std::unique_ptr<State> state_;
};

}  // namespace rouage::store
