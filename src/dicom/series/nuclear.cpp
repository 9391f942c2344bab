/// Reconstructed NM (SPECT) objects: the first slice's place stands in the Detector Information Sequence, the others
/// follow by the slice vector and the spacing between slices (PS3.3 C.8.4.8, C.8.4.11, C.8.4.15).
#include <fmt/format.h>

#include "base/error.h"
#include "dicom/series/slice_facts.h"

namespace rouage::dicom::series {
namespace {

using reading::tag_text;

constexpr Tag kDetectors = 0x00540022, kDetectorVector = 0x00540020, kSliceVector = 0x00540080;

void require_reconstructed(const ElementSet& dataset) {
  const auto type = dataset.texts(kImageType);
  const std::string third = type.size() > 2 ? type[2] : std::string();
  if (third.starts_with("RECON")) return;
  throw Error(ErrorCode::SeriesRefused,
              third.empty() ? std::string("the image type does not say that it is reconstructed")
                            : "image type " + third.substr(0, 16) + " is planar or a projection: it holds no volume")
      .tag(tag_text(kImageType))
      .remedy("give the reconstructed series (RECON TOMO)");
}

/// One number a frame, counted from 1; absent vectors are empty.
std::vector<std::uint16_t> vector_of(const ElementSet& dataset, Tag tag, std::uint32_t frames) {
  auto values = dataset.words(tag);
  if (!values.empty() && values.size() != frames)
    throw Error(ErrorCode::HeaderInvalid, fmt::format("{} entries for {} frames", values.size(), frames))
        .tag(tag_text(tag));
  return values;
}

/// Spacing between slices keeps its sign here: it says to which side of the first slice the others lie.
double signed_step(const ElementSet& dataset) {
  const auto between = dataset.decimals(kBetweenSlices);
  if (between.empty() || between[0] == 0)
    throw Error(ErrorCode::HeaderInvalid, "the attribute is missing: the distance of the slices is unknown")
        .tag(tag_text(kBetweenSlices))
        .remedy("export the reconstruction again with it; the slice thickness is not taken instead");
  return between[0];
}

Point3 normal_of(const SliceFacts& slice) {
  const Point3 &a = slice.row_direction, &b = slice.column_direction;
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

}  // namespace

void read_nuclear(const ElementSet& dataset, ScannedFile& scanned) {
  require_reconstructed(dataset);
  const std::uint32_t frames = scanned.facts.layout.frames;
  const auto slices = vector_of(dataset, kSliceVector, frames), detectors = vector_of(dataset, kDetectorVector, frames);
  if (slices.empty())
    throw Error(ErrorCode::HeaderInvalid, "the attribute is missing: the order of the frames is unknown")
        .tag(tag_text(kSliceVector))
        .remedy("export the reconstruction again with it");
  const auto detector_items = dataset.items(kDetectors);
  static constexpr std::pair<Split, Tag> kVectors[] = {{Split::energy_window, 0x00540010},
                                                       {Split::gate, 0x00540060},
                                                       {Split::cardiac_phase, 0x00540030},
                                                       {Split::time_slot, 0x00540070}};
  std::vector<std::vector<std::uint16_t>> vectors;
  for (const auto& row : kVectors) vectors.push_back(vector_of(dataset, row.second, frames));
  for (std::uint32_t frame = 1; frame <= frames; ++frame) {
    const std::size_t at = frame - 1, detector = detectors.empty() ? 1 : detectors[at];
    if (detector < 1 || detector > detector_items.size())
      throw Error(ErrorCode::HeaderInvalid,
                  fmt::format("frame {} is of detector {}, {} are described", frame, detector, detector_items.size()))
          .tag(tag_text(kDetectors))
          .remedy("export the reconstruction again: the place of its first slice stands there");
    if (slices[at] < 1)
      throw Error(ErrorCode::HeaderInvalid, fmt::format("frame {} is slice 0", frame)).tag(tag_text(kSliceVector));
    SliceFacts slice;
    slice.frame = frame;
    read_orientation(detector_items[detector - 1], slice);
    read_position(detector_items[detector - 1], slice);
    read_spacing(dataset, slice);
    read_rescale(dataset, slice);
    const double along = slices[at] == 1 ? 0 : (slices[at] - 1) * signed_step(dataset);
    const Point3 normal = normal_of(slice);
    for (std::size_t x = 0; x < 3; ++x) slice.position_mm[x] += along * normal[x];
    split_value(slice, Split::image_type) = dataset.text(kImageType);
    for (std::size_t v = 0; v < vectors.size(); ++v)
      if (!vectors[v].empty()) split_value(slice, kVectors[v].first) = std::to_string(vectors[v][at]);
    scanned.slices.push_back(std::move(slice));
  }
}

}  // namespace rouage::dicom::series
