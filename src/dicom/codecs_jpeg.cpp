#include <dcmtk/dcmjpeg/djcparam.h>
#include <dcmtk/dcmjpeg/djdijg12.h>
#include <dcmtk/dcmjpeg/djdijg16.h>
#include <dcmtk/dcmjpeg/djdijg8.h>
#include <fmt/format.h>
#include <algorithm>

#include "base/error.h"
#include "dicom/codecs.h"

namespace rouage::dicom::reading {
namespace {

[[noreturn]] void damaged(const std::string& detail) {
  throw Error(ErrorCode::PixelDataTruncated, "JPEG: " + detail).tag(tag_text(kPixelData));
}

constexpr int kMostProgressiveScans = 64;

/// DCMTK's decoder, with ears: libjpeg repairs bad data silently, we want to know.
template <class Decoder>
class WatchedDecoder : public Decoder {
 public:
  using Decoder::Decoder;
  void emitMessage(int level) const override {
    if (level < 0) ++warnings_;
  }
  int warnings() const { return warnings_; }

 private:
  mutable int warnings_ = 0;
};

template <class Decoder>
void decode_into(ByteView codestream, Bytes& out, bool is_signed, int excused_warnings) {
  // Components stay as they are coded (EDC_never): whether three of them are grey is asked later, both as RGB and as
  // YBR.
  const DJCodecParameter parameters(ECC_lossyYCbCr, EDC_never, EUC_never, EPC_default);
  WatchedDecoder<Decoder> decoder(parameters, OFFalse);
  if (decoder.init().bad()) throw Error(ErrorCode::Internal, "the JPEG decoder does not start");
  const OFCondition state = decoder.decode(
      const_cast<Uint8*>(codestream.data()), static_cast<Uint32>(codestream.size()), out.data(),
      static_cast<Uint32>(out.size()), is_signed ? OFTrue : OFFalse);  // the decoder only reads its input
  if (state.bad()) damaged(state.text());
  if (decoder.warnings() > excused_warnings) damaged("the compressed data are damaged or end early");
}

}  // namespace

JpegFrame jpeg_frame(ByteView codestream) {
  JpegFrame frame;
  if (codestream.size() < 4 || codestream[0] != 0xFF || codestream[1] != 0xD8) damaged("no start mark");
  for (std::size_t at = 2; at + 4 <= codestream.size();) {
    if (codestream[at] != 0xFF) {
      ++at;  // entropy-coded data, or filling
      continue;
    }
    const int marker = codestream[at + 1];
    if (marker == 0xFF) {
      ++at;
      continue;
    }
    if (marker == 0xD9) break;
    // JPEG-LS stuffs a bit: behind FF a byte under 80 is data. RSTn and TEM have no length.
    if (marker < 0x80 || (marker >= 0xD0 && marker <= 0xD8)) {
      at += 2;
      continue;
    }
    const std::size_t length = load_u16(codestream, at + 2, true);
    if (length < 2 || length > codestream.size() - at - 2) break;
    const bool start_of_frame =
        (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) || marker == 0xF7;
    if (start_of_frame && length >= 8) {
      if (frame.marker != 0) damaged("two frame headers");
      frame.marker = marker;
      frame.precision = codestream[at + 4];
      frame.rows = load_u16(codestream, at + 5, true);
      frame.columns = load_u16(codestream, at + 7, true);
      frame.components = codestream[at + 9];
    }
    if (marker == 0xDA) {
      ++frame.scans;
      const std::size_t selection = at + 5 + 2 * std::size_t{codestream[at + 4]};  // Ss and Se, behind the components
      const bool there = selection + 1 < at + 2 + length;
      if (frame.marker <= 0xC1 && there) frame.odd_scan = codestream[selection] != 0 || codestream[selection + 1] != 63;
    }
    if (frame.scans > 0 && frame.marker != 0xC2) break;  // only a progressive stream needs its scans counted
    at += 2 + length;
  }
  if (frame.marker == 0) damaged("no frame header");
  if (frame.scans == 0) damaged("no scan");
  return frame;
}

Samples decode_jpeg(ByteView codestream, const PixelLayout& layout) {
  const JpegFrame frame = jpeg_frame(codestream);
  if (frame.marker > 0xC3)
    throw Error(ErrorCode::PixelDataUnsupported,
                fmt::format("JPEG process SOF{} (hierarchical or arithmetic)", frame.marker - 0xC0))
        .tag(tag_text(kPixelData));
  require_same_picture(frame, layout, "JPEG");
  if (frame.scans > kMostProgressiveScans) damaged(fmt::format("{} scans", frame.scans));
  const bool lossless = frame.marker == 0xC3;
  if (!lossless && frame.precision != 8 && frame.precision != 12)
    throw Error(ErrorCode::PixelDataUnsupported, fmt::format("lossy JPEG of {} bits", frame.precision))
        .tag(tag_text(kPixelData));
  // Shortest possible code: a bit a sample when lossless, a bit for each 8 x 8 block of a progressive scan.
  if (codestream.size() < layout.pixels() / (lossless ? 8 : 512))
    damaged(fmt::format("{} bytes cannot hold {} pixels", codestream.size(), layout.pixels()));
  const std::size_t count = static_cast<std::size_t>(layout.pixels()) * static_cast<std::size_t>(layout.samples);
  Samples samples;
  samples.bytes_each = frame.precision <= 8 ? 1 : 2;
  samples.owned.resize(count * static_cast<std::size_t>(samples.bytes_each));
  if (codestream.size() > UINT32_MAX || samples.owned.size() > UINT32_MAX) damaged("more than 4 GiB");
  const int excused = frame.odd_scan ? 1 : 0;  // libjpeg warns of it once
  if (frame.precision <= 8) {
    decode_into<DJDecompressIJG8Bit>(codestream, samples.owned, layout.is_signed, excused);
  } else if (frame.precision <= 12) {
    decode_into<DJDecompressIJG12Bit>(codestream, samples.owned, layout.is_signed, excused);
  } else {
    decode_into<DJDecompressIJG16Bit>(codestream, samples.owned, layout.is_signed, excused);
  }
  samples.view = samples.owned;
  samples.bits = std::min(layout.stored, frame.precision);
  samples.shift = std::max(0, std::min(layout.high_bit + 1, frame.precision) - layout.stored);
  samples.is_signed = layout.is_signed;
  return samples;
}

}  // namespace rouage::dicom::reading
