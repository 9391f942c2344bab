/// Small DICOM films whose every value is known, made with DCMTK (never with the code under test).
#pragma once
#include <dcmtk/dcmdata/dctk.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::dicom::made {

struct MadeFilm {
  std::uint32_t rows = 4, columns = 4;
  std::string frames;
  int allocated = 16, stored = 12, high_bit = 11, representation = 0;
  std::string photometric = "MONOCHROME2";
  std::string sop_class = "1.2.840.10008.5.1.4.1.1.1";  ///< CR
  std::vector<std::uint16_t> values;  ///< stored words, 8-bit values in the low byte; a ramp when empty
  int samples = 1, planar = 0;
  E_TransferSyntax syntax = EXS_LittleEndianExplicit;
  std::function<void(DcmDataset&)> change;  ///< called before the file is written
};

/// The file's bytes.
Bytes film_bytes(const MadeFilm& film);
/// A folder of this test program, emptied when first asked for.
std::filesystem::path scratch_folder();

/// Elements by hand, for what DCMTK refuses to write: group, element, VR, value (padded with a blank or NUL by the
/// caller).
Bytes raw_element(std::uint16_t group, std::uint16_t element, const std::string& vr, const Bytes& value);
Bytes raw_us(std::uint16_t group, std::uint16_t element, std::uint16_t value);
Bytes raw_words(std::uint16_t group, std::uint16_t element, const std::string& vr, const std::string& text);
/// Preamble, DICM and a meta header that names the transfer syntax.
Bytes raw_file_start(const std::string& transfer_syntax_uid);
void append(Bytes& to, const Bytes& more);
/// A whole film as raw bytes whose pixel data element the caller gives.
Bytes raw_film(const std::string& transfer_syntax_uid, std::uint16_t rows, std::uint16_t columns,
               const std::string& frames, const Bytes& pixel_element);

}  // namespace rouage::dicom::made
