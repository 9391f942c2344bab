#include <gtest/gtest.h>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"

namespace rouage::dicom {
namespace {

TEST(ReadingFiles, nothing_is_not_dicom) {
  EXPECT_THROW(read_film(Bytes{}, {}), Error);
}

}  // namespace
}  // namespace rouage::dicom
