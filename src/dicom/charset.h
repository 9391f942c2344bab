/// Text of a DICOM attribute to UTF-8, for people. Results never go through here: they carry the raw bytes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace rouage::dicom::reading {

/// `character_set`: value of (0008,0005), backslashes included. Text that its set cannot explain is read as UTF-8, else
/// as Latin-1, and that is warned of. Never throws. Source: PS3.5 6.1, PS3.3 C.12.1.1.2.
std::string to_utf8(std::string_view text, std::string_view character_set, std::vector<std::string>& warnings);

}  // namespace rouage::dicom::reading
