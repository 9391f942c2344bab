/// A data set written in pieces: file meta group, raw elements, blocks that are made by threads and handed on in order.
/// Internal to the writers of volume results.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/values.h"
#include "dicom/writing_item.h"

namespace rouage::dicom::stream {

inline constexpr std::string_view kImplicitLittleEndian = "1.2.840.10008.1.2";
inline constexpr std::string_view kExplicitLittleEndian = "1.2.840.10008.1.2.1";
inline constexpr std::string_view kDeflatedLittleEndian = "1.2.840.10008.1.2.1.99";
inline constexpr std::uint64_t kLongestValue = 0xFFFFFFFE;  ///< PS3.5 7.1.1, even and not undefined

void append_u16(Bytes& out, std::uint16_t value);
void append_u32(Bytes& out, std::uint32_t value);
void append_tag(Bytes& out, const DcmTagKey& tag);

/// Explicit VR little endian with explicit lengths (what Item writes) as implicit VR little endian.
Bytes implicit_bytes(std::span<const std::uint8_t> explicit_bytes);

/// One block of a raw deflate stream (RFC 1951), independent of the blocks before: ends on a byte (sync flush) or, the
/// last one, with the end mark. So blocks may be made in any order and their concatenation is one stream.
Bytes deflated(std::span<const std::uint8_t> bytes, bool last);

/// Buffers that have been used: a block of megabytes that is given back to the system and taken again costs more in
/// page faults than in work. Thread-safe.
class BufferPool {
 public:
  Bytes take();  ///< empty, with the capacity of an earlier one where there is one
  void give_back(Bytes buffer);

 private:
  std::mutex mutex_;
  std::vector<Bytes> free_;
};

/// make(0..count-1) on `threads` threads, take() in order on the caller's; at most 2 * threads blocks wait. The first
/// exception of make, in block order, is thrown here.
void in_order(std::size_t count, unsigned threads, const std::function<Bytes(std::size_t)>& make,
              const std::function<void(Bytes)>& take);

}  // namespace rouage::dicom::stream
