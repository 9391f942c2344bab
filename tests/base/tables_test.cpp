#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>

#include "base/error.h"
#include "base/host.h"

using namespace rouage;
namespace fs = std::filesystem;

TEST(TextTable, AlignsByPrintedWidth) {
  TextTable table({"label", "p"}, "<>");
  table.row({"Œdème", "0.5"});
  table.row({"x", "12"});
  EXPECT_EQ(table.text(), "label    p\nŒdème  0.5\nx       12\n");
}

TEST(Csv, FollowsRfc4180) {
  const fs::path path = fs::temp_directory_path() / ("rouage-csv-" + std::to_string(::getpid()) + ".csv");
  write_file_atomic(path, "\xEF\xBB\xBFname,note\r\n\"a,b\",\"say \"\"hi\"\"\"\n\nc,\n");
  const CsvTable table = read_csv(path);
  EXPECT_EQ(table.column("note"), 1);
  EXPECT_EQ(table.column("none"), -1);
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"a,b", "say \"hi\""}));
  write_file_atomic(path, "a,b\n1\n");
  try {
    read_csv(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::TableInvalid);
    EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos);
  }
  fs::remove(path);
}
