/// A file as a C-STORE, as it is wherever the peer takes its transfer syntax.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "dimse/message.h"
#include "dimse/part10.h"

namespace rouage::dimse {

struct MoveOriginator {
  std::string ae_title;
  std::uint16_t message_id = 0;
};

/// The context on which `meta`'s object can go: its own syntax, else an uncompressed one for an uncompressed object.
/// Null: none.
const Context* context_for_object(const Association& association, const FileMeta& meta, bool peer_receives);

/// Sends the request with its data set; the answer is the caller's to read.
/// Errors: Ended; FileMissing, WriteInvalid before anything was sent.
void send_object(Association& association, const Context& context, const std::filesystem::path& file,
                 const FileMeta& meta, std::uint16_t message_id, const MoveOriginator* originator = nullptr);

/// Why an object cannot go: for a Status 0x0122.
std::string no_context_text(const FileMeta& meta);

}  // namespace rouage::dimse
