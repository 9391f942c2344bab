#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "image/volume/nifti.h"
#include "image/volume/stored.h"

namespace rouage::image {
namespace {

constexpr std::size_t kSize1 = 348, kSize2 = 540;

/// Fields of a header at their offsets, in its byte order.
class Fields {
 public:
  Fields(std::span<const std::uint8_t> bytes, bool swap) : bytes_(bytes), swap_(swap) {}
  template <class T>
  T at(std::size_t offset) const {
    std::array<std::uint8_t, sizeof(T)> raw{};
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), sizeof(T), raw.begin());
    if (swap_) std::reverse(raw.begin(), raw.end());
    return std::bit_cast<T>(raw);
  }
  std::string_view text(std::size_t offset, std::size_t size) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + offset, size};
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool swap_;
};

/// The fields that matter, of either version.
struct NiftiFields {
  NiftiGeometry geometry;
  std::array<std::int64_t, 8> dim{};
  int datatype = 0, bitpix = 0;
  double vox_offset = 0, slope = 0, intercept = 0;
  bool pair = false, big_endian = false;
};

NiftiFields read_version_1(const Fields& at) {
  NiftiFields f;
  for (std::size_t n = 0; n < 8; ++n) f.dim[n] = at.at<std::int16_t>(40 + 2 * n);
  f.datatype = at.at<std::int16_t>(70);
  f.bitpix = at.at<std::int16_t>(72);
  for (std::size_t n = 0; n < 4; ++n) f.geometry.pixdim[n] = static_cast<double>(at.at<float>(76 + 4 * n));
  f.vox_offset = static_cast<double>(at.at<float>(108));
  f.slope = static_cast<double>(at.at<float>(112));
  f.intercept = static_cast<double>(at.at<float>(116));
  f.geometry.xyzt_units = at.at<std::uint8_t>(123);
  f.geometry.qform_code = at.at<std::int16_t>(252);
  f.geometry.sform_code = at.at<std::int16_t>(254);
  for (std::size_t n = 0; n < 3; ++n) {
    f.geometry.quatern[n] = static_cast<double>(at.at<float>(256 + 4 * n));
    f.geometry.qoffset[n] = static_cast<double>(at.at<float>(268 + 4 * n));
    for (std::size_t a = 0; a < 4; ++a) f.geometry.srow[n][a] = static_cast<double>(at.at<float>(280 + 16 * n + 4 * a));
  }
  const std::string_view magic = at.text(344, 4);
  if (magic != std::string_view("n+1\0", 4) && magic != std::string_view("ni1\0", 4))
    refuse_volume("its header has no NIfTI mark (ANALYZE 7.5 does not say left from right)",
                  "export it again as NIfTI");
  f.pair = magic[1] == 'i';
  return f;
}

NiftiFields read_version_2(const Fields& at) {
  NiftiFields f;
  f.geometry.version = 2;
  const std::string_view magic = at.text(4, 8);
  if (magic != std::string_view("n+2\0\r\n\032\n", 8) && magic != std::string_view("ni2\0\r\n\032\n", 8))
    refuse_volume("its NIfTI-2 mark is damaged", "fetch the file again, not as text");
  f.pair = magic[1] == 'i';
  f.datatype = at.at<std::int16_t>(12);
  f.bitpix = at.at<std::int16_t>(14);
  for (std::size_t n = 0; n < 8; ++n) f.dim[n] = at.at<std::int64_t>(16 + 8 * n);
  for (std::size_t n = 0; n < 4; ++n) f.geometry.pixdim[n] = at.at<double>(104 + 8 * n);
  f.vox_offset = static_cast<double>(at.at<std::int64_t>(168));
  f.slope = at.at<double>(176);
  f.intercept = at.at<double>(184);
  f.geometry.qform_code = at.at<std::int32_t>(344);
  f.geometry.sform_code = at.at<std::int32_t>(348);
  for (std::size_t n = 0; n < 3; ++n) {
    f.geometry.quatern[n] = at.at<double>(352 + 8 * n);
    f.geometry.qoffset[n] = at.at<double>(376 + 8 * n);
    for (std::size_t a = 0; a < 4; ++a) f.geometry.srow[n][a] = at.at<double>(400 + 32 * n + 8 * a);
  }
  f.geometry.xyzt_units = static_cast<std::uint8_t>(at.at<std::int32_t>(500) & 0xFF);
  return f;
}

NiftiFields read_fields(ByteSource& source) {
  Bytes bytes(kSize1);
  source.read(bytes);
  std::int32_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  const auto swapped = std::bit_cast<std::int32_t>(__builtin_bswap32(std::bit_cast<std::uint32_t>(size)));
  const bool swap = swapped == static_cast<std::int32_t>(kSize1) || swapped == static_cast<std::int32_t>(kSize2);
  if (swap) size = swapped;
  if (size != static_cast<std::int32_t>(kSize1) && size != static_cast<std::int32_t>(kSize2))
    refuse_volume("it begins with no NIfTI header (sizeof_hdr is " + std::to_string(size) + ")");
  if (size == static_cast<std::int32_t>(kSize2)) {
    bytes.resize(kSize2);
    source.read(std::span(bytes).subspan(kSize1));
  }
  const Fields at(bytes, swap);
  NiftiFields fields = size == static_cast<std::int32_t>(kSize1) ? read_version_1(at) : read_version_2(at);
  fields.big_endian = swap != (std::endian::native == std::endian::big);
  return fields;
}

ScalarType scalar_of(int datatype, int bitpix) {
  struct Known {
    int code;
    ScalarType type;
  };
  constexpr std::array<Known, 10> kKnown{{{2, ScalarType::uint8},
                                          {4, ScalarType::int16},
                                          {8, ScalarType::int32},
                                          {16, ScalarType::float32},
                                          {64, ScalarType::float64},
                                          {256, ScalarType::int8},
                                          {512, ScalarType::uint16},
                                          {768, ScalarType::uint32},
                                          {1024, ScalarType::int64},
                                          {1280, ScalarType::uint64}}};
  for (const Known& known : kKnown)
    if (known.code == datatype) {
      if (bitpix != static_cast<int>(8 * scalar_bytes(known.type)))
        refuse_volume("bitpix is " + std::to_string(bitpix) + ", which is not the size of datatype " +
                      std::to_string(datatype));
      return known.type;
    }
  refuse_volume("datatype " + std::to_string(datatype) + " (bits, colours, complex or long numbers) is not read",
                "convert it to integers or floats of at most 64 bits");
}

void take_sizes(const NiftiFields& f, VolumeHeader& header) {
  const std::int64_t dims = f.dim[0];
  if (dims < 1 || dims > 7) refuse_volume("dim[0] is " + std::to_string(dims));
  if (dims < 3)
    refuse_volume("it has " + std::to_string(dims) + " dimensions: a picture, and the step between slices is not known",
                  "give a volume, or a slice with three dimensions");
  std::array<std::int64_t, 8> size{};
  for (std::size_t n = 1; n < 8; ++n) {
    size[n] = n <= static_cast<std::size_t>(dims) ? f.dim[n] : 1;
    if (size[n] < 1 || size[n] > std::numeric_limits<std::int32_t>::max())
      refuse_volume("dim[" + std::to_string(n) + "] is " + std::to_string(size[n]));
  }
  if (size[6] > 1 || size[7] > 1 || (size[4] > 1 && size[5] > 1))
    refuse_volume("it has more than one axis beside space", "split it into volumes or channels");
  for (std::size_t a = 0; a < 3; ++a) header.grid.size[a] = static_cast<std::uint32_t>(size[a + 1]);
  header.channels = static_cast<std::uint32_t>(size[4] * size[5]);
}

double unit_of(const NiftiFields& f, VolumeHeader& header) {
  switch (f.geometry.xyzt_units & 7) {
    case 1:
      say(header, VolumeWarningCode::unit_converted, "lengths are in metres and were converted to mm");
      return 1000;
    case 2:
      return 1;
    case 3:
      say(header, VolumeWarningCode::unit_converted, "lengths are in micrometres and were converted to mm");
      return 0.001;
    default:
      say(header, VolumeWarningCode::unit_unknown, "the unit of length is not said; mm are taken");
      return 1;
  }
}

bool usable(const Affine& affine, const VolumeHeader& header, double unit) {
  try {
    check_grid(grid_of(affine, header.grid.size, unit));
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Neither form: the convention of nibabel, the centre of the volume at 0 and i to the left.
Affine form_of_nothing(const NiftiGeometry& g, const VolumeHeader& header) {
  Affine affine{};
  for (std::size_t a = 0; a < 3; ++a) {
    affine[a][a] = std::abs(g.pixdim[a + 1]) * (a == 0 ? -1 : 1);
    affine[a][3] = -affine[a][a] * (header.grid.size[a] - 1.0) / 2;
  }
  return affine;
}

std::string tenths(double mm) {
  return fixed_text(mm, 1) + " mm";
}

Affine place_of(const NiftiGeometry& g, VolumeHeader& header, double unit) {
  const std::optional<Affine> qform = g.qform_code > 0 ? qform_affine(g) : std::nullopt;
  const bool qform_usable = qform && usable(*qform, header, unit);
  if (g.sform_code > 0) {
    const Affine sform = sform_affine(g);
    if (usable(sform, header, unit)) {
      if (qform_usable) {
        const double apart =
            furthest_corner_mm(grid_of(sform, header.grid.size, unit), grid_of(*qform, header.grid.size, unit));
        constexpr double kSaidFrom = 0.1;
        if (!(apart <= kSaidFrom))
          say(header, VolumeWarningCode::forms_disagree,
              "sform and qform place voxels up to " + tenths(apart) + " apart; the sform is used");
      }
      return sform;
    }
    if (!qform_usable) refuse_volume("its sform is not finite or its axes do not span space, and no qform helps");
    say(header, VolumeWarningCode::form_unusable,
        "the sform is not finite or its axes do not span space; the qform is used");
  }
  if (g.qform_code > 0 && !qform_usable) refuse_volume("its qform (quatern, qoffset, pixdim) says no place");
  if (qform_usable) return *qform;
  say(header, VolumeWarningCode::place_unknown,
      "neither sform nor qform: the place in the patient is not known, nor left from right; as nibabel, i is taken to "
      "run to the left and the centre to be 0");
  return form_of_nothing(g, header);
}

void take_place(const NiftiFields& f, VolumeHeader& header) {
  const double unit = unit_of(f, header);
  const NiftiGeometry& g = f.geometry;
  if (g.pixdim[1] < 0 || g.pixdim[2] < 0 || g.pixdim[3] < 0)
    say(header, VolumeWarningCode::spacing_sign, "pixdim is negative; its absolute value is taken");
  header.grid = grid_of(place_of(g, header, unit), header.grid.size, unit);
  const Point3 steps = header.grid.spacing_mm();
  bool disagree = false;
  for (std::size_t a = 0; a < 3; ++a) {
    header.spacing_mm[a] = std::abs(g.pixdim[a + 1]) * unit;
    constexpr double kSaidFrom = 1e-3;  // of the step
    disagree = disagree || !(std::abs(header.spacing_mm[a] - steps[a]) <= kSaidFrom * steps[a]);
    if (!(header.spacing_mm[a] > 0 && std::isfinite(header.spacing_mm[a]))) header.spacing_mm[a] = steps[a];
  }
  if (disagree)
    say(header, VolumeWarningCode::spacing_disagrees, "pixdim is not the length of the axes; the axes count");
}

void take_scaling(const NiftiFields& f, VolumeHeader& header) {
  if (f.slope == 0 || !std::isfinite(f.slope)) return;  // the standard's "no scaling"
  if (!std::isfinite(f.intercept)) refuse_volume("scl_inter is not finite");
  header.slope = f.slope;
  header.intercept = f.intercept;
}

std::uint64_t voxel_offset(const NiftiFields& f) {
  const double least = f.pair ? 0 : (f.geometry.version == 1 ? 352 : 544);
  const double offset = f.vox_offset == 0 ? least : f.vox_offset;
  constexpr double kMost = 1e15;
  if (!(offset >= least && offset <= kMost) || offset != std::floor(offset))
    refuse_volume("vox_offset is " + number_text(f.vox_offset));
  return static_cast<std::uint64_t>(offset);
}

bool begins_as_gzip(const std::filesystem::path& path) {
  std::array<std::uint8_t, 2> start{};
  return ByteSource(path, {}).read_some(start) == 2 && start[0] == 0x1F && start[1] == 0x8B;
}

std::filesystem::path with_ending(std::filesystem::path path, const char* lower, const char* upper) {
  const std::string old = path.extension().string();
  return path.replace_extension(old == lower_case(old) ? lower : upper);
}

}  // namespace

StoredVolume parse_nifti(const std::filesystem::path& path) {
  const std::string ending = lower_case(path.extension().string());
  const bool pair = ending == ".hdr" || ending == ".img";
  const std::filesystem::path head = ending == ".img" ? with_ending(path, ".hdr", ".HDR") : path;
  ByteSource source(head, {.deflated = begins_as_gzip(head)});
  const NiftiFields fields = read_fields(source);
  if (fields.pair && !pair)
    refuse_volume("its header says that the voxels lie in an .img beside it", "give the .hdr with its .img");
  StoredVolume stored;
  stored.file = fields.pair ? with_ending(head, ".img", ".IMG") : head;
  stored.deflated = begins_as_gzip(stored.file);
  stored.big_endian = fields.big_endian;
  (stored.deflated ? stored.unpacked_offset : stored.offset) = voxel_offset(fields);
  VolumeHeader& header = stored.header;
  header.format = VolumeFormat::nifti;
  header.type = scalar_of(fields.datatype, fields.bitpix);
  take_sizes(fields, header);
  take_place(fields, header);
  take_scaling(fields, header);
  header.nifti = fields.geometry;
  return stored;
}

}  // namespace rouage::image
