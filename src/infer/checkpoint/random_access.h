/// Bytes that are read piece by piece: a checkpoint of a gigabyte never lies in memory whole.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "base/values.h"

namespace rouage::infer::checkpoint {

struct RandomAccess {
  std::uint64_t size = 0;
  /// Fills the span from this offset, or throws CheckpointInvalid when the bytes are not all there.
  std::function<void(std::uint64_t offset, std::span<std::uint8_t> into)> read;

  /// `length` bytes at `offset`; the caller has capped the length. Errors: CheckpointInvalid (beyond the end).
  Bytes bytes(std::uint64_t offset, std::uint64_t length) const;
};

/// The file stays open as long as a copy of the value lives. Errors: FileMissing.
RandomAccess open_file(const std::filesystem::path& path);
/// The bytes must outlive the value.
RandomAccess in_memory(std::span<const std::uint8_t> bytes);

}  // namespace rouage::infer::checkpoint
