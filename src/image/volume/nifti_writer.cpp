#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "image/volume/nifti.h"
#include "image/volume/volume_file.h"

namespace rouage::image {
namespace {

template <class T>
void set(Bytes& bytes, std::size_t offset, T value) {
  const auto raw = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
  std::copy(raw.begin(), raw.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}
void set_text(Bytes& bytes, std::size_t offset, std::string_view text) {
  std::copy(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

int datatype_of(ScalarType type) {
  switch (type) {
    case ScalarType::uint8:
      return 2;
    case ScalarType::uint16:
      return 512;
    case ScalarType::int16:
      return 4;
    case ScalarType::float32:
      return 16;
    default:
      throw Error(ErrorCode::Internal, "a type that is never written");
  }
}
int bits_of(ScalarType type) {
  return type == ScalarType::uint8 ? 8 : (type == ScalarType::float32 ? 32 : 16);
}

constexpr int kIntentLabel = 1002;  // NIFTI_INTENT_LABEL
constexpr std::string_view kMadeBy = "Rouage";

Bytes version_1(const VolumePlan& plan, const NiftiGeometry& g) {
  Bytes out(352);
  const auto f32 = [](double value) { return static_cast<float>(value); };
  set<std::int32_t>(out, 0, 348);
  set<std::int16_t>(out, 40, 3);
  for (std::size_t a = 0; a < 7; ++a)
    set<std::int16_t>(out, 42 + 2 * a, a < 3 ? static_cast<std::int16_t>(plan.grid.size[a]) : std::int16_t{1});
  set(out, 68, static_cast<std::int16_t>(plan.label_map ? kIntentLabel : 0));
  set(out, 70, static_cast<std::int16_t>(datatype_of(plan.type)));
  set(out, 72, static_cast<std::int16_t>(bits_of(plan.type)));
  for (std::size_t a = 0; a < 4; ++a) set(out, 76 + 4 * a, f32(g.pixdim[a]));
  set(out, 112, 1.0F);
  out[123] = g.xyzt_units;
  set_text(out, 148, kMadeBy);
  set(out, 252, static_cast<std::int16_t>(g.qform_code));
  set(out, 254, static_cast<std::int16_t>(g.sform_code));
  for (std::size_t n = 0; n < 3; ++n) {
    set(out, 256 + 4 * n, f32(g.quatern[n]));
    set(out, 268 + 4 * n, f32(g.qoffset[n]));
    for (std::size_t a = 0; a < 4; ++a) set(out, 280 + 16 * n + 4 * a, f32(g.srow[n][a]));
  }
  set_text(out, 344, std::string_view("n+1\0", 4));
  return out;
}

Bytes version_2(const VolumePlan& plan, const NiftiGeometry& g) {
  Bytes out(544);
  set<std::int32_t>(out, 0, 540);
  set_text(out, 4, std::string_view("n+2\0\r\n\032\n", 8));
  set(out, 12, static_cast<std::int16_t>(datatype_of(plan.type)));
  set(out, 14, static_cast<std::int16_t>(bits_of(plan.type)));
  set<std::int64_t>(out, 16, 3);
  for (std::size_t a = 0; a < 7; ++a) set<std::int64_t>(out, 24 + 8 * a, a < 3 ? plan.grid.size[a] : 1);
  for (std::size_t a = 0; a < 4; ++a) set(out, 104 + 8 * a, g.pixdim[a]);
  set(out, 176, 1.0);
  set_text(out, 240, kMadeBy);
  set(out, 344, g.qform_code);
  set(out, 348, g.sform_code);
  for (std::size_t n = 0; n < 3; ++n) {
    set(out, 352 + 8 * n, g.quatern[n]);
    set(out, 376 + 8 * n, g.qoffset[n]);
    for (std::size_t a = 0; a < 4; ++a) set(out, 400 + 32 * n + 8 * a, g.srow[n][a]);
  }
  set(out, 500, static_cast<std::int32_t>(g.xyzt_units));
  set(out, 504, static_cast<std::int32_t>(plan.label_map ? kIntentLabel : 0));
  return out;
}

/// Text between the marks of a CDATA section, where only their end may not stand.
std::string cdata(const std::string& name) {
  std::string out = "<![CDATA[";
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = name.find("]]>", at);
    out += name.substr(at, end == name.npos ? end : end + 2 - at);
    at = end == name.npos ? name.size() : end + 2;
    if (end != name.npos) out += "]]><![CDATA[";
  }
  return out + "]]>";
}

/// A colour that differs from those of the neighbouring values: hues a golden angle apart.
std::string colour_of(std::uint16_t value) {
  constexpr double kGoldenTurn = 0.6180339887498949;
  const double hue = std::fmod(value * kGoldenTurn, 1.0) * 6;
  const auto channel = [&](double centre) {
    const double away = std::abs(std::fmod(hue - centre + 9, 6.0) - 3);
    return fixed_text(std::clamp(2 - away, 0.15, 0.95), 3);
  };
  return " Red=\"" + channel(0) + "\" Green=\"" + channel(2) + "\" Blue=\"" + channel(4) + "\" Alpha=\"1\"";
}

/// Caret's label table, which Connectome Workbench and TotalSegmentator read. Padded with blanks to a multiple of 16.
Bytes label_extension(const std::vector<LabelName>& labels) {
  constexpr std::int32_t kCaret = 30;  // NIFTI_ECODE_CARET
  std::string xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CaretExtension>\n<VolumeInformation Index=\"0\">\n<LabelTable>\n";
  for (const LabelName& label : labels)
    xml += "<Label Key=\"" + std::to_string(label.value) + "\"" + colour_of(label.value) + ">" + cdata(label.name) +
           "</Label>\n";
  xml += "</LabelTable>\n<StudyMetaDataLinkSet>\n</StudyMetaDataLinkSet>\n<VolumeType>" + cdata("Label") +
         "</VolumeType>\n</VolumeInformation>\n</CaretExtension>\n";
  xml.resize((xml.size() + 8 + 15) / 16 * 16 - 8, ' ');
  Bytes out(8);
  set(out, 0, static_cast<std::int32_t>(xml.size() + 8));
  set(out, 4, kCaret);
  out.insert(out.end(), xml.begin(), xml.end());
  return out;
}

NiftiGeometry geometry_of(const VolumePlan& plan) {
  const auto& like = plan.options.like;
  if (!like || !like->nifti) return nifti_geometry(plan.grid);
  if (!same_grid(like->grid, plan.grid))
    throw Error(ErrorCode::GridMismatch, "the volume does not lie where the header to be kept says");
  return *like->nifti;
}

}  // namespace

Bytes nifti_header(const VolumePlan& plan) {
  const NiftiGeometry geometry = geometry_of(plan);
  Bytes out = geometry.version == 1 ? version_1(plan, geometry) : version_2(plan, geometry);
  if (!plan.labels.empty()) {
    out[out.size() - 4] = 1;  // extensions follow
    const Bytes extension = label_extension(plan.labels);
    out.insert(out.end(), extension.begin(), extension.end());
  }
  if (geometry.version == 1)
    set(out, 108, static_cast<float>(out.size()));
  else
    set(out, 168, static_cast<std::int64_t>(out.size()));
  return out;
}

}  // namespace rouage::image
