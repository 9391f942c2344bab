/// From the bytes of pixel data to the stored samples of one frame (PS3.5 section 8, PS3.3 C.7.6.3).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/values.h"
#include "dicom/reading.h"
#include "dicom/reading_elements.h"

namespace rouage::dicom::reading {

inline constexpr Tag kSamplesPerPixel = 0x00280002, kPhotometric = 0x00280004, kPlanar = 0x00280006,
                     kFrames = 0x00280008, kRows = 0x00280010, kColumns = 0x00280011, kBitsAllocated = 0x00280100,
                     kBitsStored = 0x00280101, kHighBit = 0x00280102, kPixelRepresentation = 0x00280103;

/// The Image Pixel module as checked numbers.
struct PixelLayout {
  std::uint32_t rows = 0, columns = 0, frames = 1;
  int samples = 1;
  int allocated = 16, stored = 16, high_bit = 15;  ///< bits
  bool is_signed = false;
  bool planar = false;  ///< colour by plane
  std::string photometric;
  std::uint64_t pixels() const { return std::uint64_t{rows} * columns; }
};

/// Errors: HeaderInvalid, ImageTooLarge, PixelDataUnsupported. Adds to `warnings` what it had to assume.
PixelLayout pixel_layout(const ElementSet& dataset, const ReadLimits& limits, std::vector<std::string>& warnings);

/// Stored samples of one frame. value = (sample >> shift) & (2^bits - 1), then two's complement if signed.
struct Samples {
  Bytes owned;  ///< empty when `view` lies in the file's bytes
  ByteView view;
  int bytes_each = 2;  ///< 1 or 2
  bool big_endian = false;
  int shift = 0, bits = 16;
  bool is_signed = false;
  bool planar = false;
};

struct TransferSyntax;
/// `frame` is 1-based. Errors: PixelDataTruncated, PixelDataUnsupported, HeaderInvalid.
Samples frame_samples(const ElementSet& dataset, const TransferSyntax& syntax, const PixelLayout& layout,
                      std::uint32_t frame, std::vector<std::string>& warnings);

/// One frame's codestream out of encapsulated pixel data (PS3.5 A.4): basic or extended offset table, else one fragment
/// a frame, else the start markers. `joined` receives the bytes when the frame has several fragments. Errors:
/// PixelDataTruncated, HeaderInvalid.
ByteView frame_codestream(const ElementSet& dataset, std::uint32_t frame, std::uint32_t frames, Bytes& joined,
                          std::vector<std::string>& warnings);

}  // namespace rouage::dicom::reading
