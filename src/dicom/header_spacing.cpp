#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/values.h"
#include "dicom/header.h"

namespace rouage::dicom::reading {
namespace {

using image::PixelSpacing;
using image::SpacingKind;

constexpr Tag kPixelSpacing = 0x00280030, kCalibration = 0x00280A02, kImagerSpacing = 0x00181164,
              kMagnification = 0x00181114, kNominalScanned = 0x00182010, kMeasuresMacro = 0x00289110,
              kSopClass = 0x00080016;
// Films lie between a fine mammography detector (0.05 mm) and a thumbnail of a chest film (some mm).
constexpr double kLeastMm = 0.01, kMostMm = 5;

/// Row and column distance. Nothing when absent; nothing and a warning when it cannot be a distance.
std::optional<PixelSpacing> distances(const ElementSet& set, Tag tag, std::vector<std::string>& warnings) {
  if (!set.has_value(tag)) return {};
  const auto values = set.decimals(tag);
  if (values.size() < 2 || values[0] <= 0 || values[1] <= 0) {
    warnings.push_back(tag_text(tag) + " is no pair of positive numbers: no lengths are given");
    return {};
  }
  return PixelSpacing{values[0], values[1], SpacingKind::doubtful};
}

/// SOP classes whose pixels lie in a plane through the patient, so that (0028,0030) is a distance there.
bool cross_sectional(const std::string& sop_class) {
  for (const std::string_view uid :
       {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4",
        "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.20"})
    if (sop_class == uid) return true;
  return false;
}

bool nearly(double a, double b) {
  return std::abs(a - b) <= 0.001 * std::max(std::abs(a), std::abs(b));
}

/// PS3.3 10.7.1.3: on a projection, (0028,0030) that differs from the detector's spacing has been calibrated; equal to
/// it, it has not; alone and without a calibration type, nobody knows.
std::optional<PixelSpacing> projection_spacing(const ElementSet& dataset, std::vector<std::string>& warnings) {
  auto patient = distances(dataset, kPixelSpacing, warnings);
  auto imager = distances(dataset, kImagerSpacing, warnings);
  const std::string calibration = dataset.text(kCalibration);
  if (patient && (calibration == "GEOMETRY" || calibration == "FIDUCIAL")) {
    patient->kind = SpacingKind::at_patient;
    return patient;
  }
  if (patient && imager &&
      !(nearly(patient->row_mm, imager->row_mm) && nearly(patient->column_mm, imager->column_mm))) {
    patient->kind = SpacingKind::at_patient;
    warnings.emplace_back(
        "(0028,0030) Pixel Spacing differs from (0018,1164) and names no calibration: taken as calibrated (PS3.3 "
        "10.7.1.3)");
    return patient;
  }
  if (imager) {
    const auto magnification = dataset.decimals(kMagnification);
    imager->kind = SpacingKind::at_detector;
    if (!magnification.empty() && magnification.front() >= 1 && magnification.front() < 10) {
      imager->row_mm /= magnification.front();
      imager->column_mm /= magnification.front();
      imager->kind = SpacingKind::at_patient;
    } else if (!magnification.empty()) {
      warnings.push_back(fmt::format("(0018,1114) a radiographic magnification of {} is not possible and is not used",
                                     number_text(magnification.front())));
    }
    return imager;
  }
  if (patient) {
    warnings.emplace_back("(0028,0030) Pixel Spacing of unknown calibration on a projection: lengths are doubtful");
    return patient;
  }
  auto scanned = distances(dataset, kNominalScanned, warnings);
  if (scanned) scanned->kind = SpacingKind::at_detector;
  return scanned;
}

}  // namespace

std::optional<PixelSpacing> pixel_spacing(const FrameAttributes& attributes, std::vector<std::string>& warnings) {
  const ElementSet& dataset = *attributes.dataset;
  const ElementSet measures = attributes.macro(kMeasuresMacro);
  if (cross_sectional(dataset.text(kSopClass)) || measures.has_value(kPixelSpacing)) {
    auto spacing = distances(measures.has_value(kPixelSpacing) ? measures : dataset, kPixelSpacing, warnings);
    if (spacing) spacing->kind = SpacingKind::at_patient;
    return spacing;
  }
  auto spacing = projection_spacing(dataset, warnings);
  if (!spacing) return spacing;
  for (const double mm : {spacing->row_mm, spacing->column_mm}) {
    if (mm >= kLeastMm && mm <= kMostMm) continue;
    spacing->kind = SpacingKind::doubtful;
    warnings.push_back(
        fmt::format("a pixel spacing of {} mm is not that of a film: lengths are doubtful", number_text(mm)));
    break;
  }
  return spacing;
}

}  // namespace rouage::dicom::reading
