// Is everything here that the index says, what is too old, and a copy of it all.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "store/store_state.h"

namespace rouage::store {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kStudiesAtOnce = 200;

struct StudyFiles {
  std::string uid;
  std::vector<sql::FileRow> rows;
};

/// The next studies behind `after`, with their files. Empty: no more.
std::vector<StudyFiles> next_studies(Database& database, std::int64_t& after) {
  std::vector<StudyFiles> studies;
  database.read([&](Transaction& tx) {
    for (const auto& [id, uid] : sql::studies_after(tx, after, kStudiesAtOnce)) {
      after = id;
      studies.push_back({uid, sql::files_of_study(tx, id)});
    }
  });
  return studies;
}

std::string named(const fs::path& file, const std::string& sop_uid) {
  return file.string() + " (" + sop_uid + ")";
}

void check_file(const fs::path& file, const sql::FileRow& row, VerifyReport& report) {
  ++report.objects;
  std::error_code problem;
  const std::uint64_t size = fs::file_size(file, problem);
  if (problem) {
    report.missing.push_back(named(file, row.sop_uid));
    return;
  }
  report.bytes += size;
  try {
    if (size != row.bytes || file_digest(file, size + 1).hex() != row.digest)
      report.damaged.push_back(named(file, row.sop_uid));
  } catch (const Error&) {  // not readable, or grown while it was read
    report.damaged.push_back(named(file, row.sop_uid));
  }
}

/// Files below objects/ that no row names.
std::vector<fs::path> unknown_files(Database& database, const fs::path& objects) {
  std::map<std::string, std::set<std::string>> expected;
  std::int64_t after = 0;
  for (auto studies = next_studies(database, after); !studies.empty(); studies = next_studies(database, after))
    for (const StudyFiles& study : studies)
      for (const sql::FileRow& row : study.rows)
        expected[study_folder(study.uid).filename().string()].insert(sha256(row.sop_uid).short_hex() +
                                                                     row.digest.substr(0, 16));
  std::vector<fs::path> unknown;
  for (const auto& item : fs::recursive_directory_iterator(objects)) {
    if (item.is_directory()) continue;
    const std::string name = item.path().filename().string();
    const auto study = expected.find(item.path().parent_path().filename().string());
    const std::string key = name.size() == 85 ? name.substr(0, 16) + name.substr(17, 16) : std::string();
    if (study == expected.end() || !study->second.contains(key)) unknown.push_back(item.path());
  }
  return unknown;
}

void copy_durably(const fs::path& from, const fs::path& to) {
  std::error_code problem;
  fs::create_directories(to.parent_path(), problem);
  fs::copy_file(from, to, problem);
  if (problem) throw Error(ErrorCode::FileUnwritable, problem.message()).file(to);
  flush_file(to);
}

}  // namespace

VerifyReport Store::verify(const std::function<void(std::uint64_t, std::uint64_t)>& progress) const {
  const State& s = *state_;
  VerifyReport report;
  const std::uint64_t total = s.database->read([](Transaction& tx) { return sql::totals(tx).instances; });
  std::int64_t after = 0;
  for (auto studies = next_studies(*s.database, after); !studies.empty(); studies = next_studies(*s.database, after))
    for (const StudyFiles& study : studies)
      for (const sql::FileRow& row : study.rows) {
        check_file(s.objects / object_path(study.uid, row.sop_uid, row.digest), row, report);
        if (progress) progress(report.objects, std::max(total, report.objects));
      }
  std::vector<fs::path> unknown = unknown_files(*s.database, s.objects);
  if (!unknown.empty()) {
    // An object that is arriving has its file before its row.
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const std::vector<fs::path> again = unknown_files(*s.database, s.objects);
    std::erase_if(unknown,
                  [&](const fs::path& file) { return std::find(again.begin(), again.end(), file) == again.end(); });
  }
  for (const fs::path& file : unknown) report.unknown_files.push_back(file.string());
  return report;
}

std::uint64_t Store::backup(const fs::path& folder) const {
  const State& s = *state_;
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem || !fs::is_empty(folder, problem))
    throw Error(ErrorCode::FileUnwritable, "the folder is not empty").file(folder);
  // The index first: every file that it names is on the disk already, and none is ever changed.
  std::unique_ptr<Database> copy;
  if (!s.database->is_postgresql()) {
    s.database->backup_to(folder / "index.sqlite");
    copy = std::make_unique<Database>(DatabaseOptions{.folder = folder, .postgresql = {}, .prepared_log_bytes = 0});
  }
  Database& index = copy ? *copy : *s.database;
  std::uint64_t copied = 0;
  std::int64_t after = 0;
  for (auto studies = next_studies(index, after); !studies.empty(); studies = next_studies(index, after))
    for (const StudyFiles& study : studies)
      for (const sql::FileRow& row : study.rows) {
        const fs::path path = object_path(study.uid, row.sop_uid, row.digest);
        copy_durably(s.objects / path, folder / "objects" / path);
        ++copied;
      }
  return copied;
}

void Store::State::remove_study(std::int64_t id, const std::string& study_uid) {
  const std::vector<sql::FileRow> rows = database->read([&](Transaction& tx) { return sql::files_of_study(tx, id); });
  std::set<std::string> uids;
  for (const sql::FileRow& row : rows) uids.insert(row.sop_uid);
  const double start_s = clock.now();
  in_flight.claim(uids, start_s);
  try {
    database->write([&](Transaction& tx) { sql::delete_study(tx, id, study_uid); });
    watch.forget(study_uid);
    forget_known();
    // Rows first: a power cut leaves files without rows, which the next start removes.
    for (const sql::FileRow& row : rows) {
      std::error_code ignored;
      fs::remove(objects / object_path(study_uid, row.sop_uid, row.digest), ignored);
    }
    std::error_code ignored;
    fs::remove(objects / study_folder(study_uid), ignored);
  } catch (...) {
    in_flight.release(uids, start_s);
    throw;
  }
  in_flight.release(uids, start_s);
}

int Store::State::expire_studies(double now_s, const std::function<bool(const std::string&)>& wanted) {
  if (options.keep_days <= 0) return 0;
  constexpr std::size_t kMostAtOnce = 1'000;
  const auto old = database->read([&](Transaction& tx) {
    return sql::studies_untouched_since(tx, now_s - options.keep_days * 86'400, kMostAtOnce);
  });
  int removed = 0;
  for (const sql::OldStudy& study : old) {
    if (wanted && wanted(study.study_uid)) continue;
    remove_study(study.id, study.study_uid);
    ++removed;
    log_event(LogLevel::info, "store", "study removed by the retention rule",
              {patient_field("study", study.study_uid)});
  }
  return removed;
}

int Store::State::expire_results(double now_s, const std::function<bool(const std::string&)>& wanted) {
  if (options.keep_results_days <= 0) return 0;
  constexpr std::size_t kMostAtOnce = 5'000;
  const auto old = database->read([&](Transaction& tx) {
    return sql::results_kept_before(tx, now_s - options.keep_results_days * 86'400, kMostAtOnce);
  });
  std::set<std::string> studies;
  for (const sql::RecentRow& row : old) {
    if (wanted && wanted(row.study_uid)) continue;
    database->write([&](Transaction& tx) { sql::delete_result(tx, row.file); });
    std::error_code ignored;
    fs::remove(objects / object_path(row.study_uid, row.file.sop_uid, row.file.digest), ignored);
    studies.insert(row.study_uid);
  }
  return static_cast<int>(studies.size());
}

}  // namespace rouage::store
