/// A file that is written front to back, packed on the way if asked, and appears whole under its name or not at all.
///
///   VoxelSink sink(path);  sink.put(header);  sink.pack(Packing::gzip, 1);  sink.put(voxels);  sink.publish();
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace rouage::image {

enum class Packing { gzip, zlib };

class VoxelSink {
 public:
  /// Makes missing folders. Errors: FileUnwritable.
  explicit VoxelSink(std::filesystem::path path);
  /// Removes the unfinished file.
  ~VoxelSink();
  VoxelSink(const VoxelSink&) = delete;
  VoxelSink& operator=(const VoxelSink&) = delete;

  /// Errors: FileUnwritable, DiskFull.
  void put(std::span<const std::uint8_t> bytes);
  void put(std::string_view text);
  /// What follows is packed, once. A gzip header without name and time: the same bytes for the same voxels.
  void pack(Packing packing, int level);
  /// Ends the packing. Returns the packed bytes.
  std::uint64_t end_packing();
  /// Bytes that were already written, in place.
  void overwrite(std::uint64_t offset, std::string_view text);
  /// Flushed to the disk and renamed. Errors: FileUnwritable, DiskFull.
  void publish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::image
