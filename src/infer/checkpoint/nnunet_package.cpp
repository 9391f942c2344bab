#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"
#include "infer/checkpoint/import_nnunet.h"
#include "infer/checkpoint/nnunet_yaml.h"
#include "infer/onnx_file.h"
#include "infer/package_yaml.h"

namespace rouage::infer {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kYamlCap = 4 * kMebibyte, kFileCap = 1024 * kMebibyte;

void check_contents(const NnunetPackage& package) {
  for (const auto& [name, hex] : package.files) {
    const fs::path path = package.folder / name;
    const Bytes bytes = read_file(path, kFileCap);
    if (const std::string found = sha256(bytes).hex(); found != hex)
      throw Error(ErrorCode::PackageDigest, fmt::format("SHA-256 is {}, model.yaml says {}", found, hex)).file(path);
    if (path.extension() != ".onnx") continue;
    try {
      if (!read_onnx(bytes).external_files().empty())
        throw Error(ErrorCode::PackageInvalid, "it takes weights from another file, which model.yaml does not list");
    } catch (Error& error) {
      throw error.file(path);
    }
  }
}

/// The engine opens every fold_N/model.onnx that it finds: one that is not listed would take part unseen.
void check_strangers(const NnunetPackage& package) {
  for (const fs::path& path : files_below(package.folder)) {
    const std::string name = fs::relative(path, package.folder).generic_string();
    if (lower_case(path.extension().string()) == ".onnx" && !package.files.contains(name))
      throw Error(ErrorCode::PackageDigest, "this net is not listed in model.yaml").file(path);
  }
}

}  // namespace

bool is_nnunet_package(const fs::path& folder) {
  try {
    const std::string wanted = fmt::format("format: {}", checkpoint::kNnunetFormat);
    const Bytes start = read_file_start(folder / kPackageFile, wanted.size() + 1);
    const std::string text(start.begin(), start.end());
    return text.starts_with(wanted) && (text.size() == wanted.size() || text.back() == '\n' || text.back() == '\r');
  } catch (const Error&) {
    return false;
  }
}

NnunetPackage check_nnunet_package(const fs::path& folder) {
  const fs::path yaml = folder / kPackageFile;
  const std::string text = read_text(yaml, kYamlCap);
  NnunetPackage package;
  try {
    package = checkpoint::parse_nnunet_yaml(text);
  } catch (Error& error) {
    throw error.file(yaml);
  }
  package.folder = folder;
  package.digest = sha256(text).hex();
  check_contents(package);
  check_strangers(package);
  return package;
}

}  // namespace rouage::infer
