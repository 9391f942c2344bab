#include "stats/segmentation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "stats/segmentation_surface.h"

namespace rouage::stats {
namespace {

using image::IndexBox, image::LabelMap, image::Mask;

template <class T>
void check_pair(const image::Volume<T>& reference, const image::Volume<T>& test) {
  if (!image::same_grid(reference.grid, test.grid))
    throw Error(ErrorCode::GridMismatch, "the two segmentations do not lie on the same grid");
  if (reference.values.size() != reference.grid.voxels() || test.values.size() != test.grid.voxels())
    throw Error(ErrorCode::VolumeInvalid, "a segmentation does not hold one value a voxel");
}

void check_axes(const image::Grid& grid) {
  if (!(grid.shear() <= image::kMostShear))
    throw Error(ErrorCode::VolumeInvalid, "distances of surfaces need perpendicular axes")
        .remedy("resample both segmentations to a grid with perpendicular axes first");
}

/// What one pass over both maps gives.
struct Tally {
  std::uint64_t reference = 0, test = 0, common = 0;
  IndexBox box{{std::numeric_limits<std::uint32_t>::max(), std::numeric_limits<std::uint32_t>::max(),
                std::numeric_limits<std::uint32_t>::max()},
               {0, 0, 0}};
  void reach(std::uint32_t i, std::uint32_t j, std::uint32_t k) {
    box.first = {std::min(box.first[0], i), std::min(box.first[1], j), std::min(box.first[2], k)};
    box.last = {std::max(box.last[0], i), std::max(box.last[1], j), std::max(box.last[2], k)};
  }
};

/// `number_of` turns a voxel's value into an index of tallies; negative: not counted.
template <class T, class Number>
void count(const image::Volume<T>& reference, const image::Volume<T>& test, const Number& number_of,
           std::vector<Tally>& tallies) {
  const auto n = reference.grid.size;
  std::size_t v = 0;
  for (std::uint32_t k = 0; k < n[2]; ++k)
    for (std::uint32_t j = 0; j < n[1]; ++j)
      for (std::uint32_t i = 0; i < n[0]; ++i, ++v) {
        const int a = number_of(reference.values[v]), b = number_of(test.values[v]);
        if (a >= 0) {
          Tally& tally = tallies[static_cast<std::size_t>(a)];
          ++tally.reference;
          tally.common += a == b;
          tally.reach(i, j, k);
        }
        if (b >= 0) {
          Tally& tally = tallies[static_cast<std::size_t>(b)];
          ++tally.test;
          if (a != b) tally.reach(i, j, k);
        }
      }
}

std::optional<double> ratio(double part, double whole) {
  return whole > 0 ? std::optional(part / whole) : std::nullopt;
}

SegmentationScores overlap(const Tally& tally, double voxel_ml) {
  SegmentationScores s;
  s.reference_voxels = tally.reference;
  s.test_voxels = tally.test;
  s.common_voxels = tally.common;
  const auto a = static_cast<double>(tally.reference), b = static_cast<double>(tally.test),
             both = static_cast<double>(tally.common);
  s.reference_ml = a * voxel_ml;
  s.test_ml = b * voxel_ml;
  s.dice = ratio(2 * both, a + b);
  s.jaccard = ratio(both, a + b - both);
  s.sensitivity = ratio(both, a);
  s.precision = ratio(both, b);
  s.volume_difference_ml = (b - a) * voxel_ml;
  s.relative_volume_difference = ratio(b - a, a);
  if (tally.reference == 0 && tally.test == 0) s.undefined = "both masks are empty";
  return s;
}

SurfaceScores nothing_to_reach() {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  SurfaceScores s;
  s.hausdorff_mm = s.hausdorff95_mm = s.assd_mm = kFar;
  s.boundary_hausdorff95_pooled_mm = s.boundary_hausdorff95_largest_mm = kFar;
  return s;
}

/// The box of one label or mask, as two small masks.
template <class T, class IsSet>
Mask small_mask(const image::Volume<T>& volume, const IndexBox& box, const IsSet& is_set) {
  Mask mask{image::sub_grid(volume.grid, box), {}, ""};
  mask.values.reserve(mask.grid.voxels());
  for (std::uint32_t k = box.first[2]; k <= box.last[2]; ++k)
    for (std::uint32_t j = box.first[1]; j <= box.last[1]; ++j) {
      const T* row = &volume.at(box.first[0], j, k);
      for (std::uint32_t i = 0; i < mask.grid.size[0]; ++i) mask.values.push_back(is_set(row[i]));
    }
  return mask;
}

template <class T, class IsSet>
void add_surface(const image::Volume<T>& reference, const image::Volume<T>& test, const Tally& tally,
                 const IsSet& is_set, const SegmentationOptions& options, SegmentationScores& scores) {
  if (!options.surfaces || (tally.reference == 0 && tally.test == 0)) return;
  const Mask a = small_mask(reference, tally.box, is_set), b = small_mask(test, tally.box, is_set);
  if (tally.reference == 0 || tally.test == 0)
    scores.surface = nothing_to_reach();
  else
    scores.surface = surface_scores(a, b, options);
}

void check_options(const SegmentationOptions& options) {
  if (!(options.tolerance_mm >= 0) || !std::isfinite(options.tolerance_mm))
    throw Error(ErrorCode::VolumeInvalid, "the tolerance is not a number of millimetres, 0 or more");
}

std::vector<std::uint16_t> wanted_labels(const LabelMap& reference, const LabelMap& test,
                                         std::span<const std::uint16_t> labels) {
  std::vector<std::uint16_t> wanted(labels.begin(), labels.end());
  if (wanted.empty()) {
    std::vector<bool> seen(65536);
    for (const LabelMap* map : {&reference, &test})
      for (const std::uint16_t value : map->values) seen[value] = true;
    for (std::size_t label = 1; label < seen.size(); ++label)
      if (seen[label]) wanted.push_back(static_cast<std::uint16_t>(label));
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  return wanted;
}

}  // namespace

SegmentationScores compare_masks(const Mask& reference, const Mask& test, const SegmentationOptions& options) {
  check_options(options);
  check_pair(reference, test);
  if (options.surfaces) check_axes(reference.grid);
  std::vector<Tally> tallies(1);
  count(
      reference, test, [](std::uint8_t value) { return value != 0 ? 0 : -1; }, tallies);
  SegmentationScores scores = overlap(tallies[0], reference.grid.voxel_ml());
  add_surface(
      reference, test, tallies[0], [](std::uint8_t value) { return value != 0; }, options, scores);
  return scores;
}

std::vector<LabelScores> compare_label_maps(const LabelMap& reference, const LabelMap& test,
                                            std::span<const std::uint16_t> labels, const SegmentationOptions& options) {
  check_options(options);
  check_pair(reference, test);
  if (options.surfaces) check_axes(reference.grid);
  const std::vector<std::uint16_t> wanted = wanted_labels(reference, test, labels);
  std::vector<int> number(65536, -1);
  for (std::size_t n = 0; n < wanted.size(); ++n) number[wanted[n]] = static_cast<int>(n);
  std::vector<Tally> tallies(wanted.size());
  count(
      reference, test, [&](std::uint16_t value) { return number[value]; }, tallies);
  std::vector<LabelScores> rows;
  for (std::size_t n = 0; n < wanted.size(); ++n) {
    LabelScores row{wanted[n], overlap(tallies[n], reference.grid.voxel_ml())};
    add_surface(
        reference, test, tallies[n], [&](std::uint16_t value) { return value == wanted[n]; }, options, row.scores);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rouage::stats
