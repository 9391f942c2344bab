/// How a segmentation of a volume is said: DICOM objects in a folder, streamed, and one JSON document.
///
///   auto files = write_volume_results(series, result, {.language = "fr"}, staged.path());
///   std::string json = volume_json(result, context);
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cogs/cog.h"
#include "dicom/series/series.h"
#include "dicom/volume_objects/volume_objects.h"
#include "image/volume.h"
#include "results/results.h"

namespace rouage::results {

struct VolumeLabel {
  std::uint16_t value = 0;
  std::string name;  ///< of the model, or of organs_snomed.csv: finds the codes
};

/// What a cog says of one volume. The label map lies on the intensities' grid.
struct VolumeSegmentation {
  image::LabelMap labels;
  std::vector<VolumeLabel> names;            ///< ascending values, background left out
  std::vector<dicom::LabelFigures> figures;  ///< one a name, of the first channel
  std::string intensity_unit;                ///< UCUM of the figures' intensities; "" when not known
  std::vector<std::string> warnings;
  cogs::Provenance provenance;
};

struct VolumeResultOptions {
  std::string language = "en";
  bool seg = true, label_map = true, structures = true, report = true;
  unsigned threads = 1;
};

/// Files seg.dcm, label-map.dcm, rtstruct.dcm, sr.dcm of what the options ask for, written into `folder`; `bytes` of
/// the answers stay empty. Structures without a voxel are segments without frames, and no ROI. A resampled series is
/// not referenced slice by slice (said in warnings). The same values give the same bytes. Errors: WriteInvalid,
/// GridMismatch, FileUnwritable, DiskFull; SeriesRefused for a series without UIDs.
std::vector<ResultFile> write_volume_results(const dicom::SeriesVolume& source, VolumeSegmentation& segmentation,
                                             const VolumeResultOptions& options, const std::filesystem::path& folder);

struct VolumeContext {
  std::vector<std::string> inputs, outputs;
  std::string study_instance_uid, series_instance_uid;  ///< "" when the input is no DICOM
  std::string memory;                                   ///< the plan in words
};
/// The document of `rouage segment --json`: docs/formats/segment.md.
std::string volume_json(const VolumeSegmentation& segmentation, const VolumeContext& context);
/// The document of a volume that the method does not take: status ineligible, its reason, no labels.
std::string ineligible_volume_json(const VolumeContext& context, const std::string& code, const std::string& text);

}  // namespace rouage::results
