#include "store/store_tables.h"

#include "store/name_key.h"

namespace rouage::store::sql {
namespace {

std::int64_t whole(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
std::int64_t flag(bool value) {
  return value ? 1 : 0;
}

const char* const kSteps[] = {
    "CREATE TABLE study (id BIGINT NOT NULL PRIMARY KEY, study_uid TEXT NOT NULL, patient_id TEXT NOT NULL, issuer "
    "TEXT "
    "NOT NULL, patient_name TEXT NOT NULL, name_key TEXT NOT NULL, birth_date TEXT NOT NULL, sex TEXT NOT NULL, "
    "patient_age TEXT NOT NULL, study_date TEXT NOT NULL, study_time TEXT NOT NULL, accession TEXT NOT NULL, study_id "
    "TEXT NOT NULL, description TEXT NOT NULL, referring TEXT NOT NULL, referring_key TEXT NOT NULL, first_s DOUBLE "
    "PRECISION NOT NULL, last_s DOUBLE PRECISION NOT NULL)",
    "CREATE UNIQUE INDEX study_by_uid ON study (study_uid)",
    "CREATE INDEX study_by_date ON study (study_date, id)",
    "CREATE INDEX study_by_patient ON study (patient_id, issuer)",
    "CREATE INDEX study_by_accession ON study (accession)",
    "CREATE INDEX study_by_name ON study (name_key)",
    "CREATE INDEX study_by_touch ON study (last_s)",
    // settled: nothing more is expected; its sender's habits are learned.  own: made by Rouage, never handed to cogs.
    "CREATE TABLE series (id BIGINT NOT NULL PRIMARY KEY, study BIGINT NOT NULL, series_uid TEXT NOT NULL, modality "
    "TEXT NOT NULL, number TEXT NOT NULL, description TEXT NOT NULL, body_part TEXT NOT NULL, protocol TEXT NOT NULL, "
    "laterality TEXT NOT NULL, manufacturer TEXT NOT NULL, station TEXT NOT NULL, institution TEXT NOT NULL, "
    "series_date "
    "TEXT NOT NULL, series_time TEXT NOT NULL, frame_of_reference TEXT NOT NULL, view_position TEXT NOT NULL, sender "
    "TEXT "
    "NOT NULL, called TEXT NOT NULL, address TEXT NOT NULL, is_result BIGINT NOT NULL, own BIGINT NOT NULL, instances "
    "BIGINT NOT NULL, bytes BIGINT NOT NULL, first_s DOUBLE PRECISION NOT NULL, last_s DOUBLE PRECISION NOT NULL, "
    "state "
    "TEXT NOT NULL, reason TEXT NOT NULL, version BIGINT NOT NULL, handed_instances BIGINT NOT NULL, settled BIGINT "
    "NOT "
    "NULL)",
    "CREATE UNIQUE INDEX series_by_uid ON series (series_uid, study)",
    "CREATE INDEX series_by_study ON series (study)",
    "CREATE INDEX series_by_settled ON series (settled, state)",
    // copy 0 is the current object; others came under the same UID with other content.
    "CREATE TABLE instance (sop_uid TEXT NOT NULL, copy BIGINT NOT NULL, series BIGINT NOT NULL, digest TEXT NOT NULL, "
    "bytes BIGINT NOT NULL, sop_class TEXT NOT NULL, transfer_syntax TEXT NOT NULL, number TEXT NOT NULL, image_rows "
    "BIGINT NOT NULL, image_columns BIGINT NOT NULL, frames BIGINT NOT NULL, bits BIGINT NOT NULL, image_type TEXT NOT "
    "NULL, content_date TEXT NOT NULL, content_time TEXT NOT NULL, acquisition TEXT NOT NULL, stack TEXT NOT NULL, "
    "position_mm DOUBLE PRECISION, said_count BIGINT, stands_alone BIGINT NOT NULL, association BIGINT NOT NULL, "
    "arrival_s DOUBLE PRECISION NOT NULL, is_result BIGINT NOT NULL, PRIMARY KEY (sop_uid, copy))",
    "CREATE INDEX instance_by_series ON instance (series)",
    "CREATE TABLE object_conflict (sop_uid TEXT NOT NULL, copy BIGINT NOT NULL, study_uid TEXT NOT NULL, sender TEXT "
    "NOT "
    "NULL, at_s DOUBLE PRECISION NOT NULL, PRIMARY KEY (sop_uid, copy))",
    "CREATE TABLE patient_conflict (study_uid TEXT NOT NULL, patient_id TEXT NOT NULL, issuer TEXT NOT NULL, sop_uid "
    "TEXT "
    "NOT NULL, sender TEXT NOT NULL, at_s DOUBLE PRECISION NOT NULL, PRIMARY KEY (study_uid, patient_id, issuer))",
    "CREATE TABLE result (sop_uid TEXT NOT NULL PRIMARY KEY, series_uid TEXT NOT NULL, version BIGINT NOT NULL, "
    "superseded BIGINT NOT NULL, kept_s DOUBLE PRECISION NOT NULL)",
    "CREATE INDEX result_by_series ON result (series_uid)",
    "CREATE INDEX result_by_age ON result (kept_s)",
    "CREATE TABLE tally (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",
    "CREATE TABLE series_list (series_uid TEXT NOT NULL, message_uid TEXT NOT NULL, source TEXT NOT NULL, study_uid "
    "TEXT "
    "NOT NULL, closed BIGINT NOT NULL, instances TEXT NOT NULL, at_s DOUBLE PRECISION NOT NULL, PRIMARY KEY "
    "(series_uid, "
    "message_uid))",
    "CREATE TABLE association_end (id BIGINT NOT NULL PRIMARY KEY, released BIGINT NOT NULL, ended_s DOUBLE PRECISION "
    "NOT "
    "NULL)",
    "CREATE TABLE sender_habit (sender TEXT NOT NULL PRIMARY KEY, pauses TEXT NOT NULL, series BIGINT NOT NULL, split "
    "BIGINT NOT NULL, counts_right BIGINT NOT NULL, counts_wrong BIGINT NOT NULL, kept_open BIGINT NOT NULL)",
    "CREATE TABLE message (id BIGINT NOT NULL PRIMARY KEY, message_key TEXT NOT NULL, kind TEXT NOT NULL, patient_id "
    "TEXT "
    "NOT NULL, issuer TEXT NOT NULL, accession TEXT NOT NULL, fields TEXT NOT NULL, raw TEXT NOT NULL, at_s DOUBLE "
    "PRECISION NOT NULL)",
    "CREATE UNIQUE INDEX message_by_key ON message (message_key)",
    "CREATE INDEX message_by_accession ON message (accession)",
    "CREATE INDEX message_by_patient ON message (patient_id)",
    "CREATE TABLE patient_merge (old_id TEXT NOT NULL, old_issuer TEXT NOT NULL, new_id TEXT NOT NULL, new_issuer TEXT "
    "NOT NULL, message BIGINT NOT NULL, at_s DOUBLE PRECISION NOT NULL, PRIMARY KEY (old_id, old_issuer, message))",
    "ALTER TABLE series ADD COLUMN prior BIGINT NOT NULL DEFAULT 0",
};

FileRow file_row(const Row& row) {
  return {row.text(0),        row.text(1), row.integer(2), row.integer(3), static_cast<std::uint64_t>(row.integer(4)),
          row.integer(5) != 0};
}

}  // namespace

std::vector<std::string> store_steps(bool postgresql) {
  std::vector<std::string> steps(std::begin(kSteps), std::end(kSteps));
  if (!postgresql) return steps;
  for (std::string& step : steps) {
    if (!step.starts_with("CREATE TABLE")) continue;
    const std::string plain = " TEXT NOT NULL", by_bytes = " TEXT COLLATE \"C\" NOT NULL";
    for (std::size_t at = step.find(plain); at != std::string::npos; at = step.find(plain, at + by_bytes.size()))
      step.replace(at, plain.size(), by_bytes);
  }
  return steps;
}

std::optional<SeriesRow> find_series(Transaction& tx, const std::string& study_uid, const std::string& series_uid) {
  const auto row = tx.first(
      "SELECT s.id, t.id, t.patient_id, t.issuer, s.is_result, s.own, s.settled FROM series s JOIN study t ON t.id = "
      "s.study WHERE s.series_uid = ? AND t.study_uid = ?",
      {series_uid, study_uid});
  if (!row) return {};
  return SeriesRow{row->integer(0),      row->integer(1),      row->text(2),        row->text(3),
                   row->integer(4) != 0, row->integer(5) != 0, row->integer(6) != 0};
}

std::optional<SeriesRow> find_study(Transaction& tx, const std::string& study_uid) {
  const auto row = tx.first("SELECT id, patient_id, issuer FROM study WHERE study_uid = ?", {study_uid});
  if (!row) return {};
  return SeriesRow{0, row->integer(0), row->text(1), row->text(2)};
}

std::int64_t largest_study_id(Transaction& tx) {
  return tx.first("SELECT MAX(id) FROM study")->integer(0);
}
std::int64_t largest_series_id(Transaction& tx) {
  return tx.first("SELECT MAX(id) FROM series")->integer(0);
}

void insert_study(Transaction& tx, std::int64_t id, const dicom::IndexEntry& e, double now_s) {
  tx.run(
      "INSERT INTO study (id, study_uid, patient_id, issuer, patient_name, name_key, birth_date, sex, patient_age, "
      "study_date, study_time, accession, study_id, description, referring, referring_key, first_s, last_s) VALUES (?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {id, e.study_instance_uid, e.patient_id, e.issuer_of_patient_id, e.patient_name, name_key(e.patient_name),
       e.birth_date, e.sex, e.patient_age, e.study_date, e.study_time, e.accession_number, e.study_id,
       e.study_description, e.referring_physician, name_key(e.referring_physician), now_s, now_s});
}

void insert_series(Transaction& tx, const NewSeries& s, const dicom::IndexEntry& e) {
  tx.run(
      "INSERT INTO series (id, study, series_uid, modality, number, description, body_part, protocol, laterality, "
      "manufacturer, station, institution, series_date, series_time, frame_of_reference, view_position, sender, "
      "called, "
      "address, prior, is_result, own, instances, bytes, first_s, last_s, state, reason, version, handed_instances, "
      "settled) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, '', 0, 0, ?)",
      {s.id,
       s.study_id,
       e.series_instance_uid,
       e.modality,
       e.series_number,
       e.series_description,
       e.body_part,
       e.protocol_name,
       e.laterality,
       e.manufacturer,
       e.station_name,
       e.institution,
       e.series_date,
       e.series_time,
       e.frame_of_reference_uid,
       e.view_position,
       s.sender,
       s.called,
       s.address,
       flag(s.prior),
       flag(s.is_result),
       flag(s.own),
       s.now_s,
       s.now_s,
       std::string(s.is_result ? "complete" : "waiting"),
       flag(s.is_result)});
}

bool insert_instance(Transaction& tx, const InstanceRow& row, const dicom::IndexEntry& e) {
  return tx.run(
             "INSERT INTO instance (sop_uid, copy, series, digest, bytes, sop_class, transfer_syntax, number, "
             "image_rows, image_columns, frames, bits, image_type, content_date, content_time, acquisition, stack, "
             "position_mm, said_count, stands_alone, association, arrival_s, is_result) VALUES (?, ?, ?, ?, ?, ?, ?, "
             "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sop_uid, copy) DO NOTHING",
             {e.sop_instance_uid,
              row.copy,
              row.series_id,
              row.digest,
              whole(row.bytes),
              e.sop_class_uid,
              e.transfer_syntax_uid,
              e.instance_number,
              std::int64_t{e.rows},
              std::int64_t{e.columns},
              std::int64_t{e.frames},
              std::int64_t{e.bits_allocated},
              e.image_type,
              e.content_date,
              e.content_time,
              e.acquisition_number,
              e.stack,
              e.position_mm ? Value(*e.position_mm) : Value(),
              e.said_count ? Value(std::int64_t{*e.said_count}) : Value(),
              flag(e.stands_alone),
              whole(row.association),
              row.arrival_s,
              flag(row.is_result)}) > 0;
}

bool count_into_series(Transaction& tx, std::int64_t series_id, std::int64_t study_id, int instances,
                       std::uint64_t bytes, double now_s) {
  const bool there = tx.run(
                         "UPDATE series SET instances = instances + ?, bytes = bytes + ?, last_s = ?, settled = "
                         "is_result WHERE id = ?",
                         {std::int64_t{instances}, whole(bytes), now_s, series_id}) > 0;
  // Retention counts in days: a study that is growing need not be touched at each slice.
  tx.run("UPDATE study SET last_s = ? WHERE id = ? AND last_s < ?", {now_s, study_id, now_s - 60});
  return there;
}

void move_instance(Transaction& tx, const std::string& sop_uid, std::int64_t copy, std::int64_t series_id) {
  tx.run("UPDATE instance SET series = ? WHERE sop_uid = ? AND copy = ?", {series_id, sop_uid, copy});
}

bool holds(Transaction& tx, const std::string& sop_class_uid, const std::string& sop_uid) {
  const auto row = tx.first("SELECT sop_class FROM instance WHERE sop_uid = ? AND copy = 0", {sop_uid});
  return row && row->text(0) == sop_class_uid;
}

std::vector<Copy> copies_of(Transaction& tx, const std::string& sop_uid) {
  std::vector<Copy> copies;
  tx.each(
      "SELECT i.copy, t.study_uid, i.digest, i.is_result FROM instance i JOIN series s ON s.id = i.series JOIN study t "
      "ON t.id = s.study WHERE i.sop_uid = ? ORDER BY i.copy",
      {sop_uid}, [&](const Row& row) {
        copies.push_back({row.integer(0), row.text(1), row.text(2), row.integer(3) != 0});
        return true;
      });
  return copies;
}

void insert_conflict(Transaction& tx, const std::string& sop_uid, std::int64_t copy, const std::string& study_uid,
                     const std::string& sender, double now_s) {
  tx.run("INSERT INTO object_conflict (sop_uid, copy, study_uid, sender, at_s) VALUES (?, ?, ?, ?, ?)",
         {sop_uid, copy, study_uid, sender, now_s});
}

bool insert_patient_conflict(Transaction& tx, const dicom::IndexEntry& e, const std::string& sender, double now_s) {
  return tx.run(
             "INSERT INTO patient_conflict (study_uid, patient_id, issuer, sop_uid, sender, at_s) VALUES (?, ?, ?, "
             "?, ?, ?) ON CONFLICT (study_uid, patient_id, issuer) DO NOTHING",
             {e.study_instance_uid, e.patient_id, e.issuer_of_patient_id, e.sop_instance_uid, sender, now_s}) > 0;
}

void add_to_tally(Transaction& tx, const std::string& name) {
  tx.run("INSERT INTO tally (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = tally.value + 1",
         {name});
}

std::int64_t tally(Transaction& tx, const std::string& name) {
  const auto row = tx.first("SELECT value FROM tally WHERE name = ?", {name});
  return row ? row->integer(0) : 0;
}

void insert_result(Transaction& tx, const std::string& sop_uid, const std::string& series_uid, int version,
                   double now_s) {
  tx.run(
      "INSERT INTO result (sop_uid, series_uid, version, superseded, kept_s) VALUES (?, ?, ?, 0, ?) ON CONFLICT "
      "(sop_uid) DO NOTHING",
      {sop_uid, series_uid, std::int64_t{version}, now_s});
}

void supersede_results(Transaction& tx, const std::string& series_uid, int version) {
  tx.run("UPDATE result SET superseded = 1 WHERE series_uid = ? AND version < ?", {series_uid, std::int64_t{version}});
}

std::vector<std::pair<std::int64_t, std::string>> studies_after(Transaction& tx, std::int64_t after, std::size_t most) {
  std::vector<std::pair<std::int64_t, std::string>> studies;
  tx.each("SELECT id, study_uid FROM study WHERE id > ? ORDER BY id LIMIT ?", {after, whole(most)},
          [&](const Row& row) {
            studies.emplace_back(row.integer(0), row.text(1));
            return true;
          });
  return studies;
}

std::vector<FileRow> files_of_study(Transaction& tx, std::int64_t study_id) {
  std::vector<FileRow> files;
  tx.each(
      "SELECT i.sop_uid, i.digest, i.copy, i.series, i.bytes, i.is_result FROM instance i JOIN series s ON s.id = "
      "i.series WHERE s.study = ?",
      {study_id}, [&](const Row& row) {
        files.push_back(file_row(row));
        return true;
      });
  return files;
}

std::vector<RecentRow> recent_instances(Transaction& tx, double since_s) {
  std::vector<RecentRow> recent;
  tx.each(
      "SELECT i.sop_uid, i.digest, i.copy, i.series, i.bytes, i.is_result, t.study_uid, t.id FROM series s JOIN "
      "instance "
      "i ON i.series = s.id JOIN study t ON t.id = s.study WHERE s.settled = 0 AND s.last_s >= ? AND i.arrival_s >= ?",
      {since_s, since_s}, [&](const Row& row) {
        recent.push_back({file_row(row), row.text(6), row.integer(7)});
        return true;
      });
  return recent;
}

void delete_instance(Transaction& tx, const FileRow& file) {
  tx.run("DELETE FROM instance WHERE sop_uid = ? AND copy = ?", {file.sop_uid, file.copy});
  tx.run("DELETE FROM object_conflict WHERE sop_uid = ? AND copy = ?", {file.sop_uid, file.copy});
  tx.run("UPDATE series SET instances = instances - ?, bytes = bytes - ? WHERE id = ?",
         {std::int64_t{file.copy == 0 ? 1 : 0}, whole(file.bytes), file.series_id});
}

std::vector<OldStudy> studies_untouched_since(Transaction& tx, double before_s, std::size_t most) {
  std::vector<OldStudy> studies;
  tx.each("SELECT id, study_uid FROM study WHERE last_s < ? ORDER BY last_s LIMIT ?", {before_s, whole(most)},
          [&](const Row& row) {
            studies.push_back({row.integer(0), row.text(1)});
            return true;
          });
  return studies;
}

std::vector<RecentRow> results_kept_before(Transaction& tx, double before_s, std::size_t most) {
  std::vector<RecentRow> rows;
  tx.each(
      "SELECT i.sop_uid, i.digest, i.copy, i.series, i.bytes, i.is_result, t.study_uid, t.id FROM result r JOIN "
      "instance "
      "i ON i.sop_uid = r.sop_uid JOIN series s ON s.id = i.series JOIN study t ON t.id = s.study WHERE r.kept_s < ? "
      "AND "
      "i.is_result = 1 ORDER BY r.kept_s LIMIT ?",
      {before_s, whole(most)}, [&](const Row& row) {
        rows.push_back({file_row(row), row.text(6), row.integer(7)});
        return true;
      });
  return rows;
}

void delete_study(Transaction& tx, std::int64_t study_id, const std::string& study_uid) {
  for (const FileRow& file : files_of_study(tx, study_id))
    if (file.is_result) tx.run("DELETE FROM result WHERE sop_uid = ?", {file.sop_uid});
  tx.run("DELETE FROM series_list WHERE study_uid = ?", {study_uid});
  tx.run("DELETE FROM object_conflict WHERE study_uid = ?", {study_uid});
  tx.run("DELETE FROM patient_conflict WHERE study_uid = ?", {study_uid});
  tx.run("DELETE FROM instance WHERE series IN (SELECT id FROM series WHERE study = ?)", {study_id});
  tx.run("DELETE FROM series WHERE study = ?", {study_id});
  tx.run("DELETE FROM study WHERE id = ?", {study_id});
}

void delete_result(Transaction& tx, const FileRow& file) {
  delete_instance(tx, file);
  tx.run("DELETE FROM result WHERE sop_uid = ?", {file.sop_uid});
  tx.run("DELETE FROM series WHERE id = ? AND is_result = 1 AND instances <= 0", {file.series_id});
}

Totals totals(Transaction& tx) {
  Totals t;
  const auto count = [&](const char* sql) { return static_cast<std::uint64_t>(tx.first(sql)->integer(0)); };
  const auto sums = tx.first("SELECT COUNT(*), SUM(instances), SUM(bytes) FROM series");
  t.series = static_cast<std::uint64_t>(sums->integer(0));
  t.instances = static_cast<std::uint64_t>(sums->integer(1));
  t.bytes = static_cast<std::uint64_t>(sums->integer(2));
  t.studies = count("SELECT COUNT(*) FROM study");
  t.results = count("SELECT COUNT(*) FROM result");
  t.waiting = count("SELECT COUNT(*) FROM series WHERE settled = 0 AND state = 'waiting'");
  t.partial = count("SELECT COUNT(*) FROM series WHERE settled = 0 AND state = 'partial'") +
              count("SELECT COUNT(*) FROM series WHERE settled = 1 AND state = 'partial'");
  t.conflicts = count("SELECT COUNT(*) FROM object_conflict");
  return t;
}

}  // namespace rouage::store::sql
