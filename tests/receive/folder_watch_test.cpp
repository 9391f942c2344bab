/// A watched folder with real films: taken when whole, once, through crashes; nothing outside of it is touched.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "base/host.h"
#include "base/service.h"
#include "memory_sink.h"
#include "receive/folder.h"
#include "receive/folder_files.h"
#include "receive/folder_journal.h"

namespace {

using namespace rouage;
using namespace rouage::receive;
using receive::testing::MemorySink;
using receive::testing::TestFolder;
namespace fs = std::filesystem;

/// Real objects of the shared collection, small ones first, each with another SOP Instance UID.
std::vector<fs::path> real_files(std::size_t count) {
  std::vector<fs::path> files;
  std::set<std::string> uids;
  const fs::path data = fs::path(ROUAGE_SHARED_DIR) / "data" / "dicom";
  if (!fs::exists(data)) return files;
  for (const fs::path& file : files_below(data)) {
    if (file.extension() != ".dcm" || fs::file_size(file) > 600'000) continue;
    try {
      if (!uids.insert(dicom::index_entry(file).sop_instance_uid).second) continue;
    } catch (const Error&) {
      continue;
    }
    const OpenFile open(::open(file.c_str(), O_RDONLY));
    if (!ends_whole(open.get(), fs::file_size(file))) continue;
    files.push_back(file);
    if (files.size() == count) break;
  }
  return files;
}

bool eventually(const std::function<bool()>& holds, double patience_s = 10) {
  const double until = monotonic_s() + patience_s;
  while (monotonic_s() < until) {
    if (holds()) return true;
    ::usleep(20'000);
  }
  return holds();
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    files_ = real_files(12);
    if (files_.size() < 12) GTEST_SKIP() << "no shared DICOM files (" << ROUAGE_SHARED_DIR << ")";
    fs::create_directories(drop_);
  }
  FolderOptions options() const {
    FolderOptions options;
    options.folder = drop_;
    options.state = state_;
    options.quiet_s = 0.4;
    options.closed_quiet_s = 0.05;
    options.rescan_s = 0.5;
    options.retry_s = 0.2;
    options.incomplete_s = 1;
    return options;
  }
  std::unique_ptr<FolderWatch> watch(const FolderOptions& options) {
    auto made = std::make_unique<FolderWatch>(options, sink_, dicom::index_entry);
    made->start();
    return made;
  }
  void drop(std::size_t i, const std::string& name) const { fs::copy_file(files_.at(i), drop_ / name); }

  TestFolder folder_{"folder"};
  fs::path drop_ = folder_ / "drop", state_ = folder_ / "state";
  MemorySink sink_{folder_ / "incoming"};
  std::vector<fs::path> files_;
};

TEST_F(Folder, TakesWhatIsThereAndWhatComes) {
  drop(0, "before.dcm");
  fs::create_directories(drop_ / "a" / "b");
  drop(1, "a/b/deep");
  const auto watching = watch(options());
  ASSERT_TRUE(eventually([&] { return sink_.count(Outcome::stored) == 2; }));
  drop(2, "after.dcm");
  fs::create_directories(drop_ / "new");
  drop(3, "new/x.dcm");
  ASSERT_TRUE(eventually([&] { return sink_.count(Outcome::stored) == 4; }));
  const auto arrivals = sink_.arrivals();
  EXPECT_EQ(arrivals[0].origin.way, Origin::Way::folder);
  EXPECT_EQ(arrivals[0].origin.sender, "folder:" + drop_.string());
  EXPECT_EQ(arrivals[0].digest, file_digest(files_[1], kMebibyte));
  EXPECT_TRUE(fs::exists(drop_ / "before.dcm"));  // kept
  ::usleep(1'500'000);
  EXPECT_EQ(sink_.arrivals().size(), 4);  // later walks take nothing again
}

TEST_F(Folder, ARestartTakesNothingTwice) {
  for (std::size_t i = 0; i < 5; ++i) drop(i, "f" + std::to_string(i));
  {
    const auto watching = watch(options());
    ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() >= 5; }));
  }
  drop(5, "late");
  const auto watching = watch(options());
  ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() == 6; }));
  ::usleep(800'000);
  EXPECT_EQ(sink_.count(Outcome::stored), 6);
  EXPECT_EQ(sink_.count(Outcome::duplicate), 0);
}

// RCV-10
TEST_F(Folder, AFileThatIsStillWrittenWaits) {
  const auto watching = watch(options());
  const Bytes bytes = read_file(files_[0], kMebibyte);
  std::ofstream stream(drop_ / "slow.dcm", std::ios::binary);
  for (std::size_t at = 0; at < bytes.size();) {  // 1.2 s, never quiet for 0.4 s
    const std::size_t n = std::min(bytes.size() - at, bytes.size() / 6 + 1);
    stream.write(reinterpret_cast<const char*>(bytes.data() + at), static_cast<std::streamsize>(n)).flush();
    at += n;
    ::usleep(200'000);
    EXPECT_TRUE(sink_.arrivals().empty());
  }
  stream.close();
  ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() == 1; }));
  EXPECT_EQ(sink_.arrivals()[0].digest, sha256(bytes));
}

// A copy that stalls for longer than any quiet period, and is closed: its last element shows that more is to come.
TEST_F(Folder, AStalledCopyWaitsForItsEnd) {
  auto slow = options();
  slow.incomplete_s = 60;
  const auto watching = watch(slow);
  const Bytes bytes = read_file(files_[0], kMebibyte);
  const std::size_t half = bytes.size() - 100;
  std::ofstream(drop_ / "half.dcm", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(half));
  ::usleep(1'200'000);
  EXPECT_TRUE(sink_.arrivals().empty());
  std::ofstream(drop_ / "half.dcm", std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(bytes.data() + half), 100);
  ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() == 1; }));
  EXPECT_EQ(sink_.arrivals()[0].digest, sha256(bytes));
}

TEST_F(Folder, WhatIsRefusedIsNamedAndMovedWithItsReason) {
  auto moving = options();
  moving.move_refused = true;
  std::ofstream(drop_ / "letter.txt") << "Cher confrère, ...";
  std::ofstream(drop_ / "study.zip", std::ios::binary) << "PK\x03\x04" << std::string(100, 'z');
  const Bytes bytes = read_file(files_[0], kMebibyte);
  std::ofstream(drop_ / "cut.dcm", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size() - 100));
  const auto watching = watch(moving);
  ASSERT_TRUE(eventually([&] { return watching->status().refused == 3; }));
  EXPECT_TRUE(sink_.arrivals().empty());
  EXPECT_EQ(read_text(drop_ / "refused" / "letter.txt.txt").substr(0, 9), "NotDicom:");
  EXPECT_NE(read_text(drop_ / "refused" / "study.zip.txt").find("archives are not opened"), std::string::npos);
  EXPECT_EQ(read_text(drop_ / "refused" / "cut.dcm.txt").substr(0, 18), "PixelDataTruncated");
  EXPECT_TRUE(fs::exists(drop_ / "refused" / "cut.dcm"));
  EXPECT_FALSE(fs::exists(drop_ / "cut.dcm"));
  EXPECT_TRUE(fs::is_empty(folder_ / "incoming"));
}

TEST_F(Folder, TakenFilesAreRemovedOrMoved) {
  auto removing = options();
  removing.after = AfterTaking::remove;
  drop(0, "one.dcm");
  {
    const auto watching = watch(removing);
    ASSERT_TRUE(eventually([&] { return !fs::exists(drop_ / "one.dcm"); }));
    EXPECT_EQ(sink_.arrivals().size(), 1);
  }
  auto moving = options();
  moving.after = AfterTaking::move;
  fs::create_directories(drop_ / "ward");
  drop(1, "ward/two.dcm");
  const auto watching = watch(moving);
  ASSERT_TRUE(eventually([&] { return fs::exists(drop_ / "taken" / "ward" / "two.dcm"); }));
  fs::copy_file(files_[2], drop_ / "ward" / "two.dcm");  // another object of the same name
  ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() == 3 && !fs::exists(drop_ / "ward" / "two.dcm"); }));
  EXPECT_EQ(files_below(drop_ / "taken").size(), 2);  // nothing was overwritten
}

// RCV-11
TEST_F(Folder, LinksAreNotFollowedAndOddNamesAreLeftAlone) {
  const fs::path outside = folder_ / "outside";
  fs::create_directories(outside);
  fs::copy_file(files_[0], outside / "secret.dcm");
  fs::create_symlink(outside / "secret.dcm", drop_ / "link.dcm");
  fs::create_symlink(outside, drop_ / "linked");
  ASSERT_EQ(::mkfifo((drop_ / "pipe").c_str(), 0600), 0);
  drop(1, ".hidden");
  drop(2, "copy.part");
  drop(3, "DICOMDIR");
  std::ofstream(drop_ / "empty");
  drop(4, "good.dcm");
  auto removing = options();
  removing.after = AfterTaking::remove;
  const auto watching = watch(removing);
  ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() == 1; }));
  ::usleep(1'000'000);
  EXPECT_EQ(sink_.arrivals().size(), 1);
  EXPECT_TRUE(fs::exists(outside / "secret.dcm"));
  EXPECT_EQ(watching->status().refused, 0);
}

// `taken` made a link by somebody who may write to the folder: nothing is moved through it.
TEST_F(Folder, NothingIsMovedThroughALink) {
  fs::create_directories(folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", drop_ / "taken");
  drop(0, "one.dcm");
  auto moving = options();
  moving.after = AfterTaking::move;
  const auto watching = watch(moving);
  ASSERT_TRUE(eventually([&] { return sink_.arrivals().size() == 1; }));
  ::usleep(300'000);
  EXPECT_TRUE(fs::is_empty(folder_ / "elsewhere"));
  EXPECT_TRUE(fs::exists(drop_ / "one.dcm"));
}

TEST_F(Folder, AFullDiskIsWaitedFor) {
  sink_.full = true;
  drop(0, "one.dcm");
  const auto watching = watch(options());
  ::usleep(1'000'000);
  EXPECT_TRUE(sink_.arrivals().empty());
  EXPECT_EQ(watching->status().refused, 0);
  sink_.full = false;
  EXPECT_TRUE(eventually([&] { return sink_.arrivals().size() == 1; }));
}

TEST_F(Folder, AShareThatComesLateIsFound) {
  fs::remove(drop_);
  const auto watching = watch(options());
  ::usleep(300'000);
  EXPECT_FALSE(watching->status().reachable);
  fs::create_directories(drop_);
  drop(0, "one.dcm");
  EXPECT_TRUE(eventually([&] { return sink_.arrivals().size() == 1; }));
  EXPECT_TRUE(watching->status().reachable);
}

/// Keeps objects as files, flushed, so that it survives the process as a store does.
class DiskSink : public MemorySink {
 public:
  DiskSink(const fs::path& incoming, fs::path kept) : MemorySink(incoming), kept_(std::move(kept)) {
    fs::create_directories(kept_);
  }
  std::vector<Receipt> accept(std::vector<Arrival> arrivals) override {
    std::vector<Receipt> receipts;
    for (const Arrival& arrival : arrivals) {
      flush_file(arrival.file);
      const fs::path place = kept_ / arrival.entry.sop_instance_uid;
      const bool known = fs::exists(place);
      if (known)
        fs::remove(arrival.file);
      else
        fs::rename(arrival.file, place);
      receipts.push_back({known ? Outcome::duplicate : Outcome::stored, ErrorCode::Internal, ""});
    }
    return receipts;
  }

 private:
  fs::path kept_;
};

// Killed at random moments, with taken files removed: every file is either still in the folder or kept, and in the end
// all are kept. ROUAGE_SEED replays a run.
// RCV-10
TEST_F(Folder, KillsLoseNothing) {
  const char* given = std::getenv("ROUAGE_SEED");
  const auto seed = given != nullptr ? std::stoul(given) : static_cast<unsigned long>(utc_now_s());
  SCOPED_TRACE("ROUAGE_SEED=" + std::to_string(seed));
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  auto removing = options();
  removing.after = AfterTaking::remove;
  removing.quiet_s = 0.02;
  std::map<std::string, Digest> wanted;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    drop(i, "f" + std::to_string(i));
    wanted[dicom::index_entry(files_[i]).sop_instance_uid] = file_digest(files_[i], kMebibyte);
  }
  const fs::path kept = folder_ / "kept";
  const auto run_child = [&](double life_s) {
    const pid_t child = ::fork();
    if (child == 0) {
      DiskSink sink(folder_ / "incoming", kept);
      FolderWatch watching(removing, sink, dicom::index_entry);
      watching.start();
      while (true) ::pause();
    }
    ::usleep(static_cast<useconds_t>(life_s * 1e6));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  };
  for (int kill = 0; kill < 20; ++kill) {
    run_child(std::uniform_real_distribution<double>(0.0, 0.12)(random));
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const bool in_folder = fs::exists(drop_ / ("f" + std::to_string(i)));
      EXPECT_TRUE(in_folder || fs::exists(kept / dicom::index_entry(files_[i]).sop_instance_uid)) << files_[i];
    }
  }
  run_child(3);
  for (const auto& [uid, digest] : wanted) EXPECT_EQ(file_digest(kept / uid, kMebibyte), digest);
  EXPECT_EQ(files_below(kept).size(), wanted.size());
  EXPECT_TRUE(files_below(drop_).empty());
}

TEST(FolderJournal, SurvivesTornLinesAndOddNames) {
  const TestFolder folder("journal");
  const fs::path file = folder / "x.journal";
  const std::string odd = "a b%\n\xFF\x01.dcm";
  {
    FolderJournal journal(file);
    journal.add({{FolderJournal::Line::Kind::taken, odd, {5, 7}, sha256("x")},
                 {FolderJournal::Line::Kind::refused, "bad", {1, 2}, {}},
                 {FolderJournal::Line::Kind::taken, "moved", {1, 2}, {}},
                 {FolderJournal::Line::Kind::gone, "moved", {1, 2}, {}}});
  }
  std::ofstream(file, std::ios::app) << "T 5 7 torn";
  for (int again = 0; again < 2; ++again) {
    const FolderJournal journal(file);
    EXPECT_EQ(journal.size(), 2);
    ASSERT_NE(journal.find(odd), nullptr);
    EXPECT_EQ(journal.find(odd)->digest, sha256("x"));
    EXPECT_EQ(journal.find(odd)->stamp, (FileStamp{5, 7}));
    EXPECT_FALSE(journal.find("bad")->taken);
  }
}

TEST(FolderJournal, IsMadeShortWhenMostIsOutOfDate) {
  const TestFolder folder("compact");
  FolderJournal journal(folder / "x.journal");
  for (int round = 0; round < 60; ++round) {
    std::vector<FolderJournal::Line> lines;
    for (int i = 0; i < 200; ++i)
      lines.push_back({FolderJournal::Line::Kind::taken, "f" + std::to_string(i), {1, round}, {}});
    journal.add(lines);
  }
  EXPECT_LT(fs::file_size(folder / "x.journal"), 10'500U * 100);
  EXPECT_EQ(FolderJournal(folder / "x.journal").find("f7")->stamp.modified_ns, 59);
}

// Every file of the collection, cut in its last tenth, is seen to be cut; whole ones are not suspected. Those whose end
// cannot be told (deflated, no Part 10 header, unknown value representations) count as whole.
TEST(FolderWhole, RealFilesAndTheirHalves) {
  const fs::path data = fs::path(ROUAGE_SHARED_DIR) / "data" / "dicom";
  if (!fs::exists(data)) GTEST_SKIP() << "no shared DICOM files";
  const TestFolder folder("whole");
  const fs::path half = folder / "half";
  int whole = 0, seen_cut = 0, cut = 0;
  for (const fs::path& file : files_below(data)) {
    if (file.extension() != ".dcm" || fs::file_size(file) > 4'000'000) continue;
    const OpenFile open(::open(file.c_str(), O_RDONLY));
    const std::uint64_t size = fs::file_size(file);
    if (!ends_whole(open.get(), size)) {
      EXPECT_EQ(file.filename(), "MR_truncated.dcm");
      continue;
    }
    ++whole;
    Bytes bytes = read_file(file, 8 * kMebibyte);
    bytes.resize(bytes.size() - bytes.size() / 10);
    write_file(half, bytes);
    const OpenFile part(::open(half.c_str(), O_RDONLY));
    ++cut;
    seen_cut += ends_whole(part.get(), bytes.size()) ? 0 : 1;
  }
  std::cout << whole << " whole, " << seen_cut << " of " << cut << " cuts seen\n";
  EXPECT_GT(whole, 50);
  EXPECT_GE(seen_cut, cut * 9 / 10);
  const fs::path truncated = data / "pydicom" / "MR_truncated.dcm";
  const OpenFile open(::open(truncated.c_str(), O_RDONLY));
  EXPECT_FALSE(ends_whole(open.get(), fs::file_size(truncated)));
}

}  // namespace
