#include "dicom/header.h"

#include <dcmtk/dcmdata/dctag.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "dicom/charset.h"

namespace rouage::dicom::reading {
namespace {

constexpr Tag kCharacterSet = 0x00080005, kSopClass = 0x00080016, kSopInstance = 0x00080018,
              kStudyInstance = 0x0020000D, kSeriesInstance = 0x0020000E;
constexpr std::size_t kLongestCopied = 65'536;

/// General Study and Patient Study attributes outside group 0010 that results copy (PS3.3 C.7.2).
constexpr Tag kCopied[] = {0x00080005, 0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00080201,
                           0x00081030, 0x00081048, 0x00081060, 0x00081080, 0x0020000D, 0x00200010};

bool copied(Tag tag) {
  const bool patient = tag >> 16 == 0x0010 && (tag & 0xFFFF) != 0;
  return patient || std::find(std::begin(kCopied), std::end(kCopied), tag) != std::end(kCopied);
}

/// The data set's VR; under implicit VR the dictionary's.
std::string vr_of(const Element& element) {
  if (element.vr[0] != 0 && known_vr(element.vr[0], element.vr[1]) && !element.is_vr("UN"))
    return {element.vr[0], element.vr[1]};
  const DcmTag known(static_cast<Uint16>(element.tag >> 16), static_cast<Uint16>(element.tag & 0xFFFF));
  const std::string name = known.getVR().getValidVRName();
  return name.size() == 2 && known_vr(name[0], name[1]) ? name : "UN";
}

std::size_t swap_unit(std::string_view vr) {
  for (const std::string_view two : {"US", "SS", "OW", "AT"})
    if (vr == two) return 2;
  for (const std::string_view four : {"UL", "SL", "FL", "OF", "OL"})
    if (vr == four) return 4;
  for (const std::string_view eight : {"FD", "OD", "SV", "UV", "OV"})
    if (vr == eight) return 8;
  return 1;
}

std::vector<RawAttribute> patient_and_study(const ElementSet& dataset, std::vector<std::string>& warnings) {
  std::vector<RawAttribute> attributes;
  for (const Element& element : dataset.elements()) {
    if (!copied(element.tag) || element.claimed == kUndefinedLength) continue;
    const std::string vr = vr_of(element);
    if (vr == "SQ") continue;
    if (element.value.size() > kLongestCopied) {
      warnings.push_back(tag_text(element.tag) + " is very long and is not copied into results");
      continue;
    }
    RawAttribute raw{static_cast<std::uint16_t>(element.tag >> 16), static_cast<std::uint16_t>(element.tag & 0xFFFF),
                     vr, Bytes(element.value.begin(), element.value.end())};
    const std::size_t unit = swap_unit(vr);
    if (dataset.encoding().big_endian && unit > 1)
      for (std::size_t at = 0; at + unit <= raw.value.size(); at += unit)
        std::reverse(raw.value.begin() + static_cast<std::ptrdiff_t>(at),
                     raw.value.begin() + static_cast<std::ptrdiff_t>(at + unit));
    attributes.push_back(std::move(raw));
  }
  std::stable_sort(attributes.begin(), attributes.end(), [](const RawAttribute& a, const RawAttribute& b) {
    return std::pair(a.group, a.element) < std::pair(b.group, b.element);
  });
  const auto same = [](const RawAttribute& a, const RawAttribute& b) {
    return a.group == b.group && a.element == b.element;
  };
  attributes.erase(std::unique(attributes.begin(), attributes.end(), same), attributes.end());
  return attributes;
}

/// CID 4010 views, SNOMED CT with the older SNOMED-RT identifiers.
std::string view_of_code(const ElementSet& dataset) {
  struct Row {
    std::string_view sct, srt, view;
  };
  static constexpr Row kViews[] = {
      {"272479007", "R-10214", "PA"},     {"399348003", "R-10206", "AP"},  {"399173006", "R-10236", "LL"},
      {"399198007", "R-10232", "RL"},     {"399074003", "R-10220", "LAO"}, {"399135007", "R-10220", "LAO"},
      {"399108003", "R-10212", "RAO"},    {"399356000", "R-10212", "RAO"}, {"399136008", "R-10222", "LPO"},
      {"399006002", "R-10222", "LPO"},    {"399075002", "R-10210", "RPO"}, {"399038007", "R-10210", "RPO"},
      {"399067008", "R-10241", "LATERAL"}};
  for (const ElementSet& item : dataset.items(0x00540220, 1)) {
    const std::string value = item.text(0x00080100);
    for (const Row& row : kViews)
      if (value == row.sct || value == row.srt) return std::string(row.view);
    return item.text(0x00080104).substr(0, 64);
  }
  return {};
}

std::string required_uid(const ElementSet& dataset, Tag tag, const std::string& instead,
                         std::vector<std::string>& warnings) {
  std::string uid = dataset.text(tag);
  if (uid.empty() && !instead.empty()) {
    uid = instead;
    warnings.push_back(tag_text(tag) + " is missing; taken from the file's meta header");
  }
  if (uid.empty())
    throw Error(ErrorCode::HeaderInvalid, "the identifier is missing")
        .tag(tag_text(tag))
        .remedy("results could not refer to this picture: send it through the archive, which gives it its identifiers");
  const bool digits = std::all_of(uid.begin(), uid.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  if (uid.size() > 64 || !digits)
    throw Error(ErrorCode::HeaderInvalid, "\"" + uid.substr(0, 64) + "\" is no UID").tag(tag_text(tag));
  return uid;
}

std::optional<bool> yes_no(const std::string& text, std::string_view yes, std::string_view no) {
  if (text == yes) return true;
  if (text == no) return false;
  return {};
}

void read_patient(const ElementSet& dataset, InstanceHeader& header) {
  const auto utf8 = [&](Tag tag) { return to_utf8(dataset.text(tag), header.character_set, header.warnings); };
  header.patient_name = utf8(0x00100010);
  header.patient_id = utf8(0x00100020);
  const std::string sex = dataset.text(0x00100040);
  if (sex == "M" || sex == "F" || sex == "O") header.sex = sex;
  const std::string age = dataset.text(0x00101010);
  header.age_a = age_of(age);
  if (!age.empty() && !header.age_a)
    header.warnings.push_back("(0010,1010) Patient's Age \"" + age.substr(0, 16) + "\" is no age");
  std::string date = header.study_date;
  for (const Tag other : {Tag{0x00080022}, Tag{0x00080021}, Tag{0x00080023}})
    if (date.empty()) date = dataset.text(other);
  if (!header.age_a) header.age_a = years_between(dataset.text(0x00100030), date);
  if (header.age_a && *header.age_a > 130) {
    header.warnings.push_back(
        fmt::format("the patient would be {} years old; the age counts as unknown", *header.age_a));
    header.age_a.reset();
  }
}

void read_times(const ElementSet& dataset, InstanceHeader& header) {
  header.study_date = dataset.text(0x00080020);
  header.series_date = dataset.text(0x00080021);
  header.content_date = dataset.text(0x00080023);
  header.study_time = dataset.text(0x00080030);
  header.series_time = dataset.text(0x00080031);
  header.content_time = dataset.text(0x00080033);
}

/// Sizes for grouping only; pixel_layout checks them when pixels are read.
void read_sizes(const ElementSet& dataset, InstanceHeader& header) {
  header.rows = static_cast<std::uint32_t>(dataset.integer(kRows).value_or(0));
  header.columns = static_cast<std::uint32_t>(dataset.integer(kColumns).value_or(0));
  const auto frames = dataset.decimals(kFrames);
  if (!frames.empty() && frames.front() >= 1 && frames.front() < 2'147'483'648.0)
    header.frames = static_cast<std::uint32_t>(frames.front());
}

std::optional<double> first_decimal(const ElementSet& dataset, Tag tag) {
  const auto values = dataset.decimals(tag);
  return values.empty() ? std::nullopt : std::optional(values.front());
}

/// How the image asks to be shown: what a presentation state over it must repeat (PS3.3 C.11.6, it replaces them).
GreyPipeline grey_pipeline(const ElementSet& dataset) {
  GreyPipeline grey;
  grey.photometric = dataset.text(0x00280004);
  grey.rescale_intercept = first_decimal(dataset, 0x00281052);
  grey.rescale_slope = first_decimal(dataset, 0x00281053);
  grey.rescale_type = dataset.text(0x00281054);
  grey.window_center = first_decimal(dataset, 0x00281050);
  grey.window_width = first_decimal(dataset, 0x00281051);
  grey.voi_function = dataset.text(0x00281056);
  grey.has_lut = dataset.find(0x00283000) != nullptr || dataset.find(0x00283010) != nullptr;
  return grey;
}

}  // namespace

InstanceHeader instance_header(const ParsedFile& file) {
  const ElementSet& dataset = file.dataset;
  InstanceHeader header;
  header.warnings = file.warnings;
  header.transfer_syntax_uid = file.syntax.uid;
  header.grey = grey_pipeline(dataset);
  const auto character_sets = dataset.text(kCharacterSet);
  header.character_set = character_sets;
  header.sop_class_uid = required_uid(dataset, kSopClass, file.meta.text(0x00020002), header.warnings);
  header.sop_instance_uid = required_uid(dataset, kSopInstance, file.meta.text(0x00020003), header.warnings);
  header.study_instance_uid = required_uid(dataset, kStudyInstance, {}, header.warnings);
  header.series_instance_uid = required_uid(dataset, kSeriesInstance, {}, header.warnings);
  const auto utf8 = [&](Tag tag) { return to_utf8(dataset.text(tag), character_sets, header.warnings); };
  header.modality = utf8(0x00080060);
  header.body_part = utf8(0x00180015);
  header.view_position = utf8(0x00185101);
  if (header.view_position.empty())
    header.view_position = to_utf8(view_of_code(dataset), character_sets, header.warnings);
  header.image_laterality = utf8(0x00200062);
  if (header.image_laterality.empty()) header.image_laterality = utf8(0x00200060);
  header.presentation_intent = utf8(0x00080068);
  for (const std::string& value : dataset.texts(0x00080008)) {
    if (!header.image_type.empty()) header.image_type += '\\';
    header.image_type += to_utf8(value, character_sets, header.warnings);
  }
  const auto orientation = dataset.texts(0x00200020);
  if (orientation.size() == 2)
    for (std::size_t i = 0; i < 2; ++i)
      header.patient_orientation[i] = to_utf8(orientation[i], character_sets, header.warnings);
  read_times(dataset, header);
  read_patient(dataset, header);
  header.accession_number = utf8(0x00080050);
  header.study_description = utf8(0x00081030);
  header.series_description = utf8(0x0008103E);
  header.manufacturer = utf8(0x00080070);
  header.model_name = utf8(0x00081090);
  read_sizes(dataset, header);
  header.burned_in_annotation = yes_no(dataset.text(0x00280301), "YES", "NO");
  header.lossy_compressed = yes_no(dataset.text(0x00282110), "01", "00");
  header.patient_and_study = patient_and_study(dataset, header.warnings);
  return header;
}

std::optional<double> age_of(std::string_view age_string) {
  const std::string_view text = trimmed(age_string);
  unsigned number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || number > 999) return {};
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr double kDaysAYear = 365.24219;
  if (unit == "Y" || unit.empty()) return number;
  if (unit == "M") return number / 12.0;
  if (unit == "W") return number * 7 / kDaysAYear;
  if (unit == "D") return number / kDaysAYear;
  return {};
}

namespace {

struct Day {
  int year = 0, month_and_day = 0;
};

std::optional<Day> day_of(std::string_view text) {
  std::string digits;
  for (const char c : trimmed(text)) {
    if (c >= '0' && c <= '9') digits += c;
    if (c != '.' && (c < '0' || c > '9')) return {};
  }
  if (digits.size() != 8) return {};
  const Day day{std::stoi(digits.substr(0, 4)), std::stoi(digits.substr(4))};
  const int month = day.month_and_day / 100, number = day.month_and_day % 100;
  if (day.year < 1850 || month < 1 || month > 12 || number < 1 || number > 31) return {};
  return day;
}

}  // namespace

std::optional<double> years_between(std::string_view birth_date, std::string_view date) {
  const auto birth = day_of(birth_date), then = day_of(date);
  if (!birth || !then) return {};
  const int years = then->year - birth->year - (then->month_and_day < birth->month_and_day ? 1 : 0);
  if (years < 0) return {};
  return years;
}

}  // namespace rouage::dicom::reading
