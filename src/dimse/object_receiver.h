/// The data set of a C-STORE, bit by bit into a file.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "dimse/message.h"

namespace rouage::dimse {

struct ReceivedObject {
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  Digest digest;
};

/// Writes a Part 10 file of what follows `request`. The data set is read to its end whatever happens to the file, so
/// that the answer can be given. flush: the bytes are on the disk on return. Returns the file, or why there is none
/// (0xA700 when it cannot be written).  Errors: Ended (over `most` bytes too).
struct Reception {
  std::optional<ReceivedObject> object;
  Status status;
};
Reception receive_object(Association& association, const Message& request, const std::filesystem::path& file,
                         const std::string& source_ae, std::uint64_t most, bool flush);

/// Reads a data set that nobody wants. Errors: Ended (over `most` bytes too).
void skip_data(Association& association, std::uint8_t context, std::uint64_t most);

}  // namespace rouage::dimse
