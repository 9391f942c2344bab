/// A stored object opened for reading: its bytes are mapped, not copied, so that a header of kilobytes is all that is
/// touched of a file of gigabytes.
#pragma once
#include <filesystem>
#include <memory>

#include "dicom/reading_file.h"

namespace rouage::dicom::reading {

struct OpenObject {
  explicit OpenObject(const std::filesystem::path& file);
  ~OpenObject();
  OpenObject(const OpenObject&) = delete;
  OpenObject& operator=(const OpenObject&) = delete;

  ByteView bytes;
  ParsedFile parsed;  ///< its elements lie in `bytes`, or in parsed.inflated

 private:
  void* mapped_ = nullptr;
};

/// The file must not be made shorter meanwhile (the store's are never changed). Errors: FileMissing, NotDicom,
/// HeaderInvalid, with the file's name.
std::unique_ptr<OpenObject> open_object(const std::filesystem::path& file);

}  // namespace rouage::dicom::reading
