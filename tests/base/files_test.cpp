#include "base/host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

using namespace rouage;
namespace fs = std::filesystem;

namespace {

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("rouage-files-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCode::Internal;
}

}  // namespace

TEST_F(Files, AreReadWholeOrRefused) {
  write_file_atomic(folder_ / "a" / "b.txt", "hello");
  EXPECT_EQ(read_text(folder_ / "a" / "b.txt"), "hello");
  EXPECT_EQ(code_of([&] { read_file(folder_ / "a" / "b.txt", 4); }), ErrorCode::FileTooLarge);
  EXPECT_EQ(code_of([&] { read_file(folder_ / "none", 4); }), ErrorCode::FileMissing);
  EXPECT_EQ(code_of([&] { read_file(folder_, 4); }), ErrorCode::FileMissing);
}

TEST_F(Files, WrittenAtomicallyLeaveNothingBeside) {
  write_file_atomic(folder_ / "x", "1");
  write_file_atomic(folder_ / "x", "22");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
  EXPECT_EQ(code_of([&] { write_file_atomic(folder_ / "x" / "y", "1"); }), ErrorCode::FileUnwritable);
}

TEST_F(Files, AStagedFolderAppearsOnlyWhenPublished) {
  {
    const StagedFolder staged(folder_ / "staging");
    write_file(staged.path() / "f", Bytes{1, 2});
    EXPECT_TRUE(fs::exists(staged.path() / "f"));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  StagedFolder staged(folder_ / "staging");
  write_file(staged.path() / "f", Bytes{1, 2});
  staged.publish(folder_ / "study" / "film");
  EXPECT_EQ(read_file(folder_ / "study" / "film" / "f", 10), (Bytes{1, 2}));
}

TEST_F(Files, OneProcessAtATimeHoldsAFolder) {
  const FolderLock lock(folder_);
  EXPECT_EQ(code_of([&] { const FolderLock second(folder_); }), ErrorCode::FolderBusy);
}

TEST_F(Files, AreListedSortedWithoutHiddenOnes) {
  for (const char* name : {"b", "a", ".hidden", "sub/c", ".git/d"}) write_file_atomic(folder_ / name, "x");
  const auto files = files_below(folder_);
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0], folder_ / "a");
  EXPECT_EQ(files[2], folder_ / "sub/c");
  EXPECT_EQ(files_below(folder_ / "a").size(), 1U);
  EXPECT_EQ(code_of([&] { files_below(folder_ / "none"); }), ErrorCode::FileMissing);
}
