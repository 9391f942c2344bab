#include "dicom/codecs.h"

#include <fmt/format.h>

#include "base/error.h"

namespace rouage::dicom::reading {
namespace {

struct SyntaxRow {
  std::string_view uid, name;
  PixelCoding coding;
};

// Compressed syntaxes are all explicit VR little endian (PS3.5 A.4).
constexpr SyntaxRow kCompressed[] = {
    {"1.2.840.10008.1.2.4.50", "JPEG Baseline", PixelCoding::jpeg},
    {"1.2.840.10008.1.2.4.51", "JPEG Extended", PixelCoding::jpeg},
    {"1.2.840.10008.1.2.4.53", "JPEG Spectral Selection (retired)", PixelCoding::jpeg},
    {"1.2.840.10008.1.2.4.55", "JPEG Full Progression (retired)", PixelCoding::jpeg},
    {"1.2.840.10008.1.2.4.57", "JPEG Lossless", PixelCoding::jpeg},
    {"1.2.840.10008.1.2.4.70", "JPEG Lossless SV1", PixelCoding::jpeg},
    {"1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", PixelCoding::jpeg_ls},
    {"1.2.840.10008.1.2.4.81", "JPEG-LS Near-lossless", PixelCoding::jpeg_ls},
    {"1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", PixelCoding::jpeg_2000},
    {"1.2.840.10008.1.2.4.91", "JPEG 2000", PixelCoding::jpeg_2000},
    {"1.2.840.10008.1.2.5", "RLE Lossless", PixelCoding::rle},
    {"1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component Lossless", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.94", "JPIP Referenced", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.100", "MPEG2 Main Level", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.101", "MPEG2 High Level", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 4.1", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 4.1 BD", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 4.2 2D", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 4.2 3D", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.107", "HEVC/H.265 Main", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.110", "JPEG XL Lossless", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.111", "JPEG XL Recompression", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.112", "JPEG XL", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 Lossless", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000 RPCL Lossless", PixelCoding::unsupported},
    {"1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000", PixelCoding::unsupported},
};

}  // namespace

TransferSyntax transfer_syntax(std::string_view uid) {
  const std::string id(uid);
  if (uid == "1.2.840.10008.1.2") return {id, "Implicit VR Little Endian", {false, false}, PixelCoding::native};
  if (uid == "1.2.840.10008.1.2.1") return {id, "Explicit VR Little Endian", {true, false}, PixelCoding::native};
  if (uid == "1.2.840.10008.1.2.1.99")
    return {id, "Deflated Explicit VR Little Endian", {true, false}, PixelCoding::native, true};
  if (uid == "1.2.840.10008.1.2.2")
    return {id, "Explicit VR Big Endian", {true, true}, PixelCoding::native, false, true};
  if (uid == "1.2.840.113619.5.2")
    return {id, "GE private, big endian pixels", {false, false}, PixelCoding::native, false, true};
  for (const SyntaxRow& row : kCompressed)
    if (row.uid == uid) return {id, std::string(row.name), {true, false}, row.coding};
  return {id, "unknown transfer syntax", {true, false}, PixelCoding::unsupported};
}

void require_same_picture(const JpegFrame& frame, const PixelLayout& layout, std::string_view coding) {
  if (frame.rows != layout.rows || frame.columns != layout.columns)
    throw Error(ErrorCode::HeaderInvalid, fmt::format("the header says {} rows x {} columns, the {} data {} x {}",
                                                      layout.rows, layout.columns, coding, frame.rows, frame.columns))
        .tag(tag_text(kRows));
  if (frame.components != layout.samples)
    throw Error(ErrorCode::HeaderInvalid, fmt::format("the header says {} samples a pixel, the {} data {}",
                                                      layout.samples, coding, frame.components))
        .tag(tag_text(kSamplesPerPixel));
  if (frame.precision < 2 || frame.precision > 16)
    throw Error(ErrorCode::PixelDataUnsupported, fmt::format("{} of {} bits a sample", coding, frame.precision))
        .tag(tag_text(kPixelData));
}

}  // namespace rouage::dicom::reading
