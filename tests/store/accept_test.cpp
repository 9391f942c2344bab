// What arrives is kept once, durable, never overwritten; what is strange is kept and said.
#include <sys/mount.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "store/object_files.h"
#include "store/store_state.h"
#include "store_fixture.h"

namespace rouage::store::testing {
namespace {
namespace fs = std::filesystem;
using receive::Outcome;

class Accept : public StoreTest {};
ROUAGE_ON_BOTH(Accept);

// STO-3: an object is acknowledged only after its bytes and its index row are durable.
TEST_P(Accept, an_acknowledged_object_is_there_with_its_bytes) {
  const Made made;
  ASSERT_EQ(send(*store_, made).outcome, Outcome::stored);
  const auto objects = inside(made.study);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(read_file(objects[0].file, 1 << 20), bytes_of(made));
  EXPECT_EQ(objects[0].sop_class_uid, made.sop_class);
  EXPECT_EQ(objects[0].frames, 1U);
  EXPECT_EQ(
      store_->holds({{made.sop_class, made.sop}, {made.sop_class, "1.9"}, {"1.2.840.10008.5.1.4.1.1.2", made.sop}}),
      (std::vector<bool>{true, false, false}));
  EXPECT_TRUE(fs::is_empty(store_->incoming()));
  const StoreStatus status = store_->status();
  EXPECT_EQ(status.instances, 1U);
  EXPECT_EQ(status.studies, 1U);
  EXPECT_EQ(status.bytes, bytes_of(made).size());
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Accept, names_of_files_are_digests_and_never_text_from_the_network) {
  send(*store_, {});
  for (const auto& file : fs::recursive_directory_iterator(options_.folder / "objects")) {
    const std::string name = file.path().filename().string();
    EXPECT_EQ(name.find("1.2.3"), std::string::npos) << name;
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef-.dcm"), std::string::npos) << name;
  }
}

TEST_P(Accept, the_same_object_again_is_a_duplicate_also_under_another_meta_header) {
  Made made;
  send(*store_, made);
  EXPECT_EQ(send(*store_, made).outcome, Outcome::duplicate);
  made.implementation = "ANOTHER_SENDER_9";
  EXPECT_EQ(send(*store_, made).outcome, Outcome::duplicate);
  EXPECT_EQ(inside(made.study).size(), 1U);
  EXPECT_EQ(store_->status().duplicates, 2U);
  EXPECT_TRUE(store_->verify({}).good()) << "nothing of the duplicates is left over";
}

// STO-4: an object is never overwritten by another one under the same SOP Instance UID.
TEST_P(Accept, other_content_under_the_same_uid_is_kept_beside_the_first_and_reported) {
  Made made;
  send(*store_, made);
  const Bytes first = bytes_of(made);
  made.seed = 99;
  const receive::Receipt receipt = send(*store_, made);
  EXPECT_EQ(receipt.outcome, Outcome::conflict);
  EXPECT_EQ(receipt.dimse_status(), 0) << "it is kept";
  const auto objects = inside(made.study);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(read_file(objects[0].file, 1 << 20), first) << "the first stays current";
  EXPECT_EQ(store_->status().conflicts, 1U);
  const VerifyReport report = store_->verify({});
  EXPECT_EQ(report.objects, 2U) << "both are here";
  EXPECT_TRUE(report.good());
  EXPECT_EQ(send(*store_, made).outcome, Outcome::duplicate) << "the second one again";
  made.seed = 100;
  EXPECT_EQ(send(*store_, made).outcome, Outcome::conflict) << "a third";
  EXPECT_EQ(store_->status().conflicts, 2U);
}

TEST_P(Accept, two_patients_in_one_study_are_said) {
  Made made;
  send(*store_, made);
  made.sop += ".2";
  made.patient = "P2";
  const receive::Receipt receipt = send(*store_, made);
  EXPECT_EQ(receipt.outcome, Outcome::stored);
  EXPECT_NE(receipt.text.find("patient id"), std::string::npos);
  const auto rows =
      store_->database().read([](Transaction& tx) { return tx.rows("SELECT patient_id FROM patient_conflict"); });
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].text(0), "P2");
}

TEST_P(Accept, one_uid_on_many_associations_at_once_is_kept_once) {
  constexpr int kThreads = 8, kSlices = 10;
  std::atomic<int> stored{0}, duplicates{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kSlices; ++i) {
        const Outcome outcome = send(*store_, ct_slice(i), static_cast<std::uint64_t>(t + 1)).outcome;
        stored += outcome == Outcome::stored ? 1 : 0;
        duplicates += outcome == Outcome::duplicate ? 1 : 0;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, kSlices);
  EXPECT_EQ(duplicates, kSlices * (kThreads - 1));
  EXPECT_EQ(inside("1.2.4").size(), static_cast<std::size_t>(kSlices));
  EXPECT_EQ(store_->status().instances, static_cast<std::uint64_t>(kSlices));
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Accept, many_in_one_call_answer_in_order) {
  std::vector<receive::Arrival> arrivals;
  for (const int i : {1, 2, 2, 3}) arrivals.push_back(arrival(*store_, ct_slice(i)));
  const auto receipts = store_->accept(std::move(arrivals));
  ASSERT_EQ(receipts.size(), 4U);
  EXPECT_EQ(receipts[1].outcome, Outcome::stored);
  EXPECT_EQ(receipts[2].outcome, Outcome::duplicate);
  EXPECT_EQ(receipts[3].outcome, Outcome::stored);
}

TEST_P(Accept, a_result_that_comes_back_is_not_kept_twice) {
  send(*store_, {});
  const fs::path staging = scratch_folder("staging");
  const auto kept = store_->keep_results({made_result(staging, "1.2.3", "2.25.1")});
  store_->database().write([&](Transaction& tx) { store_->index_results(tx, kept, "1.2.3.1", 0); });
  Made back = result_made("1.2.3", "2.25.1");
  EXPECT_EQ(send(*store_, back).outcome, Outcome::returned);
  back.patient = "COERCED";
  EXPECT_EQ(send(*store_, back).outcome, Outcome::returned) << "also with attributes that the archive changed";
  EXPECT_EQ(inside("1.2.3").size(), 2U);
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Accept, a_file_that_was_lost_comes_back_with_the_next_copy) {
  const Made made;
  send(*store_, made);
  fs::remove(inside(made.study)[0].file);
  EXPECT_FALSE(store_->verify({}).good());
  EXPECT_EQ(send(*store_, made).outcome, Outcome::duplicate);
  EXPECT_TRUE(store_->verify({}).good());
}

TEST_P(Accept, what_was_not_acknowledged_is_gone_after_a_new_start) {
  send(*store_, {});
  const fs::path folder = inside("1.2.3")[0].file.parent_path();
  // As a power cut leaves it: a half received file, a moved file without a row, a row without its bytes.
  write_file(store_->incoming() / "half.part", Bytes(100, 1));
  write_file(folder / object_name("1.2.3.1.77", std::string(64, 'a')), Bytes(10, 2));
  send(*store_, ct_slice(1));
  send(*store_, ct_slice(2));
  const fs::path cut = store_->objects({.sop_instance_uid = "1.2.4.1.2", .inside = true}).at(0).file;
  const std::string mark = read_text(options_.folder / "durable-since");
  store_.reset();
  write_file_atomic(options_.folder / "durable-since", mark);
  fs::resize_file(cut, 50);
  open();
  EXPECT_TRUE(fs::is_empty(store_->incoming()));
  EXPECT_EQ(inside("1.2.4").size(), 1U) << "the row without its bytes was never acknowledged";
  EXPECT_EQ(store_->status().instances, 2U);
  EXPECT_TRUE(store_->verify({}).good());
  EXPECT_EQ(send(*store_, ct_slice(2)).outcome, Outcome::stored) << "its sender sends it again";
}

TEST_P(Accept, one_process_at_a_time_and_others_may_look) {
  send(*store_, {});
  EXPECT_THROW(Store{options_}, Error);
  StoreOptions look = options_;
  look.look_only = true;
  const Store other(look);
  EXPECT_EQ(other.status().instances, 1U);
  EXPECT_TRUE(other.verify({}).good());
}

TEST_P(Accept, a_store_of_a_newer_program_is_refused) {
  store_->database().write([](Transaction& tx) { tx.run("UPDATE schema_step SET step = 10000"); });
  store_.reset();
  try {
    open();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::StoreVersion);
  }
}

// STO-5: below the free space that is to be kept, objects are refused with 0xA700, and taken again by itself above it.
TEST(DiskRoom, promised_bytes_count_and_refusing_ends_by_itself) {
  const fs::path folder = scratch_folder("room");
  const std::uint64_t there = free_bytes(folder), kMb = kMebibyte;
  DiskRoom room(folder, there > 1000 * kMb ? there - 1000 * kMb : 0);
  EXPECT_FALSE(room.no_room(300 * kMb));
  EXPECT_FALSE(room.no_room(300 * kMb));
  const auto refused = room.no_room(900 * kMb);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), ErrorCode::DiskFull);
  EXPECT_EQ(error_entry(refused->code()).dimse, 0xA700);
  EXPECT_FALSE(room.refusing()) << "one object that is too large does not close the door";
  room.arrived(600 * kMb);
  EXPECT_FALSE(room.no_room(600 * kMb));
  DiskRoom full(folder, there + 1000 * kMb);
  EXPECT_TRUE(full.no_room(1));
  EXPECT_TRUE(full.refusing());
}

TEST(FullDisk, a_full_disk_refuses_and_goes_on_when_there_is_room) {
  const fs::path folder = scratch_folder("tmpfs");
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=12m") != 0) GTEST_SKIP() << "no tmpfs can be mounted here";
  {
    Store store({.folder = folder / "data", .keep_free_bytes = 0});
    int stored = 0;
    receive::Receipt last;
    std::vector<fs::path> leftovers;
    for (int i = 1; i < 40; ++i) {
      Made made = ct_slice(i);
      made.pixels = 600'000;
      try {
        last = send(store, made);
      } catch (const Error& error) {  // already the incoming file did not fit
        EXPECT_TRUE(error.code() == ErrorCode::FileUnwritable || error.code() == ErrorCode::DiskFull) << error.what();
        break;
      }
      if (last.outcome != Outcome::stored) break;
      ++stored;
    }
    EXPECT_GT(stored, 5);
    EXPECT_LT(stored, 39);
    EXPECT_EQ(store.status().instances, static_cast<std::uint64_t>(stored)) << "what was acknowledged, and only that";
    for (const auto& file : fs::directory_iterator(store.incoming())) fs::remove(file.path());
    ASSERT_EQ(::mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT, "size=40m"), 0);
    EXPECT_EQ(send(store, ct_slice(100)).outcome, Outcome::stored);
    EXPECT_EQ(store.status().instances, static_cast<std::uint64_t>(stored) + 1);
    EXPECT_TRUE(store.verify({}).good());
  }
  ::umount(folder.c_str());
}

}  // namespace
}  // namespace rouage::store::testing
