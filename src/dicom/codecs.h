/// Transfer syntaxes and the decoders of compressed pixel data.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/values.h"
#include "dicom/pixels.h"
#include "dicom/reading_elements.h"

namespace rouage::dicom::reading {

enum class PixelCoding { native, rle, jpeg, jpeg_ls, jpeg_2000, unsupported };

/// A row of PS3.6 table A-1 as far as pictures use it.
struct TransferSyntax {
  std::string uid, name;
  Encoding encoding;
  PixelCoding coding = PixelCoding::native;
  bool deflated = false;
  bool pixels_big_endian = false;  ///< as the data set, but for one private syntax of GE
};

/// An unknown UID gives explicit VR little endian with coding `unsupported`.
TransferSyntax transfer_syntax(std::string_view uid);

/// One codestream as samples of `layout.samples` channels, 16 bits each in the machine's order, interleaved.
/// The codestream's own rows, columns, components and precision are compared with the header's before memory is taken.
/// Errors: PixelDataTruncated, PixelDataUnsupported, HeaderInvalid.
Samples decode_rle(ByteView codestream, const PixelLayout& layout);
Samples decode_jpeg(ByteView codestream, const PixelLayout& layout);
Samples decode_jpeg_ls(ByteView codestream, const PixelLayout& layout, const TransferSyntax& syntax);
Samples decode_jpeg_2000(ByteView codestream, const PixelLayout& layout);

/// What a JPEG or JPEG-LS frame header says (ISO 10918-1 B.2.2, ISO 14495-1 C.2.2).
struct JpegFrame {
  int marker = 0;  ///< 0xC0 baseline, 0xC1 extended, 0xC2 progressive, 0xC3 lossless, 0xF7 JPEG-LS
  int precision = 0;
  std::uint32_t rows = 0, columns = 0;
  int components = 0;
  bool odd_scan =
      false;      ///< a sequential scan whose spectral selection is not 0 to 63: read all the same, as others do
  int scans = 0;  ///< start-of-scan markers, all of them in a progressive stream
};
/// Errors: PixelDataTruncated when there is no frame header.
JpegFrame jpeg_frame(ByteView codestream);
/// Errors: HeaderInvalid when the codestream is no picture of this layout, PixelDataUnsupported for its precision.
void require_same_picture(const JpegFrame& frame, const PixelLayout& layout, std::string_view coding);

/// DCMTK's JPEG-LS codec is registered. Called once by initialise().
void register_codecs();

}  // namespace rouage::dicom::reading
