#include "image/volume/voxel_sink.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/service.h"

namespace rouage::image {
namespace {

constexpr std::size_t kPiece = 256 * 1024;

}  // namespace

struct VoxelSink::State {
  std::filesystem::path path, partial;
  int descriptor = -1;
  bool published = false, packing = false;
  z_stream packed{};
  std::vector<std::uint8_t> piece;
  std::uint64_t packed_bytes = 0;

  ~State() {
    if (packing) ::deflateEnd(&packed);
    if (descriptor >= 0) ::close(descriptor);
    if (!published && !partial.empty()) ::unlink(partial.c_str());
  }
  [[noreturn]] void fail(const char* doing) const {
    const int cause = errno;
    const bool full = cause == ENOSPC || cause == EDQUOT;
    throw Error(full ? ErrorCode::DiskFull : ErrorCode::FileUnwritable,
                std::string(doing) + ": " + std::strerror(cause))
        .file(path);
  }
  void to_disk(std::span<const std::uint8_t> bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("writing");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  /// One call of deflate for what is in `packed`, its output to the disk; true while there may be more.
  bool deflate_on(int flush) {
    packed.next_out = piece.data();
    packed.avail_out = static_cast<uInt>(piece.size());
    const int result = ::deflate(&packed, flush);
    if (result == Z_STREAM_ERROR) throw Error(ErrorCode::Internal, "zlib's state is damaged").file(path);
    const std::size_t made = piece.size() - packed.avail_out;
    to_disk(std::span(piece).first(made));
    packed_bytes += made;
    return flush == Z_FINISH ? result != Z_STREAM_END : packed.avail_in > 0 || packed.avail_out == 0;
  }
};

VoxelSink::VoxelSink(std::filesystem::path path) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
  const std::filesystem::path folder = state_->path.has_parent_path() ? state_->path.parent_path() : ".";
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);  // a failure shows when the file is made
  // One name for all runs: what a killed run left is overwritten by the next one.
  state_->partial = folder / ("." + state_->path.filename().string() + ".part");
  state_->descriptor = ::open(state_->partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (state_->descriptor < 0) {
    const int cause = errno;
    state_->partial.clear();
    errno = cause;
    state_->fail("creating");
  }
}

VoxelSink::~VoxelSink() = default;

void VoxelSink::put(std::string_view text) {
  put(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void VoxelSink::put(std::span<const std::uint8_t> bytes) {
  State& s = *state_;
  if (!s.packing) {
    s.to_disk(bytes);
    return;
  }
  constexpr std::size_t kMost = 1U << 30;  // zlib counts in 32 bits
  while (!bytes.empty()) {
    const std::size_t now = std::min(bytes.size(), kMost);
    s.packed.next_in = const_cast<Bytef*>(bytes.data());  // zlib's interface is older than const
    s.packed.avail_in = static_cast<uInt>(now);
    while (s.deflate_on(Z_NO_FLUSH)) {
    }
    bytes = bytes.subspan(now);
  }
}

void VoxelSink::pack(Packing packing, int level) {
  State& s = *state_;
  s.piece.resize(kPiece);
  constexpr int kLargestWindow = 15, kGzip = 16, kMemoryLevel = 8;
  const int window = kLargestWindow + (packing == Packing::gzip ? kGzip : 0);
  if (::deflateInit2(&s.packed, std::clamp(level, 0, 9), Z_DEFLATED, window, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  s.packing = true;
}

std::uint64_t VoxelSink::end_packing() {
  State& s = *state_;
  s.packed.avail_in = 0;
  while (s.deflate_on(Z_FINISH)) {
  }
  ::deflateEnd(&s.packed);
  s.packing = false;
  return s.packed_bytes;
}

void VoxelSink::overwrite(std::uint64_t offset, std::string_view text) {
  const ssize_t written = ::pwrite(state_->descriptor, text.data(), text.size(), static_cast<off_t>(offset));
  if (written != static_cast<ssize_t>(text.size())) state_->fail("writing");
}

void VoxelSink::publish() {
  State& s = *state_;
  if (::fdatasync(s.descriptor) != 0) s.fail("flushing");
  if (::close(std::exchange(s.descriptor, -1)) != 0) s.fail("closing");
  if (::rename(s.partial.c_str(), s.path.c_str()) != 0) s.fail("renaming");
  s.published = true;
  sync_folder(s.partial.parent_path());
}

}  // namespace rouage::image
