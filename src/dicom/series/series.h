/// A DICOM series as volumes, and a volume as a CT series.
///
///   dicom::SeriesReading reading = dicom::read_series("folder", {});
///   for (const dicom::SeriesVolume& found : reading.volumes)
///     use(found.volume, found.instances, found.warnings);            // k along the stack's normal, LPS mm
///
/// Classic and enhanced multi-frame CT, MR and PET, and reconstructed NM. The order of the files has no meaning: slices
/// are sorted by their position along the normal (row direction x column direction), upwards. Nothing is guessed: a
/// missing position, orientation, spacing or rescale is a reason to refuse, with file, tag and remedy.
/// docs/formats/dicom-series.md holds every rule and tolerance.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "dicom/instance.h"
#include "dicom/reading.h"
#include "image/volume.h"

namespace rouage::dicom {

/// Slices that do not lie on an even grid (a slice missing, a step that differs): refuse, or resample linearly along
/// the normal to the median step. No gap of more than three steps is filled.
enum class Uneven { refuse, resample };
/// A tilted gantry (slices shifted sideways by the same distance each): keep the sheared grid, or resample it.
enum class Tilt { keep, resample };
/// One slice alone has no step: refuse, or take Slice Thickness for it (said).
enum class SingleSlice { refuse, use_thickness };

struct SeriesOptions {
  Uneven uneven = Uneven::refuse;
  Tilt tilt = Tilt::keep;
  SingleSlice single_slice = SingleSlice::refuse;
  std::string series_instance_uid;           ///< only this series; "" for all
  std::optional<float> padded_value;         ///< of voxels that the file marks as padding; default -1024 in CT, else 0
  std::uint64_t most_files = 100'000;        ///< files looked at
  std::uint64_t most_frames = 65'536;        ///< frames of one file
  std::uint64_t volume_bytes = 16ULL << 30;  ///< of one volume (4 bytes a voxel)
  ReadLimits file{.file_bytes = 8ULL << 30, .pixels = 16'777'216, .side = 16'384};
  unsigned threads = 1;  ///< decoding; the same bytes whatever their number
};

/// Where slice k of the source grid comes from.
struct SliceSource {
  std::size_t instance = 0;  ///< index into SeriesVolume::instances
  std::uint32_t frame = 1;   ///< one-based
  image::Point3 position_mm{};
};

struct SeriesVolume {
  /// Values after rescale; volume.unit in UCUM: "[hnsf'U]", "Bq/mL", "g/mL{SUVbw}", "{counts}"..., "" where the file
  /// does not say it (then warned of where it matters).
  image::Volume<float> volume;
  /// The instances in k order; of a classic series instances[k] is slice k. Without UIDs (an anonymised series) the
  /// headers have empty ones, `referable` is false, and results cannot refer to them.
  std::vector<InstanceHeader> instances;
  std::vector<std::filesystem::path> files;  ///< of `instances`
  std::vector<SliceSource> slices;           ///< in k order of source_grid
  image::Grid source_grid;                   ///< as stored; differs from volume.grid only when `resampled`
  bool resampled = false;                    ///< by Uneven::resample or Tilt::resample
  bool referable = true;
  std::string modality, series_instance_uid, frame_of_reference_uid;
  /// What tells this stack from the others of its series: "acquisition 2, b-value 800"; "" when it is the only one.
  std::string split_by;
  std::uint64_t padded_voxels = 0;
  std::vector<std::string> warnings;
};

/// A file that gave no slice, and why (file, tag and remedy in the error).
struct SkippedFile {
  std::filesystem::path file;
  Error why;
};
/// Slices that make no volume, and why.
struct RefusedStack {
  std::string series_instance_uid, split_by;
  std::size_t slices = 0;
  Error why;
};

struct SeriesReading {
  std::vector<SeriesVolume> volumes;  ///< sorted by series UID, then by what splits them
  std::vector<RefusedStack> refused;
  std::vector<SkippedFile> skipped;  ///< sorted by file name
};

/// Every volume that a folder (all files below it), a file or a list of files holds. Several series, acquisitions,
/// phases, echoes, b-values, orientations, matrix sizes become volumes of their own; localizers are skipped.
/// A damaged file is skipped; whether its stack still stands is decided by geometry (a missing slice refuses it).
/// Memory: the volumes, the headers, and one decoded slice a thread.
/// Errors: FileMissing; SeriesRefused when nothing could be read as a volume (why the largest stack was not, with file,
/// tag and remedy; HeaderInvalid where one attribute is the reason). Thread-safe. The files must not change meanwhile.
/// Source: PS3.3 C.7.6.2 (image plane), C.7.6.16 (functional groups), C.8.2.1 (CT), C.8.9 (PET), C.8.4 (NM).
SeriesReading read_series(const std::filesystem::path& file_or_folder, const SeriesOptions& options);
SeriesReading read_series(const std::vector<std::filesystem::path>& files, const SeriesOptions& options);

/// The volume with its third axis made perpendicular to the first two: every slice is moved in its own plane by linear
/// interpolation, on a matrix that is widened so that nothing is cut; voxels from outside get `outside`. The original
/// is not touched. A volume without shear comes back as it is. Errors: VolumeInvalid (steps that do not span space).
image::Volume<float> untilted(const image::Volume<float>& volume, float outside);

/// What a written CT series says beside its voxels. Texts in UTF-8.
struct CtSeriesFacts {
  std::string patient_name = "PHANTOM^CT", patient_id = "ROUAGE-PHANTOM", study_description, series_description;
  std::string study_date;  ///< "YYYYMMDD" or ""
  std::string body_part;   ///< "CHEST"...; "" when not one
  int series_number = 1, acquisition_number = 1;
  bool synthetic = true;              ///< said in Image Comments and, without a series description, there
  std::string study_key, series_key;  ///< part of the derived UIDs: other keys make other studies and series
  /// Patient and study are copied from it byte-equal where given, the names above are then not used.
  std::optional<InstanceHeader> source;
};

/// CT Image Storage, one file a slice (k), "slice_0001.dcm" on, in the volume's own grid: any axis order and direction,
/// oblique and with sheared slices; 16 bits signed, slope 1, intercept -1024, values rounded to whole HU. UIDs derive
/// from the voxels, the grid and the facts: the same input gives the same bytes. Returns the files in k order.
/// Errors: VolumeInvalid (rows not perpendicular to columns, steps that do not span space), WriteInvalid (not finite,
/// or outside -33792..31743 HU), FileUnwritable.
std::vector<std::filesystem::path> write_ct_series(const image::Volume<float>& hu, const CtSeriesFacts& facts,
                                                   const std::filesystem::path& folder);

}  // namespace rouage::dicom
