// What an index keeps of any object: read by our own element finder (reading_elements.h says why), never past the
// pixels.
#include <dcmtk/dcmdata/dcdicent.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dctag.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/host.h"
#include "dicom/charset.h"
#include "dicom/object.h"
#include "dicom/reading.h"
#include "dicom/reading_file.h"

namespace rouage::dicom {
namespace {

using reading::ElementSet;
using reading::ParsedFile;
using reading::Tag;

constexpr std::size_t kFirstPart = 32'768;                ///< holds the header of nearly every object
constexpr std::size_t kLongestHeader = 64 * kMebibyte;    ///< a header that is longer is indexed by its beginning
constexpr std::uint64_t kInflatedLimit = 64 * kMebibyte;  ///< of a deflated header
constexpr std::size_t kLongestText = 1'024;               ///< of an indexed value

const reading::Element* pixel_element(const ElementSet& dataset) {
  for (const Tag tag : {reading::kPixelData, reading::kFloatPixelData, reading::kDoublePixelData})
    if (const reading::Element* element = dataset.find(tag)) return element;
  return nullptr;
}

/// A header in memory. `cut`: the file goes on behind what was read, and no pixels were seen.
struct Header {
  Bytes bytes;
  ParsedFile parsed;
  bool cut = false;
};

/// Reads until `wanted` or the pixels are there. A part that does not parse is no reason to refuse before all was read.
std::unique_ptr<Header> read_until(const std::filesystem::path& file, Tag wanted) {
  initialise();
  auto header = std::make_unique<Header>();
  for (std::size_t part = kFirstPart;; part *= 8) {
    auto next = std::make_unique<Header>();
    next->bytes = read_file_start(file, std::min(part, kLongestHeader));
    const bool all = next->bytes.size() < part || part >= kLongestHeader;
    try {
      next->parsed = reading::parse_file(next->bytes, {.file_bytes = kInflatedLimit});
    } catch (const Error& error) {
      // A deflated data set of which the next part grows over the limit: what the part before gave is the header.
      if (error.code() == ErrorCode::FileTooLarge && !header->bytes.empty()) return header;
      if (error.code() == ErrorCode::FileTooLarge) throw Error(ErrorCode::HeaderInvalid, error.detail()).file(file);
      if (all || error.code() != ErrorCode::HeaderInvalid) throw;
      continue;
    }
    const ElementSet& dataset = next->parsed.dataset;
    const bool passed = !dataset.elements().empty() && dataset.elements().back().tag >= wanted;
    next->cut = !all || next->bytes.size() == kLongestHeader;
    if (all || passed || pixel_element(dataset) != nullptr) return next;
    header = std::move(next);
  }
}

/// UTF-8 without a character cut in two.
std::string bounded(std::string text) {
  if (text.size() <= kLongestText) return text;
  std::size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

/// Values without the padding around each, joined by backslashes again.
std::string trimmed_values(const std::string& utf8) {
  if (utf8.find('\\') == std::string::npos) return std::string(trimmed(utf8));
  std::string joined;
  bool first = true;
  for (const std::string& value : split(utf8, '\\')) {
    if (!first) joined += '\\';
    first = false;
    joined += trimmed(value);
  }
  return joined;
}

struct Reader {
  const ElementSet& set;
  std::string character_set;

  std::string text(Tag tag) const {
    std::vector<std::string> unused;
    std::string utf8 = trimmed_values(reading::to_utf8(set.text(tag), character_set, unused));
    // A control character would break a line of a log or of a message; none is allowed in these VRs.
    std::replace_if(
        utf8.begin(), utf8.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return bounded(std::move(utf8));
  }
  std::string uid(Tag tag) const {
    std::string value = set.text(tag);
    return valid_uid(value) ? value : std::string();
  }
  std::uint32_t count(Tag tag) const {
    const auto value = set.integer(tag);
    return value && *value > 0 && *value <= 0x7FFFFFFF ? static_cast<std::uint32_t>(*value) : 0;
  }
  std::optional<int> number(Tag tag) const {
    const auto value = set.integer(tag);
    if (!value || *value < 0 || *value > 10'000'000) return {};
    return static_cast<int>(*value);
  }
};

std::string required_uid(const ParsedFile& file, Tag tag, Tag meta_tag) {
  std::string uid = file.dataset.text(tag);
  if (uid.empty() && meta_tag != 0) uid = file.meta.text(meta_tag);
  if (uid.empty()) throw Error(ErrorCode::HeaderInvalid, "the identifier is missing").tag(reading::tag_text(tag));
  if (!valid_uid(uid)) throw Error(ErrorCode::HeaderInvalid, "the value is no UID").tag(reading::tag_text(tag));
  return uid;
}

void read_patient_and_study(const Reader& read, IndexEntry& entry) {
  entry.patient_id = read.text(0x00100020);
  entry.issuer_of_patient_id = read.text(0x00100021);
  entry.patient_name = read.text(0x00100010);
  entry.birth_date = read.text(0x00100030);
  entry.sex = read.text(0x00100040);
  entry.study_date = read.text(0x00080020);
  entry.study_time = read.text(0x00080030);
  entry.accession_number = read.text(0x00080050);
  entry.study_id = read.text(0x00200010);
  entry.study_description = read.text(0x00081030);
  entry.referring_physician = read.text(0x00080090);
  entry.patient_age = read.text(0x00101010);
}

void read_series(const Reader& read, IndexEntry& entry) {
  entry.modality = read.text(0x00080060);
  entry.series_number = read.text(0x00200011);
  entry.series_description = read.text(0x0008103E);
  entry.body_part = read.text(0x00180015);
  entry.protocol_name = read.text(0x00181030);
  entry.laterality = read.text(0x00200062);
  if (entry.laterality.empty()) entry.laterality = read.text(0x00200060);
  entry.manufacturer = read.text(0x00080070);
  entry.station_name = read.text(0x00081010);
  entry.institution = read.text(0x00080080);
  entry.series_date = read.text(0x00080021);
  entry.series_time = read.text(0x00080031);
  entry.frame_of_reference_uid = read.uid(0x00200052);
  entry.view_position = read.text(0x00185101);
}

void read_instance(const Reader& read, IndexEntry& entry) {
  entry.instance_number = read.text(0x00200013);
  entry.image_type = read.text(0x00080008);
  entry.content_date = read.text(0x00080023);
  entry.content_time = read.text(0x00080033);
  entry.acquisition_number = read.text(0x00200012);
  entry.rows = read.count(0x00280010);
  entry.columns = read.count(0x00280011);
  entry.bits_allocated = read.count(0x00280100);
  entry.burned_in = read.text(0x00280301) == "YES";
}

/// Projections by SOP class or modality: CR, DX, MG, intra-oral, panoramic, plain radiographs. A tomosynthesis or an
/// enhanced multi-frame object is not one.
bool projection(const IndexEntry& entry) {
  static constexpr std::array<std::string_view, 7> kClasses = {
      "1.2.840.10008.5.1.4.1.1.1",    "1.2.840.10008.5.1.4.1.1.1.1",   "1.2.840.10008.5.1.4.1.1.1.1.1",
      "1.2.840.10008.5.1.4.1.1.1.2",  "1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.1.3",
      "1.2.840.10008.5.1.4.1.1.1.3.1"};
  static constexpr std::array<std::string_view, 6> kModalities = {"CR", "DX", "MG", "IO", "PX", "RG"};
  if (!entry.has_pixels) return false;
  if (std::find(kClasses.begin(), kClasses.end(), entry.sop_class_uid) != kClasses.end()) return true;
  return entry.frames <= 1 && std::find(kModalities.begin(), kModalities.end(), entry.modality) != kModalities.end();
}

/// (0054,0081) slices times what repeats them (PS3.3 C.8.9.1): time slices of a dynamic series, gates of a gated one.
/// A reprojection counts otherwise, and says nothing here.
std::optional<int> said_count(const Reader& read, const IndexEntry& entry) {
  if (const auto related = read.number(0x00201209); related && *related > 0) return related;
  const std::string type = read.text(0x00541000);
  const auto slices = read.number(0x00540081);
  if (entry.modality != "PT" || !slices || *slices < 1 || type.find("REPROJECTION") != std::string::npos) return {};
  std::uint64_t count = 0;
  std::vector<Tag> factors;
  if (type.starts_with("DYNAMIC")) factors = {0x00540101};
  if (type.starts_with("GATED")) factors = {0x00540061, 0x00540071};
  count = static_cast<std::uint64_t>(*slices);
  for (const Tag tag : factors)
    count *= static_cast<std::uint64_t>(std::clamp(read.number(tag).value_or(1), 1, 10'000));
  if (count > 1'000'000) return {};
  return static_cast<int>(count);
}

using Direction = std::array<double, 3>;

/// What the slices of one stack share: orientation to two decimals (scanners write the last digits as they like), and
/// what tells several stacks of one series apart (acquisition, image type, echo, phase, b-value).
void read_stack(const ElementSet& set, const Reader& read, IndexEntry& entry) {
  const std::vector<double> orientation = set.decimals(0x00200037), position = set.decimals(0x00200032);
  std::string stack;
  if (orientation.size() == 6) {
    for (const double cosine : orientation) stack += fmt::format("{:.2f} ", std::round(cosine * 100) / 100 + 0.0);
    const Direction row{orientation[0], orientation[1], orientation[2]},
        column{orientation[3], orientation[4], orientation[5]};
    const Direction normal{row[1] * column[2] - row[2] * column[1], row[2] * column[0] - row[0] * column[2],
                           row[0] * column[1] - row[1] * column[0]};
    const double length = std::sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
    if (position.size() == 3 && length > 0.5)
      entry.position_mm = (position[0] * normal[0] + position[1] * normal[1] + position[2] * normal[2]) / length;
  }
  for (const Tag tag : {Tag{0x00200012}, Tag{0x00080008}, Tag{0x00180086}, Tag{0x00200100}}) {
    stack += '|';
    stack += read.text(tag);
  }
  if (const auto b_value = set.decimals(0x00189087); !b_value.empty()) stack += '|' + number_text(b_value.front());
  entry.stack = bounded(std::move(stack));
}

/// Our results say manufacturer "Rouage" and model "Rouage <cog>" (results/frames.cpp). Films that `--as-film` or
/// `rouage phantom` made are input like any other. A system that copied our result names us as contributing equipment.
bool says_rouage(const ElementSet& set) {
  const std::string model = set.text(0x00081090);
  return set.text(0x00080070) == "Rouage" && model.starts_with("Rouage ") && model != "Rouage --as-film";
}
bool made_by_rouage(const ElementSet& dataset) {
  if (says_rouage(dataset)) return true;
  for (const ElementSet& item : dataset.items(0x0018A001))
    if (says_rouage(item)) return true;
  return false;
}

std::string number_values(const ElementSet& set, Tag tag) {
  std::string joined;
  for (const double value : set.decimals(tag)) {
    if (!joined.empty()) joined += '\\';
    joined += number_text(value);
  }
  return joined;
}

}  // namespace

IndexEntry index_entry(const std::filesystem::path& file) try {
  const std::unique_ptr<Header> header = read_until(file, reading::kPixelData);
  const ParsedFile& parsed = header->parsed;
  const ElementSet& set = parsed.dataset;
  const Reader read{set, set.text(0x00080005)};
  IndexEntry entry;
  entry.sop_class_uid = required_uid(parsed, 0x00080016, 0x00020002);
  entry.sop_instance_uid = required_uid(parsed, 0x00080018, 0x00020003);
  entry.study_instance_uid = required_uid(parsed, 0x0020000D, 0);
  entry.series_instance_uid = required_uid(parsed, 0x0020000E, 0);
  entry.transfer_syntax_uid = parsed.syntax.uid;
  if (!valid_uid(entry.transfer_syntax_uid))
    throw Error(ErrorCode::HeaderInvalid, "the value is no UID").tag(reading::tag_text(0x00020010));
  read_patient_and_study(read, entry);
  read_series(read, entry);
  read_instance(read, entry);
  entry.has_pixels = pixel_element(set) != nullptr || (header->cut && entry.rows > 0 && entry.bits_allocated > 0);
  if (entry.has_pixels) entry.frames = std::max<std::uint32_t>(1, read.count(0x00280008));
  entry.said_count = said_count(read, entry);
  entry.stands_alone = projection(entry);
  read_stack(set, read, entry);
  entry.made_by_rouage = made_by_rouage(set);
  return entry;
} catch (Error& error) {
  throw error.file(file);
}

Attributes attributes_of(const IndexEntry& entry) {
  Attributes attributes = {{0x00100020, entry.patient_id},
                           {0x00100021, entry.issuer_of_patient_id},
                           {0x00100010, entry.patient_name},
                           {0x00100030, entry.birth_date},
                           {0x00100040, entry.sex},
                           {0x0020000D, entry.study_instance_uid},
                           {0x00080020, entry.study_date},
                           {0x00080030, entry.study_time},
                           {0x00080050, entry.accession_number},
                           {0x00200010, entry.study_id},
                           {0x00081030, entry.study_description},
                           {0x00080090, entry.referring_physician},
                           {0x00101010, entry.patient_age},
                           {0x0020000E, entry.series_instance_uid},
                           {0x00080060, entry.modality},
                           {0x00200011, entry.series_number},
                           {0x0008103E, entry.series_description},
                           {0x00180015, entry.body_part},
                           {0x00181030, entry.protocol_name},
                           {0x00200060, entry.laterality},
                           {0x00080070, entry.manufacturer},
                           {0x00081010, entry.station_name},
                           {0x00080080, entry.institution},
                           {0x00080021, entry.series_date},
                           {0x00080031, entry.series_time},
                           {0x00200052, entry.frame_of_reference_uid},
                           {0x00185101, entry.view_position},
                           {0x00080016, entry.sop_class_uid},
                           {0x00080018, entry.sop_instance_uid},
                           {0x00083002, entry.transfer_syntax_uid},
                           {0x00200013, entry.instance_number},
                           {0x00080008, entry.image_type},
                           {0x00080023, entry.content_date},
                           {0x00080033, entry.content_time},
                           {0x00200012, entry.acquisition_number}};
  if (entry.has_pixels) {
    attributes[0x00280010] = std::to_string(entry.rows);
    attributes[0x00280011] = std::to_string(entry.columns);
    attributes[0x00280100] = std::to_string(entry.bits_allocated);
    attributes[0x00280008] = std::to_string(entry.frames);
  }
  if (entry.burned_in) attributes[0x00280301] = "YES";
  return attributes;
}

std::string attribute_text(const std::filesystem::path& file, std::uint32_t tag) try {
  const std::unique_ptr<Header> header = read_until(file, tag);
  const bool meta = tag >> 16 == 0x0002;
  const ElementSet& set = meta ? header->parsed.meta : header->parsed.dataset;
  const reading::Element* element = set.find(tag);
  if (element == nullptr || element->claimed == reading::kUndefinedLength) return {};
  const bool explicit_vr = element->vr[0] != 0 && !element->is_vr("UN");
  const std::string vr = explicit_vr ? std::string{element->vr[0], element->vr[1]} : vr_of(tag);
  static constexpr std::array<std::string_view, 6> kNumbers = {"US", "SS", "UL", "SL", "FL", "FD"};
  if (std::find(kNumbers.begin(), kNumbers.end(), vr) != kNumbers.end()) return number_values(set, tag);
  static constexpr std::array<std::string_view, 10> kNoText = {"SQ", "OB", "OW", "OD", "OF",
                                                               "OL", "OV", "AT", "SV", "UV"};
  if (std::find(kNoText.begin(), kNoText.end(), vr) != kNoText.end()) return {};
  std::vector<std::string> unused;
  const std::string utf8 = reading::to_utf8(set.text(tag), header->parsed.dataset.text(0x00080005), unused);
  return vr == "ST" || vr == "LT" || vr == "UT" || vr == "UR" ? utf8 : trimmed_values(utf8);
} catch (Error& error) {
  throw error.file(file);
}

std::optional<std::uint32_t> tag_of(std::string_view name) {
  std::string digits;
  bool hexadecimal = true;
  for (const char c : name) {
    if (c == '(' || c == ')' || c == ',') continue;
    hexadecimal = hexadecimal && std::isxdigit(static_cast<unsigned char>(c)) != 0;
    digits += c;
  }
  std::uint32_t tag = 0;
  if (hexadecimal && digits.size() == 8) {
    std::from_chars(digits.data(), digits.data() + digits.size(), tag, 16);
    return tag;
  }
  if (name.empty() || name.size() > 128) return {};
  initialise();
  const DcmDataDictionary& dictionary = dcmDataDict.rdlock();
  const DcmDictEntry* entry = dictionary.findEntry(std::string(name).c_str());
  if (entry != nullptr) tag = std::uint32_t{entry->getGroup()} << 16 | entry->getElement();
  dcmDataDict.rdunlock();
  return entry == nullptr ? std::nullopt : std::optional(tag);
}

std::string keyword_of(std::uint32_t tag) {
  initialise();
  DcmTag known(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xFFFF));
  const char* name = known.getTagName();
  return name == nullptr || std::string_view(name).starts_with("Unknown") ? std::string() : name;
}

std::string vr_of(std::uint32_t tag) {
  initialise();
  const DcmTag known(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xFFFF));
  const std::string name = known.getVR().getValidVRName();
  return name.size() == 2 && reading::known_vr(name[0], name[1]) ? name : "UN";
}

bool valid_uid(std::string_view uid) {
  if (uid.empty() || uid.size() > 64 || uid.front() == '.' || uid.back() == '.') return false;
  if (uid.find("..") != std::string_view::npos) return false;
  return std::all_of(uid.begin(), uid.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace rouage::dicom
