#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "app/doctor.h"
#include "base/error.h"
#include "base/host.h"
#include "dicom/code.h"
#include "dicom/reading.h"
#include "infer/package.h"
#include "infer/session.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kDiskWanted = 1024 * kMebibyte;

template <typename Test>
DoctorLine examine(const std::string& name, const Test& test) {
  try {
    return {name, true, test()};
  } catch (const std::exception& error) {
    return {name, false, error.what()};
  }
}

std::string codes_are_sound() {
  int identifiers = 0;
  for (const dicom::CodeRow& row : dicom::code_table()) {
    if (row.scheme != "SCT") continue;
    ++identifiers;
    if (!dicom::valid_sct_identifier(row.value))
      throw Error(ErrorCode::DoctorFailed, "SNOMED identifier " + std::string(row.value) + " has a wrong check digit");
  }
  return fmt::format("{} SNOMED identifiers, all check digits right", identifiers);
}

std::string disk_is_free(const fs::path& folder) {
  const fs::space_info space = fs::space(folder);
  std::string text = fmt::format("{} MB free at {}", space.available / kMebibyte, folder.string());
  if (space.available < kDiskWanted) throw Error(ErrorCode::DoctorFailed, text + "; at least 1024 MB are wanted");
  return text;
}

/// A clock before this source was written is wrong: audit trails and certificates would be worthless.
std::string clock_is_plausible() {
  std::string now = utc_now_text();
  if (now < "2026-01-01") throw Error(ErrorCode::DoctorFailed, "the clock says " + now);
  return now;
}

/// A server was named: it must answer, and agree. Else what the kernel says is told, and only told.
std::string clock_offset(const std::optional<std::string>& ntp_server) {
  const ClockState state = clock_state(ntp_server);
  const std::string text = clock_text(state);
  if (ntp_server && !ntp_server->empty() && !state.synchronised.value_or(false))
    throw Error(ErrorCode::DoctorFailed, text);
  return text;
}

std::vector<DoctorLine> examine_packages() {
  std::vector<DoctorLine> lines;
  const fs::path models = product_folder() / "models";
  std::vector<fs::path> packages;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(models, ignored))
    if (fs::exists(entry.path() / "model.yaml", ignored)) packages.push_back(entry.path());
  std::sort(packages.begin(), packages.end());
  lines.reserve(packages.size());
  for (const fs::path& folder : packages)
    lines.push_back(examine("package " + folder.filename().string(), [&] {
      const infer::Package package = infer::read_package(folder);
      return package.version + ", digest " + package.digest.substr(0, 16) + ", files whole";
    }));
  if (packages.empty()) lines.push_back({"packages", false, "no model package in " + models.string()});
  return lines;
}

}  // namespace

std::vector<DoctorLine> examine_installation(const fs::path& scratch, const std::optional<std::string>& ntp_server) {
  std::vector<DoctorLine> lines;
  lines.push_back(examine("dictionary", [] {
    dicom::initialise();
    return std::string("DICOM dictionary is loaded, codecs are registered");
  }));
  lines.push_back(examine("codes", codes_are_sound));
  lines.push_back(examine("onnx_runtime", [] {
    std::string text = infer::runtime_version() + ", providers:";
    for (const std::string& provider : infer::available_providers()) text += " " + provider;
    return text;
  }));
  for (DoctorLine& line : examine_packages()) lines.push_back(std::move(line));
  lines.push_back(examine("disk", [&] { return disk_is_free(scratch.parent_path()); }));
  lines.push_back(examine("clock", clock_is_plausible));
  lines.push_back(examine("clock_offset", [&] { return clock_offset(ntp_server); }));
  return lines;
}

}  // namespace rouage::app
