#include "dicom/pixels.h"

#include <fmt/format.h>

#include <cctype>

#include "base/error.h"
#include "dicom/codecs.h"

namespace rouage::dicom::reading {
namespace {

std::int64_t required(const ElementSet& dataset, Tag tag) {
  const auto value = dataset.integer(tag);
  if (!value)
    throw Error(ErrorCode::HeaderInvalid,
                dataset.find(tag) ? "the value is empty or no number" : "the attribute is missing")
        .tag(tag_text(tag));
  return *value;
}

std::uint32_t frame_count(const ElementSet& dataset, std::vector<std::string>& warnings) {
  if (!dataset.has_value(kFrames)) return 1;
  const auto values = dataset.decimals(kFrames);
  const double frames = values.empty() ? -1 : values.front();
  if (frames == 0) {
    warnings.emplace_back("(0028,0008) Number of Frames is 0; taken for 1");
    return 1;
  }
  if (frames < 1 || frames > 2'147'483'647.0 || frames != static_cast<double>(static_cast<std::int64_t>(frames)))
    throw Error(ErrorCode::HeaderInvalid, fmt::format("{} is no number of frames", dataset.text(kFrames)))
        .tag(tag_text(kFrames));
  return static_cast<std::uint32_t>(frames);
}

void check_size(const PixelLayout& layout, const ReadLimits& limits) {
  for (const auto& [side, tag] : {std::pair{layout.rows, kRows}, std::pair{layout.columns, kColumns}}) {
    if (side == 0) throw Error(ErrorCode::HeaderInvalid, "the value is 0").tag(tag_text(tag));
    if (side > limits.side)
      throw Error(ErrorCode::ImageTooLarge, fmt::format("{} is over {}", side, limits.side)).tag(tag_text(tag));
  }
  if (layout.pixels() > limits.pixels)
    throw Error(ErrorCode::ImageTooLarge,
                fmt::format("{} x {} pixels are over {}", layout.rows, layout.columns, limits.pixels))
        .tag(tag_text(kRows));
}

void check_bits(const PixelLayout& layout) {
  if (layout.allocated != 8 && layout.allocated != 16)
    throw Error(ErrorCode::PixelDataUnsupported, fmt::format("{} bits a sample; films have 8 or 16", layout.allocated))
        .tag(tag_text(kBitsAllocated))
        .remedy(layout.allocated == 1 ? "this is a mask or an overlay, not a film: give the film itself"
                                      : "give the original film, not a derived map");
  if (layout.stored < 2 || layout.stored > layout.allocated)
    throw Error(ErrorCode::HeaderInvalid,
                fmt::format("{} bits stored of {} allocated", layout.stored, layout.allocated))
        .tag(tag_text(kBitsStored));
  if (layout.high_bit < layout.stored - 1 || layout.high_bit >= layout.allocated)
    throw Error(ErrorCode::HeaderInvalid,
                fmt::format("high bit {} with {} bits stored of {}", layout.high_bit, layout.stored, layout.allocated))
        .tag(tag_text(kHighBit));
}

std::uint64_t native_frame_bytes(const PixelLayout& layout) {
  const auto bytes_each = static_cast<std::uint64_t>(layout.allocated / 8);
  if (layout.photometric == "YBR_FULL_422" && layout.samples == 3) return layout.pixels() * 2 * bytes_each;
  return layout.pixels() * static_cast<std::uint64_t>(layout.samples) * bytes_each;  // sides are at most 65535: fits
}

/// PS3.5 8.2.1 and C.7.6.3.1.2: two luminances, then the colour that both share.
Bytes spread_422(ByteView packed) {
  Bytes full(packed.size() / 4 * 6);
  for (std::size_t in = 0, out = 0; in + 4 <= packed.size(); in += 4, out += 6) {
    full[out] = packed[in];
    full[out + 3] = packed[in + 1];
    full[out + 1] = full[out + 4] = packed[in + 2];
    full[out + 2] = full[out + 5] = packed[in + 3];
  }
  return full;
}

Samples native_samples(const Element& element, const TransferSyntax& syntax, const PixelLayout& layout,
                       std::uint32_t frame, std::vector<std::string>& warnings) {
  const std::uint64_t each = native_frame_bytes(layout);
  std::uint64_t all = 0;
  if (!multiply_checked({each, layout.frames}, all) || element.value.size() < all)
    throw Error(ErrorCode::PixelDataTruncated,
                fmt::format("{} rows x {} columns x {} frames x {} samples of {} bits need {} bytes, {} are there",
                            layout.rows, layout.columns, layout.frames, layout.samples, layout.allocated,
                            all == 0 ? std::string("too many") : std::to_string(all), element.value.size()))
        .tag(tag_text(kPixelData));
  if (element.claimed != kUndefinedLength && element.claimed > all + 1)
    warnings.push_back(fmt::format("pixel data have {} bytes more than the picture needs", element.claimed - all));
  Samples samples;
  samples.view = element.value.subspan(static_cast<std::size_t>(each * (frame - 1)), static_cast<std::size_t>(each));
  samples.bytes_each = layout.allocated / 8;
  samples.big_endian = syntax.pixels_big_endian;
  samples.shift = layout.high_bit + 1 - layout.stored;
  samples.bits = layout.stored;
  samples.is_signed = layout.is_signed;
  samples.planar = layout.planar && layout.samples > 1;
  if (layout.allocated == 8 && syntax.pixels_big_endian && element.is_vr("OW")) {
    // PS3.5 A.3: 8-bit samples under OW were packed two a word before the words were swapped.
    samples.owned.resize(samples.view.size());
    const std::size_t first = static_cast<std::size_t>(each * (frame - 1));
    for (std::size_t i = 0; i < samples.view.size(); ++i) {
      const std::size_t at = (first + i) ^ 1U;
      samples.owned[i] = at < element.value.size() ? element.value[at] : std::uint8_t{0};
    }
    samples.view = samples.owned;
  }
  if (layout.photometric == "YBR_FULL_422" && layout.samples == 3) {
    if (layout.allocated != 8 || layout.columns % 2 != 0)
      throw Error(ErrorCode::PixelDataUnsupported, "YBR_FULL_422 with odd columns or 16 bits")
          .tag(tag_text(kPhotometric));
    samples.owned = spread_422(samples.view);
    samples.view = samples.owned;
    samples.planar = false;
  }
  return samples;
}

Samples decoded_samples(const ElementSet& dataset, const TransferSyntax& syntax, const PixelLayout& layout,
                        std::uint32_t frame, std::vector<std::string>& warnings) {
  Bytes joined;
  const ByteView codestream = frame_codestream(dataset, frame, layout.frames, joined, warnings);
  switch (syntax.coding) {
    case PixelCoding::rle:
      return decode_rle(codestream, layout);
    case PixelCoding::jpeg:
      return decode_jpeg(codestream, layout);
    case PixelCoding::jpeg_ls:
      return decode_jpeg_ls(codestream, layout, syntax);
    case PixelCoding::jpeg_2000:
      return decode_jpeg_2000(codestream, layout);
    case PixelCoding::native:
    case PixelCoding::unsupported:
      break;
  }
  throw Error(ErrorCode::Internal, "no decoder for " + syntax.name);
}

}  // namespace

PixelLayout pixel_layout(const ElementSet& dataset, const ReadLimits& limits, std::vector<std::string>& warnings) {
  PixelLayout layout;
  layout.rows = static_cast<std::uint32_t>(required(dataset, kRows));
  layout.columns = static_cast<std::uint32_t>(required(dataset, kColumns));
  check_size(layout, limits);
  layout.frames = frame_count(dataset, warnings);
  layout.samples = static_cast<int>(dataset.integer(kSamplesPerPixel).value_or(1));
  if (layout.samples != 1 && layout.samples != 3)
    throw Error(ErrorCode::PixelDataUnsupported, fmt::format("{} samples a pixel", layout.samples))
        .tag(tag_text(kSamplesPerPixel));
  layout.allocated = static_cast<int>(required(dataset, kBitsAllocated));
  layout.stored = static_cast<int>(dataset.integer(kBitsStored).value_or(layout.allocated));
  layout.high_bit = static_cast<int>(dataset.integer(kHighBit).value_or(layout.stored - 1));
  check_bits(layout);
  layout.is_signed = dataset.integer(kPixelRepresentation).value_or(0) == 1;
  layout.planar = dataset.integer(kPlanar).value_or(0) == 1;
  layout.photometric = dataset.text(kPhotometric).substr(0, 32);
  for (char& c : layout.photometric) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (layout.photometric.empty()) {
    layout.photometric = layout.samples == 1 ? "MONOCHROME2" : "RGB";
    warnings.push_back("no photometric interpretation; taken for " + layout.photometric);
  }
  const bool grey = layout.photometric == "MONOCHROME1" || layout.photometric == "MONOCHROME2" ||
                    layout.photometric == "PALETTE COLOR";
  if (grey != (layout.samples == 1))
    throw Error(ErrorCode::HeaderInvalid, fmt::format("{} with {} samples a pixel", layout.photometric, layout.samples))
        .tag(tag_text(kPhotometric));
  return layout;
}

Samples frame_samples(const ElementSet& dataset, const TransferSyntax& syntax, const PixelLayout& layout,
                      std::uint32_t frame, std::vector<std::string>& warnings) {
  const Element& element = *dataset.find(kPixelData);
  if (syntax.coding == PixelCoding::unsupported)
    throw Error(ErrorCode::PixelDataUnsupported, fmt::format("{} ({})", syntax.name, syntax.uid))
        .tag("(0002,0010) TransferSyntaxUID");
  if (element.value.empty())
    throw Error(ErrorCode::NoPixelData, "the pixel data are empty")
        .tag(tag_text(kPixelData))
        .remedy("send the image again from its source");
  const bool encapsulated = element.claimed == kUndefinedLength;
  if (encapsulated && syntax.coding == PixelCoding::native)
    throw Error(ErrorCode::HeaderInvalid, "pixel data are in fragments, but the transfer syntax is " + syntax.name)
        .tag(tag_text(kPixelData));
  if (encapsulated) return decoded_samples(dataset, syntax, layout, frame, warnings);
  if (syntax.coding != PixelCoding::native) {
    if (element.value.size() < native_frame_bytes(layout))
      throw Error(ErrorCode::HeaderInvalid,
                  "pixel data are not in fragments, but the transfer syntax is " + syntax.name)
          .tag(tag_text(kPixelData));
    warnings.push_back("pixel data are not compressed, although the transfer syntax says " + syntax.name);
  }
  return native_samples(element, syntax, layout, frame, warnings);
}

}  // namespace rouage::dicom::reading
