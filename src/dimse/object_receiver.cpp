#include "dimse/object_receiver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "dimse/part10.h"

namespace rouage::dimse {
namespace {

/// Smaller pieces are gathered: fewer system calls.
constexpr std::size_t kPiece = 64 * 1024;
/// Write-back of what lies here longest is begun after so many bytes, when more have come: the flush at the end then
/// has little left to wait for. (What came last is left to it, for each call costs as much as the flush of it.)
constexpr std::uint64_t kWriteBackStep = 384 * 1024, kPage = 4096;

/// A new file, written and digested as its pieces come; removed unless it was finished. Errors: DiskFull,
/// FileUnwritable.
class Writer {
 public:
  Writer(std::filesystem::path path, std::span<const std::uint8_t> head) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (descriptor_ < 0) fail("creating");
    gathered_.reserve(2 * kPiece);
    take(head);
  }
  ~Writer() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!finished_) ::unlink(path_.c_str());
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void take(std::span<const std::uint8_t> piece) {
    begin_write_back();
    digest_.add(piece);  // while it is in the processor's cache
    if (gathered_.size() + piece.size() < kPiece) {
      gathered_.insert(gathered_.end(), piece.begin(), piece.end());
      return;
    }
    write(piece);
  }

  Digest finish(bool flush) {
    write({});
    if (flush && ::fdatasync(descriptor_) != 0) fail("flushing");
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("closing");
    finished_ = true;
    return digest_.finish();
  }
  std::uint64_t size() const { return size_; }

 private:
  [[noreturn]] void fail(const char* doing) const {
    const int cause = errno;
    throw Error(cause == ENOSPC || cause == EDQUOT ? ErrorCode::DiskFull : ErrorCode::FileUnwritable,
                fmt::format("{}: {}", doing, std::strerror(cause)))
        .file(path_);
  }

  /// What was gathered, and `piece` behind it, with one call where the system takes all of it.
  void write(std::span<const std::uint8_t> piece) {
    std::span<const std::uint8_t> first = gathered_;
    while (!first.empty() || !piece.empty()) {
      const iovec parts[] = {{const_cast<std::uint8_t*>(first.data()), first.size()},
                             {const_cast<std::uint8_t*>(piece.data()), piece.size()}};
      const ssize_t result = ::writev(descriptor_, parts, 2);
      if (result < 0 && errno == EINTR) continue;
      if (result < 0) fail("writing");
      const auto written = static_cast<std::size_t>(result);
      size_ += written;
      const std::size_t of_first = std::min(written, first.size());
      first = first.subspan(of_first);
      piece = piece.subspan(written - of_first);
    }
    gathered_.clear();
  }

  /// Whole pages only: the last one will be written once more.
  void begin_write_back() {
    if (size_ - started_ < kWriteBackStep) return;
    const std::uint64_t until = size_ / kPage * kPage;
    ::sync_file_range(descriptor_, static_cast<off64_t>(started_), static_cast<off64_t>(until - started_),
                      SYNC_FILE_RANGE_WRITE);
    started_ = until;
  }

  std::filesystem::path path_;
  int descriptor_ = -1;
  Bytes gathered_;
  Sha256 digest_;
  std::uint64_t size_ = 0, started_ = 0;
  bool finished_ = false;
};

void require_below(std::uint64_t bytes, std::uint64_t most) {
  if (bytes > most) throw Ended(End::broken, fmt::format("an object is over {} bytes", most));
}

}  // namespace

Reception receive_object(Association& association, const Message& request, const std::filesystem::path& file,
                         const std::string& source_ae, std::uint64_t most, bool flush) {
  const FileMeta meta{request.command.text(Field::affected_sop_class),
                      request.command.text(Field::affected_sop_instance),
                      association.context(request.context)->transfer_syntax, 0};
  std::optional<Writer> writer;
  Reception reception;
  const auto attempt = [&](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      writer.reset();
      reception.status = {codes::kOutOfResources, error.what()};
    }
  };
  attempt([&] { writer.emplace(file, file_meta_bytes(meta, source_ae)); });
  std::uint64_t taken = 0;
  receive_data(association, request.context, [&](std::span<const std::uint8_t> piece) {
    taken += piece.size();
    require_below(taken, most);
    if (writer) attempt([&] { writer->take(piece); });
  });
  if (writer)
    attempt([&] {
      const Digest digest = writer->finish(flush);
      reception.object = {file, writer->size(), digest};
    });
  return reception;
}

void skip_data(Association& association, std::uint8_t context, std::uint64_t most) {
  std::uint64_t taken = 0;
  receive_data(association, context, [&](std::span<const std::uint8_t> piece) {
    taken += piece.size();
    require_below(taken, most);
  });
}

}  // namespace rouage::dimse
