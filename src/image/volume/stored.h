/// What every format's header says once it is understood, and the voxels that follow from it.
///
///   const StoredVolume stored = parse_nifti(path);  check_stored(stored, limits);
///   VoxelReader voxels(stored);  while (more) use(voxels.next(count));
#pragma once
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/values.h"
#include "image/volume/byte_source.h"
#include "image/volume_files.h"

namespace rouage::image {

/// Headers beyond this are no headers.
inline constexpr std::uint64_t kLongestHeader = 1 << 20;

struct StoredVolume {
  VolumeHeader header;
  std::filesystem::path file;  ///< where the voxels lie
  bool own_name = true;        ///< false: the name came out of the header
  bool deflated = false;
  bool at_end = false;                ///< the voxels are the last bytes of the file (not packed)
  std::uint64_t offset = 0;           ///< bytes before them in the file
  std::uint64_t unpacked_offset = 0;  ///< bytes before them after unpacking
  bool big_endian = false;
  bool channel_fastest = false;  ///< else a whole volume a channel
};

StoredVolume parse_nifti(const std::filesystem::path& path);
StoredVolume parse_nrrd(const std::filesystem::path& path);
StoredVolume parse_metaimage(const std::filesystem::path& path);
StoredVolume parse_volume(const std::filesystem::path& path);  ///< by the name

/// Sizes against the limits and against the file, geometry against reason. Errors: VolumeInvalid, FileTooLarge.
void check_stored(const StoredVolume& stored, const VolumeLimits& limits);
/// Errors: VolumeInvalid (not finite, steps that are zero or do not span space).
void check_grid(const Grid& grid);

std::size_t scalar_bytes(ScalarType type);
std::string scalar_name(ScalarType type);

/// Voxels from front to back, in pieces, in the byte order of this machine.
class VoxelReader {
 public:
  static constexpr std::size_t kPieceBytes = 512 * 1024;
  explicit VoxelReader(const StoredVolume& stored);
  /// How many scalars one piece may hold.
  std::size_t most() const { return kPieceBytes / width_; }
  /// The next `count` scalars, at most most(). Valid until the next call. Errors: VolumeInvalid (truncated).
  std::span<const std::uint8_t> next(std::size_t count);
  void finish() { source_.check_end(); }

 private:
  std::size_t width_;
  bool swap_;
  ByteSource source_;
  Bytes piece_;
};

/// The error of every damaged or unread volume.
[[noreturn]] void refuse_volume(const std::string& detail, std::string_view remedy = {});
void say(VolumeHeader& header, VolumeWarningCode code, std::string text);

/// "1", "-2.5e-3": finite, nothing behind it. Empty else.
std::optional<double> number_of(std::string_view text);
/// A whole number >= 0. Errors: VolumeInvalid naming `field`.
std::uint64_t count_of(std::string_view text, std::string_view field);
/// Words between white space.
std::vector<std::string_view> words_of(std::string_view text);
/// A name that a header gives, beside that header. Errors: VolumeInvalid (a path, or the header itself).
std::filesystem::path beside(const std::filesystem::path& header, std::string_view name);
/// "mm", "cm", "m", "um": millimetres a unit; empty for other words.
std::optional<double> millimetres_of(std::string_view unit);

}  // namespace rouage::image
