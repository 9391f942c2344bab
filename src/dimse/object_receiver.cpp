#include "dimse/object_receiver.h"

#include <fmt/format.h>

#include "base/service.h"
#include "dimse/part10.h"

namespace rouage::dimse {
namespace {

/// Pieces of the size of a PDU are gathered: fewer system calls.
constexpr std::size_t kBuffer = 256 * 1024;

class Writer {
 public:
  Writer(const std::filesystem::path& path, Bytes head) : file_(path), gathered_(std::move(head)) {
    gathered_.reserve(kBuffer + 128 * 1024);
  }
  void take(std::span<const std::uint8_t> piece) {
    gathered_.insert(gathered_.end(), piece.begin(), piece.end());
    if (gathered_.size() >= kBuffer) hand_on();
  }
  Digest finish(bool flush) {
    hand_on();
    return file_.finish(flush);
  }
  std::uint64_t size() const { return file_.size(); }

 private:
  void hand_on() {
    if (!gathered_.empty()) file_.write(gathered_);
    gathered_.clear();
  }
  DurableFile file_;
  Bytes gathered_;
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
