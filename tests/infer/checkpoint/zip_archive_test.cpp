// The container: archives that real tools write are read, archives that lie are refused.
#include "infer/checkpoint/zip_archive.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <optional>

#include "peers.h"

namespace rouage::infer::checkpoint {
namespace {

using testing::expect_refused;

struct Made {
  std::string name, data;
  std::uint16_t method = 0, flags = 0;
  std::optional<std::string> own_name;        ///< in the local header
  std::optional<std::uint64_t> size, header;  ///< said by the directory
  std::optional<std::uint32_t> crc;
  bool zip64 = false;
};

void number(std::string& to, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) to += static_cast<char>(value >> (8 * i));
}

/// An archive as the entries say, honest where they say nothing.
Bytes archive(const std::vector<Made>& entries, const std::string& comment = {}) {
  std::string file, directory;
  for (const Made& e : entries) {
    const std::uint64_t header = file.size(), size = e.size.value_or(e.data.size());
    const auto crc = e.crc.value_or(static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(e.data.data()), static_cast<uInt>(e.data.size()))));
    const std::string own = e.own_name.value_or(e.name);
    number(file, 0x04034b50, 4);
    for (int i = 0; i < 22; ++i) file += '\0';
    number(file, own.size(), 2);
    number(file, 0, 2);
    file += own + e.data;
    std::string extra;
    if (e.zip64) {
      number(extra, 1, 2);
      number(extra, 24, 2);
      number(extra, size, 8);
      number(extra, size, 8);
      number(extra, e.header.value_or(header), 8);
    }
    const auto said = [&](std::uint64_t value) { return e.zip64 ? 0xFFFFFFFFU : value; };
    number(directory, 0x02014b50, 4);
    number(directory, 0, 4);
    number(directory, e.flags, 2);
    number(directory, e.method, 2);
    number(directory, 0, 4);
    number(directory, crc, 4);
    number(directory, said(size), 4);
    number(directory, said(size), 4);
    number(directory, e.name.size(), 2);
    number(directory, extra.size(), 2);
    number(directory, 0, 2);
    number(directory, 0, 8);
    number(directory, said(e.header.value_or(header)), 4);
    directory += e.name + extra;
  }
  const std::uint64_t at = file.size();
  file += directory;
  number(file, 0x06054b50, 4);
  number(file, 0, 4);
  number(file, entries.size(), 2);
  number(file, entries.size(), 2);
  number(file, directory.size(), 4);
  number(file, at, 4);
  number(file, comment.size(), 2);
  file += comment;
  return {file.begin(), file.end()};
}

ZipArchive opened(const Bytes& bytes) {
  return ZipArchive(in_memory(bytes));
}

TEST(ZipArchive, ReadsStoredEntries) {
  const Bytes bytes = archive({{.name = "a/one", .data = "hello"}, {.name = "a/two", .data = ""}}, "a comment");
  ZipArchive zip = opened(bytes);
  EXPECT_EQ(zip.entries().size(), 2U);
  const Bytes one = zip.read("a/one", 100);
  EXPECT_EQ(std::string(one.begin(), one.end()), "hello");
  const Bytes part = zip.read_range("a/one", 1, 3);
  EXPECT_EQ(std::string(part.begin(), part.end()), "ell");
  EXPECT_TRUE(zip.read("a/two", 100).empty());
}

TEST(ZipArchive, ReadsZip64Sizes) {
  const Bytes bytes = archive({{.name = "first", .data = "x"}, {.name = "far", .data = "hello", .zip64 = true}});
  EXPECT_EQ(opened(bytes).read("far", 100).size(), 5U);
}

TEST(ZipArchive, RefusesWhatTorchNeverWrites) {
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .method = 8}})); }, "compressed");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .flags = 1}})); }, "encrypted");
  expect_refused([] { opened(archive({{.name = "a", .data = "x"}, {.name = "a", .data = "y"}})); }, "twice");
}

TEST(ZipArchive, RefusesNamesThatLeadOut) {
  for (const std::string& name :
       {std::string("../a"), std::string("a/../../b"), std::string("/etc/passwd"), std::string("a\\b"),
        std::string("c:a"), std::string("a\0b", 3), std::string(), std::string("\xff")})
    expect_refused([&] { opened(archive({{.name = name, .data = "x"}})); }, "name");
}

TEST(ZipArchive, RefusesEntriesThatAreNotWhereTheySay) {
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .own_name = "b"}})); }, "another name");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .size = 1000}})); }, "truncated");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .header = 1}})); }, "not where");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .header = 0xFFFFFF00}})); }, "beyond its end");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .size = UINT64_MAX, .zip64 = true}})); }, "truncated");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .header = UINT64_MAX, .zip64 = true}})); },
                 "beyond its end");
}

TEST(ZipArchive, RefusesEntriesOverEachOther) {
  // One long entry reaches over the next: the way in which small archives unpack to huge ones.
  expect_refused(
      [] {
        opened(archive({{.name = "a", .data = "x", .size = 34}, {.name = "b", .data = "0123456789"}}));
      },
      "over each other");
  expect_refused([] { opened(archive({{.name = "a", .data = "x", .size = 20}})); }, "over each other");
}

TEST(ZipArchive, RefusesDamagedBytes) {
  const Bytes bytes = archive({{.name = "a", .data = "hello", .crc = 1}});
  ZipArchive zip = opened(bytes);
  expect_refused([&] { (void)zip.read("a", 100); }, "CRC-32");
  expect_refused([&] { (void)zip.read_range("a", 0, 1); }, "CRC-32");
}

TEST(ZipArchive, RefusesMoreThanWasAllowed) {
  const Bytes bytes = archive({{.name = "a", .data = "hello"}});
  ZipArchive zip = opened(bytes);
  expect_refused([&] { (void)zip.read("a", 4); }, "at most 4");
  expect_refused([&] { (void)zip.read_range("a", 3, 3); }, "beyond its end");
  expect_refused([&] { (void)zip.read_range("a", UINT64_MAX, 2); }, "beyond its end");
  expect_refused([&] { (void)zip.read("b", 4); }, "missing");
}

TEST(ZipArchive, EveryTruncationIsRefused) {
  const Bytes bytes =
      archive({{.name = "a/data.pkl", .data = "hello"}, {.name = "a/data/0", .data = std::string(40, 'w')}});
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const Bytes part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_EQ(testing::error_of([&] { opened(part); }).code(), ErrorCode::CheckpointInvalid) << length;
  }
}

}  // namespace
}  // namespace rouage::infer::checkpoint
