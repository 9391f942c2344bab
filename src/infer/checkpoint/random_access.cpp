#include "infer/checkpoint/random_access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

#include <cerrno>
#include <memory>

#include "base/error.h"

namespace rouage::infer::checkpoint {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat facts {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
      if (descriptor_ >= 0) ::close(descriptor_);
      throw Error(ErrorCode::FileMissing, "it cannot be opened as a file").file(path);
    }
    size_ = static_cast<std::uint64_t>(facts.st_size);
  }
  ~Descriptor() { ::close(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  std::uint64_t size() const { return size_; }
  void read(std::uint64_t offset, std::span<std::uint8_t> into) const {
    while (!into.empty()) {
      const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw Error(ErrorCode::CheckpointInvalid, "the file became shorter while it was read");
      into = into.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }

 private:
  int descriptor_;
  std::uint64_t size_ = 0;
};

void check_range(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  if (offset > size || length > size - offset)
    throw Error(ErrorCode::CheckpointInvalid, "the file is truncated: a part lies beyond its end");
}

}  // namespace

Bytes RandomAccess::bytes(std::uint64_t offset, std::uint64_t length) const {
  check_range(offset, length, size);
  Bytes made(static_cast<std::size_t>(length));
  read(offset, made);
  return made;
}

RandomAccess open_file(const std::filesystem::path& path) {
  const auto file = std::make_shared<const Descriptor>(path);
  return {.size = file->size(), .read = [file](std::uint64_t offset, std::span<std::uint8_t> into) {
            check_range(offset, into.size(), file->size());
            file->read(offset, into);
          }};
}

RandomAccess in_memory(std::span<const std::uint8_t> bytes) {
  return {.size = bytes.size(), .read = [bytes](std::uint64_t offset, std::span<std::uint8_t> into) {
            check_range(offset, into.size(), bytes.size());
            const auto part = bytes.subspan(static_cast<std::size_t>(offset), into.size());
            std::copy(part.begin(), part.end(), into.begin());
          }};
}

}  // namespace rouage::infer::checkpoint
