#include "dicom/object_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/host.h"

namespace rouage::dicom::reading {

OpenObject::OpenObject(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(file);
  struct stat figures {};
  const bool regular = ::fstat(descriptor, &figures) == 0 && S_ISREG(figures.st_mode);
  const auto size = static_cast<std::size_t>(regular ? figures.st_size : 0);
  void* place = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  ::close(descriptor);
  if (!regular) throw Error(ErrorCode::FileMissing, "not a regular file").file(file);
  if (size == 0) throw Error(ErrorCode::NotDicom, "the file is empty").file(file);
  if (place == MAP_FAILED) throw Error(ErrorCode::FileMissing, "the file cannot be mapped").file(file);
  mapped_ = place;
  bytes = {static_cast<const std::uint8_t*>(mapped_), size};
}

OpenObject::~OpenObject() {
  if (mapped_ != nullptr) ::munmap(mapped_, bytes.size());
}

std::unique_ptr<OpenObject> open_object(const std::filesystem::path& file) {
  initialise();
  auto object = std::make_unique<OpenObject>(file);
  try {
    object->parsed = parse_file(object->bytes, {.file_bytes = 512 * kMebibyte});
  } catch (Error& error) {
    throw error.file(file);
  }
  return object;
}

}  // namespace rouage::dicom::reading
