/// The segmentation as a stream: one pass over the labels to plan the frames, then blocks of frames, each made (and
/// deflated) by itself, in order.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "dicom/volume_objects/dataset_stream.h"
#include "dicom/volume_objects/label_boxes.h"
#include "dicom/volume_objects/seg_header.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{4} << 20;
constexpr std::size_t kGroupsPerBlock = 4096;

struct PlannedFrame {
  std::uint32_t segment = 0;  ///< index into segments
  LabelBox box;
  bool empty = false;
};

struct Plan {
  std::vector<PlannedFrame> frames;
  std::vector<std::uint64_t> frames_of;
  std::vector<FrameTemplate> templates;  ///< by k
  std::uint64_t groups_bytes = 0, pixel_bytes = 0;
  int bits = 1;
};

std::uint64_t pixel_bytes(const SegVolumeObject& object, std::uint64_t frames) {
  std::uint64_t bits = 0;
  const std::uint64_t each = static_cast<std::uint64_t>(seg_bits(object));
  if (!multiply_checked({frames, object.grid.size[0], object.grid.size[1], each}, bits)) return UINT64_MAX;
  const std::uint64_t bytes = bits / 8 + (bits % 8 != 0 ? 1 : 0);
  return bytes + bytes % 2;
}

void check_object(const SegVolumeObject& object) {
  if (object.segments.empty() || object.segments.size() > 0xFFFE)
    throw Error(ErrorCode::WriteInvalid, "a segmentation needs 1 to 65534 segments").tag("(0062,0002) SegmentSequence");
  for (const VolumeSegment& segment : object.segments)
    if (segment.label.empty() || segment.codes.type.value.empty() || segment.codes.category.value.empty())
      throw Error(ErrorCode::WriteInvalid, fmt::format("segment of label {} has no name or no code", segment.value))
          .tag("(0062,0005) SegmentLabel");
  if (!object.sources.empty() && object.sources.size() != object.grid.size[2])
    throw Error(ErrorCode::GridMismatch,
                fmt::format("{} source images for {} slices", object.sources.size(), object.grid.size[2]));
  if (object.part && object.kind == SegKind::label_map)
    throw Error(ErrorCode::WriteInvalid, "a label map is one object: it holds every label");
  plane_geometry(object.grid);
}

std::vector<std::uint16_t> values_of(const SegVolumeObject& object) {
  std::vector<std::uint16_t> values;
  for (const VolumeSegment& segment : object.segments) values.push_back(segment.value);
  return values;
}

void plan_binary(Plan& plan, const std::vector<std::vector<LabelBox>>& boxes) {
  for (std::size_t n = 0; n < boxes.size(); ++n)
    for (const LabelBox& box : boxes[n]) plan.frames.push_back({static_cast<std::uint32_t>(n), box, false});
  // An object has at least one frame: where nothing was found, one empty frame of the first segment says so.
  if (plan.frames.empty()) plan.frames.push_back({0, {}, true});
}

Plan plan_object(const SegVolumeObject& object, const LabelSource& labels) {
  check_object(object);
  const auto boxes = label_boxes(object.grid, labels, values_of(object), !object.part);
  Plan plan;
  plan.bits = seg_bits(object);
  for (const auto& of_segment : boxes) plan.frames_of.push_back(of_segment.size());
  if (object.kind == SegKind::binary)
    plan_binary(plan, boxes);
  else
    for (std::uint32_t k = 0; k < object.grid.size[2]; ++k) plan.frames.push_back({0, {k, 0, 0, 0, 0}, false});
  plan.pixel_bytes = pixel_bytes(object, plan.frames.size());
  if (plan.pixel_bytes > stream::kLongestValue)
    throw Error(ErrorCode::WriteInvalid, fmt::format("{} frames of {} x {} voxels exceed the 4 GiB of one object",
                                                     plan.frames.size(), object.grid.size[0], object.grid.size[1]))
        .tag("(7FE0,0010) PixelData")
        .remedy("write several objects (split_seg) or a label map; deflating does not lift this limit");
  plan.templates.reserve(object.grid.size[2]);
  for (std::uint32_t k = 0; k < object.grid.size[2]; ++k) plan.templates.push_back(frame_template(object, k));
  for (const PlannedFrame& frame : plan.frames) plan.groups_bytes += plan.templates[frame.box.k].item.size();
  if (plan.groups_bytes > stream::kLongestValue)
    throw Error(ErrorCode::WriteInvalid, "the frames' descriptions exceed 4 GiB").tag("(5200,9230)");
  return plan;
}

/// Data set blocks: the header with the start of (5200,9230), its items, then the pixels.
class SegBlocks {
 public:
  SegBlocks(const SegVolumeObject& object, const LabelSource& labels, const Plan& plan)
      : object_(object), labels_(labels), plan_(plan) {
    pixels_ = std::uint64_t{object.grid.size[0]} * object.grid.size[1];
    const std::uint64_t frame_bytes = std::max<std::uint64_t>(1, pixels_ * static_cast<std::uint64_t>(plan.bits) / 8);
    // Eight frames end on a byte whatever their size, so that a block's bits are its own.
    frames_per_block_ = static_cast<std::size_t>(std::max<std::uint64_t>(1, kBlockBytes / frame_bytes / 8)) * 8;
    if (plan.bits > 1)
      frames_per_block_ = static_cast<std::size_t>(std::max<std::uint64_t>(1, kBlockBytes / frame_bytes));
    group_blocks_ = (plan.frames.size() + kGroupsPerBlock - 1) / kGroupsPerBlock;
    pixel_blocks_ = (plan.frames.size() + frames_per_block_ - 1) / frames_per_block_;
  }
  std::size_t count() const { return 1 + group_blocks_ + pixel_blocks_; }
  /// Block `index`, in the memory of `buffer` (empty).
  Bytes block(std::size_t index, Bytes buffer) const {
    if (index == 0) return header();
    if (index <= group_blocks_) return groups(index - 1, std::move(buffer));
    return pixels(index - 1 - group_blocks_, std::move(buffer));
  }

 private:
  Bytes header() const {
    Bytes out = seg_header(object_, plan_.frames.size());
    stream::append_tag(out, DCM_PerFrameFunctionalGroupsSequence);
    for (const char c : {'S', 'Q', '\0', '\0'}) out.push_back(static_cast<std::uint8_t>(c));
    stream::append_u32(out, static_cast<std::uint32_t>(plan_.groups_bytes));
    return out;
  }

  Bytes groups(std::size_t index, Bytes out) const {
    const std::size_t end = std::min(plan_.frames.size(), (index + 1) * kGroupsPerBlock);
    for (std::size_t f = index * kGroupsPerBlock; f < end; ++f)
      plan_.templates[plan_.frames[f].box.k].append_to(out, static_cast<std::uint16_t>(plan_.frames[f].segment + 1));
    return out;
  }

  Bytes pixels(std::size_t index, Bytes out) const {
    if (index == 0) {
      stream::append_tag(out, DCM_PixelData);
      const bool words = plan_.bits == 16;
      for (const char c : {'O', words ? 'W' : 'B', '\0', '\0'}) out.push_back(static_cast<std::uint8_t>(c));
      stream::append_u32(out, static_cast<std::uint32_t>(plan_.pixel_bytes));
    }
    const std::size_t first = index * frames_per_block_;
    const std::size_t end = std::min(plan_.frames.size(), first + frames_per_block_);
    if (plan_.bits == 1)
      append_bits(out, first, end);
    else
      for (std::size_t f = first; f < end; ++f) append_labels(out, plan_.frames[f].box.k);
    if (end == plan_.frames.size() && plan_.bits != 1 &&
        (pixels_ * end * static_cast<std::uint64_t>(plan_.bits) / 8) % 2 == 1)
      out.push_back(0);
    return out;
  }

  void append_bits(Bytes& out, std::size_t first, std::size_t end) const {
    const std::size_t start = out.size();
    const auto bytes = static_cast<std::size_t>(((end - first) * pixels_ + 7) / 8);
    out.resize(start + bytes + 1, 0);
    const std::span<std::uint8_t> bits = std::span(out).subspan(start);
    for (std::size_t f = first; f < end; ++f) {
      const PlannedFrame& frame = plan_.frames[f];
      if (frame.empty) continue;
      pack_box(plane_of(labels_, object_.grid, frame.box.k), object_.grid.size[0], frame.box,
               object_.segments[frame.segment].value, (f - first) * pixels_, bits);
    }
    // The spare byte goes; the last block of an object keeps it where the pixel data would be odd.
    const bool last = end == plan_.frames.size();
    const bool odd = ((end * pixels_ + 7) / 8) % 2 == 1;
    if (!last || !odd) out.pop_back();
  }

  void append_labels(Bytes& out, std::uint32_t k) const {
    const auto plane = plane_of(labels_, object_.grid, k);
    if (plan_.bits == 8) {
      const std::size_t start = out.size();
      out.resize(start + plane.size());
      std::transform(plane.begin(), plane.end(), out.begin() + static_cast<std::ptrdiff_t>(start),
                     [](std::uint16_t value) { return static_cast<std::uint8_t>(value); });
      return;
    }
    out.reserve(out.size() + plane.size() * 2);
    for (const std::uint16_t value : plane) stream::append_u16(out, value);
  }

  const SegVolumeObject& object_;
  const LabelSource& labels_;
  const Plan& plan_;
  std::uint64_t pixels_ = 0;
  std::size_t frames_per_block_ = 0, group_blocks_ = 0, pixel_blocks_ = 0;
};

SegWritten summary_of(const SegVolumeObject& object, const Plan& plan) {
  SegWritten written;
  written.frames = plan.frames.size();
  written.frames_of = plan.frames_of;
  for (std::size_t n = 0; n < object.segments.size(); ++n)
    written.segment_numbers.push_back(object.kind == SegKind::binary ? static_cast<int>(n + 1)
                                                                     : int{object.segments[n].value});
  if (object.sources.empty())
    written.warnings.emplace_back("the grid is not that of source images: the segmentation refers to none");
  if (object.frame_of_reference_uid.empty())
    written.warnings.emplace_back("no Frame of Reference UID was given: it is derived, viewers may not overlay it");
  return written;
}

}  // namespace

SegWritten write_seg_volume(const SegVolumeObject& object, const LabelSource& labels, const ByteSink& sink) {
  const Plan plan = plan_object(object, labels);
  const bool deflate = object.syntax == SegSyntax::deflated;
  const SegBlocks blocks(object, labels, plan);
  SegWritten written = summary_of(object, plan);
  const std::string_view sop_class = object.kind == SegKind::binary ? kSegmentation : kLabelMapSegmentation;
  const auto take = [&](const Bytes& bytes) {
    written.bytes += bytes.size();
    sink(bytes);
  };
  const Bytes meta = file_head(std::string(sop_class), object.frame.sop_instance_uid,
                               deflate ? stream::kDeflatedLittleEndian : stream::kExplicitLittleEndian);
  take(meta);
  const std::size_t count = blocks.count();
  stream::BufferPool pool;
  const auto make = [&](std::size_t index) {
    Bytes block = blocks.block(index, pool.take());
    if (!deflate) return block;
    Bytes packed = stream::deflated(block, index + 1 == count);
    pool.give_back(std::move(block));
    return packed;
  };
  stream::in_order(count, object.threads, make, [&](Bytes bytes) {
    take(bytes);
    if (!deflate) pool.give_back(std::move(bytes));
  });
  // PS3.5 A.5: a deflated stream of odd length is padded with one zero.
  if (deflate && (written.bytes - meta.size()) % 2 == 1) take(Bytes{0});
  return written;
}

std::vector<SegVolumeObject> split_seg(const SegVolumeObject& object, const LabelSource& labels,
                                       std::uint64_t most_bytes) {
  check_object(object);
  if (object.kind == SegKind::label_map) return {object};
  const auto boxes = label_boxes(object.grid, labels, values_of(object), true);
  std::vector<SegVolumeObject> parts;
  std::uint64_t frames = 0;
  for (std::size_t n = 0; n < boxes.size(); ++n) {
    const std::uint64_t more = boxes[n].size();
    if (parts.empty() || (frames > 0 && pixel_bytes(object, frames + more) > most_bytes)) {
      SegVolumeObject part = object;
      part.segments.clear();
      parts.push_back(std::move(part));
      frames = 0;
    }
    frames += more;
    parts.back().segments.push_back(object.segments[n]);
  }
  if (parts.size() == 1) return parts;  // as it came
  for (std::size_t p = 0; p < parts.size(); ++p) {
    parts[p].frame.sop_instance_uid =
        derived_uid({object.frame.sop_instance_uid, "part", std::to_string(p + 1), std::to_string(parts.size())});
    parts[p].part = true;
    parts[p].frame.instance_number = object.frame.instance_number + static_cast<int>(p);
  }
  return parts;
}

}  // namespace rouage::dicom
