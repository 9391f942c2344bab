#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "base/error.h"
#include "dicom/codecs.h"

namespace rouage::dicom::reading {
namespace {

[[noreturn]] void damaged(const std::string& detail) {
  throw Error(ErrorCode::PixelDataTruncated, "JPEG-LS: " + detail).tag(tag_text(kPixelData));
}

/// A data set of nothing but this frame, as DCMTK's codec wants to see it.
std::unique_ptr<DcmDataset> frame_dataset(ByteView codestream, const PixelLayout& layout, E_TransferSyntax syntax) {
  auto dataset = std::make_unique<DcmDataset>();
  dataset->putAndInsertUint16(DCM_SamplesPerPixel, static_cast<Uint16>(layout.samples));
  dataset->putAndInsertString(DCM_PhotometricInterpretation, layout.samples == 1 ? "MONOCHROME2" : "RGB");
  if (layout.samples > 1) dataset->putAndInsertUint16(DCM_PlanarConfiguration, 0);
  dataset->putAndInsertUint16(DCM_Rows, static_cast<Uint16>(layout.rows));
  dataset->putAndInsertUint16(DCM_Columns, static_cast<Uint16>(layout.columns));
  dataset->putAndInsertUint16(DCM_BitsAllocated, static_cast<Uint16>(layout.allocated));
  dataset->putAndInsertUint16(DCM_BitsStored, static_cast<Uint16>(layout.stored));
  dataset->putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(layout.stored - 1));
  dataset->putAndInsertUint16(DCM_PixelRepresentation, 0);
  auto sequence = std::make_unique<DcmPixelSequence>(DCM_PixelSequenceTag);
  auto table = std::make_unique<DcmPixelItem>(DCM_PixelItemTag);
  auto item = std::make_unique<DcmPixelItem>(DCM_PixelItemTag);
  Bytes even(codestream.begin(), codestream.end());
  if (even.size() % 2 != 0) even.push_back(0);
  if (item->putUint8Array(even.data(), even.size()).bad() || sequence->insert(table.release()).bad() ||
      sequence->insert(item.release()).bad())
    throw Error(ErrorCode::Internal, "a JPEG-LS frame cannot be handed to its decoder");
  auto pixels = std::make_unique<DcmPixelData>(DCM_PixelData);
  pixels->putOriginalRepresentation(syntax, nullptr, sequence.release());
  dataset->insert(pixels.release(), OFTrue);
  return dataset;
}

}  // namespace

void register_codecs() {
  DJLSDecoderRegistration::registerCodecs(EJLSUC_never, EJLSPC_colorByPixel, OFTrue);
}

Samples decode_jpeg_ls(ByteView codestream, const PixelLayout& layout, const TransferSyntax& syntax) {
  const JpegFrame frame = jpeg_frame(codestream);
  if (frame.marker != 0xF7)
    throw Error(ErrorCode::HeaderInvalid, "the data are JPEG, but the transfer syntax is " + syntax.name)
        .tag(tag_text(kPixelData));
  require_same_picture(frame, layout, "JPEG-LS");
  if ((frame.precision <= 8) != (layout.allocated == 8))
    throw Error(ErrorCode::PixelDataUnsupported,
                fmt::format("JPEG-LS of {} bits in {} allocated", frame.precision, layout.allocated))
        .tag(tag_text(kBitsAllocated));
  const E_TransferSyntax dcmtk_syntax = syntax.uid == "1.2.840.10008.1.2.4.80" ? EXS_JPEGLSLossless : EXS_JPEGLSLossy;
  const auto dataset = frame_dataset(codestream, layout, dcmtk_syntax);
  DcmElement* element = nullptr;
  if (dataset->findAndGetElement(DCM_PixelData, element).bad())
    throw Error(ErrorCode::Internal, "no pixel data in a made data set");
  Samples samples;
  samples.bytes_each = layout.allocated / 8;
  samples.owned.resize(
      static_cast<std::size_t>(layout.pixels()) * static_cast<std::size_t>(layout.samples * samples.bytes_each) + 1);
  Uint32 fragment = 0;
  OFString colours;
  const OFCondition state =
      element->getUncompressedFrame(dataset.get(), 0, fragment, samples.owned.data(),
                                    static_cast<Uint32>(samples.owned.size() & ~std::size_t{1}), colours);
  if (state.bad()) damaged(state.text());
  samples.view = samples.owned;
  samples.bits = std::min(layout.stored, frame.precision);
  samples.is_signed = layout.is_signed;
  samples.big_endian = std::endian::native == std::endian::big;
  return samples;
}

}  // namespace rouage::dicom::reading
