#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/values.h"
#include "dicom/rendering.h"

namespace rouage::dicom::reading {
namespace {

constexpr Tag kModalityLutSequence = 0x00283000, kLutDescriptor = 0x00283002, kLutData = 0x00283006,
              kVoiLutSequence = 0x00283010;
constexpr Tag kIntercept = 0x00281052, kSlope = 0x00281053, kRescaleType = 0x00281054;
constexpr Tag kCenter = 0x00281050, kWidth = 0x00281051, kFunction = 0x00281056;
constexpr Tag kPaddingValue = 0x00280120, kPaddingLimit = 0x00280121, kShape = 0x20500020, kIntent = 0x00080068;
constexpr Tag kIntensityRelationship = 0x00281040, kIntensitySign = 0x00281041;
constexpr Tag kShared = 0x52009229, kPerFrame = 0x52009230, kTransformationMacro = 0x00289145, kVoiMacro = 0x00289132;
constexpr std::array<std::array<Tag, 2>, 3> kPaletteTags{
    {{0x00281101, 0x00281201}, {0x00281102, 0x00281202}, {0x00281103, 0x00281203}}};

/// A 16-bit attribute that is US or SS by pixel representation, whatever VR a writer gave it.
std::int32_t stored_value(std::int64_t raw, const PixelLayout& layout) {
  const auto word = static_cast<std::uint16_t>(raw);
  return layout.is_signed ? std::int32_t{static_cast<std::int16_t>(word)} : std::int32_t{word};
}

void read_modality(const FrameAttributes& attributes, const PixelLayout& layout, GreyPath& path,
                   std::vector<std::string>& warnings) {
  const ElementSet& dataset = *attributes.dataset;
  const auto tables = dataset.items(kModalityLutSequence, 1);
  if (!tables.empty()) {
    path.modality_table = lookup_table(tables.front(), kLutDescriptor, kLutData, layout.is_signed);
    if (!path.modality_table)
      throw Error(ErrorCode::HeaderInvalid, "the table cannot be used").tag(tag_text(kModalityLutSequence));
    return;
  }
  const ElementSet macro = attributes.macro(kTransformationMacro);
  const bool plain = dataset.has_value(kSlope) || dataset.has_value(kIntercept) || dataset.has_value(kRescaleType);
  const ElementSet& set = plain ? dataset : macro;
  const auto slope = set.decimals(kSlope), intercept = set.decimals(kIntercept);
  for (const Tag tag : {kSlope, kIntercept})
    if (set.has_value(tag) && set.decimals(tag).empty())
      throw Error(ErrorCode::HeaderInvalid, "\"" + set.text(tag).substr(0, 32) + "\" is no number").tag(tag_text(tag));
  if (!slope.empty()) path.slope = slope.front();
  if (!intercept.empty()) path.intercept = intercept.front();
  if (path.slope == 0) {
    path.slope = 1;
    warnings.emplace_back("(0028,1053) Rescale Slope is 0; taken for 1");
  }
  const std::string type = set.text(kRescaleType);
  static constexpr std::string_view kKnownTypes[] = {"",   "US",   "HU",    "OD",  "HGML",  "PCT",
                                                     "ED", "MGML", "Z_EFF", "EDW", "HU_MOD"};
  if (std::find(std::begin(kKnownTypes), std::end(kKnownTypes), type) == std::end(kKnownTypes))
    warnings.push_back("(0028,1054) Rescale Type \"" + type.substr(0, 16) + "\" is not known");
}

std::optional<Window> first_window(const ElementSet& set, std::vector<std::string>& warnings) {
  const auto centers = set.decimals(kCenter), widths = set.decimals(kWidth);
  if (centers.empty() || widths.empty()) {
    if (set.has_value(kCenter) || set.has_value(kWidth))
      warnings.emplace_back("(0028,1050/1051) the window is no pair of numbers and is not used");
    return {};
  }
  Window window{centers.front(), widths.front()};
  const std::string function = set.text(kFunction);
  if (function == "LINEAR_EXACT") window.function = Window::Function::linear_exact;
  if (function == "SIGMOID") window.function = Window::Function::sigmoid;
  const double least = window.function == Window::Function::linear ? 1.0 : 0.0;
  if (window.width < least || (window.width == 0)) {
    warnings.push_back(fmt::format("(0028,1051) Window Width {} is not allowed; the window is not used", window.width));
    return {};
  }
  if (centers.size() > 1) warnings.push_back(fmt::format("the first of {} windows is used", centers.size()));
  return window;
}

void read_voi(const FrameAttributes& attributes, bool signed_input, GreyPath& path,
              std::vector<std::string>& warnings) {
  const ElementSet macro = attributes.macro(kVoiMacro);
  for (const ElementSet* set : {attributes.dataset, &macro}) {
    const auto tables = set->items(kVoiLutSequence, 8);
    if (!tables.empty()) {
      path.voi_table = lookup_table(tables.front(), kLutDescriptor, kLutData, signed_input);
      if (path.voi_table) {
        if (tables.size() > 1) warnings.push_back(fmt::format("the first of {} VOI LUTs is used", tables.size()));
        return;
      }
      warnings.emplace_back("(0028,3010) VOI LUT Sequence: the table cannot be used");
    }
    path.window = first_window(*set, warnings);
    if (path.window) return;
  }
}

void read_padding(const ElementSet& dataset, const PixelLayout& layout, GreyPath& path) {
  const auto value = dataset.integer(kPaddingValue);
  if (!value) return;
  const std::int32_t first = stored_value(*value, layout);
  const std::int32_t last = stored_value(dataset.integer(kPaddingLimit).value_or(*value), layout);
  path.padding = std::minmax(first, last);
}

/// Polarity so that dense is bright at the end. For processing, what the sign says of the beam goes before photometry.
void read_polarity(const ElementSet& dataset, const PixelLayout& layout, GreyPath& path,
                   std::vector<std::string>& warnings) {
  const bool monochrome_1 = layout.photometric == "MONOCHROME1";
  const std::string shape = dataset.text(kShape);
  path.inverse = monochrome_1;
  if (!monochrome_1 && shape == "INVERSE") {
    path.inverse = true;
    warnings.emplace_back("(2050,0020) Presentation LUT Shape INVERSE on a MONOCHROME2 picture: inverted");
  }
  if (monochrome_1 && shape == "IDENTITY")
    warnings.emplace_back(
        "(2050,0020) Presentation LUT Shape IDENTITY on a MONOCHROME1 picture: inverted all the same");
  path.for_processing = dataset.text(kIntent) == "FOR PROCESSING";
  if (!path.for_processing) return;
  warnings.emplace_back(
      "(0008,0068) FOR PROCESSING: raw detector data, shown by logarithm and percentiles, not by the maker's "
      "processing");
  const std::string relationship = dataset.text(kIntensityRelationship);
  path.take_logarithm = relationship != "LOG" && relationship != "DISP";
  if (const auto sign = dataset.integer(kIntensitySign)) {
    const auto direction = static_cast<std::int16_t>(static_cast<std::uint16_t>(*sign));
    if (direction == 1) path.inverse = true;  // low values are little radiation: dense
    if (direction == -1) path.inverse = false;
  } else {
    warnings.emplace_back(
        "(0028,1041) Pixel Intensity Relationship Sign is missing: polarity by photometric interpretation");
  }
}

/// A palette of greys acts as a table; any colour in it makes the picture not grey.
LookupTable grey_palette(const ElementSet& dataset, const PixelLayout& layout) {
  const auto palette_tag = tag_text(kPaletteTags[0][1]);
  std::vector<LookupTable> tables;
  for (const auto& [descriptor, data] : kPaletteTags) {
    auto table = lookup_table(dataset, descriptor, data, layout.is_signed);
    if (!table) throw Error(ErrorCode::NotGrey, "the colour palette is segmented, missing or broken").tag(palette_tag);
    tables.push_back(std::move(*table));
  }
  const int tolerance = static_cast<int>(tables[0].maximum * 2 / 255);
  for (int channel = 1; channel < 3; ++channel) {
    const auto& a = tables[0].entries;
    const auto& b = tables[static_cast<std::size_t>(channel)].entries;
    if (a.size() != b.size()) throw Error(ErrorCode::NotGrey, "the palette has colours").tag(palette_tag);
    for (std::size_t i = 0; i < a.size(); ++i)
      if (std::abs(int{a[i]} - int{b[i]}) > tolerance)
        throw Error(ErrorCode::NotGrey, "the palette has colours").tag(palette_tag);
  }
  return tables[0];
}

}  // namespace

ElementSet FrameAttributes::macro(Tag sequence) const {
  for (const ElementSet* set : {&own, &shared}) {
    auto items = set->items(sequence, 1);
    if (!items.empty()) return std::move(items.front());
  }
  return {};
}

FrameAttributes frame_attributes(const ElementSet& dataset, std::uint32_t frame) {
  FrameAttributes attributes;
  attributes.dataset = &dataset;
  auto shared = dataset.items(kShared, 1);
  if (!shared.empty()) attributes.shared = std::move(shared.front());
  auto own = dataset.items(kPerFrame, frame);
  if (own.size() == frame) attributes.own = std::move(own.back());
  return attributes;
}

std::optional<LookupTable> lookup_table(const ElementSet& set, Tag descriptor, Tag data, bool signed_input) {
  const auto count = set.integer(descriptor, 0), first = set.integer(descriptor, 1), bits = set.integer(descriptor, 2);
  const Element* element = set.find(data);
  if (!count || !first || !bits || element == nullptr || *bits < 1 || *bits > 16) return {};
  const auto first_word = static_cast<std::uint16_t>(*first);
  const auto wanted = static_cast<std::uint16_t>(*count);
  const std::size_t size = wanted == 0 ? 65'536 : wanted;
  LookupTable table;
  table.first = signed_input ? double{static_cast<double>(static_cast<std::int16_t>(first_word))}
                             : double{static_cast<double>(first_word)};
  table.entries = set.words(data);
  const std::size_t bytes = element->value.size();
  if (*bits <= 8 && bytes < size * 2 && bytes >= size) {
    // Entries of one byte each, two a word (C.7.6.3.1.5); in big endian the bytes of a word are swapped.
    const std::size_t swap = set.encoding().big_endian && element->is_vr("OW") ? 1 : 0;
    table.entries.resize(size);
    for (std::size_t i = 0; i < size; ++i)
      table.entries[i] = (i ^ swap) < bytes ? element->value[i ^ swap] : std::uint8_t{0};
  }
  if (table.entries.size() < size) return {};
  table.entries.resize(size);
  const auto largest = *std::max_element(table.entries.begin(), table.entries.end());
  table.maximum = std::max<double>((1U << *bits) - 1U, largest);
  return table;
}

double LookupTable::at(double x) const {
  const double place = std::clamp(std::round(x - first), 0.0, static_cast<double>(entries.size() - 1));
  return entries[static_cast<std::size_t>(place)];
}

double Window::at(double x) const {
  switch (function) {
    case Function::linear:
      if (width <= 1) return x <= center - 0.5 ? 0 : 1;
      return std::clamp((x - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0);
    case Function::linear_exact:
      return std::clamp((x - center) / width + 0.5, 0.0, 1.0);
    case Function::sigmoid:
      return 1 / (1 + std::exp(-4 * (x - center) / width));
  }
  return 0;
}

GreyPath grey_path(const FrameAttributes& attributes, const PixelLayout& layout, std::vector<std::string>& warnings) {
  GreyPath path;
  const ElementSet& dataset = *attributes.dataset;
  if (layout.samples != 1) return path;  // colour: full range, no LUT applies (C.7.6.3.1.2)
  if (layout.photometric == "PALETTE COLOR") {
    path.palette = grey_palette(dataset, layout);
    return path;
  }
  read_modality(attributes, layout, path, warnings);
  read_padding(dataset, layout, path);
  read_polarity(dataset, layout, path, warnings);
  const bool signed_output = !path.modality_table && (layout.is_signed || path.intercept < 0 || path.slope < 0);
  if (!path.for_processing) read_voi(attributes, signed_output, path, warnings);
  return path;
}

}  // namespace rouage::dicom::reading
