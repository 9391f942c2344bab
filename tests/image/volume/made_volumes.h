/// Volumes and files that the tests of volume files make themselves.
#pragma once
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/values.h"
#include "image/volume_files.h"

namespace rouage::image::made {

namespace fs = std::filesystem;

/// A folder of this test alone, removed at its end.
class Folder {
 public:
  Folder();
  ~Folder();
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// All 48 orders and directions of the axes, "LPS" to "IAR".
std::vector<std::string> orientations();

/// 9 x 8 x 7 voxels of 1.5 x 2 x 3 mm, every value another one, and a block of value kMarker at patient left, anterior,
/// superior. oblique: turned by 25 degrees about a slanted axis.
inline constexpr float kMarker = 1000;
Volume<float> phantom(bool oblique);
/// Mean position of the voxels that hold kMarker.
template <class T>
Point3 marker_place(const Volume<T>& volume) {
  Point3 sum{};
  double count = 0;
  for (std::uint32_t k = 0; k < volume.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < volume.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < volume.grid.size[0]; ++i)
        if (static_cast<float>(volume.at(i, j, k)) == kMarker) {
          const Point3 p = volume.grid.position(i, j, k);
          for (std::size_t x = 0; x < 3; ++x) sum[x] += p[x];
          ++count;
        }
  for (double& x : sum) x /= count;
  return sum;
}
double distance(const Point3& a, const Point3& b);

/// A NIfTI file by its fields; what stands here is a valid file of 3 x 2 x 2 voxels of int16.
struct Nifti {
  int version = 1;
  bool big_endian = false;
  std::string magic = "n+1";
  std::int32_t sizeof_hdr = 0;  ///< 0: the right one
  std::array<std::int64_t, 8> dim{3, 3, 2, 2, 1, 1, 1, 1};
  int datatype = 4, bitpix = 16;
  std::array<double, 4> pixdim{1, 1, 1, 1};
  double vox_offset = 0;  ///< 0: behind the header
  double slope = 0, intercept = 0;
  int units = 2, qform_code = 0, sform_code = 1;
  std::array<double, 3> quatern{}, qoffset{};
  std::array<std::array<double, 4>, 3> srow{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  Bytes voxels = Bytes(24);
};
Bytes bytes_of(const Nifti& nifti);
void write(const fs::path& path, std::span<const std::uint8_t> bytes);
void write(const fs::path& path, const std::string& text);
Bytes read_all(const fs::path& path);

/// The code of the error that `work` throws; empty when it throws none.
template <class Work>
std::optional<ErrorCode> refusal(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}
bool said(const VolumeHeader& header, VolumeWarningCode code);

/// What a peer reads in a file, as tests/image/volume/volume_peers.py dumps it.
struct Dump {
  std::vector<Volume<float>> channels;
};
Dump read_dump(const fs::path& path);
bool has_nibabel();
/// volume_peers.py with these arguments; true when it ends well.
bool peer(const std::string& arguments);

}  // namespace rouage::image::made
