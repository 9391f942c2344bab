#include "store/store.h"

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"
#include "base/host.h"
#include "store/store_state.h"

namespace rouage::store {
namespace fs = std::filesystem;
namespace {

constexpr char kSchema[] = "store-1";
constexpr std::uint64_t kPreparedLog = 20 * kMebibyte;  ///< a little more than wal_autocheckpoint lets it grow
constexpr double kMarkEvery_s = 5;
constexpr double kClockSlack_s = 5;  ///< file systems stamp with a coarser clock
constexpr double kAssociationsKept_s = 7 * 86'400;
constexpr double kListsKept_s = 30 * 86'400;

double number_in(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return 0;
  const std::string text = read_text(file);
  try {
    return std::stod(text);
  } catch (const std::exception&) {
    return 0;
  }
}

void move_aside(const fs::path& file, const fs::path& folder) {
  std::error_code problem;
  const fs::path aside = folder / "set-aside";
  fs::create_directories(aside, problem);
  fs::rename(file, aside / file.filename(), problem);
}

/// UTC seconds of the last change of a folder's entries.
double changed_s(const fs::path& folder) {
  const auto when = fs::last_write_time(folder);
  return std::chrono::duration<double>(std::chrono::file_clock::to_sys(when).time_since_epoch()).count();
}

}  // namespace

void Store::State::write_mark() {
  if (options.look_only) return;
  const double safe_s = in_flight.oldest(clock.now());
  marked_s = safe_s;
  write_file_atomic(mark, fixed_text(safe_s, 3));
}

/// Rows whose bytes were not durable when the process or the machine died. Nobody was told that they are here, for a
/// receipt is given only after both are on the disk, so the sender has them still.
std::size_t Store::State::remove_unfinished(double since_s) {
  std::vector<sql::RecentRow> bad;
  for (const sql::RecentRow& row :
       database->read([&](Transaction& tx) { return sql::recent_instances(tx, since_s); })) {
    const fs::path file = objects / object_path(row.study_uid, row.file.sop_uid, row.file.digest);
    std::error_code problem;
    const std::uint64_t size = fs::file_size(file, problem);
    const bool whole = !problem && size == row.file.bytes && file_digest(file, size + 1).hex() == row.file.digest;
    if (!whole) bad.push_back(row);
  }
  if (bad.empty()) return 0;
  database->write([&](Transaction& tx) {
    for (const sql::RecentRow& row : bad) sql::delete_instance(tx, row.file);
  });
  for (const sql::RecentRow& row : bad)
    move_aside(objects / object_path(row.study_uid, row.file.sop_uid, row.file.digest), options.folder);
  return bad.size();
}

/// Files that were moved into their place and never entered the index: not acknowledged, so removed. Only folders that
/// changed since the mark can hold one.
void Store::State::remove_orphans(double since_s) {
  std::set<std::string> changed;
  for (const auto& outer : fs::directory_iterator(objects))
    for (const auto& inner : fs::directory_iterator(outer.path()))
      if (changed_s(inner.path()) >= since_s) changed.insert(inner.path().string());
  if (changed.empty()) return;
  std::map<std::string, std::set<std::string>> expected;
  std::int64_t after = 0;
  constexpr std::size_t kStep = 10'000;
  for (bool more = true; more;)
    database->read([&](Transaction& tx) {
      const auto studies = sql::studies_after(tx, after, kStep);
      more = studies.size() == kStep;
      for (const auto& [id, uid] : studies) {
        after = id;
        const std::string folder = (objects / study_folder(uid)).string();
        if (!changed.contains(folder)) continue;
        for (const sql::FileRow& row : sql::files_of_study(tx, id))
          expected[folder].insert(object_name(row.sop_uid, row.digest));
      }
    });
  for (const std::string& folder : changed) {
    for (const auto& file : fs::directory_iterator(folder))
      if (!expected[folder].contains(file.path().filename().string())) fs::remove(file.path());
    std::error_code ignored;
    fs::remove(folder, ignored);  // only when it is empty
  }
}

void Store::State::recover() {
  const double since_s = number_in(mark) - kClockSlack_s;
  for (const auto& leftover : fs::directory_iterator(incoming)) fs::remove_all(leftover.path());
  const std::size_t unfinished = remove_unfinished(since_s);
  remove_orphans(since_s);
  if (unfinished > 0)
    log_event(LogLevel::warning, "store", "objects whose bytes were not yet durable were taken out of the index",
              {{"objects", std::to_string(unfinished)}, {"set_aside", (options.folder / "set-aside").string()}});
}

void Store::State::open() {
  if (!options.look_only) {
    fs::create_directories(options.folder);
    fs::permissions(options.folder, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec);
    lock = std::make_unique<FolderLock>(options.folder);
    fs::create_directories(objects);
    fs::create_directories(incoming);
  } else if (!fs::is_directory(objects)) {
    throw Error(ErrorCode::FileMissing, "there is no store here").file(options.folder);
  }
  database = std::make_unique<Database>(DatabaseOptions{
      .folder = options.folder, .postgresql = options.postgresql, .readers = 6, .prepared_log_bytes = kPreparedLog});
  database->migrate("store", sql::store_steps(database->is_postgresql()));
  if (options.look_only) {
    database->read([&](Transaction& tx) { merges.set(sql::merges(tx)); });
    return;
  }
  clock.not_before(number_in(mark));
  recover();
  const double now_s = clock.now();
  database->read([&](Transaction& tx) {
    last_study = sql::largest_study_id(tx);
    last_series = sql::largest_series_id(tx);
    last_message = sql::largest_message_id(tx);
    merges.set(sql::merges(tx));
    watch.load(tx, now_s);
  });
  flush_folders = !flush_covers_rename(objects);
  flusher = std::make_unique<Flusher>(4);
  write_mark();
  if (!options.flush)
    log_event(LogLevel::warning, "store", "objects are acknowledged before they are on the disk (flush = false)");
}

Store::Store(StoreOptions options) : state_(std::make_unique<State>(std::move(options))) {
  try {
    state_->open();
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::FileUnwritable, error.code().message()).file(error.path1());
  }
}

Store::~Store() {
  if (!state_->database || state_->options.look_only) return;
  try {
    state_->write_mark();
  } catch (const std::exception& error) {
    log_event(LogLevel::warning, "store", "the mark could not be written", {{"cause", error.what()}});
  }
}

Database& Store::database() {
  return *state_->database;
}
void Store::set_permit(const ReleasePermit* permit) {
  state_->permit = permit != nullptr ? permit : &state_->policies;
}
fs::path Store::incoming() const {
  return state_->incoming;
}
std::optional<Error> Store::no_room(std::uint64_t bytes) const {
  return state_->room.no_room(bytes);
}
void Store::association_opened(std::uint64_t association, const receive::Origin&) {
  state_->watch.association(association);
}
void Store::association_ended(std::uint64_t association, bool released) {
  state_->watch.association_ended(association, released, state_->clock.now());
}
void Store::on_series(std::function<void(Transaction&, const SeriesReady&)> action) {
  state_->watch.on_series(std::move(action));
}
void Store::on_change(std::function<void()> wake) {
  state_->watch.on_change(std::move(wake));
}

double Store::look() {
  State& s = *state_;
  const double now_s = s.clock.now();
  if (now_s - s.marked_s >= kMarkEvery_s) s.write_mark();
  return s.watch.look(*s.database, now_s);
}

void Store::note_lists(const std::vector<receive::SeriesList>& lists) {
  State& s = *state_;
  const double now_s = s.clock.now();
  s.database->write([&](Transaction& tx) {
    for (const receive::SeriesList& list : lists)
      sql::put_list(tx, list.series_instance_uid, list.message_uid, list.source, list.study_instance_uid, list.closed,
                    list.sop_instances, now_s);
  });
  for (const receive::SeriesList& list : lists)
    if (list.closed) s.watch.note_listed(list.series_instance_uid, list.sop_instances, now_s);
}

std::vector<bool> Store::holds(const std::vector<std::pair<std::string, std::string>>& instances) const {
  std::set<std::string> uids;
  for (const auto& [sop_class, uid] : instances) uids.insert(uid);
  state_->in_flight.wait_for(uids);
  std::vector<bool> held;
  state_->database->read([&](Transaction& tx) {
    for (const auto& [sop_class, uid] : instances) held.push_back(sql::holds(tx, sop_class, uid));
  });
  return held;
}

std::vector<Store::SeriesState> Store::series_states(const std::string& study_instance_uid, std::size_t limit) const {
  std::vector<SeriesState> states;
  for (const sql::StateRow& row :
       state_->database->read([&](Transaction& tx) { return sql::states(tx, study_instance_uid, limit); })) {
    const sql::OpenSeriesRow& series = row.series;
    states.push_back({series.series_uid, series.study_uid, series.modality, series.sender, series.state, series.reason,
                      row.instances, series.version, series.first_s, series.last_s});
  }
  state_->watch.overlay(states);
  return states;
}

StoreStatus Store::status() const {
  const State& s = *state_;
  const auto [totals, duplicates] =
      s.database->read([](Transaction& tx) { return std::pair(sql::totals(tx), sql::tally(tx, "duplicates")); });
  return {.studies = totals.studies,
          .series = totals.series,
          .instances = totals.instances,
          .results = totals.results,
          .bytes = totals.bytes,
          .free_bytes = s.room.free(),
          .series_waiting = totals.waiting,
          .series_partial = totals.partial,
          .conflicts = totals.conflicts,
          .duplicates = static_cast<std::uint64_t>(duplicates),
          .refusing = s.room.refusing(),
          .schema = kSchema};
}

int Store::expire(double now_s, const std::function<bool(const std::string&)>& wanted) {
  State& s = *state_;
  s.database->write([&](Transaction& tx) {
    sql::forget_associations_before(tx, now_s - kAssociationsKept_s);
    sql::forget_lists_before(tx, now_s - kListsKept_s);
  });
  return s.expire_results(now_s, wanted) + s.expire_studies(now_s, wanted);
}

}  // namespace rouage::store
