#include "image/volume/stored.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace rouage::image {
namespace {

constexpr std::uint32_t kMostChannels = 65536;

double length(const Point3& v) {
  return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

std::uint64_t stored_bytes(const StoredVolume& stored) {
  const Grid& grid = stored.header.grid;
  std::uint64_t bytes = 0;
  if (!multiply_checked(
          {grid.size[0], grid.size[1], grid.size[2], stored.header.channels, scalar_bytes(stored.header.type)}, bytes))
    refuse_volume("its size does not fit 64 bits");
  return bytes;
}

/// DEFLATE cannot pack better than 1,032 to 1: a small file that promises more is truncated or lies, and is refused
/// before memory is taken for it.
void check_file_holds(const StoredVolume& stored, std::uint64_t bytes) {
  constexpr std::uint64_t kBestRatio = 1032;
  const std::uint64_t file = ByteSource(stored.file, {.own_name = stored.own_name}).file_bytes();
  const std::uint64_t there = file > stored.offset ? file - stored.offset : 0;
  std::uint64_t most = there;
  if (stored.deflated && !multiply_checked({there, kBestRatio}, most)) most = std::numeric_limits<std::uint64_t>::max();
  if (stored.unpacked_offset > most || bytes > most - stored.unpacked_offset)
    refuse_volume("truncated: " + std::to_string(bytes) + " bytes of voxels are needed, " + std::to_string(there) +
                      (stored.deflated ? " packed" : "") + " bytes are there",
                  "fetch or export the file again");
}

template <class Word>
void swap_words(std::span<std::uint8_t> bytes) {
  for (std::size_t at = 0; at + sizeof(Word) <= bytes.size(); at += sizeof(Word))
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + sizeof(Word)));
}

SourceOptions source_of(const StoredVolume& stored) {
  std::uint64_t offset = stored.offset;
  if (stored.at_end) {
    const std::uint64_t bytes = stored_bytes(stored);
    const std::uint64_t file = ByteSource(stored.file, {.own_name = stored.own_name}).file_bytes();
    offset = file - std::min(file, bytes);
  }
  return {stored.deflated, stored.own_name, offset};
}

}  // namespace

std::size_t scalar_bytes(ScalarType type) {
  switch (type) {
    case ScalarType::uint8:
    case ScalarType::int8:
      return 1;
    case ScalarType::uint16:
    case ScalarType::int16:
      return 2;
    case ScalarType::uint32:
    case ScalarType::int32:
    case ScalarType::float32:
      return 4;
    default:
      return 8;
  }
}

std::string scalar_name(ScalarType type) {
  constexpr std::array<const char*, 10> kNames{"uint8", "int8",   "uint16", "int16",   "uint32",
                                               "int32", "uint64", "int64",  "float32", "float64"};
  return kNames[static_cast<std::size_t>(type)];
}

void refuse_volume(const std::string& detail, std::string_view remedy) {
  Error error(ErrorCode::VolumeInvalid, detail);
  if (!remedy.empty()) error.remedy(remedy);
  throw error;
}

void say(VolumeHeader& header, VolumeWarningCode code, std::string text) {
  header.warnings.push_back({code, std::move(text)});
}

void check_grid(const Grid& grid) {
  constexpr double kSmallest = 1e-9, kLargest = 1e9;  // mm; beyond is no body
  double product = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    const double step = length(grid.step_mm[a]);
    if (!(step > kSmallest && step < kLargest))
      refuse_volume("the step along axis " + std::to_string(a) + " is " + number_text(step) + " mm");
    product *= step;
    if (!(std::abs(grid.origin_mm[a]) < kLargest)) refuse_volume("its origin is not finite");
  }
  if (!(grid.voxel_ml() * 1000 > 1e-4 * product)) refuse_volume("its axes do not span space");
}

void check_stored(const StoredVolume& stored, const VolumeLimits& limits) {
  const VolumeHeader& header = stored.header;
  for (const std::uint32_t size : header.grid.size)
    if (size == 0 || size > std::numeric_limits<std::int32_t>::max()) refuse_volume("an axis has no voxels");
  if (header.channels == 0 || header.channels > kMostChannels)
    refuse_volume("it has " + std::to_string(header.channels) + " channels; from 1 to 65536 are read");
  check_grid(header.grid);
  const std::uint64_t bytes = stored_bytes(stored);
  std::uint64_t handed = 0;
  const std::uint64_t scalars = bytes / scalar_bytes(header.type);
  if (!multiply_checked({scalars, sizeof(float)}, handed) || std::max(bytes, handed) > limits.bytes ||
      stored.unpacked_offset > limits.bytes)
    throw Error(ErrorCode::FileTooLarge, std::to_string(scalars) + " values of " + scalar_name(header.type) +
                                             " take more than the limit of " + std::to_string(limits.bytes) + " bytes")
        .remedy("raise the limit for volumes if the file is right");
  check_file_holds(stored, bytes);
}

VoxelReader::VoxelReader(const StoredVolume& stored)
    : width_(scalar_bytes(stored.header.type)),
      swap_(stored.big_endian != (std::endian::native == std::endian::big)),
      source_(stored.file, source_of(stored)),
      piece_(kPieceBytes) {
  source_.skip(stored.unpacked_offset);
}

std::span<const std::uint8_t> VoxelReader::next(std::size_t count) {
  const std::span<std::uint8_t> piece = std::span(piece_).first(count * width_);
  source_.read(piece);
  if (swap_ && width_ == 2) swap_words<std::uint16_t>(piece);
  if (swap_ && width_ == 4) swap_words<std::uint32_t>(piece);
  if (swap_ && width_ == 8) swap_words<std::uint64_t>(piece);
  return piece;
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::uint64_t count_of(std::string_view text, std::string_view field) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size())
    refuse_volume(std::string(field) + " is \"" + std::string(text.substr(0, 40)) + "\", no whole number");
  return value;
}

std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(kWhite); at != text.npos;) {
    const std::size_t end = std::min(text.find_first_of(kWhite, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kWhite, end);
  }
  return words;
}

std::filesystem::path beside(const std::filesystem::path& header, std::string_view name) {
  constexpr std::string_view kRemedy = "put the voxels beside their header and name the file alone";
  if (name.empty() || name == "." || name == ".." || name.find_first_of("/\\") != name.npos ||
      name.find('\0') != name.npos)
    refuse_volume("the voxels are said to lie in \"" + std::string(name.substr(0, 200)) + "\", outside of its folder",
                  kRemedy);
  if (header.filename() == name) refuse_volume("the header names itself as the file of its voxels", kRemedy);
  return header.parent_path() / name;
}

std::optional<double> millimetres_of(std::string_view unit) {
  if (unit == "mm" || unit == "millimeter" || unit == "millimeters") return 1;
  if (unit == "cm") return 10;
  if (unit == "m" || unit == "meter" || unit == "meters") return 1000;
  if (unit == "um" || unit == "\xC2\xB5m" || unit == "micron" || unit == "microns") return 0.001;
  return std::nullopt;
}

}  // namespace rouage::image
