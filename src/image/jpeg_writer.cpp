#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it
#include <cstdlib>
#include <memory>

#include <jpeglib.h>

#include "base/error.h"
#include "image/picture.h"

namespace rouage::image {
namespace {

constexpr std::uint32_t kLongestSide = 65'500;  // libjpeg's JPEG_MAX_DIMENSION

struct Writer {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf back{};
  char problem[JMSG_LENGTH_MAX] = {};
  unsigned char* out = nullptr;
  unsigned long size = 0;
  ~Writer() {
    jpeg_destroy_compress(&jpeg);
    std::free(out);  // NOLINT: libjpeg takes it with malloc
  }
};

void leave(j_common_ptr jpeg) {
  Writer& writer = *static_cast<Writer*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, writer.problem);
  std::longjmp(writer.back, 1);
}

/// Only plain values live here: libjpeg leaves by longjmp.
bool write_all(Writer& writer, std::uint32_t columns, std::uint32_t rows, int channels, const std::uint8_t* samples,
               int quality) {
  writer.jpeg.err = jpeg_std_error(&writer.errors);
  writer.errors.error_exit = leave;
  writer.jpeg.client_data = &writer;
  if (setjmp(writer.back) != 0) return false;  // NOLINT: libjpeg's way
  jpeg_create_compress(&writer.jpeg);
  jpeg_mem_dest(&writer.jpeg, &writer.out, &writer.size);
  writer.jpeg.image_width = columns;
  writer.jpeg.image_height = rows;
  writer.jpeg.input_components = channels;
  writer.jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&writer.jpeg);
  jpeg_set_quality(&writer.jpeg, quality, TRUE);
  jpeg_start_compress(&writer.jpeg, TRUE);
  while (writer.jpeg.next_scanline < rows) {
    JSAMPROW row = const_cast<JSAMPROW>(samples + std::size_t{writer.jpeg.next_scanline} * columns *
                                                      static_cast<std::size_t>(channels));  // libjpeg only reads
    jpeg_write_scanlines(&writer.jpeg, &row, 1);
  }
  jpeg_finish_compress(&writer.jpeg);
  return true;
}

}  // namespace

Bytes write_jpeg(std::uint32_t columns, std::uint32_t rows, int channels, std::span<const std::uint8_t> samples,
                 int quality) {
  std::uint64_t count = 0;
  if ((channels != 1 && channels != 3) || columns == 0 || rows == 0 || columns > kLongestSide || rows > kLongestSide ||
      quality < 1 || quality > 100 || !multiply_checked({columns, rows, static_cast<std::uint64_t>(channels)}, count) ||
      count != samples.size())
    throw Error(ErrorCode::Internal, "a JPEG of impossible size or quality is to be written");
  const auto writer = std::make_unique<Writer>();
  if (!write_all(*writer, columns, rows, channels, samples.data(), quality))
    throw Error(ErrorCode::Internal, std::string("libjpeg: ") + writer->problem);
  return {writer->out, writer->out + writer->size};
}

}  // namespace rouage::image
