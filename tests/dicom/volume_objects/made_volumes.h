/// Label maps and headers with known truth, and the programs of others that judge what is written of them.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom::made {

/// Header of slice k of a made CT series: study 1.2.3, series 1.2.3.4, instances 1.2.3.4.<k + 1>.
InstanceHeader header_of(std::uint32_t k);
ObjectFrame frame_of(const std::string& uid);
std::vector<ImageReference> sources_of(const image::Grid& grid);
image::Grid axial_grid(std::uint32_t i, std::uint32_t j, std::uint32_t k);
/// label(position in LPS mm) at every voxel centre.
image::LabelMap painted(const image::Grid& grid, const std::function<std::uint16_t(const image::Point3&)>& label);
LabelSource source_of(const image::LabelMap& map);
VolumeSegment segment_of(std::uint16_t value, const std::string& structure);
SegVolumeObject seg_of(const image::Grid& grid, std::vector<VolumeSegment> segments, SegKind kind, SegSyntax syntax);

Bytes bytes_of(const SegVolumeObject& object, const image::LabelMap& map);
std::filesystem::path fresh_folder(const std::string& name);
/// The object written into a file of a fresh folder.
std::filesystem::path file_of(const SegVolumeObject& object, const image::LabelMap& map, const std::string& name);

struct Outcome {
  int status = 0;
  std::string output;
};
Outcome run_command(const std::string& command);
bool program_exists(const std::string& name);
/// /usr/bin/python3 with pydicom and numpy.
bool pydicom_exists();
std::string dciodvfy_errors(const std::filesystem::path& file);
std::filesystem::path shared_data();

}  // namespace rouage::dicom::made
