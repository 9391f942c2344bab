#include "store/store_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace rouage::store {
namespace fs = std::filesystem;

double SteadyUtc::now() {
  const std::lock_guard lock(mutex_);
  last_ = std::max(last_, utc_now_s());
  return last_;
}
void SteadyUtc::not_before(double utc_s) {
  const std::lock_guard lock(mutex_);
  // A mark far in the future is of a clock that was wrong: to wait for it would freeze time.
  if (utc_s < utc_now_s() + 3600) last_ = std::max(last_, utc_s);
}

void InFlight::claim(const std::set<std::string>& sop_uids, double start_s) {
  std::unique_lock lock(mutex_);
  starts_.insert(start_s);
  changed_.wait(lock, [&] {
    return std::none_of(sop_uids.begin(), sop_uids.end(), [&](const std::string& uid) { return uids_.contains(uid); });
  });
  uids_.insert(sop_uids.begin(), sop_uids.end());
}

void InFlight::release(const std::set<std::string>& sop_uids, double start_s) {
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& uid : sop_uids) uids_.erase(uid);
    starts_.erase(starts_.find(start_s));
  }
  changed_.notify_all();
}

void InFlight::wait_for(const std::set<std::string>& sop_uids) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::none_of(sop_uids.begin(), sop_uids.end(), [&](const std::string& uid) { return uids_.contains(uid); });
  });
}

double InFlight::oldest(double now_s) {
  const std::lock_guard lock(mutex_);
  return starts_.empty() ? now_s : *starts_.begin();
}

std::uint64_t DiskRoom::free() const {
  return free_bytes(folder_);
}

std::optional<Error> DiskRoom::no_room(std::uint64_t bytes) {
  constexpr double kPromiseHolds_s = 120;  // a sender that began and never ended
  const std::lock_guard lock(mutex_);
  const double now = monotonic_s();
  while (!promised_.empty() && promised_.front().first < now - kPromiseHolds_s) promised_.pop_front();
  std::uint64_t promised = 0;
  for (const auto& [at, size] : promised_) promised += size;
  const std::uint64_t there = free(), keep = refusing_ ? keep_ + keep_ / 10 : keep_;
  const bool fits = there >= keep && there - keep >= promised && there - keep - promised >= bytes;
  if (!fits) {
    // One object that is too large does not close the door for the others.
    const bool full = there < keep || there - keep < promised + 4 * kMebibyte;
    if (full && !refusing_.exchange(true))
      log_event(LogLevel::error, "store", "the disk is nearly full: objects are refused until there is room",
                {{"free_bytes", std::to_string(there)}, {"keep_free_bytes", std::to_string(keep_)}});
    return Error(ErrorCode::DiskFull, fmt::format("{} bytes are free, {} are kept free", there, keep_)).file(folder_);
  }
  if (refusing_.exchange(false))
    log_event(LogLevel::info, "store", "there is room again: objects are taken",
              {{"free_bytes", std::to_string(there)}});
  if (bytes > 0) promised_.emplace_back(now, bytes);
  return {};
}

void DiskRoom::arrived(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  while (bytes > 0 && !promised_.empty()) {
    const std::uint64_t part = std::min(bytes, promised_.front().second);
    promised_.front().second -= part;
    bytes -= part;
    if (promised_.front().second == 0) promised_.pop_front();
  }
}

void Merges::set(std::vector<sql::Merge> merges) {
  for (const sql::Merge& merge : merges) add(merge);
}

void Merges::add(const sql::Merge& merge) {
  const std::lock_guard lock(mutex_);
  if (merge.old_id == merge.new_id) return;
  into_[merge.old_id] = merge.new_id;
  into_.erase(merge.new_id);  // the latest word counts: who survives now was not given up
}

std::string Merges::survivor(const std::string& patient_id) const {
  const std::lock_guard lock(mutex_);
  std::string id = patient_id;
  for (std::size_t steps = 0; steps <= into_.size(); ++steps) {
    const auto at = into_.find(id);
    if (at == into_.end()) break;
    id = at->second;
  }
  return id;
}

std::vector<std::string> Merges::same_patient(const std::string& patient_id) const {
  std::set<std::string> same{patient_id, survivor(patient_id)};
  const std::lock_guard lock(mutex_);
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [old_id, new_id] : into_)
      if (same.contains(new_id)) grown = same.insert(old_id).second || grown;
  }
  return {same.begin(), same.end()};
}

Store::State::State(StoreOptions store_options)
    : options(std::move(store_options)),
      objects(options.folder / "objects"),
      incoming(options.folder / "incoming"),
      mark(options.folder / "durable-since"),
      room(options.folder, options.keep_free_bytes),
      watch(options.completeness) {}

std::optional<KnownSeries> Store::State::known_series(const std::string& study_uid, const std::string& series_uid) {
  const std::lock_guard guard(known_mutex);
  const auto at = known.find(study_uid + "/" + series_uid);
  return at == known.end() ? std::nullopt : std::optional(at->second);
}

void Store::State::remember(const std::string& study_uid, const std::string& series_uid, const KnownSeries& series) {
  constexpr std::size_t kMostKnown = 20'000;
  const std::lock_guard guard(known_mutex);
  if (known.size() >= kMostKnown) known.clear();
  known[study_uid + "/" + series_uid] = series;
}

void Store::State::forget_known() {
  const std::lock_guard guard(known_mutex);
  known.clear();
  known_folders.clear();
}

void Store::State::make_folder(const std::string& study_uid) {
  constexpr std::size_t kMostKnown = 20'000;
  {
    const std::lock_guard guard(known_mutex);
    if (known_folders.contains(study_uid)) return;
  }
  const fs::path folder = objects / study_folder(study_uid);
  if (!fs::is_directory(folder)) make_folder_durable(folder);
  const std::lock_guard guard(known_mutex);
  if (known_folders.size() >= kMostKnown) known_folders.clear();
  known_folders.insert(study_uid);
}

KnownSeries Store::State::series_in_index(Transaction& tx, const dicom::IndexEntry& entry,
                                          const receive::Origin& origin, bool is_result, double now_s) {
  KnownSeries series;
  series.sender = origin.sender;
  if (const auto found = sql::find_series(tx, entry.study_instance_uid, entry.series_instance_uid)) {
    series.row = *found;
    return series;
  }
  if (const auto study = sql::find_study(tx, entry.study_instance_uid)) {
    series.row = *study;
  } else {
    series.row.study_id = ++last_study;
    series.row.patient_id = entry.patient_id;
    series.row.issuer = entry.issuer_of_patient_id;
    sql::insert_study(tx, series.row.study_id, entry, now_s);
  }
  series.row.id = ++last_series;
  series.row.is_result = is_result;
  series.row.own = entry.made_by_rouage;
  sql::insert_series(tx,
                     {.id = series.row.id,
                      .study_id = series.row.study_id,
                      .sender = origin.sender,
                      .called = origin.called,
                      .address = origin.address,
                      .prior = origin.way == receive::Origin::Way::priors,
                      .is_result = is_result,
                      .own = entry.made_by_rouage,
                      .now_s = now_s},
                     entry);
  return series;
}

bool Store::State::may_leave(const std::string& exit, Policy policy, const std::string& study,
                             const std::string& sop) const {
  return permit.load()
      ->ask({.exit = exit, .policy = policy, .study_instance_uid = study, .sop_instance_uid = sop})
      .allowed;
}

}  // namespace rouage::store
