/// The self test of an installation.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace rouage::app {

struct DoctorLine {
  std::string check;  ///< stable name: "dictionary", "left_is_left_sr", ...
  bool passed = false;
  std::string detail;
};

/// Installation: dictionary, ONNX Runtime, packages, free disk, clock.
std::vector<DoctorLine> examine_installation(const std::filesystem::path& scratch);
/// A phantom with a marker and a nodule at the patient's left, mirrored and not, goes through writer, reader, cog,
/// region and every result object: left must stay left. `scratch`: a folder that is made and removed.
std::vector<DoctorLine> examine_orientation(const std::filesystem::path& scratch);

}  // namespace rouage::app
