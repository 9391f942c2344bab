#include "infer/package_writer.h"

#include <filesystem>
#include <map>
#include <span>

#include "base/host.h"
#include "infer/package_yaml.h"

namespace rouage::infer {

void write_package(const std::string& yaml, const std::map<std::string, Bytes>& files,
                   const std::filesystem::path& out_folder) {
  std::filesystem::path destination = std::filesystem::absolute(out_folder).lexically_normal();
  if (!destination.has_filename()) destination = destination.parent_path();  // "folder/" means "folder"
  StagedFolder staged(destination.parent_path() / ("." + destination.filename().string() + ".part"));
  for (const auto& [name, bytes] : files) write_file(staged.path() / name, bytes);
  const auto* text = reinterpret_cast<const std::uint8_t*>(yaml.data());
  write_file(staged.path() / kPackageFile, std::span(text, yaml.size()));
  staged.publish(destination);
}

}  // namespace rouage::infer
