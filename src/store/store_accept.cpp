// The way in. An object is acknowledged when its bytes and its row are on the disk; in between:
//
//   1. its file moves from incoming/ into its place (a rename that never replaces anything);
//   2. at the same time, one thread flushes the file and the first writer in line commits the rows of all who wait.
//
// The two flushes overlap because each takes as long as the disk takes (0.3 to 4 ms measured), and one after the other
// would double the time of every C-STORE. So a power cut may leave a row without its bytes, or bytes without a row.
// Neither was acknowledged; store.cpp finds both at the next start by the mark in FOLDER/durable-since, before which
// everything is known to be whole.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "base/error.h"
#include "store/store_state.h"

namespace rouage::store {
namespace fs = std::filesystem;
namespace {

using receive::Arrival;
using receive::Outcome;
using receive::Receipt;

/// One arrival on its way.
struct Taken {
  const Arrival* arrival = nullptr;
  Receipt receipt;
  fs::path file;  ///< its place in objects/
  std::string digest;
  bool moved = false;    ///< the file lies at its place (else still in incoming/, for that place is taken)
  bool replace = false;  ///< what lies at its place belongs to no row
  bool keep = false;     ///< there is a row for it
  std::int64_t copy = 0;
  fs::path same;  ///< what was here before and is the same
  bool recorded = false;
  std::shared_ptr<Flusher::Job> flush;
  SeriesWatch::Arrived watched;
  double arrival_s = 0;
};

/// fsync, not fdatasync: the rename is of the same inode, and must be durable too.
void flush_whole(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(file);
  const int result = ::fsync(descriptor);
  const int cause = errno;
  ::close(descriptor);
  if (result != 0)
    throw Error(cause == ENOSPC || cause == EDQUOT ? ErrorCode::DiskFull : ErrorCode::FileUnwritable,
                fmt::format("flushing: {}", std::strerror(cause)))
        .file(file);
}

std::optional<int> instance_number(const std::string& text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// Several arrivals of one call, each SOP Instance UID once.
class Intake {
 public:
  Intake(Store::State& state, std::vector<Taken>& taken) : s_(state), taken_(taken) {
    for (const Taken& one : taken_) uids_.insert(one.arrival->entry.sop_instance_uid);
    now_s_ = s_.clock.now();
    s_.in_flight.claim(uids_, now_s_);
  }
  ~Intake() { s_.in_flight.release(uids_, now_s_); }
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  void run();

 private:
  void move(Taken& one);
  void record(Transaction& tx, Taken& one);
  void record_new(Transaction& tx, Taken& one, KnownSeries series, bool from_cache);
  void record_again(Transaction& tx, Taken& one, const KnownSeries& series);
  void say_patient(Transaction& tx, Taken& one, const KnownSeries& series);
  void prepare_watch(Transaction& tx, Taken& one, const KnownSeries& series);
  void finish(Taken& one);
  void undo(Taken& one);
  void tell_watch(Taken& one);
  void refuse(Taken& one, const std::exception& cause);
  void remove_unused(Taken& one);

  Store::State& s_;
  std::vector<Taken>& taken_;
  std::set<std::string> uids_;
  double now_s_ = 0;
};

void Intake::move(Taken& one) {
  const dicom::IndexEntry& entry = one.arrival->entry;
  one.digest = one.arrival->digest.hex();
  one.file = s_.objects / object_path(entry.study_instance_uid, entry.sop_instance_uid, one.digest);
  s_.make_folder(entry.study_instance_uid);
  try {
    one.moved = place(one.arrival->file, one.file) == Placed::moved;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::FileMissing || !fs::exists(one.arrival->file)) throw;
    s_.forget_known();  // retention removed the folder meanwhile
    s_.make_folder(entry.study_instance_uid);
    one.moved = place(one.arrival->file, one.file) == Placed::moved;
  }
  if (!one.moved || !s_.options.flush) return;
  one.flush = s_.flusher->begin([file = one.file, with_folder = s_.flush_folders] {
    flush_whole(file);
    if (with_folder) sync_folder(file.parent_path());
  });
}

void Intake::say_patient(Transaction& tx, Taken& one, const KnownSeries& series) {
  const dicom::IndexEntry& entry = one.arrival->entry;
  if (series.row.patient_id == entry.patient_id && series.row.issuer == entry.issuer_of_patient_id) return;
  if (sql::insert_patient_conflict(tx, entry, one.arrival->origin.sender, now_s_))
    tx.after_commit([sender = one.arrival->origin.sender, study = entry.study_instance_uid] {
      log_event(LogLevel::warning, "store", "one study names two patients",
                {{"sender", sender}, patient_field("study", study)});
    });
  one.receipt.text = "kept; its patient id differs from that of the study's first object, which is reported";
}

void Intake::prepare_watch(Transaction& tx, Taken& one, const KnownSeries& series) {
  const Arrival& arrival = *one.arrival;
  const dicom::IndexEntry& entry = arrival.entry;
  one.watched.facts = {.sop_instance_uid = entry.sop_instance_uid,
                       .time_s = one.arrival_s,
                       .association = s_.watch.association(arrival.origin.association),
                       .stack = entry.stack,
                       .position_mm = entry.position_mm,
                       .instance_number = instance_number(entry.instance_number),
                       .said_count = entry.said_count,
                       .stands_alone = entry.stands_alone};
  one.watched.series.id = series.row.id;
  one.watched.before.clear();
  one.watched.listed.clear();
  if (s_.watch.watches(series.row.id)) return;
  if (const auto row = sql::series_row(tx, series.row.id)) one.watched.series = *row;
  for (const InstanceFacts& facts : sql::facts_of(tx, series.row.id))
    if (!uids_.contains(facts.sop_instance_uid)) one.watched.before.push_back(facts);
  one.watched.listed = sql::listed(tx, entry.series_instance_uid);
}

void Intake::record_new(Transaction& tx, Taken& one, KnownSeries series, bool from_cache) {
  const dicom::IndexEntry& entry = one.arrival->entry;
  one.keep = true;
  one.replace = !one.moved;
  one.receipt = {Outcome::stored, ErrorCode::Internal, {}};
  if (!sql::count_into_series(tx, series.row.id, series.row.study_id, 1, one.arrival->bytes, now_s_) && from_cache) {
    series = s_.series_in_index(tx, entry, one.arrival->origin, false, now_s_);
    sql::move_instance(tx, entry.sop_instance_uid, 0, series.row.id);
    sql::count_into_series(tx, series.row.id, series.row.study_id, 1, one.arrival->bytes, now_s_);
  }
  say_patient(tx, one, series);
  if (!series.row.is_result) prepare_watch(tx, one, series);
  tx.after_commit([this, &one, series] {
    s_.remember(one.arrival->entry.study_instance_uid, one.arrival->entry.series_instance_uid, series);
  });
}

/// The UID is here already: the same object again, one of our results, or another object under a UID that is taken.
void Intake::record_again(Transaction& tx, Taken& one, const KnownSeries& series) {
  const Arrival& arrival = *one.arrival;
  const std::string& uid = arrival.entry.sop_instance_uid;
  const std::vector<sql::Copy> copies = sql::copies_of(tx, uid);
  const auto is_same = [&](const sql::Copy& copy) {
    if (copy.digest == one.digest) return true;
    const fs::path& ours = one.moved ? one.file : arrival.file;
    const fs::path theirs = s_.objects / object_path(copy.study_uid, uid, copy.digest);
    std::error_code problem;
    return fs::exists(theirs, problem) && same_dataset(ours, theirs);
  };
  const bool own = !copies.empty() && copies.front().is_result;
  const auto same = std::find_if(copies.begin(), copies.end(), is_same);
  one.same = same == copies.end() ? fs::path() : s_.objects / object_path(same->study_uid, uid, same->digest);
  // Its row is here and its file was not: it heals.
  if (one.moved && one.same == one.file) one.keep = true;
  if (own && (arrival.entry.made_by_rouage || same != copies.end())) {
    sql::add_to_tally(tx, "returned");
    one.receipt = {Outcome::returned, ErrorCode::Internal, "a result of this gateway came back; it is here already"};
    return;
  }
  if (same != copies.end()) {
    sql::add_to_tally(tx, "duplicates");
    one.receipt = {Outcome::duplicate, ErrorCode::Internal, "the same object is here already"};
    return;
  }
  const std::int64_t copy = one.copy = copies.empty() ? 0 : copies.back().copy + 1;
  sql::insert_instance(tx,
                       {.series_id = series.row.id,
                        .copy = copy,
                        .digest = one.digest,
                        .bytes = arrival.bytes,
                        .association = s_.watch.association(arrival.origin.association),
                        .arrival_s = one.arrival_s},
                       arrival.entry);
  sql::count_into_series(tx, series.row.id, series.row.study_id, 0, arrival.bytes, now_s_);
  sql::insert_conflict(tx, uid, copy, arrival.entry.study_instance_uid, arrival.origin.sender, now_s_);
  one.keep = true;
  one.replace = !one.moved;
  one.receipt = {Outcome::conflict, ErrorCode::Internal,
                 "another object is here under this SOP Instance UID; both are kept, the first stays current"};
}

void Intake::record(Transaction& tx, Taken& one) {
  const dicom::IndexEntry& entry = one.arrival->entry;
  one.keep = one.replace = false;
  one.copy = 0;
  one.same.clear();
  one.arrival_s = s_.clock.now();
  const auto known = s_.known_series(entry.study_instance_uid, entry.series_instance_uid);
  const KnownSeries series = known ? *known : s_.series_in_index(tx, entry, one.arrival->origin, false, now_s_);
  const bool fresh = sql::insert_instance(tx,
                                          {.series_id = series.row.id,
                                           .digest = one.digest,
                                           .bytes = one.arrival->bytes,
                                           .association = s_.watch.association(one.arrival->origin.association),
                                           .arrival_s = one.arrival_s},
                                          entry);
  if (fresh)
    record_new(tx, one, series, known.has_value());
  else
    record_again(tx, one, series);
}

void Intake::refuse(Taken& one, const std::exception& cause) {
  const auto* error = dynamic_cast<const Error*>(&cause);
  one.receipt = {Outcome::refused, error != nullptr ? error->code() : ErrorCode::Internal, cause.what()};
  log_event(LogLevel::error, "store", "object refused",
            {{"cause", cause.what()}, patient_field("sop", one.arrival->entry.sop_instance_uid)});
}

void Intake::remove_unused(Taken& one) {
  std::error_code ignored;
  if (one.moved && !one.keep) fs::remove(one.file, ignored);
  if (!one.moved) fs::remove(one.arrival->file, ignored);
}

/// Makes sure that what the receipt says is on the disk.
void Intake::finish(Taken& one) {
  if (one.keep && one.replace) {  // a leftover of a failed arrival lay there, which no row names
    fs::rename(one.arrival->file, one.file);
    one.moved = true;
    if (s_.options.flush) flush_whole(one.file);
    if (s_.options.flush && s_.flush_folders) sync_folder(one.file.parent_path());
  }
  if (one.flush) one.flush->finish();
  // A duplicate is acknowledged as durable too: the arrival that brought it first may have been cut off in its flush.
  if (!one.same.empty() && !one.keep && s_.options.flush) flush_whole(one.same);
  remove_unused(one);
}

/// The disk did not take the bytes: the row goes too, or the next try would be called a duplicate.
void Intake::undo(Taken& one) {
  if (!one.keep || !one.same.empty()) return;
  std::error_code ignored;
  fs::remove(one.file, ignored);
  try {
    s_.database->write([&](Transaction& tx) {
      const auto series = s_.series_in_index(tx, one.arrival->entry, one.arrival->origin, false, now_s_);
      sql::FileRow row;
      row.sop_uid = one.arrival->entry.sop_instance_uid;
      row.copy = one.copy;
      row.series_id = series.row.id;
      row.bytes = one.arrival->bytes;
      sql::delete_instance(tx, row);
    });
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "store", "the row of a refused object is left over: run rouage store verify",
              {{"cause", error.what()}, patient_field("sop", one.arrival->entry.sop_instance_uid)});
  }
}

void Intake::tell_watch(Taken& one) {
  if (s_.watch.note(one.watched, s_.clock.now())) return;
  // The series was settled between its transaction and now.
  s_.database->read([&](Transaction& tx) {
    if (const auto row = sql::series_row(tx, one.watched.series.id)) one.watched.series = *row;
    one.watched.before = sql::facts_of(tx, one.watched.series.id);
    std::erase_if(one.watched.before, [&](const InstanceFacts& f) { return uids_.contains(f.sop_instance_uid); });
    one.watched.listed = sql::listed(tx, one.arrival->entry.series_instance_uid);
  });
  s_.watch.note(one.watched, s_.clock.now());
}

void Intake::run() {
  for (Taken& one : taken_) {
    try {
      move(one);
    } catch (const std::exception& error) {
      refuse(one, error);
    }
  }
  try {
    s_.database->write([&](Transaction& tx) {
      for (Taken& one : taken_)
        if (one.receipt.outcome != Outcome::refused) record(tx, one);
    });
    for (Taken& one : taken_) one.recorded = one.receipt.outcome != Outcome::refused;
  } catch (const std::exception& error) {
    s_.forget_known();
    // Whether COMMIT was reached may be unknown: the files stay. If there is no row they are leftovers, which the next
    // arrival of the object or the next start replaces or removes.
    for (Taken& one : taken_)
      if (one.receipt.outcome != Outcome::refused) refuse(one, error);
  }
  for (Taken& one : taken_) {
    try {
      if (one.recorded) finish(one);
    } catch (const std::exception& error) {
      refuse(one, error);
      undo(one);
    }
    if (!one.recorded) {
      std::error_code ignored;
      fs::remove(one.arrival->file, ignored);
    }
    if (one.receipt.outcome == Outcome::stored && !one.watched.facts.sop_instance_uid.empty()) tell_watch(one);
  }
}

void count(const Receipt& receipt, std::uint64_t bytes) {
  static constexpr const char* kNames[] = {"stored", "duplicate", "conflict", "returned", "refused"};
  static const auto counters = [] {
    std::array<Counter*, 5> all{};
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i] = &metrics().counter("rouage_objects_total", "objects that arrived, by what became of them",
                                  {{"outcome", kNames[i]}});
    return all;
  }();
  static Counter& received = metrics().counter("rouage_received_bytes_total", "bytes of objects that were kept");
  counters[static_cast<std::size_t>(receipt.outcome)]->add();
  if (receipt.outcome == Outcome::stored) received.add(static_cast<double>(bytes));
}

}  // namespace

std::vector<Receipt> Store::accept(std::vector<Arrival> arrivals) {
  State& s = *state_;
  std::vector<Receipt> receipts(arrivals.size());
  constexpr std::size_t kMostAtOnce = 64;
  std::size_t done = 0;
  while (done < arrivals.size()) {
    // A UID that comes twice in one call waits for the next round, like one that comes twice on two associations.
    std::set<std::string> uids;
    std::vector<Taken> taken;
    while (done + taken.size() < arrivals.size() && taken.size() < kMostAtOnce &&
           uids.insert(arrivals[done + taken.size()].entry.sop_instance_uid).second) {
      taken.emplace_back();
      taken.back().arrival = &arrivals[done + taken.size() - 1];
    }
    Intake(s, taken).run();
    for (std::size_t i = 0; i < taken.size(); ++i) {
      s.room.arrived(arrivals[done + i].bytes);
      count(taken[i].receipt, arrivals[done + i].bytes);
      receipts[done + i] = std::move(taken[i].receipt);
    }
    done += taken.size();
  }
  return receipts;
}

}  // namespace rouage::store
