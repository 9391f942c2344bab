#include "image/volume/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace rouage::image {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kNearEnd = 64 * 1024;

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::VolumeInvalid, "the packed voxels are damaged: " + what)
      .remedy("fetch or export the file again");
}

}  // namespace

struct ByteSource::State {
  int descriptor = -1;
  std::uint64_t size = 0, given = 0;
  bool deflated = false, ended = false;
  z_stream packed{};
  bool packed_open = false;
  std::vector<std::uint8_t> piece;

  ~State() {
    if (packed_open) ::inflateEnd(&packed);
    if (descriptor >= 0) ::close(descriptor);
  }
  std::size_t from_disk(std::uint8_t* out, std::size_t most) {
    for (;;) {
      const ssize_t got = ::read(descriptor, out, most);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno));
      return static_cast<std::size_t>(got);
    }
  }
  bool refill() {
    if (packed.avail_in > 0) return true;
    packed.next_in = piece.data();
    packed.avail_in = static_cast<uInt>(from_disk(piece.data(), piece.size()));
    return packed.avail_in > 0;
  }
  /// After the end of one gzip member: true when another one begins; other bytes are ignored, as gzip ignores them.
  bool next_member() {
    if (!refill() || packed.next_in[0] != 0x1F) return false;
    return ::inflateReset(&packed) == Z_OK;
  }
  std::size_t unpack(std::span<std::uint8_t> out);
};

std::size_t ByteSource::State::unpack(std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size() && !ended) {
    if (!refill()) damaged("truncated: the packed bytes end before their checksum");
    const std::size_t room = std::min<std::size_t>(out.size() - done, 1U << 30);
    packed.next_out = out.data() + done;
    packed.avail_out = static_cast<uInt>(room);
    const int result = ::inflate(&packed, Z_NO_FLUSH);
    done += room - packed.avail_out;
    if (result == Z_STREAM_END)
      ended = !next_member();
    else if (result != Z_OK && result != Z_BUF_ERROR)
      damaged(packed.msg != nullptr ? packed.msg : "no gzip or zlib data");
  }
  return done;
}

ByteSource::ByteSource(const std::filesystem::path& path, const SourceOptions& options)
    : state_(std::make_unique<State>()) {
  // Non-blocking: a pipe of that name must not hang us before it is refused.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (options.own_name ? 0 : O_NOFOLLOW);
  state_->descriptor = ::open(path.c_str(), flags);
  if (state_->descriptor < 0) {
    const bool link = errno == ELOOP && !options.own_name;
    throw Error(ErrorCode::FileMissing,
                link ? "a symbolic link named by a header is not followed" : std::strerror(errno))
        .file(path);
  }
  struct stat about {};
  if (::fstat(state_->descriptor, &about) != 0 || !S_ISREG(about.st_mode))
    throw Error(ErrorCode::FileMissing, "not a plain file").file(path);
  state_->size = static_cast<std::uint64_t>(about.st_size);
  if (options.offset > state_->size)
    throw Error(ErrorCode::VolumeInvalid, "truncated: the voxels begin at byte " + std::to_string(options.offset) +
                                              ", the file has " + std::to_string(state_->size));
  if (::lseek(state_->descriptor, static_cast<off_t>(options.offset), SEEK_SET) < 0)
    throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(path);
  state_->deflated = options.deflated;
  if (!options.deflated) return;
  state_->piece.resize(kPiece);
  constexpr int kGzipOrZlib = 15 + 32;
  if (::inflateInit2(&state_->packed, kGzipOrZlib) != Z_OK) throw std::bad_alloc();
  state_->packed_open = true;
}

ByteSource::~ByteSource() = default;

std::uint64_t ByteSource::file_bytes() const {
  return state_->size;
}

std::size_t ByteSource::read_some(std::span<std::uint8_t> out) {
  std::size_t done = 0;
  if (state_->deflated) {
    done = state_->unpack(out);
  } else {
    while (done < out.size()) {
      const std::size_t got = state_->from_disk(out.data() + done, out.size() - done);
      if (got == 0) break;
      done += got;
    }
  }
  state_->given += done;
  return done;
}

void ByteSource::read(std::span<std::uint8_t> out) {
  const std::uint64_t before = state_->given;
  const std::size_t got = read_some(out);
  if (got < out.size())
    throw Error(ErrorCode::VolumeInvalid, "truncated: byte " + std::to_string(before + out.size()) +
                                              " is needed, the data end after " + std::to_string(before + got))
        .remedy("fetch or export the file again");
}

void ByteSource::skip(std::uint64_t bytes) {
  std::vector<std::uint8_t> away(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kPiece)));
  while (bytes > 0) {
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, away.size()));
    read(std::span(away).first(now));
    bytes -= now;
  }
}

void ByteSource::check_end() {
  if (!state_->deflated) return;
  std::vector<std::uint8_t> away(kNearEnd);
  state_->unpack(away);
}

}  // namespace rouage::image
