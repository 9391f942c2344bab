// MetaImage as ITK reads it: https://itk.org/Wiki/ITK/MetaIO/Documentation; TransformMatrix holds the direction of the
// first axis, then of the second, then of the third; patient space is LPS.
#include "base/error.h"

#include <algorithm>
#include <map>
#include "base/host.h"
#include "image/volume/stored.h"

namespace rouage::image {
namespace {

struct MetaFields {
  std::map<std::string, std::string> value;
  std::uint64_t end = 0;  ///< byte after the line of ElementDataFile
  /// The first of the names that stands there, or nullptr.
  const std::string* find(std::initializer_list<const char*> names) const {
    for (const char* name : names)
      if (const auto found = value.find(name); found != value.end()) return &found->second;
    return nullptr;
  }
  const std::string& need(const char* name) const {
    const std::string* found = find({name});
    if (found == nullptr) refuse_volume(std::string("its header has no ") + name);
    return *found;
  }
  bool is_true(std::initializer_list<const char*> names, bool otherwise) const {
    const std::string* found = find(names);
    if (found == nullptr) return otherwise;
    const std::string word = lower_case(*found);
    if (word != "true" && word != "false" && word != "1" && word != "0")
      refuse_volume(std::string(*names.begin()) + " is \"" + word.substr(0, 40) + "\"");
    return word == "true" || word == "1";
  }
};

MetaFields read_fields(const std::filesystem::path& path) {
  const Bytes bytes = read_file_start(path, kLongestHeader);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  MetaFields fields;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = trimmed(text.substr(start, end - start));
    start = end + 1;
    if (line.empty()) continue;
    const std::size_t equals = line.find('=');
    if (equals == line.npos) refuse_volume("a line of its header has no \"=\"");
    const std::string name(trimmed(line.substr(0, equals)));
    if (!fields.value.emplace(name, trimmed(line.substr(equals + 1))).second)
      refuse_volume("its header says " + name.substr(0, 60) + " twice");
    if (name != "ElementDataFile") continue;
    fields.end = std::min<std::uint64_t>(start, text.size());
    return fields;
  }
  refuse_volume("its header has no ElementDataFile");
}

ScalarType scalar_of(std::string name) {
  static const std::map<std::string, ScalarType> kTypes{
      {"MET_CHAR", ScalarType::int8},         {"MET_UCHAR", ScalarType::uint8},   {"MET_SHORT", ScalarType::int16},
      {"MET_USHORT", ScalarType::uint16},     {"MET_INT", ScalarType::int32},     {"MET_UINT", ScalarType::uint32},
      {"MET_LONG", ScalarType::int32},        {"MET_ULONG", ScalarType::uint32},  {"MET_LONG_LONG", ScalarType::int64},
      {"MET_ULONG_LONG", ScalarType::uint64}, {"MET_FLOAT", ScalarType::float32}, {"MET_DOUBLE", ScalarType::float64}};
  if (name.ends_with("_ARRAY")) name.resize(name.size() - 6);
  const auto found = kTypes.find(name);
  if (found == kTypes.end())
    refuse_volume("ElementType \"" + name.substr(0, 40) + "\" is not read", "convert it to integers or floats");
  return found->second;
}

std::vector<double> numbers_of(const std::string& text, std::size_t count, const char* field) {
  const auto words = words_of(text);
  std::vector<double> numbers;
  for (const std::string_view word : words) {
    const auto number = number_of(word);
    if (!number) refuse_volume(std::string(field) + " holds \"" + std::string(word.substr(0, 40)) + "\"");
    numbers.push_back(*number);
  }
  if (numbers.size() != count)
    refuse_volume(std::string(field) + " has " + std::to_string(numbers.size()) + " numbers, not " +
                  std::to_string(count));
  return numbers;
}

double unit_of(const MetaFields& fields, VolumeHeader& header) {
  const std::string* name = fields.find({"DistanceUnits"});
  if (name == nullptr || *name == "?") return 1;  // older than the field: mm by ITK's convention
  const auto unit = millimetres_of(*name);
  if (!unit) say(header, VolumeWarningCode::unit_unknown, "its DistanceUnits are not known; mm are taken");
  if (unit && *unit != 1) say(header, VolumeWarningCode::unit_converted, "lengths were converted to mm");
  return unit.value_or(1);
}

/// ITK's letters say where an axis comes from: the opposites of ours.
std::string from_letters(const Grid& grid) {
  std::string letters = grid.orientation();
  for (char& letter : letters) letter = "RLAPIS"[std::string_view("LRPASI").find(letter)];
  return letters;
}

void take_place(const MetaFields& fields, std::size_t dims, VolumeHeader& header) {
  const double unit = unit_of(fields, header);
  const std::string* spacing_text = fields.find({"ElementSpacing", "ElementSize"});
  if (spacing_text == nullptr) refuse_volume("it has no ElementSpacing: voxels have no size");
  const auto spacing = numbers_of(*spacing_text, dims, "ElementSpacing");
  std::vector<double> matrix(dims * dims), offset(dims);
  for (std::size_t a = 0; a < dims; ++a) matrix[a * dims + a] = 1;
  const std::string* matrix_text = fields.find({"TransformMatrix", "Rotation", "Orientation"});
  const std::string* offset_text = fields.find({"Offset", "Position", "Origin"});
  if (matrix_text != nullptr) matrix = numbers_of(*matrix_text, dims * dims, "TransformMatrix");
  if (offset_text != nullptr) offset = numbers_of(*offset_text, dims, "Offset");
  if (matrix_text == nullptr || offset_text == nullptr)
    say(header, VolumeWarningCode::place_unknown,
        matrix_text == nullptr ? "no TransformMatrix: left and right are not known; left-posterior-superior is taken"
                               : "no Offset: the first voxel is taken to lie at 0");
  for (std::size_t a = 0; a < 3; ++a) {
    if (!(spacing[a] > 0)) refuse_volume("ElementSpacing is not positive");
    for (std::size_t x = 0; x < 3; ++x) header.grid.step_mm[a][x] = matrix[a * dims + x] * spacing[a] * unit + 0.0;
    header.grid.origin_mm[a] = offset[a] * unit;
    for (std::size_t x = 3; x < dims; ++x)
      if (matrix[a * dims + x] != 0 || matrix[x * dims + a] != 0)
        refuse_volume("its TransformMatrix mixes space with the fourth axis");
  }
  header.spacing_mm = header.grid.spacing_mm();
  const std::string* letters = fields.find({"AnatomicalOrientation"});
  if (letters != nullptr && letters->size() == 3 && letters->find('?') == letters->npos &&
      *letters != from_letters(header.grid))
    say(header, VolumeWarningCode::letters_disagree,
        "AnatomicalOrientation says " + *letters + ", the matrix says " + from_letters(header.grid) +
            "; the matrix counts");
}

void take_sizes(const MetaFields& fields, StoredVolume& stored, std::size_t dims) {
  const auto sizes = words_of(fields.need("DimSize"));
  if (sizes.size() != dims) refuse_volume("DimSize has not as many numbers as NDims says");
  std::array<std::uint64_t, 4> size{1, 1, 1, 1};
  for (std::size_t a = 0; a < dims; ++a) {
    size[a] = count_of(sizes[a], "DimSize");
    if (size[a] == 0 || size[a] > std::numeric_limits<std::int32_t>::max())
      refuse_volume("axis " + std::to_string(a) + " has " + std::to_string(size[a]) + " voxels");
  }
  std::uint64_t vector = 1;
  if (const std::string* text = fields.find({"ElementNumberOfChannels"}))
    vector = count_of(*text, "ElementNumberOfChannels");
  if (vector > 1 && size[3] > 1) refuse_volume("it has more than one axis beside space", "split it into channels");
  if (vector == 0 || vector > std::numeric_limits<std::int32_t>::max())
    refuse_volume("ElementNumberOfChannels is wrong");
  for (std::size_t a = 0; a < 3; ++a) stored.header.grid.size[a] = static_cast<std::uint32_t>(size[a]);
  stored.header.channels = static_cast<std::uint32_t>(vector * size[3]);
  stored.channel_fastest = vector > 1;
}

void take_data(const std::filesystem::path& path, const MetaFields& fields, StoredVolume& stored) {
  if (!fields.is_true({"BinaryData"}, true)) refuse_volume("its voxels are text", "write it with BinaryData = True");
  stored.deflated = fields.is_true({"CompressedData"}, false);
  stored.big_endian = fields.is_true({"BinaryDataByteOrderMSB", "ElementByteOrderMSB"}, false);
  const std::string& name = fields.need("ElementDataFile");
  const bool local = name == "LOCAL" || name == "Local" || name == "local";
  if (!local && (name.starts_with("LIST") || name.find('%') != name.npos))
    refuse_volume("its voxels lie in several files", "write them into one file");
  stored.file = local ? path : beside(path, name);
  stored.own_name = local;
  stored.offset = local ? fields.end : 0;
  const std::string* header_size = fields.find({"HeaderSize"});
  if (header_size == nullptr || local) return;
  if (*header_size == "-1")
    stored.at_end = !stored.deflated;
  else
    stored.offset = count_of(*header_size, "HeaderSize");
}

}  // namespace

StoredVolume parse_metaimage(const std::filesystem::path& path) {
  const MetaFields fields = read_fields(path);
  StoredVolume stored;
  stored.header.format = VolumeFormat::metaimage;
  const std::uint64_t dims = count_of(fields.need("NDims"), "NDims");
  if (dims != 3 && dims != 4)
    refuse_volume("NDims is " + std::to_string(dims) + "; volumes (3) and channels of volumes (4) are read");
  stored.header.type = scalar_of(fields.need("ElementType"));
  take_sizes(fields, stored, static_cast<std::size_t>(dims));
  take_place(fields, static_cast<std::size_t>(dims), stored.header);
  take_data(path, fields, stored);
  return stored;
}

}  // namespace rouage::image
