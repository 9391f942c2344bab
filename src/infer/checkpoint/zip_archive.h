/// The zip container of a torch checkpoint, read strictly: stored entries only, each where it says it is, none twice,
/// none over another, no name that leads anywhere. Nothing is unpacked to the disk. Source: PKWARE APPNOTE 6.3 (4.3.7
/// local header, 4.3.12 central directory, 4.3.14-16 end records, 4.5.3 zip64).
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "infer/checkpoint/random_access.h"

namespace rouage::infer::checkpoint {

struct ZipEntry {
  std::uint64_t header = 0;  ///< offset of the local header
  std::uint64_t data = 0;    ///< offset of the bytes
  std::uint64_t size = 0;    ///< bytes, stored
  std::uint32_t crc = 0;     ///< CRC-32 of the bytes
};

class ZipArchive {
 public:
  /// Errors: CheckpointInvalid (no zip, truncated, compressed or encrypted entries, the same name twice, overlapping
  /// entries, names with "..", a backslash or a leading slash).
  explicit ZipArchive(RandomAccess file);

  const std::map<std::string, ZipEntry>& entries() const { return entries_; }
  /// nullptr when there is none.
  const ZipEntry* find(const std::string& name) const;
  /// A whole entry, its CRC-32 compared. Errors: CheckpointInvalid (absent, over the cap, another CRC).
  Bytes read(const std::string& name, std::uint64_t cap_bytes) const;
  /// `length` bytes at `offset` of an entry. The whole entry's CRC-32 is compared at its first use, in small pieces.
  Bytes read_range(const std::string& name, std::uint64_t offset, std::uint64_t length);

 private:
  struct Directory;
  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void check_places(std::uint64_t end) const;
  void locate(const std::string& name, ZipEntry& entry) const;
  void verify(const std::string& name, const ZipEntry& entry) const;

  RandomAccess file_;
  std::map<std::string, ZipEntry> entries_;
  std::set<std::string> verified_;
};

}  // namespace rouage::infer::checkpoint
