/// "AI unavailable" as objects in a folder, made in a child: the header that it is copied from came from the network.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "receive/header_reader.h"
#include "results/results.h"

namespace rouage::app {

struct UnavailableJob {
  std::filesystem::path source;  ///< any object of the series
  std::filesystem::path folder;  ///< exists; files are written into it
  results::UnavailableFacts facts;
  std::string language = "en";
};

class UnavailableWriter {
 public:
  UnavailableWriter();
  /// Names, roles and UIDs of what was written (no bytes). Errors: as ReaderChildren::ask, NotDicom, HeaderInvalid,
  /// WriteInvalid.  Thread-safe.
  std::vector<results::ResultFile> write(const UnavailableJob& job);

 private:
  receive::ReaderChildren children_;
};

/// `rouage write-unavailable --child`.
int write_unavailable_as_child(std::uint64_t memory_mb, double deadline_s);

/// The reason for an error that ended an item.
results::UnavailableReason unavailable_reason(ErrorCode code);

}  // namespace rouage::app
