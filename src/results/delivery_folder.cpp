/// A folder as destination: FOLDER/<Study Instance UID>/<role>-<SOP Instance UID>.dcm, each whole or not there.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/host.h"
#include "dicom/object.h"
#include "results/delivery_sender.h"

namespace rouage::results {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::uint64_t kMostFile = 1ULL << 40;

/// Roles come from our own writers; a name of a file still takes only these.
std::string plain_name(const std::string& text) {
  std::string name;
  for (const char c : text.substr(0, 40))
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ? c : '_';
  return name;
}

/// Errors: HeaderInvalid.
std::filesystem::path place_of(const std::filesystem::path& folder, const DueObject& object) {
  if (!dicom::valid_uid(object.study_instance_uid))
    throw Error(ErrorCode::HeaderInvalid, "not a UID").tag("(0020,000D) StudyInstanceUID");
  const std::filesystem::path study = folder / object.study_instance_uid;
  if (object.sop_class_uid.empty()) {
    const std::string mark = sha256(object.sop_instance_uid + object.digest).short_hex();
    return study / (plain_name(object.role) + "-" + mark + std::filesystem::path(object.file).extension().string());
  }
  if (!dicom::valid_uid(object.sop_instance_uid))
    throw Error(ErrorCode::HeaderInvalid, "not a UID").tag("(0008,0018) SOPInstanceUID");
  return study / (plain_name(object.role) + "-" + object.sop_instance_uid + ".dcm");
}

/// Errors: FileMissing, FileUnwritable, DiskFull.
void copy_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  DurableFile copy(to);
  for (std::uint64_t offset = 0;;) {
    const Bytes piece = read_file_range(from, offset, kPiece);
    copy.write(piece);
    offset += piece.size();
    if (piece.size() < kPiece) break;
  }
  copy.finish();
}

/// Fails with EEXIST where somebody put a file meanwhile; 0 when done. File systems that cannot promise this (some
/// shares) rename plainly: that nothing stood there was looked at just before.
int rename_to_new(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

class FolderSender : public Sender {
 public:
  explicit FolderSender(const Destination& destination) : folder_(destination.folder) {}

  Attempt send(const DueObject& object) override {
    const std::filesystem::path place = place_of(folder_, object);
    std::error_code failure;
    std::filesystem::create_directories(place.parent_path(), failure);
    if (failure) return {Attempt::Kind::away, "the folder cannot be made: " + failure.message(), 0};
    if (std::filesystem::exists(place, failure)) return compared(object, place);
    return written(object, place);
  }

 private:
  static Attempt compared(const DueObject& object, const std::filesystem::path& place) {
    if (file_digest(place, kMostFile) == file_digest(object.file, kMostFile))
      return {Attempt::Kind::delivered, "the folder has had it already", 0};
    return {Attempt::Kind::refused, "another content stands there under this name, and is not overwritten", 0};
  }

  static Attempt written(const DueObject& object, const std::filesystem::path& place) try {
    const std::filesystem::path part = place.parent_path() / ("." + place.filename().string() + ".part");
    std::error_code ignored;
    std::filesystem::remove(part, ignored);  // of a try that a crash ended
    copy_durably(object.file, part);
    if (const int cause = rename_to_new(part, place); cause != 0) {
      std::filesystem::remove(part, ignored);
      if (cause == EEXIST) return compared(object, place);
      return {Attempt::Kind::away, std::string("the file cannot be named: ") + std::strerror(cause), 0};
    }
    sync_folder(place.parent_path());
    return {};
  } catch (const Error& error) {
    if (error.code() == ErrorCode::DiskFull || error.code() == ErrorCode::FileUnwritable)
      return {Attempt::Kind::away, error.what(), 0};
    throw;
  }

  std::filesystem::path folder_;
};

}  // namespace

std::unique_ptr<Sender> make_folder_sender(const Destination& destination) {
  return std::make_unique<FolderSender>(destination);
}

}  // namespace rouage::results
