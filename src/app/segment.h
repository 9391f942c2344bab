/// `rouage segment`: one or more channels of one volume, from files to files. The steps of the command, for its own
/// sources.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dicom/series/series.h"
#include "image/volume_files.h"
#include "results/volume_results.h"

namespace rouage::app {

struct SegmentArguments {
  std::vector<std::string> inputs;
  std::string model, out, configuration, precision = "exact", engine = "auto", logits, previous, series,
                                         language = "en";
  std::vector<std::string> folds, write;
  std::string memory;  ///< "6G", "800M"; "" for none
  double step_size = 0.5;
  int threads = 0;
  bool no_mirroring = false, resample_uneven = false, untilt = false, assume_hounsfield = false, json = false;
};

/// What the command reads: one volume a channel, all on one grid, and where they came from.
struct SegmentSource {
  std::vector<image::Volume<float>> channels;
  std::optional<image::VolumeHeader> header;  ///< of the first file, when it is no DICOM
  std::optional<dicom::SeriesVolume> series;  ///< the first channel's series; its voxels lie in `channels`
  std::vector<std::string> input_uids;        ///< SOP Instance UIDs, else digests of the files; sorted
  std::vector<std::string> warnings;
};
/// channels: how many the model wants; 0: whatever is there. Errors: as the readers; RoleMissing (another number of
/// channels), GridMismatch, SeriesRefused (several volumes and no --series).
SegmentSource read_segment_source(const SegmentArguments& arguments, std::size_t channels);

/// Bytes of "6G", "800M", "2.5GiB", "123456". Errors: Usage.
std::uint64_t bytes_of(const std::string& text);

/// What the document says of inputs, outputs and memory.
results::VolumeContext segment_context(const SegmentArguments& arguments, const SegmentSource& source,
                                       std::vector<std::string> outputs, std::string memory);

/// The label map alone (out is a file name), or a folder with everything. Returns the paths written, in order.
std::vector<std::string> write_segment_outputs(const SegmentArguments& arguments, const SegmentSource& source,
                                               results::VolumeSegmentation& segmentation, std::string memory);

}  // namespace rouage::app
