// PNG and JPEG bytes to samples. A picture or a rouage::Error; anything else is a finding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "image/picture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  try {
    const bool png = size > 0 && data[0] == 0x89;
    const auto picture = png ? rouage::image::read_png(bytes, 1ULL << 22) : rouage::image::read_jpeg(bytes, 1ULL << 22);
    const std::uint64_t wanted =
        std::uint64_t{picture.columns} * picture.rows * static_cast<std::uint64_t>(picture.channels);
    if (picture.samples.size() != wanted) std::abort();
  } catch (const rouage::Error& error) {
    if (error.code() == rouage::ErrorCode::Internal) std::abort();
  }
  return 0;
}
