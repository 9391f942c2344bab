#include "image/volume/made_volumes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

namespace rouage::image::made {

Folder::Folder() {
  static int number = 0;
  path_ = fs::temp_directory_path() / ("rouage-volume-" + std::to_string(::getpid()) + "-" + std::to_string(++number));
  fs::create_directories(path_);
}
Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> orientations() {
  std::vector<std::string> all;
  std::array<int, 3> order{0, 1, 2};
  do
    for (int flips = 0; flips < 8; ++flips) {
      std::string letters;
      for (int a = 0; a < 3; ++a) letters += ((flips >> a) & 1 ? "RAI" : "LPS")[order[a]];
      all.push_back(letters);
    }
  while (std::next_permutation(order.begin(), order.end()));
  return all;
}

Volume<float> phantom(bool oblique) {
  Volume<float> volume;
  volume.grid = {{9, 8, 7}, {-30.25, 12.5, -100.75}, {{{1.5, 0, 0}, {0, 2, 0}, {0, 0, 3}}}};
  if (oblique) {
    const Point3 axis{0.48, 0.6, 0.64};  // of length 1
    const double angle = 25 * 3.14159265358979 / 180, c = std::cos(angle), s = std::sin(angle);
    for (auto& step : volume.grid.step_mm) {  // Rodrigues
      const double along = axis[0] * step[0] + axis[1] * step[1] + axis[2] * step[2];
      const Point3 across{axis[1] * step[2] - axis[2] * step[1], axis[2] * step[0] - axis[0] * step[2],
                          axis[0] * step[1] - axis[1] * step[0]};
      for (std::size_t x = 0; x < 3; ++x) step[x] = c * step[x] + s * across[x] + (1 - c) * along * axis[x];
    }
  }
  volume.values.resize(volume.grid.voxels());
  for (std::size_t n = 0; n < volume.values.size(); ++n) volume.values[n] = static_cast<float>(n);
  for (std::uint32_t k = 4; k < 6; ++k)
    for (std::uint32_t j = 1; j < 3; ++j)
      for (std::uint32_t i = 5; i < 8; ++i) volume.at(i, j, k) = kMarker;
  return volume;
}

double distance(const Point3& a, const Point3& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

namespace {

class Fields {
 public:
  Fields(std::size_t size, bool big) : bytes_(size), big_(big) {}
  template <class T>
  void set(std::size_t offset, T value) {
    auto raw = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
    if (big_) std::reverse(raw.begin(), raw.end());
    std::copy(raw.begin(), raw.end(), bytes_.begin() + offset);
  }
  void text(std::size_t offset, const char* text, std::size_t size) { std::memcpy(bytes_.data() + offset, text, size); }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
  bool big_;
};

}  // namespace

Bytes bytes_of(const Nifti& n) {
  const bool one = n.version == 1;
  Fields f(one ? 352 : 544, n.big_endian);
  f.set<std::int32_t>(0, n.sizeof_hdr != 0 ? n.sizeof_hdr : (one ? 348 : 540));
  if (one) {
    for (int d = 0; d < 8; ++d) f.set(40 + 2 * d, static_cast<std::int16_t>(n.dim[d]));
    f.set(70, static_cast<std::int16_t>(n.datatype));
    f.set(72, static_cast<std::int16_t>(n.bitpix));
    for (int d = 0; d < 4; ++d) f.set(76 + 4 * d, static_cast<float>(n.pixdim[d]));
    f.set(108, n.vox_offset != 0 ? static_cast<float>(n.vox_offset) : (n.magic == "ni1" ? 0.0F : 352.0F));
    f.set(112, static_cast<float>(n.slope));
    f.set(116, static_cast<float>(n.intercept));
    f.set(123, static_cast<std::uint8_t>(n.units));
    f.set(252, static_cast<std::int16_t>(n.qform_code));
    f.set(254, static_cast<std::int16_t>(n.sform_code));
    for (int r = 0; r < 3; ++r) {
      f.set(256 + 4 * r, static_cast<float>(n.quatern[r]));
      f.set(268 + 4 * r, static_cast<float>(n.qoffset[r]));
      for (int c = 0; c < 4; ++c) f.set(280 + 16 * r + 4 * c, static_cast<float>(n.srow[r][c]));
    }
    f.text(344, n.magic.c_str(), 4);
  } else {
    f.text(4, n.magic == "n+1" ? "n+2\0\r\n\032\n" : n.magic.c_str(), n.magic == "n+1" ? 8 : n.magic.size());
    f.set(12, static_cast<std::int16_t>(n.datatype));
    f.set(14, static_cast<std::int16_t>(n.bitpix));
    for (int d = 0; d < 8; ++d) f.set<std::int64_t>(16 + 8 * d, n.dim[d]);
    for (int d = 0; d < 4; ++d) f.set(104 + 8 * d, n.pixdim[d]);
    f.set<std::int64_t>(168, n.vox_offset != 0 ? static_cast<std::int64_t>(n.vox_offset) : 544);
    f.set(176, n.slope);
    f.set(184, n.intercept);
    f.set<std::int32_t>(344, n.qform_code);
    f.set<std::int32_t>(348, n.sform_code);
    for (int r = 0; r < 3; ++r) {
      f.set(352 + 8 * r, n.quatern[r]);
      f.set(376 + 8 * r, n.qoffset[r]);
      for (int c = 0; c < 4; ++c) f.set(400 + 32 * r + 8 * c, n.srow[r][c]);
    }
    f.set<std::int32_t>(500, n.units);
  }
  Bytes out = f.take();
  out.insert(out.end(), n.voxels.begin(), n.voxels.end());
  return out;
}

void write(const fs::path& path, std::span<const std::uint8_t> bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

Bytes read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool said(const VolumeHeader& header, VolumeWarningCode code) {
  return std::any_of(header.warnings.begin(), header.warnings.end(),
                     [&](const VolumeWarning& warning) { return warning.code == code; });
}

Dump read_dump(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string line;
  std::getline(in, line);
  std::istringstream text(line);
  Grid grid;
  std::size_t channels = 0;
  text >> grid.size[0] >> grid.size[1] >> grid.size[2] >> channels;
  for (int x = 0; x < 3; ++x)
    text >> grid.step_mm[0][x] >> grid.step_mm[1][x] >> grid.step_mm[2][x] >> grid.origin_mm[x];
  Dump dump;
  for (std::size_t c = 0; c < channels; ++c) {
    Volume<float> volume{grid, std::vector<float>(grid.voxels()), ""};
    in.read(reinterpret_cast<char*>(volume.values.data()), static_cast<std::streamsize>(volume.values.size() * 4));
    dump.channels.push_back(std::move(volume));
  }
  return dump;
}

bool has_nibabel() {
  return std::system("/usr/bin/python3 -c 'import nibabel' 2>/dev/null") == 0;
}

bool peer(const std::string& arguments) {
  return std::system(
             ("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/image/volume/volume_peers.py " + arguments).c_str()) == 0;
}

}  // namespace rouage::image::made
