/// Volumes from and to files: NIfTI, NRRD, MetaImage.
///
///   Volume<float> ct = read_volume("ct.nii.gz");
///   for (const VolumeWarning& warning : read_volume_header("ct.nii.gz").warnings) say(warning.text);
///   write_label_map("organs.nii.gz", organs, {.labels = {{1, "spleen"}, {2, "liver"}}});
///
///   LabelMapWriter out("organs.nii.gz", ct.grid, {.largest_label = 117});   // one slice in memory at a time
///   for (std::uint32_t k = 0; k < ct.grid.size[2]; ++k) out.add_slice(slice_of(k));
///   out.finish();
///
/// Read: .nii .nii.gz (NIfTI-1, NIfTI-2), .hdr + .img, .nrrd, .nhdr, .mha, .mhd; written: .nii .nii.gz .nrrd .mha. The
/// voxels of an .nhdr or .mhd are looked for in its own folder only. What is read, refused and said:
/// docs/formats/volumes.md. Voxels keep the order of the file (nothing is reoriented); positions are LPS in mm whatever
/// the file counts in. Errors of every reader: FileMissing; VolumeInvalid (names what is wrong, and the size where
/// bytes are missing); FileTooLarge (VolumeLimits); MemoryBudget (no memory). Pure functions of the files, no threads
/// of their own.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/volume.h"

namespace rouage::image {

enum class VolumeFormat { nifti, nrrd, metaimage };
enum class ScalarType { uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64 };

struct VolumeLimits {
  /// Most bytes of voxels: as stored (unpacked), and as handed over, each. 512 x 512 x 4,096 voxels of float.
  std::uint64_t bytes = 4ULL << 30;
};

/// What a file leaves open or contradicts, and what was taken. None of these stops the reading; all belong before the
/// physician's eyes, because with a wrong place left may be right.
enum class VolumeWarningCode {
  place_unknown,      ///< no orientation or origin in the file: a convention was taken
  forms_disagree,     ///< NIfTI: sform and qform place voxels more than 0.1 mm apart; the sform is used
  form_unusable,      ///< NIfTI: the sform is not finite or flat; the qform is used
  spacing_disagrees,  ///< NIfTI: pixdim is not the length of the axes; the axes count
  spacing_sign,       ///< NIfTI: negative pixdim; its absolute value is taken
  unit_unknown,       ///< NIfTI, NRRD: no unit of length; millimetres taken
  unit_converted,     ///< lengths were converted to millimetres
  letters_disagree,   ///< MetaImage: AnatomicalOrientation is not that of the matrix; the matrix counts
};
struct VolumeWarning {
  VolumeWarningCode code;
  std::string text;  ///< one English sentence without the file name
};

/// The geometry fields of a NIfTI header as they stood there (NIfTI-1 holds floats: a double carries them unchanged).
/// Axes RAS, unit of the file. Source: nifti1.h, nifti2.h (NIfTI Data Format Working Group).
struct NiftiGeometry {
  int version = 1;  ///< 1 or 2
  std::uint8_t xyzt_units = 0;
  std::array<double, 4> pixdim{};  ///< qfac, then the steps along i, j, k
  std::int32_t qform_code = 0, sform_code = 0;
  std::array<double, 3> quatern{}, qoffset{};
  std::array<std::array<double, 4>, 3> srow{};
};

struct VolumeHeader {
  VolumeFormat format = VolumeFormat::nifti;
  ScalarType type = ScalarType::uint8;  ///< as stored
  Grid grid;
  std::uint32_t channels = 1;
  double slope = 1, intercept = 0;  ///< value = stored * slope + intercept
  /// Length of the steps as the readers of nnU-Net hand it on: NIfTI's |pixdim| in mm, else (or 0) that of the axes.
  Point3 spacing_mm{};
  std::optional<NiftiGeometry> nifti;  ///< of NIfTI files
  std::vector<VolumeWarning> warnings;
};

/// True when the name ends like a volume that is read (any case). Opens nothing.
bool is_volume_name(const std::filesystem::path& path);

/// The header alone; no voxel is read, but that the file is long enough for them is checked as far as its size tells.
VolumeHeader read_volume_header(const std::filesystem::path& path, const VolumeLimits& limits = {});
Grid read_grid(const std::filesystem::path& path, const VolumeLimits& limits = {});

/// Values are float(double(stored) * slope + intercept), as nibabel and SimpleITK compute them; NaN and infinities of
/// the file are handed on. Unit "" (no format says it). Errors: VolumeInvalid also when the file has several channels.
Volume<float> read_volume(const std::filesystem::path& path, const VolumeLimits& limits = {});

/// A 4D file, or one with vectors: a volume a channel, all on one grid. One channel: one volume.
std::vector<Volume<float>> read_channels(const std::filesystem::path& path, const VolumeLimits& limits = {});

/// Labels exactly. Errors: VolumeInvalid also for a value that is a fraction, negative, NaN or above 65,535 (names the
/// voxel), and for several channels.
LabelMap read_label_map(const std::filesystem::path& path, const VolumeLimits& limits = {});

/// A name for a label. NIfTI: a LabelTable (Caret XML, extension 30); NRRD: Segment keys as 3D Slicer; MetaImage: no
/// place.
struct LabelName {
  std::uint16_t value = 0;
  std::string name;  ///< UTF-8
};

struct VolumeWriteOptions {
  /// zlib's level, 0..9, for .nii.gz, .nrrd and .mha. 3: on label maps measured as fast as 1 for a fifth less; 6 takes
  /// more than twice as long for another third less.
  int level = 3;
  /// Header of the NIfTI that the volume came from. A NIfTI written with it has that header's pixdim, units, sform and
  /// qform bit by bit, in that version. Ignored when either is no NIfTI. Errors: GridMismatch (another grid, 0.01 mm).
  std::optional<VolumeHeader> like;
};
struct LabelMapWriteOptions {
  std::vector<LabelName> labels;
  /// LabelMapWriter only: below 255 the file holds uint8, else uint16. A larger label is refused.
  std::uint16_t largest_label = 65535;
  VolumeWriteOptions file;
};

/// The file appears whole under its name or not at all (written beside, renamed); missing folders are made. The same
/// volume gives the same bytes. NIfTI: sform, and qform where it says the same within 0.001 mm (no shear).
/// Errors: FileUnwritable, DiskFull, VolumeInvalid (a name that is not written, values and grid that do not fit).
void write_volume(const std::filesystem::path& path, const Volume<float>& volume,
                  const VolumeWriteOptions& options = {});
void write_volume(const std::filesystem::path& path, const Volume<std::int16_t>& volume,
                  const VolumeWriteOptions& options = {});
/// Stored as uint8 when every label is below 255, else as uint16.
void write_label_map(const std::filesystem::path& path, const LabelMap& map, const LabelMapWriteOptions& options = {});

/// A label map slice by slice, k ascending; holds one slice and less than 1 MiB. Nothing appears under the name before
/// finish(). One thread. The bytes are those of write_label_map with the same type.
class LabelMapWriter {
 public:
  LabelMapWriter(const std::filesystem::path& path, const Grid& grid, const LabelMapWriteOptions& options = {});
  ~LabelMapWriter();
  LabelMapWriter(LabelMapWriter&&) noexcept;
  LabelMapWriter& operator=(LabelMapWriter&&) = delete;
  /// size[0] * size[1] labels, i fastest. Errors: VolumeInvalid (wrong count, one slice too many, label too large).
  void add_slice(std::span<const std::uint16_t> labels);
  /// Errors: VolumeInvalid (slices are missing).
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::image
