// A volume file to voxels: the first byte chooses the format, the rest is the file. A volume or a rouage::Error;
// anything else is a finding. What was read is written and read again: the same place and the same values.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "base/error.h"
#include "base/host.h"
#include "image/volume_files.h"

namespace {

using namespace rouage;
using namespace rouage::image;

// Small, so that an input of some kilobytes cannot ask for honest work of seconds.
constexpr VolumeLimits kLimits{.bytes = 8ULL << 20};

void check_again(const std::filesystem::path& folder, const Volume<float>& volume) {
  const auto path = folder / "again.nrrd";
  write_volume(path, volume);
  const Volume<float> again = read_volume(path);
  if (!(again.grid == volume.grid) || again.values.size() != volume.values.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const std::filesystem::path folder = "/dev/shm/rouage-read-volume-fuzz-" + std::to_string(::getpid());
  constexpr std::array<const char*, 6> kNames{"a.nii", "a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"};
  const auto path = folder / kNames[data[0] % kNames.size()];
  std::filesystem::create_directories(folder);
  write_file(path, std::span(data, size).subspan(1));
  const auto quiet = [](const auto& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::Internal || error.remedy().empty() || error.file().empty()) std::abort();
    }
  };
  quiet([&] {
    for (const Volume<float>& volume : read_channels(path, kLimits)) {
      if (volume.values.size() != volume.grid.voxels()) std::abort();
      if (volume.values.size() < 4096) check_again(folder, volume);
    }
  });
  quiet([&] { (void)read_label_map(path, kLimits); });
  return 0;
}
