#include "dicom/volume_objects/made_volumes.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "base/host.h"

namespace rouage::dicom::made {

InstanceHeader header_of(std::uint32_t k) {
  InstanceHeader header;
  header.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2";
  header.sop_instance_uid = "1.2.3.4." + std::to_string(k + 1);
  header.series_instance_uid = "1.2.3.4";
  header.study_instance_uid = "1.2.3";
  header.modality = "CT";
  header.character_set = "ISO_IR 192";
  header.patient_and_study = {raw_text(8, 5, "CS", "ISO_IR 192"),           raw_text(8, 0x20, "DA", "20250314"),
                              raw_text(0x10, 0x10, "PN", "Épreuve^Rouage"), raw_text(0x10, 0x20, "LO", "P1"),
                              raw_text(0x20, 0x0D, "UI", "1.2.3"),          raw_text(0x20, 0x10, "SH", "S1")};
  return header;
}

ObjectFrame frame_of(const std::string& uid) {
  ObjectFrame frame;
  frame.source = header_of(0);
  frame.sop_instance_uid = uid;
  frame.series_instance_uid = "2.25.2";
  frame.series_number = 9003;
  frame.series_description = "Organes IA, non relus";
  frame.content_date = "20250314";
  frame.content_time = "081733";
  frame.equipment = {"Rouage", "Rouage organs", "0.1.0", "2.25.3"};
  return frame;
}

std::vector<ImageReference> sources_of(const image::Grid& grid) {
  std::vector<ImageReference> sources;
  for (std::uint32_t k = 0; k < grid.size[2]; ++k) {
    const InstanceHeader header = header_of(k);
    sources.push_back(
        {header.sop_class_uid, header.sop_instance_uid, header.series_instance_uid, header.study_instance_uid, 0, 0});
  }
  return sources;
}

image::Grid axial_grid(std::uint32_t i, std::uint32_t j, std::uint32_t k) {
  image::Grid grid;
  grid.size = {i, j, k};
  grid.origin_mm = {-30.25, -41.5, 100};
  grid.step_mm = {image::Point3{0.75, 0, 0}, image::Point3{0, 0.8, 0}, image::Point3{0, 0, 2.5}};
  return grid;
}

image::LabelMap painted(const image::Grid& grid, const std::function<std::uint16_t(const image::Point3&)>& label) {
  image::LabelMap map;
  map.grid = grid;
  for (std::uint32_t k = 0; k < grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < grid.size[0]; ++i) map.values.push_back(label(grid.position(i, j, k)));
  return map;
}

LabelSource source_of(const image::LabelMap& map) {
  return [&map](std::uint32_t k) { return map.slice(k); };
}

VolumeSegment segment_of(std::uint16_t value, const std::string& structure) {
  VolumeSegment segment;
  segment.value = value;
  segment.label = structure;
  segment.algorithm_name = "net";
  segment.algorithm_version = "1";
  segment.tracking_id = structure;
  segment.tracking_uid = derived_uid({"track", structure});
  segment.codes = organ_codes(structure);
  segment.cielab = cielab_of({static_cast<std::uint8_t>(40 * value), 120, 200});
  return segment;
}

SegVolumeObject seg_of(const image::Grid& grid, std::vector<VolumeSegment> segments, SegKind kind, SegSyntax syntax) {
  SegVolumeObject object;
  object.frame = frame_of("2.25.1");
  object.grid = grid;
  object.frame_of_reference_uid = "1.2.3.9";
  object.sources = sources_of(grid);
  object.segments = std::move(segments);
  object.kind = kind;
  object.syntax = syntax;
  return object;
}

Bytes bytes_of(const SegVolumeObject& object, const image::LabelMap& map) {
  Bytes bytes;
  write_seg_volume(object, source_of(map),
                   [&](std::span<const std::uint8_t> part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
  return bytes;
}

std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("rouage-volume-objects-" + name + "-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

std::filesystem::path file_of(const SegVolumeObject& object, const image::LabelMap& map, const std::string& name) {
  const auto file = fresh_folder(name) / "seg.dcm";
  write_file(file, bytes_of(object, map));
  return file;
}

Outcome run_command(const std::string& command) {
  Outcome outcome;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return {-1, "cannot start " + command};
  char buffer[4096];
  std::size_t read = 0;
  while ((read = fread(buffer, 1, sizeof buffer, pipe)) > 0) outcome.output.append(buffer, read);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

bool program_exists(const std::string& name) {
  return run_command("command -v " + name + " >/dev/null").status == 0;
}

bool pydicom_exists() {
  return run_command("/usr/bin/python3 -c 'import pydicom, numpy'").status == 0;
}

std::string dciodvfy_errors(const std::filesystem::path& file) {
  std::istringstream lines(run_command("dciodvfy " + file.string()).output);
  std::string errors, line;
  while (std::getline(lines, line))
    if (line.starts_with("Error")) errors += line + "\n";
  return errors;
}

std::filesystem::path shared_data() {
  return std::filesystem::path(ROUAGE_SHARED_DIR) / "data";
}

}  // namespace rouage::dicom::made
