/// Enhanced and legacy converted multi-frame objects: each frame's own groups before the shared ones (PS3.3 C.7.6.16).
#include <fmt/format.h>

#include "base/error.h"
#include "dicom/series/slice_facts.h"

namespace rouage::dicom::series {
namespace {

using reading::tag_text;

constexpr Tag kShared = 0x52009229, kPerFrame = 0x52009230;
constexpr Tag kFrameContent = 0x00209111, kPlanePosition = 0x00209113, kPlaneOrientation = 0x00209116,
              kPixelMeasures = 0x00289110, kTransformation = 0x00289145;

struct Groups {
  const ElementSet& own;
  const ElementSet& shared;
  /// First item of a macro's sequence; an empty set when neither has it.
  ElementSet macro(Tag sequence) const {
    for (const ElementSet* set : {&own, &shared}) {
      auto items = set->items(sequence, 1);
      if (!items.empty()) return std::move(items.front());
    }
    return {};
  }
  ElementSet first_of(std::initializer_list<Tag> sequences) const {
    for (const Tag sequence : sequences)
      if (ElementSet set = macro(sequence); !set.elements().empty()) return set;
    return {};
  }
};

void read_contrast(const Groups& groups, SliceFacts& slice) {
  const ElementSet type = groups.first_of({0x00189329, 0x00189226, 0x00189751});  // CT, MR, PET frame type
  split_value(slice, Split::image_type) = type.text(0x00089007);
  split_value(slice, Split::component) = type.text(0x00089208).substr(0, 64);
  split_value(slice, Split::echo) = split_number(groups.macro(0x00189114), 0x00189082);
  const ElementSet diffusion = groups.macro(0x00189117);
  split_value(slice, Split::b_value) = split_number(diffusion, 0x00189087);
  const auto directions = diffusion.items(0x00189076, 1);
  split_value(slice, Split::diffusion_direction) =
      diffusion.text(0x00189075) + (directions.empty() ? std::string() : " " + split_number(directions[0], 0x00189089));
  split_value(slice, Split::inversion_time) = split_number(groups.macro(0x00189115), 0x00189079);
  split_value(slice, Split::flip_angle) = split_number(groups.macro(0x00189112), 0x00181314);
  split_value(slice, Split::tube_voltage) = split_number(groups.macro(0x00189325), 0x00180060);
  split_value(slice, Split::kernel) = groups.macro(0x00189314).text(0x00181210).substr(0, 64);
  const ElementSet cardiac = groups.macro(0x00189118);
  const std::string share = split_number(cardiac, 0x00209241), delay = split_number(cardiac, 0x00209153);
  split_value(slice, Split::cardiac_phase) = share.empty() ? delay : share + " %";
}

void read_content(const Groups& groups, SliceFacts& slice) {
  const ElementSet content = groups.macro(kFrameContent);
  const auto integer = [&](Tag tag) {
    const auto value = content.integer(tag);
    return value ? std::to_string(*value) : std::string();
  };
  split_value(slice, Split::acquisition) = integer(0x00209156);
  split_value(slice, Split::stack) = content.text(0x00209056).substr(0, 64);
  split_value(slice, Split::temporal_position) = integer(0x00209128);
  split_value(slice, Split::time_slot) = split_number(groups.macro(0x00209310), 0x0020930D);
  split_value(slice, Split::acquisition_time) = content.text(0x00189074).substr(0, 32);
}

SliceFacts read_frame(const ElementSet& dataset, const Groups& groups) {
  SliceFacts slice;
  read_orientation(groups.macro(kPlaneOrientation), slice);
  read_position(groups.macro(kPlanePosition), slice);
  read_spacing(groups.macro(kPixelMeasures), slice);
  read_rescale(groups.macro(kTransformation), slice);
  read_contrast(groups, slice);
  read_content(groups, slice);
  if (split_value(slice, Split::image_type).empty()) split_value(slice, Split::image_type) = dataset.text(kImageType);
  return slice;
}

}  // namespace

void read_functional_groups(const ElementSet& dataset, ScannedFile& scanned) {
  const std::uint32_t frames = scanned.facts.layout.frames;
  const auto shared_items = dataset.items(kShared, 1);
  const ElementSet shared = shared_items.empty() ? ElementSet() : shared_items.front();
  const auto own = dataset.items(kPerFrame, std::size_t{frames} + 1);
  if (own.size() != frames)
    throw Error(ErrorCode::HeaderInvalid, fmt::format("{} frames, {} functional groups", frames, own.size()))
        .tag(tag_text(kPerFrame))
        .remedy("send the object again from its source: without them nobody knows where its frames lie");
  scanned.slices.reserve(frames);
  for (std::uint32_t frame = 1; frame <= frames; ++frame) {
    SliceFacts slice;
    try {
      slice = read_frame(dataset, {own[frame - 1], shared});
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("frame {}: {}", frame, error.detail()))
          .tag(error.tag())
          .remedy(error.remedy());
    }
    slice.frame = frame;
    scanned.slices.push_back(std::move(slice));
  }
}

}  // namespace rouage::dicom::series
