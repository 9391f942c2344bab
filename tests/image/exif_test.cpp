// Exif orientation of a JPEG: read from its marker, applied to the samples.
#include "image/exif.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include <jpeglib.h>

namespace rouage::image {
namespace {

/// An APP1 segment with one directory entry, in either byte order.
Bytes app1(int tag, int type, int value, bool big) {
  Bytes bytes{'E', 'x', 'i', 'f', 0, 0};
  const auto u16 = [&](int v) {
    const auto high = static_cast<std::uint8_t>(v >> 8), low = static_cast<std::uint8_t>(v & 255);
    bytes.push_back(big ? high : low);
    bytes.push_back(big ? low : high);
  };
  const auto u32 = [&](int v) {
    if (big) u16(0);
    u16(v);
    if (!big) u16(0);
  };
  bytes.insert(bytes.end(), 2, big ? 'M' : 'I');
  u16(42);
  u32(8);
  u16(1);
  u16(tag);
  u16(type);
  u32(1);
  u16(value);
  u16(0);
  u32(0);
  return bytes;
}

TEST(Exif, OrientationIsReadInBothByteOrders) {
  for (const bool big : {false, true})
    for (int value = 1; value <= 8; ++value) EXPECT_EQ(exif_orientation(app1(0x0112, 3, value, big)), value);
}

TEST(Exif, WhatIsNotAnOrientationIsOne) {
  EXPECT_EQ(exif_orientation(app1(0x0112, 3, 9, false)), 1);
  EXPECT_EQ(exif_orientation(app1(0x0112, 4, 6, false)), 1);
  EXPECT_EQ(exif_orientation(app1(0x0100, 3, 6, false)), 1);
  EXPECT_EQ(exif_orientation({}), 1);
  const Bytes whole = app1(0x0112, 3, 6, true);
  for (std::size_t size = 0; size < 26; ++size)  // every shorter beginning, to the byte before the value ends
    EXPECT_EQ(exif_orientation(std::span(whole).first(size)), 1) << size;
  Bytes far = whole;
  far[10] = far[11] = far[12] = far[13] = 0xFF;  // the directory is said to be 4 GB away
  EXPECT_EQ(exif_orientation(far), 1);
}

// Stored as rows AB / CD / EF. Shown, by the standard's words on where row 0 and column 0 stand.
TEST(Exif, PicturesAreTurnedAsTheStandardSays) {
  const std::array<const char*, 9> shown{"",        "AB/CD/EF", "BA/DC/FE", "FE/DC/BA", "EF/CD/AB",
                                         "ACE/BDF", "ECA/FDB",  "FDB/ECA",  "BDF/ACE"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Picture stored;
    stored.columns = 2;
    stored.rows = 3;
    stored.samples = {'A', 'B', 'C', 'D', 'E', 'F'};
    const Picture turned = upright(stored, orientation);
    std::string text;
    for (std::uint32_t y = 0; y < turned.rows; ++y) {
      if (y > 0) text += '/';
      for (std::uint32_t x = 0; x < turned.columns; ++x)
        text += static_cast<char>(turned.samples[std::size_t{y} * turned.columns + x]);
    }
    EXPECT_EQ(text, shown[static_cast<std::size_t>(orientation)]) << orientation;
  }
}

TEST(Exif, AJpegWithAnOrientationComesUpright) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &buffer, &size);
  jpeg.image_width = 32;
  jpeg.image_height = 16;
  jpeg.input_components = 1;
  jpeg.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  const Bytes marker = app1(0x0112, 3, 6, false);
  jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker.data(), static_cast<unsigned>(marker.size()));
  for (int y = 0; y < 16; ++y) {
    Bytes row(32, y < 8 ? 250 : 10);  // bright above
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&jpeg, &pointer, 1);
  }
  jpeg_finish_compress(&jpeg);
  const Bytes bytes(buffer, buffer + size);
  jpeg_destroy_compress(&jpeg);
  std::free(buffer);
  const Picture picture = read_jpeg(bytes, 10000);
  EXPECT_EQ(picture.exif_orientation, 6);
  EXPECT_EQ(picture.columns, 16U);
  EXPECT_EQ(picture.rows, 32U);
  // 6: row 0 stands at the right, so bright is right.
  EXPECT_GT(picture.samples[15], 200);
  EXPECT_LT(picture.samples[0], 60);
}

}  // namespace
}  // namespace rouage::image
