// PNG and JPEG in and out.
#include "image/picture.h"

#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <cstdio>

#include <jpeglib.h>

#include "base/error.h"

namespace rouage::image {
namespace {

Bytes ramp(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  return bytes;
}

/// A PNG of any kind, by libpng, not by the code under test. `row` holds one packed row, the same for all.
Bytes png_of(std::uint32_t columns, std::uint32_t rows, int bits, int colour_type, const Bytes& row,
             bool interlaced = false) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  Bytes out;
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep data, png_size_t size) {
        auto& bytes = *static_cast<Bytes*>(png_get_io_ptr(p));
        bytes.insert(bytes.end(), data, data + size);
      },
      nullptr);
  png_set_IHDR(png, info, columns, rows, bits, colour_type, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  const png_color palette[] = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {10, 20, 30}};
  if (colour_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 4);
  png_write_info(png, info);
  std::vector<png_bytep> all(rows, const_cast<png_bytep>(row.data()));
  png_write_image(png, all.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

Bytes jpeg_of(std::uint32_t columns, std::uint32_t rows, int channels, J_COLOR_SPACE space, bool progressive,
              std::uint8_t value) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &buffer, &size);
  jpeg.image_width = columns;
  jpeg.image_height = rows;
  jpeg.input_components = channels;
  jpeg.in_color_space = space;
  jpeg_set_defaults(&jpeg);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  Bytes row(columns * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<std::uint8_t>(value + (i / 16) % 32);
  for (std::uint32_t y = 0; y < rows; ++y) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&jpeg, &pointer, 1);
  }
  jpeg_finish_compress(&jpeg);
  Bytes out(buffer, buffer + size);
  jpeg_destroy_compress(&jpeg);
  std::free(buffer);
  return out;
}

constexpr std::uint64_t kLimit = 1'000'000;

ErrorCode refused(const Bytes& bytes, std::uint64_t limit = kLimit) {
  try {
    if (!bytes.empty() && bytes[0] == 0x89)
      read_png(bytes, limit);
    else
      read_jpeg(bytes, limit);
  } catch (const Error& error) {
    EXPECT_FALSE(error.remedy().empty());
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(Picture, a_written_png_reads_back_the_same) {
  for (const int channels : {1, 3}) {
    const Bytes samples = ramp(12 * 5 * static_cast<std::size_t>(channels));
    const Picture picture = read_png(write_png(12, 5, channels, samples, {{"Title", "épreuve"}}), kLimit);
    EXPECT_EQ(picture.columns, 12U);
    EXPECT_EQ(picture.rows, 5U);
    EXPECT_EQ(picture.channels, channels);
    EXPECT_EQ(picture.bits, 8);
    EXPECT_TRUE(std::equal(samples.begin(), samples.end(), picture.samples.begin(), picture.samples.end()));
  }
}

TEST(Picture, a_png_is_written_the_same_twice_without_a_time_and_with_its_texts) {
  const Bytes samples = ramp(64 * 64),
              file = write_png(64, 64, 1, samples, {{"Software", "Rouage"}, {"Warning", "non relu"}});
  EXPECT_EQ(file, write_png(64, 64, 1, samples, {{"Software", "Rouage"}, {"Warning", "non relu"}}));
  const std::string text(file.begin(), file.end());
  EXPECT_NE(text.find("iTXt"), std::string::npos);
  EXPECT_NE(text.find("non relu"), std::string::npos);
  EXPECT_EQ(text.find("tIME"), std::string::npos);
}

TEST(Picture, a_png_of_impossible_size_is_not_written) {
  EXPECT_THROW(write_png(4, 4, 1, Bytes(15)), Error);
}

TEST(Picture, few_bits_are_expanded_to_eight) {
  const Picture one = read_png(png_of(8, 2, 1, PNG_COLOR_TYPE_GRAY, {0b10100000}), kLimit);
  EXPECT_EQ(one.bits, 8);
  EXPECT_EQ(one.samples[0], 255);
  EXPECT_EQ(one.samples[1], 0);
  const Picture two = read_png(png_of(4, 2, 2, PNG_COLOR_TYPE_GRAY, {0b00011011}), kLimit);
  EXPECT_EQ((std::vector<std::uint16_t>(two.samples.begin(), two.samples.begin() + 4)),
            (std::vector<std::uint16_t>{0, 85, 170, 255}));
}

TEST(Picture, sixteen_bits_stay_sixteen) {
  const Picture picture = read_png(png_of(2, 1, 16, PNG_COLOR_TYPE_GRAY, {0x12, 0x34, 0xFF, 0xFE}), kLimit);
  EXPECT_EQ(picture.bits, 16);
  EXPECT_EQ(picture.samples, (std::vector<std::uint16_t>{0x1234, 0xFFFE}));
}

TEST(Picture, alpha_is_dropped_and_palettes_are_expanded) {
  const Picture grey_alpha = read_png(png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, {10, 0, 20, 255}), kLimit);
  EXPECT_EQ(grey_alpha.channels, 1);
  EXPECT_EQ(grey_alpha.samples, (std::vector<std::uint16_t>{10, 20}));
  const Picture colour_alpha = read_png(png_of(1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {1, 2, 3, 0}), kLimit);
  EXPECT_EQ(colour_alpha.samples, (std::vector<std::uint16_t>{1, 2, 3}));
  const Picture palette = read_png(png_of(2, 1, 8, PNG_COLOR_TYPE_PALETTE, {3, 1}), kLimit);
  EXPECT_EQ(palette.samples, (std::vector<std::uint16_t>{10, 20, 30, 255, 0, 0}));
}

TEST(Picture, an_interlaced_png_is_read) {
  const Bytes row = ramp(33);
  const Picture picture = read_png(png_of(33, 17, 8, PNG_COLOR_TYPE_GRAY, row, true), kLimit);
  for (std::size_t i = 0; i < picture.samples.size(); ++i) EXPECT_EQ(picture.samples[i], row[i % 33]);
}

TEST(Picture, baseline_and_progressive_jpegs_are_read) {
  for (const bool progressive : {false, true}) {
    const Picture grey = read_jpeg(jpeg_of(64, 32, 1, JCS_GRAYSCALE, progressive, 100), kLimit);
    EXPECT_EQ(grey.channels, 1);
    EXPECT_EQ(grey.columns, 64U);
    EXPECT_NEAR(grey.samples[0], 100, 3);  // quality 75
    const Picture colour = read_jpeg(jpeg_of(64, 32, 3, JCS_RGB, progressive, 100), kLimit);
    EXPECT_EQ(colour.channels, 3);
    EXPECT_EQ(colour.samples.size(), 64U * 32 * 3);
  }
}

TEST(Picture, cmyk_is_refused) {
  EXPECT_EQ(refused(jpeg_of(16, 16, 4, JCS_CMYK, false, 9)), ErrorCode::NotPicture);
}

TEST(Picture, a_size_over_the_limit_is_refused_from_the_header) {
  Bytes png = write_png(8, 8, 1, ramp(64));
  EXPECT_EQ(refused(png, 63), ErrorCode::ImageTooLarge);
  EXPECT_EQ(refused(jpeg_of(64, 64, 1, JCS_GRAYSCALE, false, 0), 4'095), ErrorCode::ImageTooLarge);
}

TEST(Picture, a_size_that_the_data_cannot_hold_is_refused_before_memory_is_taken) {
  Bytes png = write_png(8, 8, 1, ramp(64));
  png[18] = png[22] = 0x7F;  // 32,520 x 32,520 pixels
  EXPECT_EQ(refused(png, 1ULL << 40), ErrorCode::PixelDataTruncated);
  Bytes jpeg = jpeg_of(8, 8, 1, JCS_GRAYSCALE, false, 0);
  const Bytes mark = {0xFF, 0xC0, 0, 11, 8};
  const auto frame = std::search(jpeg.begin(), jpeg.end(), mark.begin(), mark.end());
  ASSERT_NE(frame, jpeg.end());
  std::fill(frame + 5, frame + 9, std::uint8_t{0x7F});
  EXPECT_EQ(refused(jpeg, 1ULL << 40), ErrorCode::PixelDataTruncated);
}

TEST(Picture, files_cut_anywhere_are_refused) {
  for (const Bytes& file : {write_png(40, 40, 3, ramp(4'800)), jpeg_of(64, 64, 3, JCS_RGB, false, 10),
                            jpeg_of(64, 64, 1, JCS_GRAYSCALE, true, 10)}) {
    for (std::size_t size = 0; size + 16 < file.size(); ++size) {
      const ErrorCode code = refused(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)));
      EXPECT_EQ(code, size < 8 && code == ErrorCode::NotPicture ? ErrorCode::NotPicture : ErrorCode::PixelDataTruncated)
          << size;
    }
  }
}

TEST(Picture, a_changed_byte_in_png_data_is_noticed) {
  Bytes png = write_png(40, 40, 1, ramp(1'600));
  png[png.size() / 2] ^= 0x10;
  EXPECT_EQ(refused(png), ErrorCode::PixelDataTruncated);
}

TEST(Picture, what_is_no_picture_is_said) {
  EXPECT_EQ(refused({}), ErrorCode::NotPicture);
  EXPECT_EQ(refused({0x89, 'P', 'N', 'G'}), ErrorCode::NotPicture);
  EXPECT_EQ(refused({0xFF, 0xD8, 0xFF, 0xD9}), ErrorCode::NotPicture);
}

}  // namespace
}  // namespace rouage::image
