// Results: files first, durable in their place; rows in the transaction of the work item that made them.
#include "base/error.h"
#include "store/store_state.h"

namespace rouage::store {
namespace fs = std::filesystem;
namespace {

/// Across file systems: copied into incoming/ first, so that its place never holds a part of it.
fs::path copied_into(const fs::path& incoming, const fs::path& file) {
  const fs::path copy = incoming / ("result-" + sha256(file.string()).short_hex());
  std::error_code problem;
  fs::copy_file(file, copy, fs::copy_options::overwrite_existing, problem);
  if (problem) throw Error(ErrorCode::FileUnwritable, problem.message()).file(copy);
  return copy;
}

void place_result(const fs::path& from, const fs::path& to, std::uint64_t bytes) {
  if (place(from, to) == Placed::moved) return;
  // Its name is its digest: the same bytes, unless a power cut left a part.
  std::error_code problem;
  if (fs::file_size(to, problem) == bytes && !problem && file_digest(to, bytes + 1) == file_digest(from, bytes + 1)) {
    fs::remove(from, problem);
    return;
  }
  fs::rename(from, to);
}

}  // namespace

std::vector<ResultObject> Store::keep_results(std::vector<ResultObject> staged) {
  State& s = *state_;
  std::set<fs::path> folders;
  for (ResultObject& result : staged) {
    const dicom::IndexEntry& entry = result.entry;
    const std::string digest = result.digest.hex();
    const fs::path target = s.objects / object_path(entry.study_instance_uid, entry.sop_instance_uid, digest);
    s.make_folder(entry.study_instance_uid);
    try {
      place_result(result.file, target, result.bytes);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::FileUnwritable) throw;
      place_result(copied_into(s.incoming, result.file), target, result.bytes);
      std::error_code ignored;
      fs::remove(result.file, ignored);
    }
    if (s.options.flush) flush_file(target);
    folders.insert(target.parent_path());
    result.file = target;
  }
  if (s.options.flush)
    for (const fs::path& folder : folders) sync_folder(folder);
  return staged;
}

void Store::index_results(Transaction& tx, const std::vector<ResultObject>& kept,
                          const std::string& series_instance_uid, int series_version) {
  State& s = *state_;
  const double now_s = s.clock.now();
  sql::supersede_results(tx, series_instance_uid, series_version);
  for (const ResultObject& result : kept) {
    const receive::Origin own{.way = receive::Origin::Way::own, .sender = "ROUAGE", .called = {}, .address = {}};
    const KnownSeries series = s.series_in_index(tx, result.entry, own, true, now_s);
    const std::string digest = result.digest.hex();
    const std::vector<sql::Copy> copies = sql::copies_of(tx, result.entry.sop_instance_uid);
    std::int64_t copy = 0;
    bool known = false;
    for (const sql::Copy& one : copies) {
      known = known || one.digest == digest;
      copy = one.copy + 1;
    }
    sql::insert_result(tx, result.entry.sop_instance_uid, series_instance_uid, series_version, now_s);
    if (known) continue;  // a second run gave the same bytes, as it should
    sql::insert_instance(tx,
                         {.series_id = series.row.id,
                          .copy = copy,
                          .digest = digest,
                          .bytes = result.bytes,
                          .arrival_s = now_s,
                          .is_result = true},
                         result.entry);
    sql::count_into_series(tx, series.row.id, series.row.study_id, copy == 0 ? 1 : 0, result.bytes, now_s);
    if (copy > 0)
      sql::insert_conflict(tx, result.entry.sop_instance_uid, copy, result.entry.study_instance_uid, "ROUAGE", now_s);
  }
}

}  // namespace rouage::store
