/// One volume on its way into a file of any format: the header first, then the voxels front to back.
#pragma once
#include <optional>
#include <vector>

#include "base/values.h"
#include "image/volume/voxel_sink.h"
#include "image/volume_files.h"

namespace rouage::image {

struct VolumePlan {
  Grid grid;
  ScalarType type = ScalarType::uint8;
  bool label_map = false;
  std::vector<LabelName> labels;
  VolumeWriteOptions options;
};

/// A NIfTI header with its extensions, voxels following at once.
Bytes nifti_header(const VolumePlan& plan);
std::string nrrd_header(const VolumePlan& plan);
/// The digits of CompressedDataSize are `metaimage_size_digits` zeros at `size_at`, to be overwritten.
struct MetaHeader {
  std::string text;
  std::size_t size_at = 0;
};
MetaHeader metaimage_header(const VolumePlan& plan);
inline constexpr std::size_t kMetaSizeDigits = 20;

class VolumeFile {
 public:
  /// Errors: VolumeInvalid (ending, grid, names), GridMismatch, FileUnwritable.
  VolumeFile(const std::filesystem::path& path, const VolumePlan& plan);
  /// Little-endian scalars of the plan's type, following those before.
  void add(std::span<const std::uint8_t> scalars) { sink_.put(scalars); }
  void finish();

 private:
  VoxelSink sink_;
  bool packed_ = false;
  std::optional<std::size_t> size_at_;
};

}  // namespace rouage::image
