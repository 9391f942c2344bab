#include <fmt/format.h>

#include "base/error.h"
#include "dicom/codecs.h"

namespace rouage::dicom::reading {
namespace {

constexpr std::size_t kHeader = 64;  // PS3.5 G.5: number of segments and fifteen offsets

[[noreturn]] void damaged(const std::string& detail) {
  throw Error(ErrorCode::PixelDataTruncated, "RLE: " + detail).tag(tag_text(kPixelData));
}

/// PackBits (PS3.5 G.3.2) into every `step`-th byte of `out`, `count` of them.
void unpack(ByteView in, std::uint8_t* out, std::size_t step, std::size_t count) {
  std::size_t at = 0, done = 0;
  while (done < count) {
    if (at >= in.size()) damaged(fmt::format("a segment ends after {} of {} bytes", done, count));
    const std::uint8_t code = in[at++];
    if (code < 128) {
      const std::size_t run = std::min<std::size_t>(code + 1U, count - done);
      if (run > in.size() - at) damaged(fmt::format("a segment ends after {} of {} bytes", done, count));
      for (std::size_t i = 0; i < run; ++i) out[(done + i) * step] = in[at + i];
      at += code + 1U;
      done += run;
    } else if (code > 128) {
      if (at >= in.size()) damaged(fmt::format("a segment ends after {} of {} bytes", done, count));
      const std::size_t run = std::min<std::size_t>(257U - code, count - done);
      const std::uint8_t value = in[at++];
      for (std::size_t i = 0; i < run; ++i) out[(done + i) * step] = value;
      done += run;
    }
  }
}

}  // namespace

Samples decode_rle(ByteView codestream, const PixelLayout& layout) {
  if (codestream.size() < kHeader) damaged("no room for the header");
  const std::size_t bytes_each = static_cast<std::size_t>(layout.allocated) / 8;
  const std::size_t channels = static_cast<std::size_t>(layout.samples);
  const std::size_t wanted = bytes_each * channels;
  if (load_u32(codestream, 0, false) != wanted)
    damaged(fmt::format("{} segments, {} are needed for {} samples of {} bits", load_u32(codestream, 0, false), wanted,
                        channels, layout.allocated));
  // A pair of bytes gives at most 128: fewer bytes than that cannot hold the picture, whatever they are.
  const std::uint64_t plane = layout.pixels();
  if (codestream.size() - kHeader < plane * wanted / 64)
    damaged(fmt::format("{} bytes cannot hold {} pixels", codestream.size(), plane));
  Samples samples;
  samples.bytes_each = static_cast<int>(bytes_each);
  samples.bits = layout.stored;
  samples.shift = layout.high_bit + 1 - layout.stored;
  samples.is_signed = layout.is_signed;
  samples.owned.resize(static_cast<std::size_t>(plane) * wanted);
  for (std::size_t segment = 0; segment < wanted; ++segment) {
    const std::size_t begin = load_u32(codestream, 4 + 4 * segment, false);
    const std::size_t end = segment + 1 < wanted ? load_u32(codestream, 8 + 4 * segment, false) : codestream.size();
    if (begin < kHeader || begin > end || end > codestream.size())
      damaged(fmt::format("segment {} lies outside the fragment", segment + 1));
    // The segments go from the most significant byte down; samples are kept in little endian.
    const std::size_t channel = segment / bytes_each, byte = bytes_each - 1 - segment % bytes_each;
    unpack(codestream.subspan(begin, end - begin), samples.owned.data() + channel * bytes_each + byte, wanted,
           static_cast<std::size_t>(plane));
  }
  samples.view = samples.owned;
  return samples;
}

}  // namespace rouage::dicom::reading
