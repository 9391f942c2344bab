/// The documents of one film, each as the value that a writer of `dicom` turns into bytes. Internal.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/frames.h"
#include "results/sr_nodes.h"

namespace rouage::results {

/// TID 1500 Measurement Report in a Comprehensive 3D SR. An ineligible film: the reasons, no measurements.
dicom::SrObject measurement_report(const cogs::Picture& picture, const cogs::CogResult& result,
                                   const std::string& language);

/// TID 4100 Chest CAD Document Root, for labels that have a place in CID 6101 and 6102; nothing without such labels.
std::optional<dicom::SrObject> chest_cad(const cogs::Picture& picture, const cogs::CogResult& result,
                                         const std::string& language);

/// TID 1600 Image Library with the source image; TID 1602 and 1603 descriptors.
SrItem image_library(const dicom::InstanceHeader& header, const std::optional<image::PixelSpacing>& spacing);
/// The descriptors that TID 1603 and TID 4020 share: view, orientation, spacing.
std::vector<SrItem> projection_nodes(const dicom::InstanceHeader& header,
                                     const std::optional<image::PixelSpacing>& spacing);

/// Regions as binary segments; nothing without regions.
std::optional<dicom::SegObject> region_segments(const cogs::Picture& picture, const cogs::CogResult& result,
                                                const std::string& language);
/// Regions as outlines with captions; nothing without regions, or where the source is in colour (no grey pipeline).
std::optional<dicom::PresentationObject> region_outlines(const cogs::Picture& picture, const cogs::CogResult& result,
                                                         const std::string& language);
/// 1 where the centre of a pixel lies inside the region (even-odd rule), row-major.
std::vector<std::uint8_t> region_mask(const cogs::Region& region, std::uint32_t columns, std::uint32_t rows);
/// "Effusion 0.87": name for people and probability of the region's finding.
std::string region_caption(const cogs::Region& region, const cogs::CogResult& result, const std::string& language);

/// Secondary capture and PNG of one canvas.
std::vector<ResultFile> picture_files(const cogs::Picture& picture, const cogs::CogResult& result,
                                      const std::string& language);

/// FHIR R4 bundle of one film, or (film == nullptr) of a study.
std::string fhir_bundle(const std::vector<const dicom::InstanceHeader*>& films, const cogs::CogResult& result,
                        const std::vector<ResultFile>& objects, const std::string& language);

}  // namespace rouage::results
