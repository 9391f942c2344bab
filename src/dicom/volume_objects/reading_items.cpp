#include "dicom/volume_objects/reading_items.h"

#include <fmt/format.h>

#include "base/error.h"
#include "dicom/charset.h"
#include "dicom/reading.h"

namespace rouage::dicom {

std::unique_ptr<reading::OpenObject> open_bounded(const std::filesystem::path& file, std::uint64_t most_bytes) {
  initialise();
  auto object = std::make_unique<reading::OpenObject>(file);
  if (object->bytes.size() > most_bytes)
    throw Error(ErrorCode::FileTooLarge, fmt::format("{} bytes, limit {}", object->bytes.size(), most_bytes))
        .file(file);
  try {
    object->parsed = reading::parse_file(object->bytes, {.file_bytes = most_bytes});
  } catch (Error& error) {
    throw error.file(file);
  }
  return object;
}

std::string text_of(const reading::ElementSet& set, reading::Tag tag, const std::string& character_set) {
  std::vector<std::string> warnings;  // a doubtful name is still the name
  return reading::to_utf8(set.text(tag), character_set, warnings);
}

std::optional<Code> code_of(const reading::ElementSet& set, reading::Tag sequence, const std::string& character_set) {
  const auto items = set.items(sequence, 1);
  if (items.empty()) return std::nullopt;
  const reading::ElementSet& item = items.front();
  Code code{item.text(0x00080100), item.text(0x00080102), text_of(item, 0x00080104, character_set)};
  if (code.value.empty()) code.value = item.text(0x00080119);
  if (code.value.empty()) return std::nullopt;
  return code;
}

}  // namespace rouage::dicom
