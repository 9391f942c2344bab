/// What the header of one instance says, as values; and the attributes that results copy from it byte-equal.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::dicom {

/// An attribute kept exactly as the file has it (value bytes in little endian, with padding), so that a result can
/// carry it unchanged whatever its character set.
struct RawAttribute {
  std::uint16_t group = 0, element = 0;
  std::string vr;  ///< two letters
  Bytes value;
};

/// How stored values become grey: what a presentation state must repeat, because it replaces the image's own grey
/// transformations (PS3.4 N.2). First window only; tables (LUT sequences) are not repeated and are said by `has_lut`.
struct GreyPipeline {
  std::string photometric;  ///< (0028,0004): "MONOCHROME1", "MONOCHROME2", "RGB"...; "" when unknown
  std::optional<double> rescale_slope, rescale_intercept;
  std::string rescale_type;
  std::optional<double> window_center, window_width;
  std::string voi_function;  ///< (0028,1056): "", "LINEAR", "LINEAR_EXACT" or "SIGMOID"
  bool has_lut = false;      ///< a Modality or VOI LUT Sequence is there
};

struct InstanceHeader {
  std::string sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, transfer_syntax_uid;
  std::string modality;             ///< (0008,0060)
  std::string body_part;            ///< (0018,0015)
  std::string view_position;        ///< (0018,5101), or what the View Code Sequence says: "PA", "AP", "LL", ...
  std::string image_laterality;     ///< (0020,0062), else (0020,0060)
  std::string presentation_intent;  ///< (0008,0068): "FOR PRESENTATION", "FOR PROCESSING" or ""
  std::string image_type;           ///< (0008,0008), values joined by backslashes
  std::array<std::string, 2> patient_orientation;
  std::optional<double> age_a;           ///< years, from (0010,1010), else birth and study dates; absent when unknown
  std::string sex;                       ///< "M", "F", "O" or ""
  std::string patient_name, patient_id;  ///< UTF-8, for display only (results copy the raw bytes)
  std::string accession_number, study_date, study_time, series_date, series_time, content_date, content_time;
  std::string study_description, series_description, manufacturer, model_name;  ///< UTF-8
  std::string character_set;  ///< (0008,0005) as in the file, "" for ASCII
  std::uint32_t columns = 0, rows = 0, frames = 1;
  std::optional<bool> burned_in_annotation;
  std::optional<bool> lossy_compressed;
  /// (0008,0005), (0008,0020/0030/0050/0090/1030...), group 0010, (0020,000D/0010)...: Patient and General Study
  /// modules and accession, in tag order, present attributes only; sequences are left out.
  std::vector<RawAttribute> patient_and_study;
  Digest file_digest;  ///< SHA-256 of the file's bytes
  /// The instance did not exist as DICOM: made from a PNG or JPEG by --as-film; its UIDs are derived from the bytes.
  bool made_from_picture = false;
  GreyPipeline grey;
  std::vector<std::string> warnings;  ///< said to the user and kept with the result
};

}  // namespace rouage::dicom
