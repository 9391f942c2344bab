/// Memory for activations: taken once, in huge pages where the system gives them, kept until the engine goes.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rouage::infer::unet {

class Arena {
 public:
  /// Errors: MemoryBudget (the system does not give that much).
  explicit Arena(std::uint64_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  std::byte* at(std::uint64_t offset) const { return start_ + offset; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::byte* start_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace rouage::infer::unet
