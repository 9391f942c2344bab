#include "infer/unet/arena.h"

#include <sys/mman.h>

#include <string>

#include "base/error.h"
#include "base/host.h"

namespace rouage::infer::unet {

Arena::Arena(std::uint64_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* taken = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (taken == MAP_FAILED)
    throw Error(ErrorCode::MemoryBudget,
                "the net needs " + std::to_string(bytes / kMebibyte) + " MiB for its activations");
  madvise(taken, bytes, MADV_HUGEPAGE);  // only advice: 4 KiB pages give the same result
  start_ = static_cast<std::byte*>(taken);
}

Arena::~Arena() {
  if (start_ != nullptr) munmap(start_, bytes_);
}

}  // namespace rouage::infer::unet
