#include "infer/package.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/host.h"
#include "infer/onnx_file.h"
#include "infer/package_yaml.h"

namespace rouage::infer {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kYamlCap = 4 * kMebibyte;
constexpr std::uint64_t kFileCap = 1024 * kMebibyte;

void check_names(const Package& package) {
  for (const auto& [name, hex] : package.files)
    if (!plain_file_name(name))
      throw Error(ErrorCode::PackageInvalid, "a file name may not lead out of the folder: " + name).tag("files");
  for (const std::string& used : {package.model_file, package.guided_file})
    if (!used.empty() && !package.files.contains(used))
      throw Error(ErrorCode::PackageInvalid, used + " is used but not listed with its digest").tag("files");
}

void check_contents(const Package& package) {
  for (const auto& [name, hex] : package.files) {
    const fs::path path = package.folder / name;
    const bool net = path.extension() == ".onnx";
    const Bytes bytes = net ? read_file(path, kFileCap) : Bytes();
    if (const std::string found = (net ? sha256(bytes) : file_digest(path, kFileCap)).hex(); found != hex)
      throw Error(ErrorCode::PackageDigest, fmt::format("SHA-256 is {}, model.yaml says {}", found, hex)).file(path);
    if (!net) continue;
    try {
      for (const std::string& outside : read_onnx(bytes).external_files())
        if (!package.files.contains(outside))
          throw Error(ErrorCode::PackageInvalid,
                      "it takes weights from " + outside + ", which model.yaml does not list");
    } catch (Error& error) {
      throw error.file(path);
    }
  }
}

void check_strangers(const Package& package) {
  for (const auto& entry : fs::directory_iterator(package.folder)) {
    const std::string name = entry.path().filename().string();
    if (lower_case(entry.path().extension().string()) == ".onnx" && !package.files.contains(name))
      throw Error(ErrorCode::PackageDigest, "this net is not listed in model.yaml").file(entry.path());
  }
}

}  // namespace

std::optional<double> PackageOutput::probability(double logit) const {
  if (!platt_a || !platt_b) return std::nullopt;
  return 1.0 / (1.0 + std::exp(-(*platt_a * logit + *platt_b)));
}

const PackageOperatingPoint* PackageOutput::operating_point(const std::string& wanted) const {
  const auto at = std::find_if(operating_points.begin(), operating_points.end(),
                               [&](const PackageOperatingPoint& p) { return p.name == wanted; });
  return at == operating_points.end() ? nullptr : &*at;
}

Package read_package(const fs::path& folder) {
  const fs::path yaml = folder / kPackageFile;
  const std::string text = read_text(yaml, kYamlCap);
  Package package;
  try {
    package = parse_package(text);
    package.folder = folder;
    package.digest = sha256(text).hex();
    check_names(package);
  } catch (Error& error) {
    throw error.file(yaml);
  }
  check_contents(package);
  check_strangers(package);
  return package;
}

std::string package_digest(const fs::path& folder) {
  return sha256(read_text(folder / kPackageFile, kYamlCap)).hex();
}

fs::path find_package(const std::string& name_or_path, const std::vector<fs::path>& model_folders) {
  if (fs::is_regular_file(fs::path(name_or_path) / kPackageFile)) return name_or_path;
  std::vector<std::string> there;
  for (const fs::path& folder : model_folders) {
    if (plain_file_name(name_or_path) && fs::is_regular_file(folder / name_or_path / kPackageFile))
      return folder / name_or_path;
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder))
      if (fs::is_regular_file(entry.path() / kPackageFile)) there.push_back(entry.path().filename().string());
  }
  std::sort(there.begin(), there.end());
  throw Error(ErrorCode::FileMissing, fmt::format("there is no model package \"{}\"; there is: {}", name_or_path,
                                                  there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))))
      .remedy("give a folder with model.yaml, or one of these names");
}

}  // namespace rouage::infer
