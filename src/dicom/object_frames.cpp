// The frames of an object as they are stored: nothing is decoded. PS3.5 section 8 and annex A, PS3.18 8.7.3.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "dicom/object.h"
#include "dicom/object_file.h"
#include "dicom/pixels.h"

namespace rouage::dicom {
namespace {

using namespace reading;

constexpr std::size_t kMostNumbers = 100'000;

/// PS3.18 table 8.7.3-5: what a frame's bitstream is called.
std::string media_type_of(const TransferSyntax& syntax) {
  struct Row {
    std::string_view begins, type;
  };
  static constexpr Row kRows[] = {
      {"1.2.840.10008.1.2.4.92", "image/jpx"},   {"1.2.840.10008.1.2.4.93", "image/jpx"},
      {"1.2.840.10008.1.2.4.20", "image/jphc"},  {"1.2.840.10008.1.2.4.100", "video/mpeg"},
      {"1.2.840.10008.1.2.4.101", "video/mpeg"}, {"1.2.840.10008.1.2.4.10", "video/mp4"},
      {"1.2.840.10008.1.2.4.11", "image/jxl"},
  };
  switch (syntax.coding) {
    case PixelCoding::native:
      return "application/octet-stream";
    case PixelCoding::rle:
      return "image/dicom-rle";
    case PixelCoding::jpeg:
      return "image/jpeg";
    case PixelCoding::jpeg_ls:
      return "image/jls";
    case PixelCoding::jpeg_2000:
      return "image/jp2";
    case PixelCoding::unsupported:
      break;
  }
  for (const Row& row : kRows)
    if (syntax.uid.starts_with(row.begins)) return std::string(row.type);
  return "application/octet-stream";
}

const Element& pixels_of(const ElementSet& dataset) {
  for (const Tag tag : {kPixelData, kFloatPixelData, kDoublePixelData})
    if (const Element* element = dataset.find(tag); element != nullptr && !element->value.empty()) return *element;
  throw Error(ErrorCode::NotFound, "the object has no pixels");
}

std::uint32_t frames_of(const ElementSet& dataset) {
  const std::int64_t said = dataset.integer(kFrames).value_or(1);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(said, 1, INT32_MAX));
}

std::uint64_t count(const ElementSet& dataset, Tag tag, std::int64_t when_absent) {
  const std::int64_t value = dataset.integer(tag).value_or(when_absent);
  if (value < 1 || value > 65'535) throw Error(ErrorCode::HeaderInvalid, "no usable value").tag(tag_text(tag));
  return static_cast<std::uint64_t>(value);
}

std::uint64_t bits_of_frame(const ElementSet& dataset, const Element& pixels) {
  const std::uint64_t rows = count(dataset, kRows, 0), columns = count(dataset, kColumns, 0);
  const std::uint64_t allocated = pixels.tag == kFloatPixelData    ? 32
                                  : pixels.tag == kDoublePixelData ? 64
                                                                   : count(dataset, kBitsAllocated, 0);
  std::uint64_t samples = count(dataset, kSamplesPerPixel, 1);
  // Two luminances share one pair of colours (PS3.3 C.7.6.3.1.2).
  const std::string photometric = dataset.text(kPhotometric);
  if (samples == 3 && (photometric == "YBR_FULL_422" || photometric == "YBR_PARTIAL_422")) samples = 2;
  std::uint64_t bits = 0;
  if (!multiply_checked({rows, columns, samples, allocated}, bits))
    throw Error(ErrorCode::HeaderInvalid, "a frame of more than 64 bits can count").tag(tag_text(kRows));
  return bits;
}

/// Bytes of a word under big endian, by which they are turned; 1: nothing to turn.
std::size_t word_bytes(const Element& pixels, const TransferSyntax& syntax) {
  if (!syntax.pixels_big_endian) return 1;
  if (pixels.tag == kFloatPixelData) return 4;
  if (pixels.tag == kDoublePixelData) return 8;
  return pixels.is_vr("OB") ? 1 : 2;
}

/// `length` bytes at `at`, words turned to little endian. Frames need not begin on a word.
Bytes little_endian(ByteView value, std::size_t at, std::size_t length, std::size_t word) {
  Bytes bytes(length);
  if (word == 1) {
    std::copy_n(value.begin() + static_cast<std::ptrdiff_t>(at), length, bytes.begin());
    return bytes;
  }
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t place = at + i, turned = place - place % word + (word - 1 - place % word);
    bytes[i] = turned < value.size() ? value[turned] : std::uint8_t{0};
  }
  return bytes;
}

/// One-bit frames follow each other without gap (PS3.5 8.1.1); here each begins on a byte.
Bytes bit_frame(ByteView value, std::uint64_t first_bit, std::uint64_t bits) {
  Bytes bytes(static_cast<std::size_t>((bits + 7) / 8));
  for (std::uint64_t i = 0; i < bits; ++i) {
    const std::uint64_t from = first_bit + i;
    if ((value[static_cast<std::size_t>(from / 8)] >> (from % 8) & 1) != 0)
      bytes[static_cast<std::size_t>(i / 8)] |= static_cast<std::uint8_t>(1U << (i % 8));
  }
  return bytes;
}

Bytes native_frame(const Element& pixels, std::uint64_t bits, std::uint32_t number, std::size_t word) {
  std::uint64_t first_bit = 0, end_bit = 0;
  const bool fits = multiply_checked({bits, number - 1}, first_bit) && multiply_checked({bits, number}, end_bit);
  if (!fits || (end_bit + 7) / 8 > pixels.value.size())
    throw Error(ErrorCode::PixelDataTruncated,
                fmt::format("frame {} ends behind the {} bytes that are there", number, pixels.value.size()))
        .tag(tag_text(pixels.tag));
  if (first_bit % 8 != 0 || bits % 8 != 0) return bit_frame(pixels.value, first_bit, bits);
  return little_endian(pixels.value, static_cast<std::size_t>(first_bit / 8), static_cast<std::size_t>(bits / 8), word);
}

}  // namespace

EncodedFrames encoded_frames(const std::filesystem::path& file, const std::vector<std::uint32_t>& numbers) {
  const auto object = open_object(file);
  const ElementSet& dataset = object->parsed.dataset;
  const TransferSyntax& syntax = object->parsed.syntax;
  const Element& pixels = pixels_of(dataset);
  const bool encapsulated = pixels.claimed == kUndefinedLength;
  const std::uint32_t frames = frames_of(dataset);
  if (numbers.size() > kMostNumbers) throw Error(ErrorCode::RequestTooLarge, "too many frames at once");
  EncodedFrames found;
  found.transfer_syntax_uid = encapsulated ? syntax.uid : "1.2.840.10008.1.2.1";
  found.media_type = encapsulated ? media_type_of(syntax) : "application/octet-stream";
  const std::uint64_t bits = encapsulated ? 0 : bits_of_frame(dataset, pixels);
  const std::size_t word = word_bytes(pixels, syntax);
  std::vector<std::string> unused;
  for (const std::uint32_t number : numbers) {
    if (number < 1 || number > frames)
      throw Error(ErrorCode::NotFound, fmt::format("frame {} is asked for, it has {}", number, frames));
    if (!encapsulated) {
      found.frames.push_back(native_frame(pixels, bits, number, word));
      continue;
    }
    Bytes joined;
    const ByteView stream = frame_codestream(dataset, number, frames, joined, unused);
    found.frames.emplace_back(stream.begin(), stream.end());
  }
  return found;
}

}  // namespace rouage::dicom
