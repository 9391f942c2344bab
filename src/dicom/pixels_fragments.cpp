#include <fmt/format.h>

#include "base/error.h"
#include "dicom/pixels.h"

namespace rouage::dicom::reading {
namespace {

constexpr Tag kItem = 0xFFFEE000, kSequenceEnd = 0xFFFEE0DD;
constexpr Tag kExtendedOffsets = 0x7FE00001;
constexpr std::size_t kMostFragments = 1'000'000;

struct Fragments {
  std::vector<std::uint32_t> offsets;  ///< basic offset table
  std::vector<ByteView> parts;
  std::vector<std::uint64_t> places;  ///< of each part's item tag, from the first part's
};

/// Broken lengths are an error; a missing end mark is not, when the last fragment is whole.
Fragments fragments_of(ByteView value, std::vector<std::string>& warnings) {
  Fragments found;
  const Encoding little{false, false};
  bool table = true, ended = false;
  std::size_t first_place = 0;
  for (std::size_t at = 0; at + 8 <= value.size();) {
    const std::size_t place = at;
    const auto item = read_element_header(value, at, little);
    if (item->tag == kSequenceEnd) {
      ended = true;
      break;
    }
    if (item->tag != kItem)
      throw Error(ErrorCode::PixelDataTruncated,
                  fmt::format("fragment {} does not begin with an item tag", found.parts.size() + 1))
          .tag(tag_text(kPixelData));
    if (item->claimed > value.size() - at)
      throw Error(ErrorCode::PixelDataTruncated, fmt::format("fragment {} needs {} bytes, {} are there",
                                                             found.parts.size() + 1, item->claimed, value.size() - at))
          .tag(tag_text(kPixelData));
    const ByteView part = value.subspan(at, item->claimed);
    at += item->claimed;
    if (table) {
      for (std::size_t i = 0; i + 4 <= part.size(); i += 4) found.offsets.push_back(load_u32(part, i, false));
      table = false;
      first_place = at;
      continue;
    }
    if (found.parts.size() >= kMostFragments)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("more than {} fragments", kMostFragments))
          .tag(tag_text(kPixelData));
    found.parts.push_back(part);
    found.places.push_back(place - first_place);
  }
  if (!ended) warnings.emplace_back("the end mark of the pixel data is missing");
  if (found.parts.empty())
    throw Error(ErrorCode::NoPixelData, "the pixel data have no fragment")
        .tag(tag_text(kPixelData))
        .remedy("send the image again from its source");
  return found;
}

bool starts_codestream(ByteView part) {
  if (part.size() < 4) return false;
  const bool jpeg = part[0] == 0xFF && part[1] == 0xD8;
  const bool jpeg_2000 = part[0] == 0xFF && part[1] == 0x4F && part[2] == 0xFF && part[3] == 0x51;
  const bool jp2_box = part.size() >= 8 && part[4] == 'j' && part[5] == 'P' && part[6] == ' ' && part[7] == ' ';
  return jpeg || jpeg_2000 || jp2_box;
}

/// First fragment of each frame, or fewer than `frames` entries when the table does not fit the fragments.
std::vector<std::size_t> starts_by_offsets(const Fragments& found, const std::vector<std::uint64_t>& offsets,
                                           std::uint32_t frames) {
  std::vector<std::size_t> starts;
  if (offsets.size() != frames) return starts;
  std::size_t part = 0;
  for (const std::uint64_t offset : offsets) {
    while (part < found.places.size() && found.places[part] < offset) ++part;
    if (part == found.places.size() || found.places[part] != offset || (!starts.empty() && starts.back() == part))
      return {};
    starts.push_back(part);
  }
  return starts;
}

std::vector<std::size_t> frame_starts(const ElementSet& dataset, const Fragments& found, std::uint32_t frames,
                                      std::vector<std::string>& warnings) {
  if (frames == 1) return {0};
  std::vector<std::uint64_t> offsets(found.offsets.begin(), found.offsets.end());
  if (const Element* extended = dataset.find(kExtendedOffsets); offsets.empty() && extended != nullptr)
    for (std::size_t at = 0; at + 8 <= extended->value.size(); at += 8)
      offsets.push_back(load_u32(extended->value, at, false) | std::uint64_t{load_u32(extended->value, at + 4, false)}
                                                                   << 32);
  std::vector<std::size_t> starts = starts_by_offsets(found, offsets, frames);
  if (starts.size() == frames) return starts;
  if (!offsets.empty()) warnings.emplace_back("the offset table does not fit the fragments and is not used");
  starts.clear();
  if (found.parts.size() == frames) {
    for (std::size_t i = 0; i < frames; ++i) starts.push_back(i);
    return starts;
  }
  for (std::size_t i = 0; i < found.parts.size(); ++i)
    if (starts_codestream(found.parts[i])) starts.push_back(i);
  if (starts.size() != frames)
    throw Error(ErrorCode::PixelDataTruncated, fmt::format("{} frames are claimed, {} fragments hold {} codestreams",
                                                           frames, found.parts.size(), starts.size()))
        .tag(tag_text(kPixelData));
  return starts;
}

}  // namespace

ByteView frame_codestream(const ElementSet& dataset, std::uint32_t frame, std::uint32_t frames, Bytes& joined,
                          std::vector<std::string>& warnings) {
  const Fragments found = fragments_of(dataset.find(kPixelData)->value, warnings);
  if (frames > found.parts.size())
    throw Error(ErrorCode::PixelDataTruncated,
                fmt::format("{} frames are claimed, {} fragments are there", frames, found.parts.size()))
        .tag(tag_text(kPixelData));
  const std::vector<std::size_t> starts = frame_starts(dataset, found, frames, warnings);
  const std::size_t begin = starts[frame - 1];
  const std::size_t end = frame < frames ? starts[frame] : found.parts.size();
  if (end - begin == 1) return found.parts[begin];
  for (std::size_t i = begin; i < end; ++i) joined.insert(joined.end(), found.parts[i].begin(), found.parts[i].end());
  return joined;
}

}  // namespace rouage::dicom::reading
