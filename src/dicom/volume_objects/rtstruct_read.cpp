/// Structure sets back into values. Contour data are parsed from the file's bytes: no list of texts is made of them.
#include <fmt/format.h>
#include <algorithm>

#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "dicom/volume_objects/reading_items.h"
#include "dicom/volume_objects/volume_objects.h"

namespace rouage::dicom {
namespace {

using reading::ElementSet;
using reading::Tag;

constexpr std::size_t kMostRois = 10'000, kMostContours = 1'000'000;
constexpr Tag kContourData = 0x30060050;

/// IS under any encoding (ElementSet::integer takes a value without VR for a binary one).
std::optional<int> number_of(const ElementSet& set, Tag tag) {
  const std::string text = set.text(tag);
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<image::Point3> points_of(reading::ByteView bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());  // NOLINT: bytes seen as text
  std::vector<image::Point3> points;
  std::size_t filled = 0;
  image::Point3 point{};
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\\', at), text.size());
    std::string_view part = trimmed(text.substr(at, end - at));
    if (part.starts_with('+')) part.remove_prefix(1);
    double value = 0;
    const auto [stop, problem] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (problem != std::errc() || stop != part.data() + part.size() || !std::isfinite(value))
      throw Error(ErrorCode::HeaderInvalid, "contour data that are no numbers").tag(reading::tag_text(kContourData));
    point[filled++] = value;
    if (filled == 3) {
      points.push_back(point);
      filled = 0;
    }
    at = end + 1;
  }
  if (filled != 0)
    throw Error(ErrorCode::HeaderInvalid, "contour data that are no triples").tag(reading::tag_text(kContourData));
  return points;
}

Contour contour_of(const ElementSet& item) {
  Contour contour;
  contour.type = item.text(0x30060042);
  const reading::Element* data = item.find(kContourData);
  if (data != nullptr && !data->value.empty()) contour.points_mm = points_of(data->value);
  if (const auto claimed = number_of(item, 0x30060046);
      claimed && *claimed != static_cast<int>(contour.points_mm.size()))
    throw Error(ErrorCode::HeaderInvalid, fmt::format("{} contour points, {} said", contour.points_mm.size(), *claimed))
        .tag(reading::tag_text(0x30060046));
  const auto images = item.items(0x30060016, 1);
  if (!images.empty()) contour.image_uid = images.front().text(0x00081155);
  return contour;
}

void read_contours(const ElementSet& set, std::map<int, ReadRoi*>& by_number) {
  std::size_t contours = 0;
  for (const ElementSet& item : set.items(0x30060039, kMostRois)) {
    const auto number = number_of(item, 0x30060084);
    const auto found = number ? by_number.find(*number) : by_number.end();
    if (found == by_number.end())
      throw Error(ErrorCode::HeaderInvalid, "contours of a region that is not named")
          .tag(reading::tag_text(0x30060084));
    ReadRoi& roi = *found->second;
    const auto colour = item.texts(0x3006002A);
    if (colour.size() == 3) {
      Rgb rgb{};
      for (std::size_t c = 0; c < 3; ++c) {
        int value = 0;
        std::from_chars(colour[c].data(), colour[c].data() + colour[c].size(), value);
        rgb[c] = static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
      }
      roi.colour = rgb;
    }
    for (const ElementSet& one : item.items(0x30060040, kMostContours)) {
      if (++contours > kMostContours)
        throw Error(ErrorCode::HeaderInvalid, "more than a million contours").tag(reading::tag_text(0x30060040));
      roi.contours.push_back(contour_of(one));
    }
  }
}

ReadRtStruct structures_of(const ElementSet& set) {
  ReadRtStruct structures;
  const std::string characters = set.text(0x00080005);
  const auto rois = set.items(0x30060020, kMostRois);
  if (set.text(0x00080060) != "RTSTRUCT" || rois.empty())
    throw Error(ErrorCode::HeaderInvalid, "not a structure set").tag(reading::tag_text(0x30060020));
  structures.sop_instance_uid = set.text(0x00080018);
  structures.label = text_of(set, 0x30060002, characters);
  structures.rois.resize(rois.size());
  std::map<int, ReadRoi*> by_number;
  for (std::size_t n = 0; n < rois.size(); ++n) {
    ReadRoi& roi = structures.rois[n];
    const auto number = number_of(rois[n], 0x30060022);
    if (!number || !by_number.emplace(*number, &roi).second)
      throw Error(ErrorCode::HeaderInvalid, "a region without a number of its own").tag(reading::tag_text(0x30060022));
    roi.number = *number;
    roi.name = text_of(rois[n], 0x30060026, characters);
    roi.generation = rois[n].text(0x30060036);
    if (structures.frame_of_reference_uid.empty()) structures.frame_of_reference_uid = rois[n].text(0x30060024);
  }
  read_contours(set, by_number);
  for (const ElementSet& item : set.items(0x30060080, kMostRois)) {
    const auto number = number_of(item, 0x30060084);
    const auto found = number ? by_number.find(*number) : by_number.end();
    if (found == by_number.end()) continue;
    found->second->interpreted_type = item.text(0x300600A4);
    found->second->code = code_of(item, 0x30060086, characters);
  }
  return structures;
}

}  // namespace

ReadRtStruct read_rtstruct(const std::filesystem::path& file, std::uint64_t most_bytes) {
  const auto object = open_bounded(file, most_bytes);
  try {
    return structures_of(object->parsed.dataset);
  } catch (Error& error) {
    throw error.file(file);
  }
}

}  // namespace rouage::dicom
