// What the store costs.
//
//   store_bench accept [OBJECTS] [KILOBYTES] [ROUNDS]   durable, indexed objects a second beside plain writing
//   store_bench rows MILLIONS [POSTGRESQL]              rate of rows and latency of queries as the index grows
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "base/host.h"
#include "base/service.h"
#include "store/store.h"
#include "store/store_tables.h"

namespace rouage::store {
namespace {
namespace fs = std::filesystem;

constexpr int kSlices = 200, kSeriesOfStudy = 2;

dicom::IndexEntry entry_of(std::int64_t instance) {
  const std::int64_t series = instance / kSlices, study = series / kSeriesOfStudy, patient = study / 3;
  dicom::IndexEntry e;
  e.patient_id = fmt::format("P{:08}", patient);
  e.patient_name = fmt::format("NAME{}^GIVEN{}", patient % 50'000, patient % 997);
  e.birth_date = fmt::format("{}{:02}{:02}", 1930 + patient % 80, 1 + patient % 12, 1 + patient % 28);
  e.sex = patient % 2 == 0 ? "M" : "F";
  e.study_instance_uid = fmt::format("1.2.826.0.1.3680043.9.7.{}", study);
  e.study_date = fmt::format("{}{:02}{:02}", 2016 + study % 10, 1 + study / 10 % 12, 1 + study / 120 % 28);
  e.study_time = "101500";
  e.accession_number = fmt::format("A{}", study);
  e.study_description = "CT THORAX";
  e.series_instance_uid = fmt::format("{}.{}", e.study_instance_uid, series % kSeriesOfStudy);
  e.modality = "CT";
  e.series_number = "1";
  e.series_description = "AXIAL 1.0";
  // As scanners give them: no order among the UIDs of an archive.
  e.sop_instance_uid = fmt::format("1.2.840.{}.{}", 100'000 + instance * 7919 % 899'981, instance);
  e.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2";
  e.transfer_syntax_uid = "1.2.840.10008.1.2.1";
  e.instance_number = std::to_string(instance % kSlices + 1);
  e.image_type = "ORIGINAL\\PRIMARY\\AXIAL";
  e.rows = e.columns = 512;
  e.frames = 1;
  e.bits_allocated = 16;
  e.stack = "1.00 0.00 0.00 0.00 1.00 0.00 |1|ORIGINAL\\PRIMARY\\AXIAL||";
  e.position_mm = static_cast<double>(instance % kSlices);
  return e;
}

void insert(Transaction& tx, std::int64_t instance) {
  const dicom::IndexEntry e = entry_of(instance);
  const std::int64_t series = instance / kSlices, study = series / kSeriesOfStudy;
  const double now_s = 1.7e9 + static_cast<double>(instance);
  if (instance % (kSlices * kSeriesOfStudy) == 0) sql::insert_study(tx, study + 1, e, now_s);
  if (instance % kSlices == 0) {
    sql::NewSeries fresh;
    fresh.id = series + 1;
    fresh.study_id = study + 1;
    fresh.sender = "CT1";
    fresh.now_s = now_s;
    sql::insert_series(tx, fresh, e);
  }
  sql::InstanceRow row;
  row.series_id = series + 1;
  row.digest = sha256(e.sop_instance_uid).hex();
  row.bytes = 525'000;
  row.arrival_s = now_s;
  sql::insert_instance(tx, row, e);
  sql::count_into_series(tx, series + 1, study + 1, 1, row.bytes, now_s);
}

/// Median and worst of some runs, in milliseconds.
std::string latency(const std::function<void(std::int64_t)>& work, std::int64_t instances) {
  std::mt19937_64 random(7);
  std::vector<double> times;
  for (int i = 0; i < 41; ++i) {
    const std::int64_t one = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(instances));
    const double start = monotonic_s();
    work(one);
    times.push_back((monotonic_s() - start) * 1e3);
  }
  std::sort(times.begin(), times.end());
  return fmt::format("{:9.2f} {:9.2f}", times[20], times.back());
}

void report(Store& store, std::int64_t instances, std::int64_t& next) {
  const auto ask = [&](Level level, dicom::Attributes match, std::size_t limit) {
    Query query;
    query.level = level;
    query.match = std::move(match);
    query.limit = limit;
    query.policy = Policy::at_once;
    store.query(query, [](const dicom::Attributes&) { return true; });
  };
  const auto line = [&](const char* what, const std::function<void(std::int64_t)>& work) {
    fmt::print("  {:44} {}\n", what, latency(work, instances));
  };
  line("durable transaction of one row", [&](std::int64_t) {
    store.database().write([&](Transaction& tx) { insert(tx, next); });
    ++next;
  });
  line("study by UID", [&](std::int64_t i) { ask(Level::study, {{0x0020000D, entry_of(i).study_instance_uid}}, 10); });
  line("studies of a patient", [&](std::int64_t i) { ask(Level::study, {{0x00100020, entry_of(i).patient_id}}, 50); });
  line("study by accession", [&](std::int64_t i) {
    ask(Level::study, {{0x00080050, entry_of(i).accession_number}}, 50);
  });
  line("50 studies of a day", [&](std::int64_t i) { ask(Level::study, {{0x00080020, entry_of(i).study_date}}, 50); });
  line("50 studies by name NAME123*", [&](std::int64_t i) {
    ask(Level::study, {{0x00100010, fmt::format("name{}*", i % 1000)}}, 50);
  });
  line("50 latest studies with CT", [&](std::int64_t) { ask(Level::study, {{0x00080061, "CT"}}, 50); });
  line("series of a study", [&](std::int64_t i) {
    ask(Level::series, {{0x0020000D, entry_of(i).study_instance_uid}}, 100);
  });
  line("200 instances of a series", [&](std::int64_t i) {
    ask(Level::instance, {{0x0020000E, entry_of(i).series_instance_uid}}, 500);
  });
  line("is this instance here", [&](std::int64_t i) {
    const dicom::IndexEntry e = entry_of(i);
    store.holds({{e.sop_class_uid, e.sop_instance_uid}});
  });
  line("totals (status)", [&](std::int64_t) { store.status(); });
}

int rows(double millions, const std::string& postgresql) {
  const fs::path folder = fs::temp_directory_path() / "rouage-store-bench";
  fs::remove_all(folder);
  {
    StoreOptions options;
    options.folder = folder;
    options.postgresql = postgresql;
    options.keep_free_bytes = 1;
    Store store(options);
    const auto total = static_cast<std::int64_t>(millions * 1e6);
    std::int64_t next = 0, step = std::max<std::int64_t>(total / 10, 1);
    constexpr std::int64_t kOfTransaction = 10'000;
    while (next < total) {
      const std::int64_t end = std::min(total, next - next % step + step);
      const double start = monotonic_s();
      const std::int64_t first = next;
      while (next < end) {
        const std::int64_t stop = std::min(end, next + kOfTransaction);
        store.database().write([&](Transaction& tx) {
          for (std::int64_t i = next; i < stop; ++i) insert(tx, i);
        });
        next = stop;
      }
      fmt::print("{:10} rows, {:8.0f} rows/s in bulk\n", next,
                 static_cast<double>(next - first) / (monotonic_s() - start));
      std::fflush(stdout);
      if (next == step || next >= total) {
        fmt::print("  at {} rows                                        median ms  worst ms\n", next);
        report(store, next, next);
      }
    }
  }
  fs::remove_all(folder);
  return 0;
}

struct Run {
  double per_second = 0, accept_ms = 0;
};

/// `associations` threads take objects in as a receiver does.
Run take_in(const fs::path& folder, bool store_it, bool flush, int associations, int objects, std::size_t size) {
  fs::remove_all(folder);
  StoreOptions options;
  options.folder = folder;
  options.keep_free_bytes = 1;
  options.flush = flush;
  Store store(options);
  std::atomic<int> next{0};
  std::atomic<double> accept_s{0};
  Bytes payload(size);
  std::mt19937 random(3);
  for (auto& byte : payload) byte = static_cast<std::uint8_t>(random());
  const double start = monotonic_s();
  std::vector<std::thread> threads;
  for (int t = 0; t < associations; ++t)
    threads.emplace_back([&, t] {
      for (int i = next++; i < objects; i = next++) {
        const fs::path part = store.incoming() / fmt::format("{}.part", i);
        DurableFile file(part);
        for (std::size_t at = 0; at < size; at += 65'536)
          file.write(std::span(payload).subspan(at, std::min<std::size_t>(65'536, size - at)));
        receive::Arrival arrival;
        arrival.digest = file.finish(false);
        arrival.file = part;
        arrival.bytes = size;
        arrival.entry = entry_of(i);
        arrival.origin.association = static_cast<std::uint64_t>(t + 1);
        if (!store_it) continue;
        const double before = monotonic_s();
        const auto receipt = store.accept({std::move(arrival)}).at(0);
        accept_s += monotonic_s() - before;
        if (receipt.outcome != receive::Outcome::stored) fmt::print("{}\n", receipt.text);
      }
    });
  for (std::thread& thread : threads) thread.join();
  return {objects / (monotonic_s() - start), 1e3 * accept_s / objects};
}

int accept(int objects, std::size_t kilobytes, int rounds) {
  const fs::path folder = fs::temp_directory_path() / "rouage-store-bench";
  fmt::print("{} objects of {} kB\nassociations  written only  indexed  durable and indexed  (accept, ms)\n", objects,
             kilobytes);
  for (int round = 0; round < rounds; ++round)
    for (const int associations : {1, 4, 8}) {
      const Run plain = take_in(folder, false, false, associations, objects, kilobytes * 1000);
      const Run indexed = take_in(folder, true, false, associations, objects, kilobytes * 1000);
      const Run durable = take_in(folder, true, true, associations, objects, kilobytes * 1000);
      fmt::print("{:12}  {:10.0f}/s  {:6.0f}/s  {:17.0f}/s  {:.2f}\n", associations, plain.per_second,
                 indexed.per_second, durable.per_second, durable.accept_ms);
      std::fflush(stdout);
    }
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace rouage::store

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  rouage::LogOptions quiet;
  quiet.least = rouage::LogLevel::error;
  rouage::set_log_options(quiet);
  if (what == "accept")
    return rouage::store::accept(argc > 2 ? std::atoi(argv[2]) : 400,
                                 argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 525,
                                 argc > 4 ? std::atoi(argv[4]) : 3);
  if (what == "rows" && argc > 2) return rouage::store::rows(std::atof(argv[2]), argc > 3 ? argv[3] : "");
  fmt::print(stderr, "store_bench accept [OBJECTS] [KILOBYTES] [ROUNDS] | rows MILLIONS [POSTGRESQL]\n");
  return 2;
}
