/// A DICOM file's outer form (PS3.10 section 7): preamble, meta header, transfer syntax, deflate.
#pragma once
#include <string>
#include <vector>

#include "base/values.h"
#include "dicom/codecs.h"
#include "dicom/reading.h"
#include "dicom/reading_elements.h"

namespace rouage::dicom::reading {

struct ParsedFile {
  ElementSet meta, dataset;
  TransferSyntax syntax;
  Bytes inflated;  ///< of a deflated data set: the elements lie here
  std::vector<std::string> warnings;
};

/// True when `bytes` (a file's start of at least 256 bytes, or all of it) look like DICOM.
bool looks_like_dicom(ByteView bytes);
/// Errors: NotDicom, HeaderInvalid, FileTooLarge (a deflated data set that grows over the limit). `bytes` must outlive
/// it.
ParsedFile parse_file(ByteView bytes, const ReadLimits& limits);

}  // namespace rouage::dicom::reading
