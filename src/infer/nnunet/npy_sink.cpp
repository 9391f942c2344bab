// Logits as a NumPy file while they come: planes are the second axis, so every class is written at its own place.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/values.h"
#include "infer/nnunet/nnunet.h"

namespace rouage::infer {
namespace {

class NpyFile {
 public:
  explicit NpyFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~NpyFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  NpyFile(const NpyFile&) = delete;
  NpyFile& operator=(const NpyFile&) = delete;

  void take(const LogitsPlane& plane) {
    if (descriptor_ < 0) begin(plane);
    const std::size_t area = std::size_t{plane.shape[1]} * plane.shape[2];
    for (std::size_t c = 0; c < plane.classes; ++c) {
      const std::size_t position = (c * plane.shape[0] + plane.index) * area * sizeof(std::uint16_t);
      write(header_size_ + position, plane.halves.subspan(c * area, area).data(), area * sizeof(std::uint16_t));
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::FileUnwritable, std::string("the logits cannot be written: ") + std::strerror(errno))
        .file(path_);
  }

  void write(std::size_t position, const void* data, std::size_t count) const {
    const char* bytes = static_cast<const char*>(data);
    while (count > 0) {
      const ssize_t written = ::pwrite(descriptor_, bytes, count, static_cast<off_t>(position));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail();
      bytes += written;
      position += static_cast<std::size_t>(written);
      count -= static_cast<std::size_t>(written);
    }
  }

  /// NPY format 1.0 (numpy.lib.format): magic, version, header padded to 64 bytes.
  void begin(const LogitsPlane& plane) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail();
    std::string text = "{'descr': '<f2', 'fortran_order': False, 'shape': (" + std::to_string(plane.classes);
    for (const std::uint32_t size : plane.shape) text += ", " + std::to_string(size);
    text += "), }";
    constexpr std::size_t kPrefix = 10, kAlign = 64;
    text.append((kAlign - (kPrefix + text.size() + 1) % kAlign) % kAlign, ' ');
    text += '\n';
    std::string head("\x93NUMPY\x01\x00", 8);
    head += static_cast<char>(text.size() & 0xFFU);
    head += static_cast<char>(text.size() >> 8);
    head += text;
    header_size_ = head.size();
    write(0, head.data(), head.size());
  }

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::size_t header_size_ = 0;
};

}  // namespace

LogitsSink npy_logits_sink(const std::filesystem::path& path) {
  return [file = std::make_shared<NpyFile>(path)](const LogitsPlane& plane) { file->take(plane); };
}

}  // namespace rouage::infer
