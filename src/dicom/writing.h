/// DICOM objects as values in, file bytes out. Knows the standard's modules and templates, nothing of AI.
///
/// All writers are pure: the same value gives the same bytes (explicit VR little endian, derived UIDs, no clock).
/// Errors: WriteInvalid (the value breaks the standard, a programming error or an unusable source header).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/values.h"
#include "dicom/code.h"
#include "dicom/instance.h"

namespace rouage::dicom {

/// Who makes the object: General Equipment and (for SR) the device observer.
struct Equipment {
  std::string manufacturer, model_name, software_version, device_uid;
};

/// What all our objects share. Patient, study and accession attributes are copied from `source` byte-equal.
struct ObjectFrame {
  InstanceHeader source;
  std::string sop_instance_uid, series_instance_uid, series_description;
  int series_number = 0, instance_number = 1;
  std::string content_date, content_time;  ///< those of the latest input instance, never the clock
  Equipment equipment;
};

struct Point {
  double x = 0, y = 0;  ///< stored matrix, (0,0) = outer corner of the top-left pixel (as SCOORD, PS3.3 C.18.6)
};
struct ImageReference {
  std::string sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid;
  int frame = 0;    ///< 1-based; 0: the whole object
  int segment = 0;  ///< 1-based; 0: none
};

/// One node of an SR content tree (PS3.3 C.17.3). Which fields count depends on `type`.
struct SrItem {
  enum class Type { container, code, text, num, uidref, pname, date, datetime, image, composite, scoord };
  Type type = Type::text;
  std::string relationship;  ///< "CONTAINS", "HAS OBS CONTEXT", "HAS CONCEPT MOD", "HAS PROPERTIES", "INFERRED FROM",
                             ///< "SELECTED FROM", "HAS ACQ CONTEXT"; "" at the root
  std::optional<Code> concept_name;
  Code code;                  ///< code
  std::string text;           ///< text, uidref, pname, date, datetime
  double number = 0;          ///< num
  Code unit;                  ///< num: UCUM
  ImageReference reference;   ///< image, composite
  std::string graphic_type;   ///< scoord: POINT, POLYLINE, CIRCLE...
  std::vector<Point> points;  ///< scoord
  bool continuity_separate = true;
  std::string template_id;  ///< container: "1500", with mapping resource DCMR
  std::vector<SrItem> children;
  std::vector<int> by_reference;  ///< "INFERRED FROM" etc. by reference: content item identifier (1\2\3)
};

struct SrObject {
  ObjectFrame frame;
  std::string sop_class_uid;  ///< Comprehensive 3D SR, Chest CAD SR, Key Object Selection
  SrItem root;
  std::vector<ImageReference> evidence;  ///< Current Requested Procedure Evidence Sequence
  bool preliminary = true;               ///< PRELIMINARY, UNVERIFIED, PARTIAL
};
Bytes write_sr(const SrObject& object);

/// Segmentation of one source image: each segment one frame of its size (rows * columns, row-major).
struct Segment {
  std::string label, description, tracking_id, tracking_uid, algorithm_name, algorithm_version;
  Code category, type;
  std::optional<Code> anatomic_region, laterality;
  std::array<std::uint16_t, 3> cielab{};
  std::vector<std::uint8_t> mask;  ///< 0 or 1
};
struct SegObject {
  ObjectFrame frame;
  std::string content_label, content_description;
  std::uint32_t columns = 0, rows = 0;
  std::vector<Segment> segments;
};
Bytes write_seg(const SegObject& object);

/// Grayscale softcopy presentation state with boxes, polygons and texts over one image.
struct GraphicShape {
  std::vector<Point> points;  ///< closed polyline
  std::string text;           ///< beside the shape; may be empty
};
struct PresentationObject {
  ObjectFrame frame;
  std::string content_label, content_description, layer_name;
  std::uint32_t columns = 0, rows = 0;
  bool inverse = false;  ///< presentation LUT shape INVERSE: the source is MONOCHROME1
  std::vector<GraphicShape> shapes;
};
Bytes write_presentation_state(const PresentationObject& object);

/// RGB (3 bytes a pixel) or grey (1 byte) secondary capture.
struct CaptureObject {
  ObjectFrame frame;
  std::uint32_t columns = 0, rows = 0;
  bool rgb = true;
  Bytes pixels;
  bool burned_in = true;  ///< (0028,0301)
  std::string derivation_description;
  std::string image_type_value_3;                       ///< e.g. "AI_OVERLAY"
  std::optional<std::pair<double, double>> spacing_mm;  ///< row, column
};
Bytes write_capture(const CaptureObject& object);

/// A film of our own making (phantom, or a picture taken in by --as-film): CR Image Storage or Secondary Capture, grey.
struct FilmObject {
  ObjectFrame frame;        ///< frame.source holds patient and study (raw attributes may be made by `raw_text`)
  bool as_capture = false;  ///< Secondary Capture instead of Computed Radiography
  std::uint32_t columns = 0, rows = 0;
  int bits_stored = 12;               ///< 8..16
  std::vector<std::uint16_t> values;  ///< MONOCHROME2
  std::array<std::string, 2> patient_orientation;
  std::string view_position, body_part, laterality;
  std::optional<std::pair<double, double>> imager_spacing_mm;  ///< row, column
  bool synthetic = false;                                      ///< said in Image Comments and the series description
};
Bytes write_film(const FilmObject& object);

/// A text attribute as RawAttribute (UTF-8 in, padded), for headers that we make ourselves.
RawAttribute raw_text(std::uint16_t group, std::uint16_t element, std::string vr, const std::string& utf8);

/// The graphics of one of our objects, read back through DCMTK (the writers do not use it, so this is a second
/// opinion): SCOORD of a structured report, graphic objects of a presentation state, the bounding box of each segment's
/// mask. `text`: graphic type, text object's text or segment label. Points as in `Point`.  Errors: NotDicom,
/// HeaderInvalid.
std::vector<GraphicShape> read_shapes(std::span<const std::uint8_t> object);

}  // namespace rouage::dicom
