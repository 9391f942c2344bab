/// The bytes of a file from front to back, unpacked on the way (gzip with any number of members, or zlib).
///
///   ByteSource source(path, {.deflated = true});  source.skip(352);  source.read(piece);
///
/// Holds two pieces of 256 KiB, whatever the file says it will unpack to.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace rouage::image {

struct SourceOptions {
  bool deflated = false;
  bool own_name = true;      ///< false: the name came out of a file, and a symbolic link is refused
  std::uint64_t offset = 0;  ///< bytes before the first, not unpacked
};

class ByteSource {
 public:
  /// Errors: FileMissing (absent, no plain file, a refused link).
  ByteSource(const std::filesystem::path& path, const SourceOptions& options);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Size of the file itself.
  std::uint64_t file_bytes() const;
  /// As many bytes as there are, at most out.size(). Errors: VolumeInvalid (damaged packing).
  std::size_t read_some(std::span<std::uint8_t> out);
  /// Exactly out.size() bytes. Errors: VolumeInvalid (truncated, says how many bytes there are).
  void read(std::span<std::uint8_t> out);
  void skip(std::uint64_t bytes);
  /// After the last byte that is wanted: reads on to the checksum when it is near (64 KiB), so that damage is seen.
  void check_end();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::image
