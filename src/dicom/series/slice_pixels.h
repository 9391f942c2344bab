/// Pixels of slices as values: one decoded slice a thread.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "dicom/object_file.h"
#include "dicom/series/slice_facts.h"

namespace rouage::dicom::series {

/// The file that was used last stays open, so that the frames of one object are not each looked up anew.
class SliceReader {
 public:
  SliceReader(std::span<const FileFacts> files, const ReadLimits& limits) : files_(files), limits_(limits) {}
  /// value = slope * stored + intercept, float of a double; voxels marked as padding become `padded_value`. `out` holds
  /// rows * columns, row by row. Returns the number of padded voxels. Errors: PixelDataTruncated, PixelDataUnsupported,
  /// HeaderInvalid, FileMissing.
  std::uint64_t read(const SliceFacts& slice, float padded_value, std::span<float> out);
  /// SHA-256 of the slice's file.
  Digest digest(const SliceFacts& slice);

 private:
  const reading::OpenObject& open(std::size_t file);
  std::span<const FileFacts> files_;
  ReadLimits limits_;
  std::unique_ptr<reading::OpenObject> object_;
  std::size_t opened_ = SIZE_MAX;
};

struct LoadedSlices {
  std::vector<float> values;
  std::vector<std::optional<Error>> failures;  ///< one a slice; empty when none failed
  std::uint64_t padded = 0;
};
/// All slices of a stack (same rows and columns), in its order; digests of their files are set in `digests` (one a
/// file of `files`). The same bytes whatever `threads`.
LoadedSlices load_slices(const std::vector<const SliceFacts*>& slices, std::span<const FileFacts> files,
                         std::vector<Digest>& digests, float padded_value, const SeriesOptions& options);

/// Whether two slices have the same values everywhere. Errors: as SliceReader::read.
bool same_values(const SliceFacts& a, const SliceFacts& b, std::span<const FileFacts> files, const ReadLimits& limits);

}  // namespace rouage::dicom::series
