// DICOM bytes to a film, pixel decoding included. A film or a rouage::Error; anything else is a finding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "dicom/reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Small limits, so that an input of some kilobytes cannot ask for honest work of seconds.
  rouage::dicom::ReadLimits limits;
  limits.file_bytes = 16ULL << 20;
  limits.pixels = 1ULL << 22;
  limits.side = 8'192;
  try {
    const auto film = rouage::dicom::read_film(std::span(data, size), limits, 1);
    for (const float value : film.film.values)
      if (!(value >= 0 && value <= 1)) std::abort();
  } catch (const rouage::Error& error) {
    if (error.code() == rouage::ErrorCode::Internal || error.remedy().empty()) std::abort();
  }
  return 0;
}
