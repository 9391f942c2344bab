/// The statements of the index: studies, series, instances, conflicts. One function a question; no SQL outside.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dicom/object.h"
#include "receive/receive.h"
#include "store/database.h"

namespace rouage::store::sql {

/// Numbered steps; only ever appended. Texts compare by bytes on both databases.
std::vector<std::string> store_steps(bool postgresql);

/// The study and series of an object as the index has them.
struct SeriesRow {
  std::int64_t id = 0, study_id = 0;
  std::string patient_id, issuer;  ///< of the study: as its first object said
  bool is_result = false, own = false, settled = false;
};
std::optional<SeriesRow> find_series(Transaction& tx, const std::string& study_uid, const std::string& series_uid);
std::optional<SeriesRow> find_study(Transaction& tx, const std::string& study_uid);  ///< id of the series: 0
std::int64_t largest_study_id(Transaction& tx);
std::int64_t largest_series_id(Transaction& tx);
void insert_study(Transaction& tx, std::int64_t id, const dicom::IndexEntry& entry, double now_s);
struct NewSeries {
  std::int64_t id = 0, study_id = 0;
  std::string sender, called, address;
  bool prior = false, is_result = false, own = false;
  double now_s = 0;
};
void insert_series(Transaction& tx, const NewSeries& series, const dicom::IndexEntry& entry);

struct InstanceRow {
  std::int64_t series_id = 0, copy = 0;
  std::string digest;
  std::uint64_t bytes = 0, association = 0;
  double arrival_s = 0;
  bool is_result = false;
};
/// False when that UID and copy are there already.
bool insert_instance(Transaction& tx, const InstanceRow& row, const dicom::IndexEntry& entry);
/// `instances`: 1, or 0 for a copy that is not current. False when there is no such series (retention removed it).
bool count_into_series(Transaction& tx, std::int64_t series_id, std::int64_t study_id, int instances,
                       std::uint64_t bytes, double now_s);
void move_instance(Transaction& tx, const std::string& sop_uid, std::int64_t copy, std::int64_t series_id);
bool holds(Transaction& tx, const std::string& sop_class_uid, const std::string& sop_uid);
/// What is here under a SOP Instance UID, the current one first.
struct Copy {
  std::int64_t copy = 0;
  std::string study_uid, digest;
  bool is_result = false;
};
std::vector<Copy> copies_of(Transaction& tx, const std::string& sop_uid);

void insert_conflict(Transaction& tx, const std::string& sop_uid, std::int64_t copy, const std::string& study_uid,
                     const std::string& sender, double now_s);
/// False when it was known.
bool insert_patient_conflict(Transaction& tx, const dicom::IndexEntry& entry, const std::string& sender, double now_s);
void add_to_tally(Transaction& tx, const std::string& name);
std::int64_t tally(Transaction& tx, const std::string& name);

/// Results.
void insert_result(Transaction& tx, const std::string& sop_uid, const std::string& series_uid, int version,
                   double now_s);
void supersede_results(Transaction& tx, const std::string& series_uid, int version);

/// For checks and retention: studies in the order of their ids, after `after`.
std::vector<std::pair<std::int64_t, std::string>> studies_after(Transaction& tx, std::int64_t after, std::size_t most);
struct FileRow {
  std::string sop_uid, digest;
  std::int64_t copy = 0, series_id = 0;
  std::uint64_t bytes = 0;
  bool is_result = false;
};
std::vector<FileRow> files_of_study(Transaction& tx, std::int64_t study_id);
/// Instances that arrived since, in series that are not settled.
struct RecentRow {
  FileRow file;
  std::string study_uid;
  std::int64_t study_id = 0;
};
std::vector<RecentRow> recent_instances(Transaction& tx, double since_s);
void delete_instance(Transaction& tx, const FileRow& file);
struct OldStudy {
  std::int64_t id = 0;
  std::string study_uid;
};
std::vector<OldStudy> studies_untouched_since(Transaction& tx, double before_s, std::size_t most);
/// Studies with results kept before; their result rows.
std::vector<RecentRow> results_kept_before(Transaction& tx, double before_s, std::size_t most);
void delete_study(Transaction& tx, std::int64_t study_id, const std::string& study_uid);
void delete_result(Transaction& tx, const FileRow& file);

struct Totals {
  std::uint64_t studies = 0, series = 0, instances = 0, results = 0, bytes = 0, waiting = 0, partial = 0, conflicts = 0;
};
Totals totals(Transaction& tx);

}  // namespace rouage::store::sql
