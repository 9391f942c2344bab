#include "dimse/object_sender.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include "dcmtk/dcmdata/dcfilefo.h"
#include "dcmtk/dcmdata/dcuid.h"
#include "dimse/data_sets.h"

namespace rouage::dimse {
namespace {

constexpr std::size_t kPiece = 512 * 1024;

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file, std::uint64_t from)
      : descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat facts {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
      const int cause = errno;
      if (descriptor_ >= 0) ::close(descriptor_);
      throw Error(ErrorCode::FileMissing, std::strerror(cause)).file(file);
    }
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    left_ = size > from ? size - from : 0;
    ::lseek(descriptor_, static_cast<off_t>(from), SEEK_SET);
  }
  ~Reader() { ::close(descriptor_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  std::uint64_t left() const { return left_; }
  std::span<const std::uint8_t> next() {
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kPiece)));
    std::size_t got = 0;
    while (got < buffer_.size()) {
      const ssize_t n = ::read(descriptor_, buffer_.data() + got, buffer_.size() - got);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw Ended(End::broken, "a file was cut short while it was sent");
      got += static_cast<std::size_t>(n);
    }
    left_ -= got;
    // PS3.7 F: fragments are even. A deflated data set of odd length is padded with NUL (PS3.5 A.5).
    if (left_ == 0 && buffer_.size() % 2 != 0) buffer_.push_back(0);
    return buffer_;
  }

 private:
  int descriptor_;
  std::uint64_t left_ = 0;
  Bytes buffer_;
};

void send_as_it_is(Association& association, const Context& context, const Command& request, Reader& reader) {
  association.send(context.id, true, request.encoded(), true);
  do {
    const auto piece = reader.next();
    association.send(context.id, false, piece, reader.left() == 0);
  } while (reader.left() > 0);
}

void send_converted(Association& association, const Context& context, const Command& request,
                    const std::filesystem::path& file) {
  DcmFileFormat format;
  const OFCondition loaded = format.loadFile(file.c_str());
  if (loaded.bad()) throw Error(ErrorCode::NotDicom, loaded.text()).file(file);
  // One piece is held back, so that the last one can be marked.
  Bytes held;
  bool begun = false;
  try {
    write_pieces(*format.getDataset(), context.transfer_syntax, [&](std::span<const std::uint8_t> piece) {
      if (!begun) association.send(context.id, true, request.encoded(), true);
      if (!held.empty()) association.send(context.id, false, held, false);
      begun = true;
      held.assign(piece.begin(), piece.end());
    });
  } catch (const Ended&) {
    throw;
  } catch (const Error& error) {
    if (begun) throw Ended(End::broken, error.detail());  // half an object is under way: nothing else can follow it
    throw;
  }
  if (!begun) throw Error(ErrorCode::NotDicom, "the object is empty").file(file);
  association.send(context.id, false, held, true);
}

}  // namespace

const Context* context_for_object(const Association& association, const FileMeta& meta, bool peer_receives) {
  if (const Context* same = association.context_for(meta.sop_class, meta.transfer_syntax, peer_receives)) return same;
  if (!uncompressed(meta.transfer_syntax)) return nullptr;
  for (const char* syntax : {UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax,
                             UID_DeflatedExplicitVRLittleEndianTransferSyntax, UID_BigEndianExplicitTransferSyntax})
    if (const Context* other = association.context_for(meta.sop_class, syntax, peer_receives)) return other;
  return nullptr;
}

void send_object(Association& association, const Context& context, const std::filesystem::path& file,
                 const FileMeta& meta, std::uint16_t message_id, const MoveOriginator* originator) {
  Command request(Verb::c_store, meta.sop_class, message_id);
  request.set_uid(Field::affected_sop_instance, meta.sop_instance).set(Field::priority, 0);
  request.set(Field::data_set_type, 0x0001);
  if (originator != nullptr)
    request.set_text(Field::move_originator, originator->ae_title)
        .set(Field::move_originator_id, originator->message_id);
  if (context.transfer_syntax != meta.transfer_syntax) {
    send_converted(association, context, request, file);
    return;
  }
  Reader reader(file, meta.data_set_at);
  if (reader.left() == 0) throw Error(ErrorCode::NotDicom, "the object is empty").file(file);
  send_as_it_is(association, context, request, reader);
}

std::string no_context_text(const FileMeta& meta) {
  return fmt::format("the peer takes no {} in {}", meta.sop_class, meta.transfer_syntax);
}

}  // namespace rouage::dimse
