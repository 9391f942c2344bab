#include "infer/checkpoint/zip_archive.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/host.h"

namespace rouage::infer::checkpoint {
namespace {

constexpr std::uint64_t kDirectoryCap = 64 * kMebibyte;
constexpr std::uint64_t kEntryCap = 200'000;
constexpr std::uint64_t kPiece = kMebibyte;
constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::uint64_t kLocalLength = 30, kCentralLength = 46, kEndLength = 22, kLocatorLength = 20, kEnd64Length = 56;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::CheckpointInvalid, what);
}

/// Little-endian numbers one after the other; the span is known to be long enough for the fixed part of a record.
class Fields {
 public:
  explicit Fields(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    const auto part = take(width);
    for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{part[i]} << (8 * i);
    return value;
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::span<const std::uint8_t> take(std::size_t count) {
    if (count > rest_.size()) refuse("the zip directory is truncated");
    const auto part = rest_.first(count);
    rest_ = rest_.subspan(count);
    return part;
  }
  void skip(std::size_t count) { take(count); }
  bool empty() const { return rest_.empty(); }
  std::size_t left() const { return rest_.size(); }

 private:
  std::span<const std::uint8_t> rest_;
};

void check_name(const std::string& name) {
  bool good = !name.empty() && name.size() <= 1024 && name.front() != '/' && valid_utf8(name) &&
              name.find_first_of(std::string("\\:\0", 3)) == std::string::npos;
  for (const std::string& part : split(name, '/')) good = good && part != "..";
  if (!good) refuse("an entry's name leads out of the archive or is no name: \"" + name.substr(0, 80) + "\"");
}

/// The zip64 extra field (header 1) replaces those of the three numbers that are saturated, in this order.
void apply_zip64(std::span<const std::uint8_t> extra, std::uint64_t& size, std::uint64_t& packed,
                 std::uint64_t& header) {
  for (Fields all(extra); all.left() >= 4;) {
    const std::uint16_t id = all.u16(), length = all.u16();
    Fields field(all.take(std::min<std::size_t>(length, all.left())));
    if (id != 1) continue;
    for (std::uint64_t* value : {&size, &packed, &header})
      if (*value == 0xFFFFFFFFU) *value = field.number(8);
  }
}

}  // namespace

struct ZipArchive::Directory {
  std::uint64_t offset = 0, length = 0, count = 0;
};

ZipArchive::ZipArchive(RandomAccess file) : file_(std::move(file)) {
  const Directory directory = find_directory();
  read_directory(directory);
  for (auto& [name, entry] : entries_) locate(name, entry);
  check_places(directory.offset);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  if (file_.size < kEndLength) refuse("it is no zip archive: too short");
  const std::uint64_t tail = std::min<std::uint64_t>(file_.size, 65535 + kEndLength);
  const Bytes end = file_.bytes(file_.size - tail, tail);
  std::uint64_t at = tail - kEndLength;
  // The comment behind the record must reach exactly to the file's end: a signature inside a comment is not taken.
  for (;; --at) {
    Fields f(std::span<const std::uint8_t>(end).subspan(static_cast<std::size_t>(at)));
    if (f.u32() == kEnd) {
      f.skip(16);
      if (f.u16() == tail - at - kEndLength) break;
    }
    if (at == 0) refuse("it is no zip archive, or it is truncated: the directory at its end is missing");
  }
  Fields f(std::span<const std::uint8_t>(end).subspan(static_cast<std::size_t>(at)));
  f.skip(4);
  if (f.u16() != 0 || f.u16() != 0) refuse("an archive in several volumes is not read");
  f.skip(2);
  Directory made{.offset = 0, .length = 0, .count = f.u16()};
  made.length = f.u32();
  made.offset = f.u32();
  const std::uint64_t record = file_.size - tail + at;
  if (record >= kLocatorLength) {
    const Bytes bytes = file_.bytes(record - kLocatorLength, kLocatorLength);
    Fields locator(bytes);
    if (locator.u32() == kLocator64) {
      locator.skip(4);
      const Bytes far_end = file_.bytes(locator.number(8), kEnd64Length);
      Fields far(far_end);
      if (far.u32() != kEnd64) refuse("the zip64 directory is not where it should be");
      far.skip(28);
      made.count = far.number(8);
      made.length = far.number(8);
      made.offset = far.number(8);
    }
  }
  if (made.offset > file_.size || made.length > file_.size - made.offset)
    refuse("the zip directory lies outside the file");
  if (made.length > kDirectoryCap || made.count > kEntryCap)
    refuse("the zip directory is too large to be a checkpoint's");
  return made;
}

void ZipArchive::read_directory(const Directory& directory) {
  const Bytes bytes = file_.bytes(directory.offset, directory.length);
  Fields f(bytes);
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (f.left() < kCentralLength || f.u32() != kCentral) refuse("the zip directory is damaged");
    f.skip(4);
    const std::uint16_t flags = f.u16(), method = f.u16();
    f.skip(4);
    ZipEntry entry;
    entry.crc = f.u32();
    std::uint64_t packed = f.u32();
    entry.size = f.u32();
    const std::uint16_t name_length = f.u16(), extra_length = f.u16(), comment_length = f.u16();
    f.skip(8);
    entry.header = f.u32();
    const auto raw = f.take(name_length);
    const std::string name(raw.begin(), raw.end());
    apply_zip64(f.take(extra_length), entry.size, packed, entry.header);
    f.skip(comment_length);
    check_name(name);
    if (flags & 1) refuse("the entry " + name + " is encrypted");
    if (method != 0 || packed != entry.size)
      refuse("the entry " + name + " is compressed; torch stores checkpoints uncompressed");
    if (!entries_.emplace(name, entry).second) refuse("the entry " + name + " stands there twice");
  }
}

void ZipArchive::locate(const std::string& name, ZipEntry& entry) const {
  const Bytes bytes = file_.bytes(entry.header, kLocalLength);
  Fields f(bytes);
  if (f.u32() != kLocal) refuse("the entry " + name + " is not where the directory says");
  f.skip(22);
  const std::uint16_t name_length = f.u16(), extra_length = f.u16();
  const Bytes own = file_.bytes(entry.header + kLocalLength, name_length);
  if (std::string(own.begin(), own.end()) != name) refuse("the entry " + name + " has another name in its own header");
  entry.data = entry.header + kLocalLength + name_length + extra_length;
  if (entry.data > file_.size || entry.size > file_.size - entry.data) refuse("the entry " + name + " is truncated");
}

void ZipArchive::check_places(std::uint64_t end) const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  places.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) places.emplace_back(entry.header, entry.data + entry.size);
  std::sort(places.begin(), places.end());
  std::uint64_t free_from = 0;
  for (const auto& [from, to] : places) {
    if (from < free_from || to > end) refuse("entries of the archive lie over each other");
    free_from = to;
  }
}

const ZipEntry* ZipArchive::find(const std::string& name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : &at->second;
}

void ZipArchive::verify(const std::string& name, const ZipEntry& entry) const {
  uLong crc = crc32(0, nullptr, 0);
  Bytes buffer(static_cast<std::size_t>(std::min(kPiece, entry.size)));
  for (std::uint64_t done = 0; done < entry.size;) {
    const auto piece = std::span(buffer).first(static_cast<std::size_t>(std::min(kPiece, entry.size - done)));
    file_.read(entry.data + done, piece);
    crc = crc32(crc, piece.data(), static_cast<uInt>(piece.size()));
    done += piece.size();
  }
  if (crc != entry.crc)
    throw Error(ErrorCode::CheckpointInvalid, "the entry " + name + " is damaged: its CRC-32 differs")
        .remedy("copy the checkpoint again, or save it again with torch.save and its checksums switched on");
}

Bytes ZipArchive::read(const std::string& name, std::uint64_t cap_bytes) const {
  const ZipEntry* entry = find(name);
  if (entry == nullptr) refuse("the entry " + name + " is missing");
  if (entry->size > cap_bytes)
    refuse(fmt::format("the entry {} has {} bytes, at most {} are read", name, entry->size, cap_bytes));
  verify(name, *entry);
  return file_.bytes(entry->data, entry->size);
}

Bytes ZipArchive::read_range(const std::string& name, std::uint64_t offset, std::uint64_t length) {
  const ZipEntry* entry = find(name);
  if (entry == nullptr) refuse("the entry " + name + " is missing");
  if (offset > entry->size || length > entry->size - offset) refuse("a part of " + name + " lies beyond its end");
  if (!verified_.contains(name)) {
    verify(name, *entry);
    verified_.insert(name);
  }
  return file_.bytes(entry->data + offset, length);
}

}  // namespace rouage::infer::checkpoint
