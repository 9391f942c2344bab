#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it
#include <span>
#include <string>

#include <jerror.h>
#include <jpeglib.h>

#include "base/error.h"
#include "image/exif.h"
#include "image/picture.h"

namespace rouage::image {
namespace {

// libjpeg reports errors by longjmp, as libpng does: see png.cpp.

constexpr int kMostScans = 200;  ///< a progressive file of many scans costs minutes without showing more

struct Reader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf back{};
  char problem[JMSG_LENGTH_MAX] = {};
  bool damaged = false;
  std::vector<std::uint8_t> pixels;
  ~Reader() { jpeg_destroy_decompress(&jpeg); }
};

Reader& reader_of(j_common_ptr jpeg) {
  return *static_cast<Reader*>(jpeg->client_data);
}

void leave(j_common_ptr jpeg) {
  Reader& reader = reader_of(jpeg);
  jpeg->err->format_message(jpeg, reader.problem);
  std::longjmp(reader.back, 1);
}

/// Warnings are repaired data. Those of the entropy-coded part mean that pixels are not what was written.
void keep_warning(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  Reader& reader = reader_of(jpeg);
  const int code = jpeg->err->msg_code;
  if (code != JWRN_JPEG_EOF && code != JWRN_HIT_MARKER && code != JWRN_HUFF_BAD_CODE && code != JWRN_MUST_RESYNC &&
      code != JWRN_BOGUS_PROGRESSION)
    return;
  if (!reader.damaged) jpeg->err->format_message(jpeg, reader.problem);
  reader.damaged = true;
}
void drop_message(j_common_ptr) {}

void watch_scans(j_common_ptr jpeg) {
  if (!jpeg->is_decompressor) return;
  const auto* decompressor = reinterpret_cast<j_decompress_ptr>(jpeg);  // NOLINT: libjpeg's own way to the subtype
  if (decompressor->input_scan_number > kMostScans) ERREXIT(jpeg, JERR_BAD_PROGRESSION);
}

bool read_header(Reader& reader, std::span<const std::uint8_t> bytes) {
  if (setjmp(reader.back) != 0) return false;
  jpeg_create_decompress(&reader.jpeg);
  jpeg_mem_src(&reader.jpeg, bytes.data(), bytes.size());
  jpeg_save_markers(&reader.jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&reader.jpeg, TRUE);
  return true;
}

bool read_pixels(Reader& reader, std::size_t stride) {
  if (setjmp(reader.back) != 0) return false;
  jpeg_start_decompress(&reader.jpeg);
  while (reader.jpeg.output_scanline < reader.jpeg.output_height) {
    JSAMPROW row = reader.pixels.data() + reader.jpeg.output_scanline * stride;
    jpeg_read_scanlines(&reader.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reader.jpeg);
  return true;
}

int orientation_of(const jpeg_decompress_struct& jpeg) {
  for (jpeg_saved_marker_ptr marker = jpeg.marker_list; marker != nullptr; marker = marker->next)
    if (const int found = exif_orientation({marker->data, marker->data_length}); found != 1) return found;
  return 1;
}

}  // namespace

Picture read_jpeg(std::span<const std::uint8_t> bytes, std::uint64_t pixel_limit) {
  if (bytes.size() < 3 || bytes[0] != 0xFF || bytes[1] != 0xD8 || bytes[2] != 0xFF)
    throw Error(ErrorCode::NotPicture, "no JPEG mark");
  Reader reader;
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.jpeg.client_data = &reader;
  reader.errors.error_exit = leave;
  reader.errors.emit_message = keep_warning;
  reader.errors.output_message = drop_message;
  if (!read_header(reader, bytes))
    throw Error(reader.damaged ? ErrorCode::PixelDataTruncated : ErrorCode::NotPicture,
                std::string("JPEG: ") + reader.problem);
  Picture picture;
  picture.columns = reader.jpeg.image_width;
  picture.rows = reader.jpeg.image_height;
  picture.channels = reader.jpeg.num_components;
  picture.exif_orientation = orientation_of(reader.jpeg);  // libjpeg forgets its markers when it has finished
  const std::uint64_t pixels = std::uint64_t{picture.columns} * picture.rows;
  if (pixels > pixel_limit)
    throw Error(ErrorCode::ImageTooLarge, std::to_string(picture.columns) + " x " + std::to_string(picture.rows) +
                                              " pixels are over " + std::to_string(pixel_limit));
  if (picture.channels != 1 && picture.channels != 3)
    throw Error(ErrorCode::NotPicture, "JPEG: " + std::to_string(picture.channels) + " channels (CMYK is not read)");
  // The shortest code of a block of 8 x 8 pixels is one bit a scan.
  if (bytes.size() < pixels / 512)
    throw Error(ErrorCode::PixelDataTruncated, "JPEG: the compressed data cannot hold the picture");
  reader.jpeg.out_color_space = picture.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  reader.jpeg.dct_method = JDCT_ISLOW;
  const std::size_t stride = std::size_t{picture.columns} * static_cast<std::size_t>(picture.channels);
  reader.pixels.resize(stride * picture.rows);
  jpeg_progress_mgr progress{};
  progress.progress_monitor = watch_scans;
  reader.jpeg.progress = &progress;
  if (!read_pixels(reader, stride) || reader.damaged)
    throw Error(ErrorCode::PixelDataTruncated, std::string("JPEG: ") + reader.problem);
  picture.samples.assign(reader.pixels.begin(), reader.pixels.end());
  const int orientation = picture.exif_orientation;
  return upright(std::move(picture), orientation);
}

}  // namespace rouage::image
