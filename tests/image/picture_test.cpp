#include "image/picture.h"

#include <gtest/gtest.h>

namespace rouage::image {
namespace {

TEST(Picture, a_written_png_reads_back_the_same) {
  Bytes grey(12 * 5);
  for (std::size_t i = 0; i < grey.size(); ++i) grey[i] = static_cast<std::uint8_t>(i * 4);
  const Bytes file = write_png(12, 5, 1, grey, {{"Title", "épreuve"}});
  const Picture picture = read_png(file, 1000);
  EXPECT_EQ(picture.columns, 12U);
  EXPECT_EQ(picture.rows, 5U);
  EXPECT_EQ(picture.channels, 1);
  EXPECT_EQ(picture.bits, 8);
  EXPECT_TRUE(std::equal(grey.begin(), grey.end(), picture.samples.begin(), picture.samples.end()));
}

}  // namespace
}  // namespace rouage::image
