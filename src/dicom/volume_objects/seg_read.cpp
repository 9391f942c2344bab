/// Segmentations back into values. Sizes are compared with the bytes that are there before memory is taken.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "dicom/volume_objects/reading_items.h"
#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom {
namespace {

using image::Point3;
using reading::ElementSet;
using reading::Tag;

constexpr Tag kShared = 0x52009229, kPerFrame = 0x52009230;
constexpr double kSamePlaceMm = 0.01;

[[noreturn]] void refuse(ErrorCode code, const std::string& detail, Tag tag) {
  throw Error(code, detail).tag(reading::tag_text(tag));
}

double dot(const Point3& a, const Point3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
Point3 cross(const Point3& a, const Point3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
Point3 minus(const Point3& a, const Point3& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}

/// Directions and in-plane spacing of all frames.
struct Plane {
  Point3 along_i{}, along_j{};  ///< steps, mm
  std::optional<double> between_mm, thickness_mm;
};

/// First item of a functional group, of the frame or else the shared one.
std::optional<ElementSet> group_of(const ElementSet* frame, const ElementSet* shared, Tag tag) {
  for (const ElementSet* set : {frame, shared}) {
    if (set == nullptr) continue;
    auto items = set->items(tag, 1);
    if (!items.empty()) return std::move(items.front());
  }
  return std::nullopt;
}

Plane plane_of_frame(const ElementSet* frame, const ElementSet* shared) {
  const auto orientation = group_of(frame, shared, 0x00209116), measures = group_of(frame, shared, 0x00289110);
  const std::vector<double> cosines = orientation ? orientation->decimals(0x00200037) : std::vector<double>{};
  const std::vector<double> spacing = measures ? measures->decimals(0x00280030) : std::vector<double>{};
  if (cosines.size() != 6) refuse(ErrorCode::HeaderInvalid, "no six direction cosines", 0x00200037);
  if (spacing.size() != 2 || !(spacing[0] > 0) || !(spacing[1] > 0))
    refuse(ErrorCode::HeaderInvalid, "no pixel spacing", 0x00280030);
  Plane plane;
  for (std::size_t x = 0; x < 3; ++x) {
    plane.along_i[x] = cosines[x] * spacing[1];
    plane.along_j[x] = cosines[x + 3] * spacing[0];
  }
  const Point3 normal = cross(plane.along_i, plane.along_j);
  if (!(dot(normal, normal) > 1e-12)) refuse(ErrorCode::HeaderInvalid, "rows and columns are parallel", 0x00200037);
  const auto positive = [&](Tag tag) -> std::optional<double> {
    const auto values = measures->decimals(tag);
    if (values.empty() || !(values[0] > 0)) return std::nullopt;
    return values[0];
  };
  plane.between_mm = positive(0x00180088);
  plane.thickness_mm = positive(0x00180050);
  return plane;
}

bool same_plane(const Plane& a, const Plane& b) {
  const Point3 i = minus(a.along_i, b.along_i), j = minus(a.along_j, b.along_j);
  return dot(i, i) < 1e-8 && dot(j, j) < 1e-8;
}

/// Smallest distance of neighbours that all others are multiples of; `hint` first.
double regular_step(const std::vector<double>& places, std::optional<double> hint) {
  const auto fits = [&](double step) {
    return std::all_of(places.begin(), places.end(), [&](double place) {
      const double off = (place - places.front()) / step;
      return std::abs(off - std::round(off)) * step < 0.05 * step;
    });
  };
  if (hint && fits(*hint)) return *hint;
  double least = places.back() - places.front();
  for (std::size_t i = 1; i < places.size(); ++i) least = std::min(least, places[i] - places[i - 1]);
  if (fits(least)) return least;
  refuse(ErrorCode::VolumeInvalid, "the frames are not evenly spaced", 0x00200032);
}

image::Grid grid_of(const Plane& plane, const std::vector<ReadFrame>& frames, std::uint32_t columns,
                    std::uint32_t rows) {
  Point3 normal = cross(plane.along_i, plane.along_j);
  const double length = std::sqrt(dot(normal, normal));
  for (double& x : normal) x /= length;
  const auto below = [&](const ReadFrame& a, const ReadFrame& b) {
    return dot(a.position_mm, normal) < dot(b.position_mm, normal);
  };
  const Point3 first = std::min_element(frames.begin(), frames.end(), below)->position_mm;
  const Point3 last = std::max_element(frames.begin(), frames.end(), below)->position_mm;
  std::vector<double> places;
  places.reserve(frames.size());
  for (const ReadFrame& frame : frames) places.push_back(dot(frame.position_mm, normal));
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end(), [](double a, double b) { return b - a < kSamePlaceMm; }),
               places.end());
  image::Grid grid;
  grid.origin_mm = first;
  grid.step_mm = {plane.along_i, plane.along_j, normal};
  if (places.size() == 1) {
    const auto step = plane.between_mm ? plane.between_mm : plane.thickness_mm;
    if (!step) refuse(ErrorCode::HeaderInvalid, "one slice without its spacing or thickness", 0x00180088);
    for (double& x : grid.step_mm[2]) x *= *step;
    grid.size = {columns, rows, 1};
    return grid;
  }
  const double step = regular_step(places, plane.between_mm);
  const double steps = std::round((places.back() - places.front()) / step);
  if (!(steps < 65'536)) refuse(ErrorCode::VolumeInvalid, "more than 65,536 slices", 0x00200032);
  const Point3 way = minus(last, first);
  for (std::size_t x = 0; x < 3; ++x) grid.step_mm[2][x] = way[x] / steps;
  grid.size = {columns, rows, static_cast<std::uint32_t>(steps) + 1};
  return grid;
}

ReadSegment segment_of(const ElementSet& item, const std::string& set) {
  ReadSegment segment;
  segment.number = static_cast<int>(item.integer(0x00620004).value_or(0));
  segment.label = text_of(item, 0x00620005, set);
  segment.description = text_of(item, 0x00620006, set);
  segment.algorithm_name = text_of(item, 0x00620009, set);
  segment.tracking_id = text_of(item, 0x00620020, set);
  segment.tracking_uid = item.text(0x00620021);
  segment.codes.category = code_of(item, 0x00620003, set).value_or(Code{});
  const auto types = item.items(0x0062000F, 1);
  if (!types.empty()) {
    segment.codes.type = code_of(item, 0x0062000F, set).value_or(Code{});
    segment.codes.modifier = code_of(types.front(), 0x00620011, set);
  }
  const auto regions = item.items(0x00082218, 1);
  if (!regions.empty()) {
    segment.codes.region = code_of(item, 0x00082218, set);
    segment.codes.region_modifier = code_of(regions.front(), 0x00082220, set);
  }
  return segment;
}

ReadFrame frame_of(const ElementSet& item, const ElementSet* shared, bool label_map) {
  ReadFrame frame;
  const auto position = group_of(&item, shared, 0x00209113);
  const auto values = position ? position->decimals(0x00200032) : std::vector<double>{};
  if (values.size() != 3) refuse(ErrorCode::HeaderInvalid, "a frame without its place", 0x00200032);
  frame.position_mm = {values[0], values[1], values[2]};
  if (!label_map) {
    const auto identification = group_of(&item, shared, 0x0062000A);
    frame.segment = identification ? static_cast<int>(identification->integer(0x0062000B).value_or(0)) : 0;
    if (frame.segment < 1) refuse(ErrorCode::HeaderInvalid, "a frame without its segment", 0x0062000B);
  }
  if (const auto content = group_of(&item, nullptr, 0x00209111))
    if (const auto* index = content->find(0x00209157); index != nullptr && index->value.size() >= 4)
      frame.dimension_position =
          reading::load_u32(index->value, index->value.size() / 4 * 4 - 4, content->encoding().big_endian);
  if (const auto derivation = group_of(&item, shared, 0x00089124)) {
    const auto sources = derivation->items(0x00082112, 1);
    if (!sources.empty()) {
      frame.source.sop_class_uid = sources[0].text(0x00081150);
      frame.source.sop_instance_uid = sources[0].text(0x00081155);
      const auto numbers = sources[0].decimals(0x00081160);
      frame.source.frame = numbers.empty() ? 0 : static_cast<int>(numbers[0]);
    }
  }
  return frame;
}

/// Bits a voxel, after the attributes that would make the pixels something else.
int checked_bits(const reading::ParsedFile& file, bool label_map) {
  const ElementSet& set = file.dataset;
  if (file.syntax.coding != reading::PixelCoding::native || file.syntax.pixels_big_endian)
    refuse(ErrorCode::PixelDataUnsupported, "segmentations are read in native little endian only", 0x00020010);
  const std::int64_t bits = set.integer(0x00280100).value_or(0);
  const bool fits = label_map ? bits == 8 || bits == 16 : bits == 1;
  if (!fits) refuse(ErrorCode::PixelDataUnsupported, fmt::format("{} bits a voxel", bits), 0x00280100);
  if (set.integer(0x00280002).value_or(1) != 1) refuse(ErrorCode::PixelDataUnsupported, "several samples", 0x00280002);
  return static_cast<int>(bits);
}

void read_pixels(ReadSeg& seg, const ElementSet& set, std::uint32_t columns, std::uint32_t rows) {
  std::uint64_t bits = 0;
  if (!multiply_checked({seg.frames.size(), columns, rows, static_cast<std::uint64_t>(seg.bits_allocated)}, bits))
    refuse(ErrorCode::HeaderInvalid, "the frames have no size", 0x00280010);
  const std::uint64_t needed = bits / 8 + (bits % 8 != 0 ? 1 : 0);
  const reading::Element* pixels = set.find(reading::kPixelData);
  if (pixels == nullptr || pixels->value.size() < needed)
    refuse(ErrorCode::PixelDataTruncated,
           fmt::format("{} bytes of pixels, {} needed", pixels == nullptr ? 0 : pixels->value.size(), needed),
           reading::kPixelData);
  const auto used = pixels->value.first(static_cast<std::size_t>(needed));
  seg.pixels.assign(used.begin(), used.end());
}

void read_frames(ReadSeg& seg, const ElementSet& set, std::size_t most, std::uint32_t columns, std::uint32_t rows) {
  const auto shared_items = set.items(kShared, 1);
  const ElementSet* shared = shared_items.empty() ? nullptr : &shared_items.front();
  const auto items = set.items(kPerFrame, most + 1);
  if (items.empty() || items.size() > most)
    refuse(ErrorCode::HeaderInvalid, fmt::format("{} frames or more, limit {}", items.size(), most), kPerFrame);
  const auto claimed = set.decimals(0x00280008);
  if (claimed.empty() || claimed[0] != static_cast<double>(items.size()))
    refuse(ErrorCode::HeaderInvalid, "the number of frames is not that of their descriptions", 0x00280008);
  const Plane plane = plane_of_frame(&items.front(), shared);
  for (const ElementSet& item : items) {
    if (item.find(0x00209116) != nullptr && !same_plane(plane_of_frame(&item, shared), plane))
      refuse(ErrorCode::VolumeInvalid, "the frames have several orientations", 0x00200037);
    seg.frames.push_back(frame_of(item, shared, seg.is_label_map));
  }
  seg.grid = grid_of(plane, seg.frames, columns, rows);
}

ReadSeg seg_of(const reading::ParsedFile& file, const SegLimits& limits) {
  const ElementSet& set = file.dataset;
  const std::string kind = set.text(0x00620001), characters = set.text(0x00080005);
  if (kind != "BINARY" && kind != "LABELMAP")
    refuse(kind.empty() ? ErrorCode::HeaderInvalid : ErrorCode::PixelDataUnsupported,
           kind.empty() ? "not a segmentation" : "a segmentation of type " + kind, 0x00620001);
  ReadSeg seg;
  seg.is_label_map = kind == "LABELMAP";
  seg.bits_allocated = checked_bits(file, seg.is_label_map);
  seg.sop_instance_uid = set.text(0x00080018);
  seg.frame_of_reference_uid = set.text(0x00200052);
  seg.content_label = set.text(0x00700080);
  for (const ElementSet& item : set.items(0x00620002, 65'536)) seg.segments.push_back(segment_of(item, characters));
  const std::int64_t rows = set.integer(0x00280010).value_or(0), columns = set.integer(0x00280011).value_or(0);
  if (rows < 1 || rows > 0xFFFF || columns < 1 || columns > 0xFFFF)
    refuse(ErrorCode::HeaderInvalid, "no rows or columns", 0x00280010);
  const auto wide = static_cast<std::uint32_t>(columns), high = static_cast<std::uint32_t>(rows);
  read_frames(seg, set, limits.frames, wide, high);
  read_pixels(seg, set, wide, high);
  return seg;
}

/// Adds one frame to slice k.
void add_frame(image::Volume<std::uint8_t>& mask, const ReadSeg& seg, std::size_t frame, std::uint32_t k, int number) {
  const std::size_t plane = std::size_t{mask.grid.size[0]} * mask.grid.size[1];
  std::uint8_t* out = mask.values.data() + k * plane;
  const std::uint64_t start = std::uint64_t{frame} * plane;
  for (std::size_t i = 0; i < plane; ++i) {
    const std::uint64_t at = start + i;
    bool inside = false;
    if (seg.bits_allocated == 1)
      inside = ((seg.pixels[static_cast<std::size_t>(at / 8)] >> (at % 8)) & 1U) != 0;
    else if (seg.bits_allocated == 8)
      inside = seg.pixels[static_cast<std::size_t>(at)] == number;
    else
      inside = reading::load_u16(seg.pixels, static_cast<std::size_t>(at * 2), false) == number;
    if (inside) out[i] = 1;
  }
}

}  // namespace

ReadSeg read_seg(const std::filesystem::path& file, const SegLimits& limits) {
  const auto object = open_bounded(file, limits.bytes);
  try {
    return seg_of(object->parsed, limits);
  } catch (Error& error) {
    throw error.file(file);
  }
}

image::Volume<std::uint8_t> segment_mask(const ReadSeg& seg, int number, const image::Grid& grid) {
  image::Volume<std::uint8_t> mask;
  mask.grid = grid;
  if (grid.size[0] != seg.grid.size[0] || grid.size[1] != seg.grid.size[1])
    throw Error(ErrorCode::GridMismatch, "the segmentation has other rows and columns");
  if (grid.voxels() > (std::uint64_t{1} << 33)) throw Error(ErrorCode::GridMismatch, "the grid is too large");
  mask.values.assign(static_cast<std::size_t>(grid.voxels()), 0);
  for (std::size_t f = 0; f < seg.frames.size(); ++f) {
    const ReadFrame& frame = seg.frames[f];
    if (!seg.is_label_map && frame.segment != number) continue;
    const Point3 at = grid.index_of(frame.position_mm);
    const double k = std::round(at[2]);
    const bool held = k >= 0 && k < static_cast<double>(grid.size[2]);
    // All corners of the frame must be where the grid has them.
    const double far_i = grid.size[0] - 1.0, far_j = grid.size[1] - 1.0;
    bool same = held;
    for (const auto& [i, j] : {std::pair{0.0, 0.0}, std::pair{far_i, 0.0}, std::pair{0.0, far_j}}) {
      Point3 there = frame.position_mm;
      for (std::size_t x = 0; x < 3; ++x) there[x] += i * seg.grid.step_mm[0][x] + j * seg.grid.step_mm[1][x];
      const Point3 off = minus(grid.position(i, j, k), there);
      same = same && dot(off, off) <= kSamePlaceMm * kSamePlaceMm;
    }
    if (!same) throw Error(ErrorCode::GridMismatch, fmt::format("frame {} does not lie on the grid", f + 1));
    add_frame(mask, seg, f, static_cast<std::uint32_t>(k), number);
  }
  return mask;
}

}  // namespace rouage::dicom
