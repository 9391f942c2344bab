/// DICOM files at the edge of an association (PS3.10 7.1): the header that a received object gets, and where the data
/// set of a file begins.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/values.h"

namespace rouage::dimse {

struct FileMeta {
  std::string sop_class, sop_instance, transfer_syntax;
  std::uint64_t data_set_at = 0;  ///< offset of the data set
};

/// Preamble, "DICM" and group 0002 for a data set that follows as it was received.
Bytes file_meta_bytes(const FileMeta& meta, const std::string& source_ae);
/// Errors: FileMissing, NotDicom (no preamble, or no SOP class, instance or transfer syntax in group 0002).
FileMeta read_file_meta(const std::filesystem::path& file);

}  // namespace rouage::dimse
