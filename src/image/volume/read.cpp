#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include "base/error.h"
#include "image/volume/stored.h"

namespace rouage::image {
namespace {

/// Calls put(n, value) for each scalar of one piece, the value in its stored type.
template <class Raw, class Put>
void each(std::span<const std::uint8_t> bytes, const Put& put) {
  for (std::size_t n = 0; n < bytes.size() / sizeof(Raw); ++n) {
    Raw value;
    std::memcpy(&value, bytes.data() + n * sizeof(Raw), sizeof(Raw));
    put(n, value);
  }
}

template <class Put>
void each_scalar(ScalarType type, std::span<const std::uint8_t> bytes, const Put& put) {
  switch (type) {
    case ScalarType::uint8:
      return each<std::uint8_t>(bytes, put);
    case ScalarType::int8:
      return each<std::int8_t>(bytes, put);
    case ScalarType::uint16:
      return each<std::uint16_t>(bytes, put);
    case ScalarType::int16:
      return each<std::int16_t>(bytes, put);
    case ScalarType::uint32:
      return each<std::uint32_t>(bytes, put);
    case ScalarType::int32:
      return each<std::int32_t>(bytes, put);
    case ScalarType::uint64:
      return each<std::uint64_t>(bytes, put);
    case ScalarType::int64:
      return each<std::int64_t>(bytes, put);
    case ScalarType::float32:
      return each<float>(bytes, put);
    case ScalarType::float64:
      return each<double>(bytes, put);
  }
}

bool scaled(const VolumeHeader& header) {
  return header.slope != 1 || header.intercept != 0;
}

/// One piece of scalars as floats.
void to_floats(const VolumeHeader& header, std::span<const std::uint8_t> bytes, std::span<float> out) {
  const double slope = header.slope, intercept = header.intercept;
  if (scaled(header))
    each_scalar(header.type, bytes, [&](std::size_t n, auto value) {
      out[n] = static_cast<float>(static_cast<double>(value) * slope + intercept);
    });
  else
    each_scalar(header.type, bytes, [&](std::size_t n, auto value) { out[n] = static_cast<float>(value); });
}

std::vector<Volume<float>> floats_of(const StoredVolume& stored) {
  const VolumeHeader& header = stored.header;
  const std::size_t voxels = static_cast<std::size_t>(header.grid.voxels()), channels = header.channels;
  std::vector<Volume<float>> volumes(channels);
  for (auto& volume : volumes) volume = {header.grid, std::vector<float>(voxels), ""};
  VoxelReader reader(stored);
  if (!stored.channel_fastest || channels == 1) {
    for (auto& volume : volumes)
      for (std::size_t done = 0; done < voxels;) {
        const std::size_t now = std::min(voxels - done, reader.most());
        to_floats(header, reader.next(now), std::span(volume.values).subspan(done, now));
        done += now;
      }
  } else {
    std::vector<float> mixed(reader.most());
    const std::size_t all = voxels * channels;
    for (std::size_t done = 0; done < all;) {
      const std::size_t now = std::min(all - done, reader.most());
      to_floats(header, reader.next(now), std::span(mixed).first(now));
      for (std::size_t n = 0; n < now; ++n, ++done) volumes[done % channels].values[done / channels] = mixed[n];
    }
  }
  reader.finish();
  return volumes;
}

std::string voxel_text(const Grid& grid, std::size_t index) {
  const std::size_t row = index / grid.size[0];
  return "voxel (" + std::to_string(index % grid.size[0]) + ", " + std::to_string(row % grid.size[1]) + ", " +
         std::to_string(row / grid.size[1]) + ")";
}

constexpr std::uint16_t kMostLabel = 65535;

/// Index of the first scalar that is no label, or `bytes`' count: the hot loop only marks, the message comes later.
struct LabelPiece {
  std::size_t bad = std::numeric_limits<std::size_t>::max();
  double value = 0;
};

LabelPiece to_labels(const VolumeHeader& header, std::span<const std::uint8_t> bytes, std::span<std::uint16_t> out) {
  const double slope = header.slope, intercept = header.intercept;
  LabelPiece piece;
  const auto take_scaled = [&](std::size_t n, auto value) {
    const double label = static_cast<double>(value) * slope + intercept;
    if (label >= 0 && label <= kMostLabel && label == std::floor(label))
      out[n] = static_cast<std::uint16_t>(label);
    else if (n < piece.bad)
      piece = {n, label};
  };
  const auto take_plain = [&](std::size_t n, auto value) {
    if constexpr (std::is_unsigned_v<decltype(value)> && sizeof(value) <= sizeof(std::uint16_t)) {
      out[n] = value;  // nothing to check: the loop is a copy
    } else if constexpr (std::is_integral_v<decltype(value)>) {
      if (!std::in_range<std::uint16_t>(value) && n < piece.bad) piece = {n, static_cast<double>(value)};
      out[n] = static_cast<std::uint16_t>(static_cast<std::make_unsigned_t<decltype(value)>>(value));
    } else {
      take_scaled(n, value);
    }
  };
  if (scaled(header))
    each_scalar(header.type, bytes, take_scaled);
  else
    each_scalar(header.type, bytes, take_plain);
  return piece;
}

void need_one_channel(const VolumeHeader& header, const char* instead) {
  if (header.channels != 1)
    refuse_volume("it holds " + std::to_string(header.channels) + " channels where one is wanted", instead);
}

LabelMap labels_of(const StoredVolume& stored) {
  const VolumeHeader& header = stored.header;
  need_one_channel(header, "export the label map as a volume with one label a voxel");
  LabelMap map{header.grid, std::vector<std::uint16_t>(static_cast<std::size_t>(header.grid.voxels())), ""};
  VoxelReader reader(stored);
  for (std::size_t done = 0; done < map.values.size();) {
    const std::size_t now = std::min(map.values.size() - done, reader.most());
    const LabelPiece piece = to_labels(header, reader.next(now), std::span(map.values).subspan(done, now));
    if (piece.bad < now)
      refuse_volume(voxel_text(header.grid, done + piece.bad) + " holds " + number_text(piece.value) +
                        ", which is no label: labels are whole numbers from 0 to 65535",
                    "give a label map, not an image or a probability map");
    done += now;
  }
  reader.finish();
  return map;
}

/// The room's edge: errors get the file's name, and no memory is said as what it is.
template <class Work>
auto on_file(const std::filesystem::path& path, const VolumeLimits& limits, const Work& work) {
  try {
    const StoredVolume stored = parse_volume(path);
    check_stored(stored, limits);
    return work(stored);
  } catch (Error& error) {
    throw error.file(path);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::MemoryBudget, "the volume does not fit into memory").file(path);
  }
}

constexpr std::array<std::string_view, 8> kEndings{".nii", ".nii.gz", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd"};

}  // namespace

bool is_volume_name(const std::filesystem::path& path) {
  const std::string name = lower_case(path.filename().string());
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view end) { return name.ends_with(end); });
}

StoredVolume parse_volume(const std::filesystem::path& path) {
  const std::string name = lower_case(path.filename().string());
  if (name.ends_with(".nrrd") || name.ends_with(".nhdr")) return parse_nrrd(path);
  if (name.ends_with(".mha") || name.ends_with(".mhd")) return parse_metaimage(path);
  if (is_volume_name(path)) return parse_nifti(path);
  refuse_volume("its name ends like no volume that is read", "name it .nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha or .mhd");
}

VolumeHeader read_volume_header(const std::filesystem::path& path, const VolumeLimits& limits) {
  return on_file(path, limits, [](const StoredVolume& stored) { return stored.header; });
}

Grid read_grid(const std::filesystem::path& path, const VolumeLimits& limits) {
  return read_volume_header(path, limits).grid;
}

Volume<float> read_volume(const std::filesystem::path& path, const VolumeLimits& limits) {
  return on_file(path, limits, [](const StoredVolume& stored) {
    need_one_channel(stored.header, "give each channel as a file of its own, or read it as channels");
    return std::move(floats_of(stored).front());
  });
}

std::vector<Volume<float>> read_channels(const std::filesystem::path& path, const VolumeLimits& limits) {
  return on_file(path, limits, [](const StoredVolume& stored) { return floats_of(stored); });
}

LabelMap read_label_map(const std::filesystem::path& path, const VolumeLimits& limits) {
  return on_file(path, limits, [](const StoredVolume& stored) { return labels_of(stored); });
}

}  // namespace rouage::image
