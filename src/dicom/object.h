/// Any DICOM object as a gateway sees it: what an index keeps, any attribute, the JSON model, the frames. No pixel is
/// decoded here.
///
///   IndexEntry entry = index_entry("x.dcm");                         // what the store's index holds
///   attribute_text("x.dcm", 0x00181030);                             // "CHEST PA", UTF-8
///   dicom_json("x.dcm", {.bulk_data_url = ".../bulkdata"});          // PS3.18 F.2, one JSON object
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/values.h"

namespace rouage::dicom {

/// Attributes by tag (group << 16 | element): values in UTF-8 without padding, several joined by backslashes; "" is a
/// present attribute without value. Queries and their answers travel so between the rooms.
using Attributes = std::map<std::uint32_t, std::string>;

/// What the index keeps of one object. Texts in UTF-8, "" when absent; UIDs are valid (digits and dots, at most 64
/// characters, no empty component) or the object is refused: they become names of files.
struct IndexEntry {
  std::string patient_id, issuer_of_patient_id, patient_name, birth_date, sex;
  std::string study_instance_uid, study_date, study_time, accession_number, study_id, study_description,
      referring_physician, patient_age;
  std::string series_instance_uid, modality, series_number, series_description, body_part, protocol_name, laterality,
      manufacturer, station_name, institution, series_date, series_time, frame_of_reference_uid, view_position;
  std::string sop_class_uid, sop_instance_uid, transfer_syntax_uid, instance_number, image_type, content_date,
      content_time, acquisition_number;
  std::uint32_t rows = 0, columns = 0, frames = 0, bits_allocated = 0;  ///< 0: no image
  bool has_pixels = false;                                              ///< (7FE0,0010), (7FE0,0008) or (7FE0,0009)
  bool burned_in = false;
  /// Completeness (store/completeness.h): instances of one stack of slices; position along its normal in mm (LPS); the
  /// count that the header itself claims for the series (PET: slices x time slices of (0054,0081), (0054,0101);
  /// (0020,1209) Number of Series Related Instances; (0018,9...) multi-frame: none); a projection stands alone.
  std::string stack;
  std::optional<double> position_mm;
  std::optional<int> said_count;
  bool stands_alone = false;
  /// Made by Rouage: a result that comes back (Contributing Equipment Sequence or Manufacturer says so).
  bool made_by_rouage = false;
};

/// Reads the header only (stops before the pixels). Errors: FileMissing, NotDicom, HeaderInvalid (names the tag: a
/// missing or malformed UID, no SOP class).  Thread-safe.
IndexEntry index_entry(const std::filesystem::path& file);

/// The entry as query attributes of all levels (for rules and answers), e.g. {0x00080060: "CR"}.
Attributes attributes_of(const IndexEntry& entry);

/// Any top-level attribute of a file, UTF-8, "" when absent or a sequence. `tag` 0xGGGGEEEE.  Errors: NotDicom.
std::string attribute_text(const std::filesystem::path& file, std::uint32_t tag);
/// "00181030", "(0018,1030)" or a keyword ("ProtocolName") of the dictionary -> tag; absent when it is none of them.
std::optional<std::uint32_t> tag_of(std::string_view name);
std::string keyword_of(std::uint32_t tag);  ///< "" when not in the dictionary
std::string vr_of(std::uint32_t tag);       ///< two letters; "UN" when not in the dictionary
bool valid_uid(std::string_view uid);

/// One object in the DICOM JSON model (PS3.18 annex F), character sets turned into UTF-8, group lengths left out. Bulk
/// data above `inline_bytes` become BulkDataURI `bulk_data_url + "/" + path` (path: "7FE00010", or
/// "GGGGEEEE/1/GGGGEEEE" inside a sequence); with an empty url they are left out.
struct JsonOptions {
  std::string bulk_data_url;
  std::size_t inline_bytes = 1024;
};
std::string dicom_json(const std::filesystem::path& file, const JsonOptions& options);
/// Query answers (QIDO-RS): the attributes as one JSON object, VR by the dictionary.
std::string dicom_json(const Attributes& attributes);
/// A DICOM JSON object's top-level attributes; sequences keep only their presence. Errors: RequestInvalid.
Attributes attributes_from_json(std::string_view json);

/// Bulk data of a path as in dicom_json. Errors: NotFound.
Bytes bulk_data(const std::filesystem::path& file, std::string_view path);

/// Encoded frames as they are in the file (uncompressed: little endian pixels; compressed: the frame's bitstream,
/// fragments joined), one-based numbers. Errors: NotFound (no such frame, no pixels), PixelDataTruncated.
struct EncodedFrames {
  std::string transfer_syntax_uid;
  std::string media_type;  ///< "application/octet-stream", "image/jpeg", "image/jp2", "image/jls", "image/dicom-rle"
  std::vector<Bytes> frames;
};
EncodedFrames encoded_frames(const std::filesystem::path& file, const std::vector<std::uint32_t>& numbers);

}  // namespace rouage::dicom
