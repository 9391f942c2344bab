/// Stored samples to display values 0..1: modality LUT, VOI LUT or window, presentation LUT shape (PS3.4 N.2, PS3.3
/// C.11).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dicom/pixels.h"
#include "dicom/reading_elements.h"

namespace rouage::dicom::reading {

/// Where the attributes of one frame stand: the data set and, in an enhanced multi-frame object, its functional groups.
struct FrameAttributes {
  const ElementSet* dataset = nullptr;
  ElementSet shared, own;  ///< items of (5200,9229) and (5200,9230)
  /// First item of a functional group macro's sequence, the frame's own before the shared one; empty when absent.
  ElementSet macro(Tag sequence) const;
};
FrameAttributes frame_attributes(const ElementSet& dataset, std::uint32_t frame);

/// A lookup table of C.11.1 or C.11.2: value x maps to entries[x - first], the ends hold outside.
struct LookupTable {
  double first = 0;
  std::vector<std::uint16_t> entries;
  double maximum = 1;  ///< output that is full brightness
  double at(double x) const;
};
/// `descriptor`: three values, the middle one read as signed when `signed_input`. Nothing when the table is broken.
std::optional<LookupTable> lookup_table(const ElementSet& set, Tag descriptor, Tag data, bool signed_input);

struct Window {
  enum class Function { linear, linear_exact, sigmoid };
  double center = 0, width = 1;
  Function function = Function::linear;
  double at(double x) const;  ///< 0..1
};

/// How stored values become grey, read from the header and checked.
struct GreyPath {
  std::optional<LookupTable> modality_table;
  double slope = 1, intercept = 0;
  std::optional<LookupTable> voi_table;
  std::optional<Window> window;
  std::optional<LookupTable> palette;                            ///< PALETTE COLOR whose three tables are equal
  std::optional<std::pair<std::int32_t, std::int32_t>> padding;  ///< stored values, both ends inclusive
  bool inverse = false;                                          ///< low values are bright at the end
  bool for_processing = false;  ///< no display values in the file: logarithm and percentiles
  bool take_logarithm = false;  ///< for processing: values are linear in exposure
};
/// Errors: HeaderInvalid (a modality LUT that cannot be used), NotGrey (a coloured palette).
GreyPath grey_path(const FrameAttributes& attributes, const PixelLayout& layout, std::vector<std::string>& warnings);

struct Rendering {
  std::vector<float> values;
  std::uint64_t padded = 0;
};
/// One channel only; see grey_samples for colour.
Rendering render(const Samples& samples, std::uint64_t pixels, const GreyPath& path,
                 std::vector<std::string>& warnings);

/// Three equal channels as one. Errors: NotGrey when they differ by more than 2/255 of the range.
Samples grey_samples(const Samples& colour, const PixelLayout& layout, std::vector<std::string>& warnings);

}  // namespace rouage::dicom::reading
