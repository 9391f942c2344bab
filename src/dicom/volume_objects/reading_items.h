/// What the readers of volume results share. Internal.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "dicom/code.h"
#include "dicom/object_file.h"

namespace rouage::dicom {

/// The file mapped and parsed; a deflated data set may grow to `most_bytes`.  Errors: FileMissing, FileTooLarge,
/// NotDicom, HeaderInvalid, PixelDataTruncated.
std::unique_ptr<reading::OpenObject> open_bounded(const std::filesystem::path& file, std::uint64_t most_bytes);

/// Text in UTF-8 as the object's character set says.
std::string text_of(const reading::ElementSet& set, reading::Tag tag, const std::string& character_set);
/// First item of a code sequence; nothing when absent or without value.
std::optional<Code> code_of(const reading::ElementSet& set, reading::Tag sequence, const std::string& character_set);

}  // namespace rouage::dicom
