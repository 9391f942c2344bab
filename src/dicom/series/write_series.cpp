/// CT Image Storage (PS3.3 A.3), one object a slice, in the volume's own grid.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"
#include "dicom/series/series.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

using image::Grid;
using image::Point3;

constexpr std::string_view kCtImage = "1.2.840.10008.5.1.4.1.1.2";
constexpr double kIntercept = -1024;
constexpr double kLeastHu = -32768 + kIntercept, kMostHu = 32767 + kIntercept;
constexpr double kSquare = 1e-6;  ///< cosine between rows and columns

double dot(const Point3& a, const Point3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

std::string numbers_text(std::initializer_list<double> values) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : "\\") + decimal_string(value + 0.0);
  return text;
}

/// What all slices share.
struct Plane {
  Point3 row{}, column{};
  double column_spacing = 0, row_spacing = 0, thickness = 0;
};

Plane plane_of(const Grid& grid) {
  const Point3 spacing = grid.spacing_mm();
  Plane plane;
  plane.column_spacing = spacing[0];
  plane.row_spacing = spacing[1];
  for (std::size_t x = 0; x < 3; ++x) {
    plane.row[x] = grid.step_mm[0][x] / spacing[0];
    plane.column[x] = grid.step_mm[1][x] / spacing[1];
  }
  const Point3 &a = plane.row, &b = plane.column;
  const Point3 normal{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  plane.thickness = std::abs(dot(normal, grid.step_mm[2]));
  if (!(std::abs(dot(a, b)) <= kSquare))
    throw Error(ErrorCode::VolumeInvalid, "rows and columns are not perpendicular: DICOM slices cannot hold that")
        .remedy("resample the volume to a rectangular grid");
  if (!(plane.thickness > 0) || !std::isfinite(plane.thickness))
    throw Error(ErrorCode::VolumeInvalid, "the steps of the grid do not span space");
  return plane;
}

/// Little-endian 16-bit stored values of one slice.
Bytes stored_slice(std::span<const float> values, std::uint32_t k) {
  Bytes bytes;
  bytes.reserve(values.size() * 2);
  for (const float value : values) {
    const double hu = std::round(double{value});
    if (!(hu >= kLeastHu && hu <= kMostHu))
      throw Error(ErrorCode::WriteInvalid,
                  fmt::format("slice {} has a value of {}, outside {:.0f}..{:.0f} HU", k + 1, value, kLeastHu, kMostHu))
          .tag("(7FE0,0010) PixelData");
    const auto stored = static_cast<std::uint16_t>(static_cast<std::int16_t>(hu - kIntercept));
    bytes.push_back(static_cast<std::uint8_t>(stored & 0xFF));
    bytes.push_back(static_cast<std::uint8_t>(stored >> 8));
  }
  return bytes;
}

/// All that makes one series another: voxels, grid, what is said.
std::string series_identity(const image::Volume<float>& hu, const CtSeriesFacts& facts, const std::string& study) {
  Sha256 digest;
  for (std::uint32_t k = 0; k < hu.grid.size[2]; ++k) digest.add(stored_slice(hu.slice(k), k));
  std::string grid;
  for (const std::uint32_t n : hu.grid.size) grid += std::to_string(n) + " ";
  for (const double x : hu.grid.origin_mm) grid += number_text(x) + " ";
  for (const Point3& step : hu.grid.step_mm)
    for (const double x : step) grid += number_text(x) + " ";
  digest.add(grid);
  return derived_uid({"ct series", study, facts.series_key, facts.series_description,
                      std::to_string(facts.series_number), std::to_string(facts.acquisition_number),
                      digest.finish().hex()});
}

ObjectFrame frame_of(const image::Volume<float>& hu, const CtSeriesFacts& facts) {
  ObjectFrame frame;
  if (facts.source) {
    frame.source = *facts.source;
  } else {
    frame.source.character_set = "ISO_IR 192";
    frame.source.study_instance_uid =
        derived_uid({"ct study", facts.study_key, facts.patient_id, facts.patient_name, facts.study_date});
    auto& said = frame.source.patient_and_study;
    said.push_back(raw_text(0x0008, 0x0005, "CS", "ISO_IR 192"));
    said.push_back(raw_text(0x0008, 0x0020, "DA", facts.study_date));
    if (!facts.study_description.empty()) said.push_back(raw_text(0x0008, 0x1030, "LO", facts.study_description));
    said.push_back(raw_text(0x0010, 0x0010, "PN", facts.patient_name));
    said.push_back(raw_text(0x0010, 0x0020, "LO", facts.patient_id));
  }
  frame.series_description = facts.series_description;
  if (frame.series_description.empty() && facts.synthetic) frame.series_description = "Synthetic phantom";
  frame.series_number = facts.series_number;
  frame.series_instance_uid = series_identity(hu, facts, frame.source.study_instance_uid);
  frame.equipment = {"Rouage", "Rouage", "0.1", ""};
  return frame;
}

void add_ct_modules(Item& item, const CtSeriesFacts& facts, const ObjectFrame& frame) {
  item.code_string(DCM_ImageType, "DERIVED\\PRIMARY\\AXIAL");
  add_body_part(item, facts.source ? facts.source->body_part : facts.body_part, "");
  item.code_string(DCM_PatientPosition, "HFS");
  item.text(DCM_KVP, "DS", "");
  item.integer_string(DCM_AcquisitionNumber, facts.acquisition_number);
  item.text(DCM_RescaleIntercept, "DS", decimal_string(kIntercept));
  item.text(DCM_RescaleSlope, "DS", "1");
  item.text(DCM_RescaleType, "LO", "HU");
  item.text(DCM_WindowCenter, "DS", "40");
  item.text(DCM_WindowWidth, "DS", "400");
  const std::string place = facts.source ? frame.series_instance_uid : frame.source.study_instance_uid;
  item.uid(DCM_FrameOfReferenceUID, derived_uid({"ct frame of reference", place}));
  item.text(DCM_PositionReferenceIndicator, "LO", "");
  if (facts.synthetic) item.text(DCM_ImageComments, "LT", "Synthetic phantom, not a patient");
}

void add_plane(Item& item, const Plane& plane, const Point3& position) {
  item.text(DCM_ImagePositionPatient, "DS", numbers_text({position[0], position[1], position[2]}));
  item.text(
      DCM_ImageOrientationPatient, "DS",
      numbers_text({plane.row[0], plane.row[1], plane.row[2], plane.column[0], plane.column[1], plane.column[2]}));
  item.text(DCM_PixelSpacing, "DS", numbers_text({plane.row_spacing, plane.column_spacing}));
  item.text(DCM_SliceThickness, "DS", decimal_string(plane.thickness));
}

/// Image Pixel module of signed words (add_matrix is for unsigned ones).
void add_pixels(Item& item, const Grid& grid, Bytes stored) {
  item.unsigned_shorts(DCM_SamplesPerPixel, {1});
  item.code_string(DCM_PhotometricInterpretation, "MONOCHROME2");
  item.unsigned_shorts(DCM_Rows, {static_cast<std::uint16_t>(grid.size[1])});
  item.unsigned_shorts(DCM_Columns, {static_cast<std::uint16_t>(grid.size[0])});
  item.unsigned_shorts(DCM_BitsAllocated, {16});
  item.unsigned_shorts(DCM_BitsStored, {16});
  item.unsigned_shorts(DCM_HighBit, {15});
  item.unsigned_shorts(DCM_PixelRepresentation, {1});
  item.bytes(DCM_PixelData, "OW", std::move(stored));
}

}  // namespace

std::vector<std::filesystem::path> write_ct_series(const image::Volume<float>& hu, const CtSeriesFacts& facts,
                                                   const std::filesystem::path& folder) {
  const Grid& grid = hu.grid;
  if (grid.voxels() == 0 || hu.values.size() != grid.voxels() || grid.size[0] > 65'535 || grid.size[1] > 65'535)
    throw Error(ErrorCode::VolumeInvalid, "the voxels do not fill the grid, or a side is over 65535");
  const Plane plane = plane_of(grid);
  ObjectFrame frame = frame_of(hu, facts);
  std::vector<std::filesystem::path> files;
  for (std::uint32_t k = 0; k < grid.size[2]; ++k) {
    frame.instance_number = static_cast<int>(k) + 1;
    frame.sop_instance_uid = derived_uid({"ct slice", frame.series_instance_uid, std::to_string(k)});
    Item item = framed_item(frame, kCtImage, "CT");
    add_ct_modules(item, facts, frame);
    add_plane(item, plane, grid.position(0, 0, k));
    add_pixels(item, grid, stored_slice(hu.slice(k), k));
    files.push_back(folder / fmt::format("slice_{:04}.dcm", k + 1));
    write_file(files.back(), file_bytes(item, std::string(kCtImage), frame.sop_instance_uid));
  }
  return files;
}

}  // namespace rouage::dicom
