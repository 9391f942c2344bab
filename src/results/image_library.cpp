#include "results/documents.h"

#include <optional>

namespace rouage::results {
namespace {

const Code& code(std::string_view name) {
  return dicom::concept_code(name);
}

std::optional<Code> view_code(const std::string& position) {
  if (position == "PA") return code("view_pa");
  if (position == "AP") return code("view_ap");
  return std::nullopt;
}

const Code& modality_code(const std::string& modality) {
  if (modality == "CR") return code("modality_cr");
  if (modality == "DX") return code("modality_dx");
  return code("modality_rg");  // CID 29's code for a radiograph whose kind is not said
}

}  // namespace

std::vector<SrItem> projection_nodes(const dicom::InstanceHeader& header,
                                     const std::optional<image::PixelSpacing>& spacing) {
  std::vector<SrItem> nodes;
  if (const auto view = view_code(header.view_position))
    nodes.push_back(coded(kAcquisitionContext, code("image_view"), *view));
  if (!header.patient_orientation[0].empty() && !header.patient_orientation[1].empty()) {
    nodes.push_back(worded(kAcquisitionContext, code("patient_orientation_row"), header.patient_orientation[0]));
    nodes.push_back(worded(kAcquisitionContext, code("patient_orientation_column"), header.patient_orientation[1]));
  }
  if (spacing && spacing->kind != image::SpacingKind::none) {
    const Code& unit = code("unit_millimetre");
    nodes.push_back(measured(kAcquisitionContext, code("horizontal_pixel_spacing"), spacing->column_mm, unit));
    nodes.push_back(measured(kAcquisitionContext, code("vertical_pixel_spacing"), spacing->row_mm, unit));
  }
  return nodes;
}

SrItem image_library(const dicom::InstanceHeader& header, const std::optional<image::PixelSpacing>& spacing) {
  SrItem entry = pictured(kContains, source_reference(header));
  auto& descriptors = entry.children;
  descriptors.push_back(coded(kAcquisitionContext, code("modality"), modality_code(header.modality)));
  descriptors.push_back(coded(kAcquisitionContext, code("target_region"), code("chest")));
  if (header.study_date.size() == 8)
    descriptors.push_back(dated(kAcquisitionContext, code("study_date"), header.study_date));
  if (header.content_date.size() == 8)
    descriptors.push_back(dated(kAcquisitionContext, code("content_date"), header.content_date));
  descriptors.push_back(measured(kAcquisitionContext, code("pixel_data_rows"), header.rows, code("unit_pixels")));
  descriptors.push_back(measured(kAcquisitionContext, code("pixel_data_columns"), header.columns, code("unit_pixels")));
  for (SrItem& node : projection_nodes(header, spacing)) descriptors.push_back(std::move(node));
  SrItem group = container(kContains, code("image_library_group"));
  group.children.push_back(std::move(entry));
  SrItem library = container(kContains, code("image_library"), "1600");
  library.children.push_back(std::move(group));
  return library;
}

}  // namespace rouage::results
