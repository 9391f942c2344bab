// NRRD as its authors define it: http://teem.sourceforge.net/nrrd/format.html (Nearly Raw Raster Data, NRRD0001-0005).
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/host.h"
#include "image/volume/stored.h"

namespace rouage::image {
namespace {

struct NrrdFields {
  std::map<std::string, std::string> value;  ///< by field, lower case
  std::uint64_t end = 0;                     ///< byte after the header
  const std::string* find(const std::string& field) const {
    const auto found = value.find(field);
    return found == value.end() ? nullptr : &found->second;
  }
  const std::string& need(const std::string& field) const {
    const std::string* found = find(field);
    if (found == nullptr) refuse_volume("its header has no \"" + field + "\"");
    return *found;
  }
};

/// Other spellings of a field, by the format's definition.
std::string canonical(const std::string& field) {
  static const std::map<std::string, std::string> kSame{
      {"datafile", "data file"}, {"lineskip", "line skip"}, {"byteskip", "byte skip"}};
  const auto found = kSame.find(field);
  return found == kSame.end() ? field : found->second;
}

void take_line(std::string_view line, NrrdFields& fields) {
  if (line.empty() || line[0] == '#') return;
  if (line.find(":=") < line.find(": ")) return;  // key and value: nothing that places a voxel
  const std::size_t colon = line.find(':');
  if (colon == line.npos) refuse_volume("a line of its header is neither field nor comment");
  const std::string field = canonical(lower_case(trimmed(line.substr(0, colon))));
  if (!fields.value.emplace(field, trimmed(line.substr(colon + 1))).second)
    refuse_volume("its header says \"" + field + "\" twice");
}

NrrdFields read_fields(const std::filesystem::path& path) {
  const Bytes bytes = read_file_start(path, kLongestHeader);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with("NRRD000") || text.size() < 9 || text[7] < '1' || text[7] > '5')
    refuse_volume("it does not begin with NRRD0001 to NRRD0005");
  NrrdFields fields;
  std::size_t at = text.find('\n');
  while (at != text.npos) {
    const std::size_t start = at + 1;
    at = text.find('\n', start);
    const std::size_t end = std::min(at, text.size());
    std::string_view line = text.substr(start, end - start);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() && at != text.npos) {
      fields.end = at + 1;
      return fields;
    }
    take_line(line, fields);
  }
  if (text.size() >= kLongestHeader) refuse_volume("its header does not end within 1 MiB");
  fields.end = text.size();  // a detached header may end with the file
  return fields;
}

ScalarType scalar_of(const std::string& name) {
  static const std::map<std::string, ScalarType> kTypes{{"signed char", ScalarType::int8},
                                                        {"int8", ScalarType::int8},
                                                        {"int8_t", ScalarType::int8},
                                                        {"uchar", ScalarType::uint8},
                                                        {"unsigned char", ScalarType::uint8},
                                                        {"uint8", ScalarType::uint8},
                                                        {"uint8_t", ScalarType::uint8},
                                                        {"short", ScalarType::int16},
                                                        {"short int", ScalarType::int16},
                                                        {"signed short", ScalarType::int16},
                                                        {"signed short int", ScalarType::int16},
                                                        {"int16", ScalarType::int16},
                                                        {"int16_t", ScalarType::int16},
                                                        {"ushort", ScalarType::uint16},
                                                        {"unsigned short", ScalarType::uint16},
                                                        {"unsigned short int", ScalarType::uint16},
                                                        {"uint16", ScalarType::uint16},
                                                        {"uint16_t", ScalarType::uint16},
                                                        {"int", ScalarType::int32},
                                                        {"signed int", ScalarType::int32},
                                                        {"int32", ScalarType::int32},
                                                        {"int32_t", ScalarType::int32},
                                                        {"uint", ScalarType::uint32},
                                                        {"unsigned int", ScalarType::uint32},
                                                        {"uint32", ScalarType::uint32},
                                                        {"uint32_t", ScalarType::uint32},
                                                        {"longlong", ScalarType::int64},
                                                        {"long long", ScalarType::int64},
                                                        {"long long int", ScalarType::int64},
                                                        {"signed long long", ScalarType::int64},
                                                        {"signed long long int", ScalarType::int64},
                                                        {"int64", ScalarType::int64},
                                                        {"int64_t", ScalarType::int64},
                                                        {"ulonglong", ScalarType::uint64},
                                                        {"unsigned long long", ScalarType::uint64},
                                                        {"unsigned long long int", ScalarType::uint64},
                                                        {"uint64", ScalarType::uint64},
                                                        {"uint64_t", ScalarType::uint64},
                                                        {"float", ScalarType::float32},
                                                        {"double", ScalarType::float64}};
  const auto found = kTypes.find(lower_case(name));
  if (found == kTypes.end()) refuse_volume("type \"" + name + "\" is not read", "convert it to integers or floats");
  return found->second;
}

/// "(1,0,0) none (0, 1, 0)": three numbers, or nothing for "none".
std::vector<std::optional<Point3>> vectors_of(std::string_view text, const std::string& field) {
  std::vector<std::optional<Point3>> vectors;
  while (!(text = trimmed(text)).empty()) {
    if (text.starts_with("none")) {
      vectors.emplace_back();
      text.remove_prefix(4);
      continue;
    }
    const std::size_t end = text.find(')');
    if (text[0] != '(' || end == text.npos) refuse_volume("\"" + field + "\" is no list of vectors");
    const auto parts = split(text.substr(1, end - 1), ',');
    Point3 vector{};
    if (parts.size() != 3)
      refuse_volume("\"" + field + "\" has vectors of " + std::to_string(parts.size()) + " numbers");
    for (std::size_t n = 0; n < 3; ++n) {
      const auto number = number_of(trimmed(parts[n]));
      if (!number) refuse_volume("\"" + field + "\" holds \"" + parts[n].substr(0, 40) + "\"");
      vector[n] = *number;
    }
    vectors.emplace_back(vector);
    text.remove_prefix(end + 1);
  }
  return vectors;
}

/// Signs that turn the file's axes of space into LPS.
Point3 signs_of(const NrrdFields& fields, VolumeHeader& header) {
  const std::string* space = fields.find("space");
  const std::string name = space != nullptr ? lower_case(*space) : "";
  if (name == "left-posterior-superior" || name == "lps") return {1, 1, 1};
  if (name == "right-anterior-superior" || name == "ras") return {-1, -1, 1};
  if (name == "left-anterior-superior" || name == "las") return {1, -1, 1};
  const bool open = name == "scanner-xyz" || name == "3d-right-handed" || name == "3d-left-handed";
  if (space == nullptr || open) {
    say(header, VolumeWarningCode::place_unknown,
        space == nullptr ? "no \"space\": left and right are not known; left-posterior-superior is taken"
                         : "space \"" + name + "\" does not say left from right; left-posterior-superior is taken");
    return {1, 1, 1};
  }
  refuse_volume("space \"" + name.substr(0, 60) + "\" is not read", "write it in left-posterior-superior");
}

/// The quoted words of `space units`: one unit for all three axes of space.
double unit_of(const NrrdFields& fields, VolumeHeader& header) {
  const std::string* text = fields.find("space units");
  if (text == nullptr) return 1;
  std::set<std::string> units;
  for (const std::string& part : split(*text, '"'))
    if (!trimmed(part).empty()) units.emplace(trimmed(part));
  if (units.size() > 1) refuse_volume("its axes of space have different units");
  const std::optional<double> unit = units.empty() ? std::nullopt : millimetres_of(*units.begin());
  if (!unit) say(header, VolumeWarningCode::unit_unknown, "its \"space units\" are not known; mm are taken");
  if (unit && *unit != 1) say(header, VolumeWarningCode::unit_converted, "lengths were converted to mm");
  return unit.value_or(1);
}

bool place_is_said(const VolumeHeader& header) {
  return std::none_of(header.warnings.begin(), header.warnings.end(),
                      [](const VolumeWarning& warning) { return warning.code == VolumeWarningCode::place_unknown; });
}

bool is_space(std::string_view kind) {
  return kind == "domain" || kind == "space" || kind == "???" || kind == "none";
}

/// One entry an axis of the file: its step, or nothing for the axis of channels.
std::vector<std::optional<Point3>> steps_of(const NrrdFields& fields, std::size_t dimension, VolumeHeader& header) {
  if (const std::string* directions = fields.find("space directions")) {
    auto steps = vectors_of(*directions, "space directions");
    if (steps.size() != dimension) refuse_volume("\"space directions\" are not as many as its axes");
    return steps;
  }
  const std::string* text = fields.find("spacings");
  if (text == nullptr) refuse_volume("it has neither \"space directions\" nor \"spacings\": voxels have no size");
  const auto words = words_of(*text);
  if (words.size() != dimension) refuse_volume("\"spacings\" are not as many as its axes");
  const std::string* kinds_text = fields.find("kinds");
  const auto kinds = words_of(kinds_text != nullptr ? std::string_view(*kinds_text) : std::string_view());
  std::vector<std::optional<Point3>> steps;
  std::size_t axis = 0;
  for (std::size_t a = 0; a < dimension; ++a) {
    const bool space = kinds.size() == dimension ? is_space(kinds[a]) : lower_case(words[a]) != "nan";
    steps.emplace_back();
    if (!space || axis > 2) continue;
    const auto number = number_of(words[a]);
    if (!number) refuse_volume("\"spacings\" holds \"" + std::string(words[a].substr(0, 40)) + "\"");
    steps.back() = Point3{};
    (*steps.back())[axis++] = *number;
  }
  if (place_is_said(header))
    say(header, VolumeWarningCode::place_unknown,
        "no \"space directions\": the axes are taken as left, posterior, superior");
  return steps;
}

void take_sizes_and_place(const NrrdFields& fields, StoredVolume& stored) {
  VolumeHeader& header = stored.header;
  const std::uint64_t dimension = count_of(fields.need("dimension"), "dimension");
  if (dimension != 3 && dimension != 4)
    refuse_volume("dimension is " + std::to_string(dimension) + "; volumes (3) and channels of volumes (4) are read");
  const auto sizes = words_of(fields.need("sizes"));
  if (sizes.size() != dimension) refuse_volume("\"sizes\" are not as many as its axes");
  const Point3 signs = signs_of(fields, header);
  const double unit = unit_of(fields, header);
  const auto steps = steps_of(fields, static_cast<std::size_t>(dimension), header);
  std::size_t axis = 0;
  for (std::size_t a = 0; a < dimension; ++a) {
    const std::uint64_t size = count_of(sizes[a], "sizes");
    if (size == 0 || size > std::numeric_limits<std::int32_t>::max())
      refuse_volume("axis " + std::to_string(a) + " has " + std::to_string(size) + " samples");
    if (!steps[a]) {
      if (dimension == 3 || (a != 0 && a != 3))
        refuse_volume("its axis without place is not the first or last of four");
      header.channels = static_cast<std::uint32_t>(size);
      stored.channel_fastest = a == 0;
      continue;
    }
    if (axis > 2) refuse_volume("it has four axes of space");
    header.grid.size[axis] = static_cast<std::uint32_t>(size);
    for (std::size_t x = 0; x < 3; ++x) header.grid.step_mm[axis][x] = signs[x] * unit * (*steps[a])[x] + 0.0;
    ++axis;
  }
  if (axis != 3) refuse_volume("it has " + std::to_string(axis) + " axes of space");
  if (const std::string* text = fields.find("space origin")) {
    const auto origin = vectors_of(*text, "space origin");
    if (origin.size() != 1 || !origin[0]) refuse_volume("\"space origin\" is no vector");
    for (std::size_t x = 0; x < 3; ++x) header.grid.origin_mm[x] = signs[x] * unit * (*origin[0])[x] + 0.0;
  } else if (place_is_said(header)) {
    say(header, VolumeWarningCode::place_unknown, "no \"space origin\": the first voxel is taken to lie at 0");
  }
}

/// Bytes after `lines` line ends from `from` on.
std::uint64_t after_lines(const std::filesystem::path& file, bool own_name, std::uint64_t from, std::uint64_t lines) {
  if (lines == 0) return from;
  ByteSource source(file, {.own_name = own_name, .offset = from});
  Bytes start(kLongestHeader);
  const std::size_t got = source.read_some(start);
  for (std::size_t n = 0; n < got; ++n)
    if (start[n] == '\n' && --lines == 0) return from + n + 1;
  refuse_volume("\"line skip\" leads beyond its first MiB");
}

void take_data(const std::filesystem::path& path, const NrrdFields& fields, StoredVolume& stored) {
  const std::string encoding = lower_case(fields.need("encoding"));
  stored.deflated = encoding == "gzip" || encoding == "gz";
  if (!stored.deflated && encoding != "raw")
    refuse_volume("encoding \"" + encoding.substr(0, 40) + "\" is not read", "write it with encoding raw or gzip");
  if (scalar_bytes(stored.header.type) > 1) {
    const std::string endian = lower_case(fields.need("endian"));
    if (endian != "little" && endian != "big") refuse_volume("endian is \"" + endian.substr(0, 40) + "\"");
    stored.big_endian = endian == "big";
  }
  stored.file = path;
  std::uint64_t start = fields.end;
  if (const std::string* name = fields.find("data file")) {
    if (name->starts_with("LIST") || name->find('%') != name->npos)
      refuse_volume("its voxels lie in several files", "write them into one file");
    stored.file = beside(path, *name);
    stored.own_name = false;
    start = 0;
  }
  const std::string* lines = fields.find("line skip");
  stored.offset =
      after_lines(stored.file, stored.own_name, start, lines != nullptr ? count_of(*lines, "line skip") : 0);
  const std::string* skip = fields.find("byte skip");
  if (skip == nullptr) return;
  if (*skip == "-1" && !stored.deflated) {
    stored.at_end = true;
    return;
  }
  std::uint64_t& offset = stored.deflated ? stored.unpacked_offset : stored.offset;
  const std::uint64_t bytes = count_of(*skip, "byte skip");
  constexpr std::uint64_t kMost = 1ULL << 40;
  if (bytes > kMost) refuse_volume("byte skip is " + *skip);
  offset += bytes;
}

}  // namespace

StoredVolume parse_nrrd(const std::filesystem::path& path) {
  const NrrdFields fields = read_fields(path);
  StoredVolume stored;
  stored.header.format = VolumeFormat::nrrd;
  stored.header.type = scalar_of(fields.need("type"));
  take_sizes_and_place(fields, stored);
  stored.header.spacing_mm = stored.header.grid.spacing_mm();
  take_data(path, fields, stored);
  return stored;
}

}  // namespace rouage::image
