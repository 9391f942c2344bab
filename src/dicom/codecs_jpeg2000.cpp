#include <fmt/format.h>
#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "dicom/codecs.h"

namespace rouage::dicom::reading {
namespace {

[[noreturn]] void damaged(const std::string& detail) {
  throw Error(ErrorCode::PixelDataTruncated, "JPEG 2000: " + detail).tag(tag_text(kPixelData));
}
[[noreturn]] void unsupported(const std::string& detail) {
  throw Error(ErrorCode::PixelDataUnsupported, "JPEG 2000: " + detail).tag(tag_text(kPixelData));
}

// A tile costs OpenJPEG about 6 KiB before it is read, a code block or precinct about 128 bytes.
constexpr std::uint64_t kMostTiles = 8'192;
constexpr std::uint64_t kMostBlocks = 8'000'000;

std::uint64_t divided_up(std::uint64_t value, std::uint64_t by) {
  return (value + by - 1) / by;
}

/// The image and tile size marker (ISO 15444-1 A.5.1), read before OpenJPEG sees anything.
struct SizeMarker {
  std::uint32_t columns = 0, rows = 0, tile_columns = 0, tile_rows = 0;
  int components = 0;
};

SizeMarker size_marker(ByteView stream) {
  if (stream.size() < 49 || stream[0] != 0xFF || stream[1] != 0x4F || stream[2] != 0xFF || stream[3] != 0x51)
    damaged("no start mark");
  const auto at = [&](std::size_t place) { return load_u32(stream, place, true); };
  if (load_u16(stream, 6, true) & 0x4000) unsupported("High-Throughput coding (HTJ2K)");
  SizeMarker size;
  const std::uint32_t right = at(8), bottom = at(12), left = at(16), top = at(20);
  const std::uint32_t tile_left = at(32), tile_top = at(36);
  if (left >= right || top >= bottom || tile_left > left || tile_top > top) damaged("impossible image area");
  size.columns = right - left;
  size.rows = bottom - top;
  size.tile_columns = at(24);
  size.tile_rows = at(28);
  size.components = load_u16(stream, 40, true);
  if (size.tile_columns == 0 || size.tile_rows == 0) damaged("tiles of no size");
  const std::uint64_t tiles =
      divided_up(right - tile_left, size.tile_columns) * divided_up(bottom - tile_top, size.tile_rows);
  if (tiles > kMostTiles) unsupported(fmt::format("{} tiles", tiles));
  return size;
}

/// Code blocks and precincts that a COD or COC marker (A.6.1) asks for, over the whole picture.
void check_blocks(ByteView parameters, bool own_precincts, const SizeMarker& size) {
  if (parameters.size() < 5) damaged("short coding style marker");
  const unsigned levels = parameters[0], width = (parameters[1] & 15U) + 2, height = (parameters[2] & 15U) + 2;
  if (levels > 32 || width > 10 || height > 10 || width + height > 12) damaged("impossible coding style");
  const std::uint64_t pixels = std::uint64_t{size.columns} * size.rows * static_cast<std::uint64_t>(size.components);
  std::uint64_t blocks = pixels >> (width + height);
  for (unsigned level = 0; own_precincts && level <= levels; ++level) {
    if (5 + level >= parameters.size()) damaged("precinct sizes are missing");
    const unsigned shift_x = parameters[5 + level] & 15U, shift_y = parameters[5 + level] >> 4;
    const unsigned reduced = std::min(levels - level, 31U);
    const std::uint64_t columns = divided_up(size.columns, std::uint64_t{1} << reduced),
                        rows = divided_up(size.rows, std::uint64_t{1} << reduced);
    blocks += divided_up(columns, std::uint64_t{1} << shift_x) * divided_up(rows, std::uint64_t{1} << shift_y) *
              static_cast<std::uint64_t>(size.components);
  }
  if (blocks > kMostBlocks) unsupported(fmt::format("{} code blocks and precincts", blocks));
}

/// Every coding style marker of main and tile headers.
void check_coding_styles(ByteView stream, const SizeMarker& size) {
  bool in_header = true;
  for (std::size_t at = 2; at + 4 <= stream.size();) {
    const unsigned marker = load_u16(stream, at, true);
    if (!in_header) {
      // Behind a start of data: the next tile part is found by its marker, which packet data cannot imitate (below
      // FF90).
      if (marker != 0xFF90) {
        ++at;
        continue;
      }
      in_header = true;
    }
    if (marker == 0xFF93) {
      in_header = false;
      at += 2;
      continue;
    }
    if (marker == 0xFFD9) return;
    const std::size_t length = load_u16(stream, at + 2, true);
    if (marker < 0xFF00 || length < 2 || length > stream.size() - at - 2) return;  // OpenJPEG says what is wrong there
    const ByteView body = stream.subspan(at + 4, length - 2);
    if (marker == 0xFF52 && body.size() >= 10) check_blocks(body.subspan(5), (body[0] & 1U) != 0, size);
    if (marker == 0xFF53 && body.size() >= 7) check_blocks(body.subspan(2), (body[1] & 1U) != 0, size);
    if (marker == 0xFF50) unsupported("High-Throughput coding (HTJ2K)");
    at += 2 + length;
  }
}

/// Some writers put a whole JP2 file into the fragment; the codestream stands in its 'jp2c' box.
ByteView without_boxes(ByteView bytes) {
  if (bytes.size() < 12 || std::memcmp(bytes.data() + 4, "jP  ", 4) != 0) return bytes;
  for (std::size_t at = 0; at + 8 <= bytes.size();) {
    std::size_t length = load_u32(bytes, at, true), header = 8;
    const bool codestream = std::memcmp(bytes.data() + at + 4, "jp2c", 4) == 0;
    if (length == 1 && at + 16 <= bytes.size()) {
      header = 16;
      length = load_u32(bytes, at + 12, true);
    }
    if (length == 0 || length > bytes.size() - at) length = bytes.size() - at;
    if (length < header) break;
    if (codestream) return bytes.subspan(at + header, length - header);
    at += length;
  }
  damaged("a JP2 file without codestream");
}

struct Source {
  ByteView bytes;
  std::size_t at = 0;
};

OPJ_SIZE_T read_source(void* out, OPJ_SIZE_T wanted, void* user) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t size = std::min(wanted, source.bytes.size() - source.at);
  if (size == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(out, source.bytes.data() + source.at, size);
  source.at += size;
  return size;
}

OPJ_OFF_T skip_source(OPJ_OFF_T wanted, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (wanted < 0 || static_cast<std::uint64_t>(wanted) > source.bytes.size() - source.at) {
    source.at = source.bytes.size();
    return -1;
  }
  source.at += static_cast<std::size_t>(wanted);
  return wanted;
}

OPJ_BOOL seek_source(OPJ_OFF_T place, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (place < 0 || static_cast<std::uint64_t>(place) > source.bytes.size()) return OPJ_FALSE;
  source.at = static_cast<std::size_t>(place);
  return OPJ_TRUE;
}

void keep_message(const char* message, void* user) {
  auto& text = *static_cast<std::string*>(user);
  if (text.empty()) text = std::string(trimmed(message));
}
void drop_message(const char*, void*) {}

using Codec = std::unique_ptr<opj_codec_t, decltype(&opj_destroy_codec)>;
using Stream = std::unique_ptr<opj_stream_t, decltype(&opj_stream_destroy)>;
using Image = std::unique_ptr<opj_image_t, decltype(&opj_image_destroy)>;

void check_components(const opj_image_t& image, const PixelLayout& layout) {
  for (OPJ_UINT32 i = 0; i < image.numcomps; ++i) {
    const opj_image_comp_t& component = image.comps[i];
    if (component.dx != 1 || component.dy != 1 || component.w != layout.columns || component.h != layout.rows)
      unsupported("subsampled components");
    if (component.prec < 2 || component.prec > 16) unsupported(fmt::format("{} bits a sample", component.prec));
    if (component.prec != image.comps[0].prec || component.sgnd != image.comps[0].sgnd)
      unsupported("components of different kinds");
  }
}

Image decode_stream(ByteView stream_bytes, const PixelLayout& layout) {
  Source source{stream_bytes};
  std::string problem;
  const Codec codec(opj_create_decompress(OPJ_CODEC_J2K), opj_destroy_codec);
  const Stream stream(
      opj_stream_create(std::min<std::size_t>(std::max<std::size_t>(stream_bytes.size(), 64), 1U << 20), OPJ_TRUE),
      opj_stream_destroy);
  if (!codec || !stream) throw Error(ErrorCode::Internal, "OpenJPEG does not start");
  opj_set_error_handler(codec.get(), keep_message, &problem);
  opj_set_warning_handler(codec.get(), drop_message, nullptr);
  opj_set_info_handler(codec.get(), drop_message, nullptr);
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), stream_bytes.size());
  opj_stream_set_read_function(stream.get(), read_source);
  opj_stream_set_skip_function(stream.get(), skip_source);
  opj_stream_set_seek_function(stream.get(), seek_source);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* raw = nullptr;
  if (!opj_setup_decoder(codec.get(), &parameters)) throw Error(ErrorCode::Internal, "OpenJPEG does not start");
  const bool header = opj_read_header(stream.get(), codec.get(), &raw) == OPJ_TRUE;
  Image image(raw, opj_image_destroy);
  if (!header || !image) damaged(problem.empty() ? "the header cannot be read" : problem);
  check_components(*image, layout);
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get()))
    damaged(problem.empty() ? "the codestream ends early" : problem);
  return image;
}

}  // namespace

Samples decode_jpeg_2000(ByteView codestream, const PixelLayout& layout) {
  const ByteView stream = without_boxes(codestream);
  const SizeMarker size = size_marker(stream);
  require_same_picture({0, 8, size.rows, size.columns, size.components, 1}, layout, "JPEG 2000");
  check_coding_styles(stream, size);
  const Image image = decode_stream(stream, layout);
  const auto channels = static_cast<std::size_t>(layout.samples), pixels = static_cast<std::size_t>(layout.pixels());
  if (image->numcomps != channels) damaged("a component is missing");
  Samples samples;
  samples.bytes_each = 2;
  samples.owned.resize(pixels * channels * 2);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const OPJ_INT32* values = image->comps[channel].data;
    if (values == nullptr) damaged("a component is missing");
    for (std::size_t i = 0; i < pixels; ++i) {
      const auto word = static_cast<std::uint16_t>(values[i]);
      std::memcpy(samples.owned.data() + (i * channels + channel) * 2, &word, 2);
    }
  }
  samples.view = samples.owned;
  // The codestream's own precision counts: headers are known to disagree with it in both directions.
  samples.bits = static_cast<int>(image->comps[0].prec);
  samples.is_signed = layout.is_signed || image->comps[0].sgnd != 0;
  return samples;
}

}  // namespace rouage::dicom::reading
