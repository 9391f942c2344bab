#include "base/host.h"
#include "base/service.h"
#include "receive/receive.h"

namespace rouage::receive {

std::uint16_t Receipt::dimse_status() const {
  return outcome == Outcome::refused ? static_cast<std::uint16_t>(error_entry(code).dimse) : std::uint16_t{0};
}

Arrival arrival_of(const std::filesystem::path& file, const Origin& origin) {
  constexpr std::uint64_t kLargest = 16ULL * 1024 * kMebibyte;
  Arrival arrival{.file = file, .bytes = std::filesystem::file_size(file), .digest = {}, .entry = {}, .origin = origin};
  arrival.entry = dicom::index_entry(file);
  arrival.digest = file_digest(file, kLargest);
  return arrival;
}

}  // namespace rouage::receive
