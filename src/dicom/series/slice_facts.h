/// What one file says of its slices: places, sizes, rescale, and what may tell stacks of one series apart. Pixels are
/// not touched.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dicom/instance.h"
#include "dicom/pixels.h"
#include "dicom/reading_file.h"
#include "dicom/series/series.h"
#include "image/volume.h"

namespace rouage::dicom::series {

using image::Point3;
using reading::ElementSet;
using reading::Tag;

inline constexpr Tag kImageType = 0x00080008, kPosition = 0x00200032, kOrientation = 0x00200037,
                     kPixelSpacing = 0x00280030, kThickness = 0x00180050, kBetweenSlices = 0x00180088,
                     kSlope = 0x00281053, kIntercept = 0x00281052, kRescaleType = 0x00281054;

/// Attributes that may tell two stacks of one series apart, in the order in which they are tried.
enum class Split : std::size_t {
  image_type,
  component,
  acquisition,
  stack,
  temporal_position,
  echo,
  b_value,
  diffusion_direction,
  inversion_time,
  flip_angle,
  tube_voltage,
  kernel,
  energy_window,
  cardiac_phase,
  time_slot,
  gate,
  field_of_view,
  acquisition_time,
  count
};
inline constexpr std::size_t kSplits = static_cast<std::size_t>(Split::count);
using SplitValues = std::array<std::string, kSplits>;

struct SliceFacts {
  std::size_t file = 0;     ///< index into the scan's files
  std::uint32_t frame = 1;  ///< one-based
  std::uint32_t rows = 0, columns = 0;
  double row_spacing_mm = 0, column_spacing_mm = 0;           ///< between rows, between columns
  Point3 position_mm{}, row_direction{}, column_direction{};  ///< unit vectors; along a row (i), along a column (j)
  std::optional<double> thickness_mm, between_slices_mm;
  double slope = 1, intercept = 0;
  bool has_rescale = false;
  std::string rescale_type;
  SplitValues split{};
  bool localizer = false;
};

struct FileFacts {
  std::filesystem::path path;
  InstanceHeader header;
  reading::PixelLayout layout;
  std::string unit, frame_of_reference_uid;
  std::int64_t instance_number = 0;
  std::optional<std::int64_t> said_slices;  ///< PET: Number of Slices; Images in Acquisition is not reliable
  std::optional<double> gantry_tilt_deg;
  std::optional<std::pair<std::int32_t, std::int32_t>> padding;  ///< stored values, both ends inclusive
  bool referable = true;
  std::vector<std::string> warnings;
};

struct ScannedFile {
  FileFacts facts;
  std::vector<SliceFacts> slices;  ///< file index not yet set
};

/// Errors: NotDicom, NoPixelData, HeaderInvalid, ImageTooLarge, PixelDataUnsupported, NotGrey, SeriesRefused, each with
/// file and, where one is at fault, tag and remedy.
ScannedFile scan_file(const std::filesystem::path& path, const SeriesOptions& options);

/// Steps of scan_file for the three ways in which a file says where its slices lie.
void read_classic(const ElementSet& dataset, ScannedFile& scanned);
void read_functional_groups(const ElementSet& dataset, ScannedFile& scanned);
void read_nuclear(const ElementSet& dataset, ScannedFile& scanned);

/// Position, orientation and spacing out of the sets that hold them, checked: three (six, two) finite numbers, unit
/// vectors perpendicular to each other, distances above 0.  Errors: HeaderInvalid with tag and remedy.
void read_position(const ElementSet& set, SliceFacts& slice);
void read_orientation(const ElementSet& set, SliceFacts& slice);
void read_spacing(const ElementSet& set, SliceFacts& slice);
/// Errors: HeaderInvalid (no number; slope 0).
void read_rescale(const ElementSet& set, SliceFacts& slice);
/// Numbers as they decide what is equal: "0.35000001" and "3.5e-1" are, to six digits.
std::string split_number(const ElementSet& set, Tag tag);

std::string& split_value(SliceFacts& slice, Split split);
/// "acquisition", "b-value"...: for people.
std::string split_name(Split split);

}  // namespace rouage::dicom::series
