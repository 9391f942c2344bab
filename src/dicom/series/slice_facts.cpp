#include "dicom/series/slice_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/host.h"
#include "dicom/charset.h"
#include "dicom/header.h"
#include "dicom/object_file.h"

namespace rouage::dicom::series {
namespace {

using reading::ParsedFile;
using reading::tag_text;

constexpr std::uint64_t kInflatedLimit = 1024 * kMebibyte;
constexpr double kFurthestMm = 100'000;  ///< no scanner places a slice 100 m from its centre
constexpr double kWidestMm = 1'000;
constexpr double kLengthTolerance = 0.01, kAngleTolerance = 0.005;  ///< of unit vectors written with few digits
constexpr Tag kUnits = 0x00541001, kSuvType = 0x00541006;

enum class Kind { classic, functional_groups, nuclear };
struct SopClass {
  std::string_view uid, modality;
  Kind kind;
};
/// PS3.4 B.5: the images whose pixels lie in known planes of the patient.
constexpr SopClass kClasses[] = {
    {"1.2.840.10008.5.1.4.1.1.2", "CT", Kind::classic},
    {"1.2.840.10008.5.1.4.1.1.2.1", "CT", Kind::functional_groups},
    {"1.2.840.10008.5.1.4.1.1.2.2", "CT", Kind::functional_groups},
    {"1.2.840.10008.5.1.4.1.1.4", "MR", Kind::classic},
    {"1.2.840.10008.5.1.4.1.1.4.1", "MR", Kind::functional_groups},
    {"1.2.840.10008.5.1.4.1.1.4.4", "MR", Kind::functional_groups},
    {"1.2.840.10008.5.1.4.1.1.128", "PT", Kind::classic},
    {"1.2.840.10008.5.1.4.1.1.128.1", "PT", Kind::functional_groups},
    {"1.2.840.10008.5.1.4.1.1.130", "PT", Kind::functional_groups},
    {"1.2.840.10008.5.1.4.1.1.20", "NM", Kind::nuclear},
};

const SopClass& sop_class(const ParsedFile& file) {
  std::string uid = file.dataset.text(0x00080016);
  if (uid.empty()) uid = file.meta.text(0x00020002);
  for (const SopClass& row : kClasses)
    if (row.uid == uid) return row;
  if (file.dataset.find(reading::kPixelData) == nullptr) {
    const Error why = reading::no_pixels(file);
    // A report or a segmentation beside the slices is no damaged slice; an object that ends too early may be one.
    const ErrorCode code = why.code() == ErrorCode::NoPixelData ? ErrorCode::SeriesRefused : why.code();
    throw Error(code, why.detail()).tag(why.tag()).remedy(why.remedy());
  }
  throw Error(ErrorCode::SeriesRefused,
              uid.empty() ? "the object does not say what it is" : "an object of SOP class " + uid.substr(0, 64))
      .tag(tag_text(0x00080016))
      .remedy("volumes are made of CT, MR, PET and reconstructed NM images");
}

/// The header of an instance without identifiers (an anonymised series): what is shown of it, and nothing that a result
/// could refer to.
InstanceHeader nameless_header(const ParsedFile& file) {
  const ElementSet& dataset = file.dataset;
  InstanceHeader header;
  header.transfer_syntax_uid = file.syntax.uid;
  header.character_set = dataset.text(0x00080005);
  const auto utf8 = [&](Tag tag) { return reading::to_utf8(dataset.text(tag), header.character_set, header.warnings); };
  header.modality = utf8(0x00080060);
  header.body_part = utf8(0x00180015);
  header.image_type = utf8(kImageType);
  header.series_description = utf8(0x0008103E);
  header.study_description = utf8(0x00081030);
  header.manufacturer = utf8(0x00080070);
  header.model_name = utf8(0x00081090);
  header.study_date = dataset.text(0x00080020);
  header.rows = static_cast<std::uint32_t>(dataset.integer(reading::kRows).value_or(0));
  header.columns = static_cast<std::uint32_t>(dataset.integer(reading::kColumns).value_or(0));
  return header;
}

void read_header(const ParsedFile& file, FileFacts& facts) {
  try {
    facts.header = reading::instance_header(file);
  } catch (const Error& error) {
    // Only absent identifiers are forgiven: a value that is no UID stays an error.
    const auto absent = [&](Tag tag) { return !file.dataset.has_value(tag) || file.dataset.text(tag).empty(); };
    const bool nameless = absent(0x0020000D) || absent(0x0020000E) || absent(0x00080016) || absent(0x00080018);
    if (error.code() != ErrorCode::HeaderInvalid || !nameless) throw;
    facts.header = nameless_header(file);
    facts.referable = false;
  }
}

/// PS3.3 C.8.9.1: what a PET value counts; UCUM, "" when the file does not say it.
std::string pet_unit(const std::string& units, const std::string& suv_type) {
  static constexpr std::pair<std::string_view, std::string_view> kUnitNames[] = {{"BQML", "Bq/mL"},
                                                                                 {"CNTS", "{counts}"},
                                                                                 {"CPS", "{counts}/s"},
                                                                                 {"PROPCNTS", "{proportional counts}"},
                                                                                 {"PCNT", "%"},
                                                                                 {"NONE", "1"},
                                                                                 {"MGMINML", "mg/min/mL"},
                                                                                 {"UMOLMINML", "umol/min/mL"},
                                                                                 {"MLMING", "mL/min/g"},
                                                                                 {"MLG", "mL/g"},
                                                                                 {"1CM", "cm-1"},
                                                                                 {"UMOLML", "umol/mL"},
                                                                                 {"STDDEV", "{standard deviations}"}};
  if (units == "GML") {
    const bool known = suv_type == "LBM" || suv_type == "IBW" || suv_type == "LBMJAMES128" || suv_type == "LBMJANMA";
    if (!known) return suv_type.empty() || suv_type == "BW" ? "g/mL{SUVbw}" : "g/mL";
    return suv_type == "IBW" ? "g/mL{SUVibw}" : "g/mL{SUVlbm}";
  }
  if (units == "CM2ML") return "cm2/mL{SUVbsa}";
  for (const auto& [name, unit] : kUnitNames)
    if (units == name) return std::string(unit);
  return {};
}

void read_unit(const ElementSet& dataset, ScannedFile& scanned) {
  FileFacts& facts = scanned.facts;
  const std::string& type = scanned.slices.front().rescale_type;
  const std::string& modality = facts.header.modality;
  if (modality == "CT") {
    if (type.empty() || type == "HU") {
      facts.unit = "[hnsf'U]";
    } else {
      facts.warnings.push_back("(0028,1054) Rescale Type is \"" + type.substr(0, 16) +
                               "\", not HU: the values have no unit");
    }
  } else if (modality == "PT") {
    const std::string units = dataset.text(kUnits);
    facts.unit = pet_unit(units.empty() ? type : units, dataset.text(kSuvType));
    if (facts.unit.empty())
      facts.warnings.push_back(units.empty()
                                   ? "(0054,1001) Units is missing: the values have no unit, no SUV can be made"
                                   : "(0054,1001) Units \"" + units.substr(0, 16) + "\" is not known");
  } else if (modality == "NM") {
    facts.unit = "{counts}";
  }
}

/// A CT or PET value without its rescale has no meaning; in MR and NM the stored value may be the value.
void require_rescale(const ScannedFile& scanned) {
  const std::string& modality = scanned.facts.header.modality;
  if (modality != "CT" && modality != "PT") return;
  for (const SliceFacts& slice : scanned.slices)
    if (!slice.has_rescale)
      throw Error(ErrorCode::HeaderInvalid, modality + " without rescale slope and intercept: its values are unknown")
          .tag(tag_text(kSlope))
          .remedy("send the series again from the scanner; nothing is taken for 1 or -1024");
}

void read_padding(const ElementSet& dataset, FileFacts& facts) {
  const auto value = dataset.integer(0x00280120);
  if (!value) return;
  // US or SS by pixel representation, whatever VR a writer gave it.
  const auto stored = [&](std::int64_t raw) {
    const auto word = static_cast<std::uint16_t>(raw);
    return facts.layout.is_signed ? std::int32_t{static_cast<std::int16_t>(word)} : std::int32_t{word};
  };
  const std::int32_t first = stored(*value), last = stored(dataset.integer(0x00280121).value_or(*value));
  facts.padding = std::minmax(first, last);
}

void read_layout(const ParsedFile& file, const SeriesOptions& options, FileFacts& facts) {
  if (file.dataset.find(reading::kPixelData) == nullptr) throw reading::no_pixels(file);
  facts.layout = reading::pixel_layout(file.dataset, options.file, facts.warnings);
  if (facts.layout.samples != 1 || facts.layout.photometric == "PALETTE COLOR")
    throw Error(ErrorCode::NotGrey, "a slice in colour holds no measured values").tag(tag_text(reading::kPhotometric));
  if (facts.layout.frames > options.most_frames)
    throw Error(ErrorCode::HeaderInvalid,
                fmt::format("{} frames are over {}", facts.layout.frames, options.most_frames))
        .tag(tag_text(reading::kFrames));
  if (file.dataset.find(0x00283000) != nullptr)
    throw Error(ErrorCode::SeriesRefused, "a Modality LUT instead of slope and intercept is not read")
        .tag(tag_text(0x00283000))
        .remedy("let the archive send the original images");
  // Uncompressed: whether all bytes are there is seen here, without reading one of them.
  if (file.syntax.coding == reading::PixelCoding::native)
    reading::frame_samples(file.dataset, file.syntax, facts.layout, facts.layout.frames, facts.warnings);
  read_padding(file.dataset, facts);
}

void read_file_facts(const ParsedFile& file, const SopClass& row, FileFacts& facts) {
  read_header(file, facts);
  if (facts.header.modality.empty()) facts.header.modality = row.modality;
  facts.frame_of_reference_uid = file.dataset.text(0x00200052);
  facts.instance_number = file.dataset.integer(0x00200013).value_or(0);
  if (const auto tilt = file.dataset.decimals(0x00181120); !tilt.empty()) facts.gantry_tilt_deg = tilt.front();
  if (row.modality == "PT") facts.said_slices = file.dataset.integer(0x00540081);
  if (facts.header.lossy_compressed.value_or(false))
    facts.warnings.emplace_back("(0028,2110) the pixels were compressed with loss");
}

std::vector<double> exactly(const ElementSet& set, Tag tag, std::size_t count, std::string_view remedy) {
  auto values = set.decimals(tag);
  if (values.size() == count) return values;
  const std::string held = set.text(tag).substr(0, 48);
  throw Error(ErrorCode::HeaderInvalid,
              held.empty() ? "the attribute is missing or empty"
                           : fmt::format("not {} finite numbers ({} can be read)", count, values.size()))
      .tag(tag_text(tag))
      .remedy(remedy);
}

Point3 unit_vector(const std::vector<double>& values, std::size_t first) {
  const Point3 v{values[first], values[first + 1], values[first + 2]};
  const double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  if (!(std::abs(length - 1) <= kLengthTolerance))
    throw Error(ErrorCode::HeaderInvalid, fmt::format("a direction of length {:.4f}, not 1", length))
        .tag(tag_text(kOrientation))
        .remedy("send the series again from the scanner; no direction is guessed");
  return {v[0] / length, v[1] / length, v[2] / length};
}

}  // namespace

ScannedFile scan_file(const std::filesystem::path& path, const SeriesOptions& options) {
  try {
    reading::OpenObject object(path);
    if (object.bytes.size() > options.file.file_bytes)
      throw Error(ErrorCode::FileTooLarge,
                  fmt::format("{} bytes are over {}", object.bytes.size(), options.file.file_bytes));
    ReadLimits limits = options.file;
    limits.file_bytes = std::min(limits.file_bytes, kInflatedLimit);
    object.parsed = reading::parse_file(object.bytes, limits);
    const ParsedFile& file = object.parsed;
    ScannedFile scanned;
    scanned.facts.path = path;
    const SopClass& row = sop_class(file);
    read_layout(file, options, scanned.facts);
    read_file_facts(file, row, scanned.facts);
    const bool placed_alone = scanned.facts.layout.frames == 1 && file.dataset.has_value(kPosition);
    if (row.kind == Kind::classic || (row.kind == Kind::nuclear && placed_alone))
      read_classic(file.dataset, scanned);
    else if (row.kind == Kind::nuclear)
      read_nuclear(file.dataset, scanned);
    else
      read_functional_groups(file.dataset, scanned);
    require_rescale(scanned);
    read_unit(file.dataset, scanned);
    for (SliceFacts& slice : scanned.slices) {
      slice.rows = scanned.facts.layout.rows;
      slice.columns = scanned.facts.layout.columns;
      slice.localizer = split_value(slice, Split::image_type).find("LOCALIZER") != std::string::npos;
    }
    return scanned;
  } catch (Error& error) {
    throw error.file(path);
  }
}

void read_classic(const ElementSet& dataset, ScannedFile& scanned) {
  if (scanned.facts.layout.frames != 1)
    throw Error(ErrorCode::SeriesRefused,
                fmt::format("{} frames, and nothing says where they lie", scanned.facts.layout.frames))
        .tag(tag_text(reading::kFrames))
        .remedy("send the series as single slices or as an enhanced multi-frame object");
  SliceFacts slice;
  split_value(slice, Split::image_type) = dataset.text(kImageType);
  read_orientation(dataset, slice);
  read_position(dataset, slice);
  read_spacing(dataset, slice);
  read_rescale(dataset, slice);
  static constexpr std::pair<Split, Tag> kTexts[] = {{Split::component, 0x00089208},
                                                     {Split::acquisition, 0x00200012},
                                                     {Split::stack, 0x00209056},
                                                     {Split::kernel, 0x00181210},
                                                     {Split::temporal_position, 0x00200100}};
  static constexpr std::pair<Split, Tag> kNumbers[] = {
      {Split::b_value, 0x00189087},        {Split::diffusion_direction, 0x00189089},
      {Split::inversion_time, 0x00180082}, {Split::flip_angle, 0x00181314},
      {Split::tube_voltage, 0x00180060},   {Split::cardiac_phase, 0x00181060},
      {Split::time_slot, 0x00541300},      {Split::echo, 0x00180081}};
  for (const auto& [split, tag] : kTexts) split_value(slice, split) = dataset.text(tag).substr(0, 64);
  for (const auto& [split, tag] : kNumbers) split_value(slice, split) = split_number(dataset, tag);
  split_value(slice, Split::acquisition_time) = dataset.text(0x00080032).substr(0, 32);
  scanned.slices.push_back(std::move(slice));
}

void read_position(const ElementSet& set, SliceFacts& slice) {
  const auto values = exactly(set, kPosition, 3, "send the slice again from the scanner; no position is guessed");
  for (std::size_t x = 0; x < 3; ++x) {
    if (std::abs(values[x]) > kFurthestMm)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("{} mm lie outside any scanner", values[x]))
          .tag(tag_text(kPosition));
    slice.position_mm[x] = values[x];
  }
}

void read_orientation(const ElementSet& set, SliceFacts& slice) {
  const auto values = exactly(set, kOrientation, 6, "send the slice again from the scanner; no orientation is guessed");
  slice.row_direction = unit_vector(values, 0);
  slice.column_direction = unit_vector(values, 3);
  double cosine = 0;
  for (std::size_t x = 0; x < 3; ++x) cosine += slice.row_direction[x] * slice.column_direction[x];
  if (!(std::abs(cosine) <= kAngleTolerance))
    throw Error(ErrorCode::HeaderInvalid, fmt::format("rows and columns are not perpendicular (cosine {:.4f})", cosine))
        .tag(tag_text(kOrientation))
        .remedy("send the series again from the scanner; no direction is guessed");
}

void read_spacing(const ElementSet& set, SliceFacts& slice) {
  const auto values =
      exactly(set, kPixelSpacing, 2, "send the slice again from the scanner; no spacing is taken for 1 mm");
  for (const double value : values)
    if (!(value > 0) || value > kWidestMm)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("{} mm is no distance between pixels", value))
          .tag(tag_text(kPixelSpacing));
  slice.row_spacing_mm = values[0];
  slice.column_spacing_mm = values[1];
  if (const auto thickness = set.decimals(kThickness); !thickness.empty() && thickness[0] > 0)
    slice.thickness_mm = thickness[0];
  if (const auto between = set.decimals(kBetweenSlices); !between.empty() && between[0] != 0)
    slice.between_slices_mm = std::abs(between[0]);
}

void read_rescale(const ElementSet& set, SliceFacts& slice) {
  for (const Tag tag : {kSlope, kIntercept}) {
    if (!set.has_value(tag) || set.text(tag).empty()) continue;
    const auto values = set.decimals(tag);
    if (values.empty() || (tag == kSlope && values[0] == 0))
      throw Error(ErrorCode::HeaderInvalid, "\"" + set.text(tag).substr(0, 32) + "\" is no number to multiply with")
          .tag(tag_text(tag));
    (tag == kSlope ? slice.slope : slice.intercept) = values[0];
    slice.has_rescale = tag == kSlope || slice.has_rescale;
  }
  slice.has_rescale = slice.has_rescale && !set.decimals(kIntercept).empty();
  slice.rescale_type = set.text(kRescaleType);
}

std::string split_number(const ElementSet& set, Tag tag) {
  std::string text;
  for (const double value : set.decimals(tag)) text += fmt::format("{}{:.6g}", text.empty() ? "" : "/", value + 0.0);
  return text;
}

std::string& split_value(SliceFacts& slice, Split split) {
  return slice.split[static_cast<std::size_t>(split)];
}

std::string split_name(Split split) {
  static constexpr std::string_view kNames[kSplits] = {
      "image type",    "component",     "acquisition",    "stack",      "temporal position", "echo time",
      "b-value",       "direction",     "inversion time", "flip angle", "tube voltage",      "kernel",
      "energy window", "cardiac phase", "time slot",      "gate",       "field of view",     "acquisition time"};
  return std::string(kNames[static_cast<std::size_t>(split)]);
}

}  // namespace rouage::dicom::series
