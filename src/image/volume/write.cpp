#include <algorithm>
#include <bit>
#include <new>

#include "base/error.h"
#include "image/volume/stored.h"
#include "image/volume/volume_file.h"

namespace rouage::image {
namespace {

static_assert(std::endian::native == std::endian::little, "voxels are written as they lie in memory");

template <class T>
std::span<const std::uint8_t> bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()};
}

std::string vector_text(const Point3& v) {
  return "(" + number_text(v[0]) + "," + number_text(v[1]) + "," + number_text(v[2]) + ")";
}
std::string sizes_text(const Grid& grid) {
  return std::to_string(grid.size[0]) + " " + std::to_string(grid.size[1]) + " " + std::to_string(grid.size[2]);
}

/// A value of NRRD's key/value pairs: one line, with the format's own escapes.
std::string one_line(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else if (c != '\r')
      out += c;
  }
  return out;
}

bool ends(const std::filesystem::path& path, std::string_view ending) {
  return lower_case(path.filename().string()).ends_with(ending);
}

void check_plan(const std::filesystem::path& path, const VolumePlan& plan) {
  if (!ends(path, ".nii") && !ends(path, ".nii.gz") && !ends(path, ".nrrd") && !ends(path, ".mha"))
    refuse_volume("its name ends like no volume that is written", "name it .nii.gz, .nii, .nrrd or .mha");
  for (const std::uint32_t size : plan.grid.size)
    if (size == 0 || size > std::numeric_limits<std::int32_t>::max())
      refuse_volume("an axis of its grid has no voxels");
  check_grid(plan.grid);
  for (const LabelName& label : plan.labels)
    if (label.name.empty() || !valid_utf8(label.name) || label.name.find('\0') != label.name.npos)
      refuse_volume("the name of label " + std::to_string(label.value) + " is empty or no UTF-8");
}

/// check_plan before the sink makes a file.
const std::filesystem::path& checked(const std::filesystem::path& path, const VolumePlan& plan) {
  check_plan(path, plan);
  return path;
}

}  // namespace

std::string nrrd_header(const VolumePlan& plan) {
  const Grid& grid = plan.grid;
  std::string text = "NRRD0005\n# Rouage\n";
  const bool labels = !plan.labels.empty();
  text += "type: " + std::string(plan.type == ScalarType::float32 ? "float" : scalar_name(plan.type)) + "\n";
  text += "dimension: 3\nspace: left-posterior-superior\nsizes: " + sizes_text(grid) + "\n";
  text += "space directions: " + vector_text(grid.step_mm[0]) + " " + vector_text(grid.step_mm[1]) + " " +
          vector_text(grid.step_mm[2]) + "\n";
  text += "kinds: domain domain domain\nendian: little\nencoding: gzip\nspace origin: " + vector_text(grid.origin_mm) +
          "\n";
  for (std::size_t n = 0; labels && n < plan.labels.size(); ++n) {
    const std::string segment = "Segment" + std::to_string(n) + "_";
    text += segment + "ID:=" + segment.substr(0, segment.size() - 1) + "\n";
    text += segment + "LabelValue:=" + std::to_string(plan.labels[n].value) + "\n";
    text += segment + "Layer:=0\n";
    text += segment + "Name:=" + one_line(plan.labels[n].name) + "\n";
  }
  return text + "\n";
}

MetaHeader metaimage_header(const VolumePlan& plan) {
  const Grid& grid = plan.grid;
  const Point3 spacing = grid.spacing_mm();
  std::string matrix, steps, offset, letters = grid.orientation();
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t x = 0; x < 3; ++x) matrix += " " + number_text(grid.step_mm[a][x] / spacing[a]);
    steps += " " + number_text(spacing[a]);
    offset += " " + number_text(grid.origin_mm[a]);
    letters[a] = "RLAPIS"[std::string_view("LRPASI").find(letters[a])];  // ITK's letters: where an axis comes from
  }
  const char* type = plan.type == ScalarType::uint8    ? "MET_UCHAR"
                     : plan.type == ScalarType::uint16 ? "MET_USHORT"
                     : plan.type == ScalarType::int16  ? "MET_SHORT"
                                                       : "MET_FLOAT";
  MetaHeader header;
  header.text = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n";
  header.text += "CompressedData = True\nCompressedDataSize = ";
  header.size_at = header.text.size();
  header.text += std::string(kMetaSizeDigits, '0');
  header.text += "\nTransformMatrix =" + matrix + "\nOffset =" + offset + "\nCenterOfRotation = 0 0 0\n";
  header.text += "AnatomicalOrientation = " + letters + "\nElementSpacing =" + steps + "\n";
  header.text += "DimSize = " + sizes_text(grid) + "\nElementType = " + type + "\nElementDataFile = LOCAL\n";
  return header;
}

VolumeFile::VolumeFile(const std::filesystem::path& path, const VolumePlan& plan) : sink_(checked(path, plan)) {
  const int level = plan.options.level;
  packed_ = !ends(path, ".nii");
  if (ends(path, ".nrrd")) {
    sink_.put(nrrd_header(plan));
    sink_.pack(Packing::gzip, level);
  } else if (ends(path, ".mha")) {
    const MetaHeader header = metaimage_header(plan);
    size_at_ = header.size_at;
    sink_.put(header.text);
    sink_.pack(Packing::zlib, level);
  } else {
    const Bytes header = nifti_header(plan);
    if (packed_) sink_.pack(Packing::gzip, level);
    sink_.put(header);
  }
}

void VolumeFile::finish() {
  const std::uint64_t packed = packed_ ? sink_.end_packing() : 0;
  if (size_at_) {
    std::string digits = std::to_string(packed);
    digits.insert(0, kMetaSizeDigits - digits.size(), '0');
    sink_.overwrite(*size_at_, digits);
  }
  sink_.publish();
}

namespace {

/// The room's edge: the file's name on every error.
template <class Work>
auto on_file(const std::filesystem::path& path, const Work& work) {
  try {
    return work();
  } catch (Error& error) {
    throw error.file(path);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::MemoryBudget, "the volume does not fit into memory").file(path);
  }
}

template <class T>
void write_whole(const std::filesystem::path& path, const Volume<T>& volume, ScalarType type,
                 const VolumeWriteOptions& options) {
  on_file(path, [&] {
    if (volume.values.size() != volume.grid.voxels()) refuse_volume("its values are not as many as its grid's voxels");
    VolumeFile file(path, {.grid = volume.grid, .type = type, .options = options});
    file.add(bytes_of(std::span<const T>(volume.values)));
    file.finish();
  });
}

}  // namespace

void write_volume(const std::filesystem::path& path, const Volume<float>& volume, const VolumeWriteOptions& options) {
  write_whole(path, volume, ScalarType::float32, options);
}

void write_volume(const std::filesystem::path& path, const Volume<std::int16_t>& volume,
                  const VolumeWriteOptions& options) {
  write_whole(path, volume, ScalarType::int16, options);
}

void write_label_map(const std::filesystem::path& path, const LabelMap& map, const LabelMapWriteOptions& options) {
  on_file(path, [&] {
    if (map.values.size() != map.grid.voxels()) refuse_volume("its values are not as many as its grid's voxels");
  });
  LabelMapWriteOptions whole = options;
  whole.largest_label = map.values.empty() ? std::uint16_t{0} : *std::max_element(map.values.begin(), map.values.end());
  LabelMapWriter writer(path, map.grid, whole);
  for (std::uint32_t k = 0; k < map.grid.size[2]; ++k) writer.add_slice(map.slice(k));
  writer.finish();
}

namespace {

constexpr std::uint16_t kNarrowBelow = 255;  // nnU-Net's own bound

VolumePlan plan_of(const Grid& grid, const LabelMapWriteOptions& options) {
  return {.grid = grid,
          .type = options.largest_label < kNarrowBelow ? ScalarType::uint8 : ScalarType::uint16,
          .label_map = true,
          .labels = options.labels,
          .options = options.file};
}

}  // namespace

struct LabelMapWriter::State {
  State(const std::filesystem::path& out, const Grid& on, const LabelMapWriteOptions& options)
      : path(out), grid(on), largest(options.largest_label), file(out, plan_of(on, options)) {}
  std::filesystem::path path;
  Grid grid;
  std::uint16_t largest;
  std::uint32_t slices = 0;
  VolumeFile file;
  Bytes narrow;
};

LabelMapWriter::LabelMapWriter(const std::filesystem::path& path, const Grid& grid, const LabelMapWriteOptions& options)
    : state_(on_file(path, [&] { return std::make_unique<State>(path, grid, options); })) {}

LabelMapWriter::~LabelMapWriter() = default;
LabelMapWriter::LabelMapWriter(LabelMapWriter&&) noexcept = default;

void LabelMapWriter::add_slice(std::span<const std::uint16_t> labels) {
  State& s = *state_;
  on_file(s.path, [&] {
    if (labels.size() != std::uint64_t{s.grid.size[0]} * s.grid.size[1])
      refuse_volume("a slice of " + std::to_string(labels.size()) + " labels does not fit its grid");
    if (s.slices == s.grid.size[2]) refuse_volume("one slice more than its grid has");
    const auto largest = std::max_element(labels.begin(), labels.end());
    if (*largest > s.largest)
      refuse_volume("label " + std::to_string(*largest) + " is larger than the largest that was announced, " +
                    std::to_string(s.largest));
    ++s.slices;
    if (s.largest >= kNarrowBelow) {
      s.file.add(bytes_of(labels));
      return;
    }
    s.narrow.resize(labels.size());
    std::transform(labels.begin(), labels.end(), s.narrow.begin(),
                   [](std::uint16_t label) { return static_cast<std::uint8_t>(label); });
    s.file.add(s.narrow);
  });
}

void LabelMapWriter::finish() {
  State& s = *state_;
  on_file(s.path, [&] {
    if (s.slices != s.grid.size[2])
      refuse_volume("only " + std::to_string(s.slices) + " of " + std::to_string(s.grid.size[2]) +
                    " slices were given");
    s.file.finish();
  });
}

}  // namespace rouage::image
