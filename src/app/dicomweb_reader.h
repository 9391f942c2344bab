/// What DICOMweb says of a stored object is read in children (`rouage read-object --child`): headers of any origin are
/// parsed and pixels decoded there, never in the process that talks to the network.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "receive/header_reader.h"

namespace rouage::app {

/// One frame as it is stored.
struct FrameBytes {
  std::string media_type, transfer_syntax_uid;
  bool packed = false;  ///< one-bit frames that share bytes in the file
  std::string bytes;
};

struct RenderRequest {
  std::uint32_t frame = 1;
  std::uint32_t most_columns = 0, most_rows = 0;  ///< the picture is made smaller to fit; 0: as it is
  bool png = false;                               ///< else JPEG
  int quality = 90;
};

/// Thread-safe. Errors of all: those of the `dicom` functions; HeaderInvalid when the file ended its reader.
class ObjectReader {
 public:
  explicit ObjectReader(receive::ReaderOptions options = {});
  /// dicom::dicom_json with addresses of bulk data below `bulk_data_url`.
  std::string json(const std::filesystem::path& file, const std::string& bulk_data_url);
  FrameBytes frame(const std::filesystem::path& file, std::uint32_t number);
  std::string bulk(const std::filesystem::path& file, const std::string& path);
  /// A PNG or JPEG of one frame as dicom::read_film shows it; RGB objects as they are.
  std::string render(const std::filesystem::path& file, const RenderRequest& request);

 private:
  receive::ReaderChildren children_;
};

/// The child's side.
int read_object_as_child(std::uint64_t memory_mb, double deadline_s);

/// The picture of a frame, in this process. For the child and for tests.
std::string rendered_picture(const std::filesystem::path& file, const RenderRequest& request);

}  // namespace rouage::app
