/// The segmentation writer on 117 structures x 800 slices of 512 x 512, every structure in every slice (93,600
/// frames, 3.07 GB of bits: more than any patient gives).
///   seg_writer binary|labelmap deflated|explicit THREADS OUT.dcm      one JSON line: seconds, CPU seconds, frames,
///   bytes, peak resident MB
#include <fmt/format.h>
#include <sys/resource.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "dicom/volume_objects/volume_objects.h"

namespace {

using namespace std::string_view_literals;
namespace dicom = rouage::dicom;

constexpr std::uint32_t kSide = 512, kSlices = 800, kSegments = 117;

/// 13 x 9 discs, each growing and shrinking along the slices with its own phase, never gone.
rouage::image::LabelMap discs() {
  rouage::image::LabelMap map;
  map.grid.size = {kSide, kSide, kSlices};
  map.grid.step_mm = {rouage::image::Point3{0.8, 0, 0}, rouage::image::Point3{0, 0.8, 0},
                      rouage::image::Point3{0, 0, 1}};
  map.values.assign(map.grid.voxels(), 0);
  for (std::uint32_t k = 0; k < kSlices; ++k)
    for (std::uint32_t j = 0; j < kSide; ++j)
      for (std::uint32_t i = 0; i < kSide; ++i) {
        const std::uint32_t column = i / 40, row = j / 57;
        if (column > 12 || row > 8) continue;
        const std::uint32_t label = row * 13 + column + 1;
        const double x = i % 40 - 19.5, y = (j % 57 - 28.0) * 0.7;
        const double radius = 12 + 7 * std::sin(k * 0.03 + label);
        if (x * x + y * y < radius * radius) map.at(i, j, k) = static_cast<std::uint16_t>(label);
      }
  return map;
}

dicom::SegVolumeObject object_for(const rouage::image::LabelMap& map, bool binary, bool deflated, unsigned threads) {
  dicom::SegVolumeObject object;
  object.frame.source.study_instance_uid = "1.2.3";
  object.frame.source.patient_and_study = {dicom::raw_text(0x20, 0x0D, "UI", "1.2.3")};
  object.frame.sop_instance_uid = "2.25.1";
  object.frame.series_instance_uid = "2.25.2";
  object.frame.equipment = {"Rouage", "Rouage bench", "0.1.0", "2.25.3"};
  object.grid = map.grid;
  object.frame_of_reference_uid = "1.2.3.9";
  for (std::uint32_t k = 0; k < kSlices; ++k)
    object.sources.push_back({"1.2.840.10008.5.1.4.1.1.2", fmt::format("1.2.840.99999.1.2.3.4.5.6.7.8.9.{}", k + 1),
                              "1.2.3.4", "1.2.3", 0, 0});
  for (std::uint32_t n = 1; n <= kSegments; ++n) {
    dicom::VolumeSegment segment;
    segment.value = static_cast<std::uint16_t>(n);
    segment.label = fmt::format("structure {}", n);
    segment.algorithm_name = "bench";
    segment.algorithm_version = "1";
    segment.codes = dicom::organ_codes(fmt::format("structure_{}", n));
    object.segments.push_back(segment);
  }
  object.kind = binary ? dicom::SegKind::binary : dicom::SegKind::label_map;
  object.syntax = deflated ? dicom::SegSyntax::deflated : dicom::SegSyntax::explicit_little_endian;
  object.threads = threads;
  return object;
}

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    fmt::print(stderr, "seg_writer binary|labelmap deflated|explicit THREADS OUT.dcm\n");
    return 2;
  }
  try {
    const bool binary = arguments[1] == "binary"sv, deflated = arguments[2] == "deflated"sv;
    const auto map = discs();
    const auto object = object_for(map, binary, deflated, static_cast<unsigned>(std::atoi(arguments[3])));
    const long before = peak_mb();
    std::filesystem::remove(arguments[4]);
    rouage::DurableFile file(arguments[4]);
    const double start = rouage::monotonic_s(), cpu_start = cpu_s();
    const auto written = dicom::write_seg_volume(
        object, [&](std::uint32_t k) { return map.slice(k); },
        [&](std::span<const std::uint8_t> part) { file.write(part); });
    file.finish(false);
    fmt::print(
        "{{\"kind\": \"{}\", \"syntax\": \"{}\", \"threads\": {}, \"seconds\": {:.2f}, \"cpu_s\": {:.2f}, \"frames\": "
        "{}, \"bytes\": {}, "
        "\"peak_mb\": {}, \"peak_mb_before\": {}}}\n",
        arguments[1], arguments[2], arguments[3], rouage::monotonic_s() - start, cpu_s() - cpu_start, written.frames,
        written.bytes, peak_mb(), before);
    return 0;
  } catch (const rouage::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
}
