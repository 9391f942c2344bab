/// Slices to stacks, and a stack to a grid.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "dicom/series/slice_facts.h"
#include "image/volume.h"

namespace rouage::dicom::series {

/// Slices that may make one volume: one series, modality, unit, frame of reference, matrix, pixel spacing, orientation.
struct Stack {
  std::vector<const SliceFacts*> slices;
  std::string split_by;
  std::vector<std::string> warnings;
};

inline constexpr double kSamePlaceMm = 0.01;    ///< slices nearer than this along the normal are at one place
inline constexpr double kSameDirection = 1e-3;  ///< of direction cosines of one stack
inline constexpr double kEvenMm = 0.05, kEvenShare = 0.01;  ///< from its place on the even grid: the larger, but never
inline constexpr double kEvenMost = 0.2;                    ///< more than this share of a step
inline constexpr double kSidewaysMm = 0.1, kSidewaysPixels = 0.05;  ///< from the straight line: the larger
inline constexpr double kMostFilledSteps = 3;                       ///< a wider gap is not resampled over

/// row direction x column direction.
Point3 normal_of(const SliceFacts& slice);
double dot(const Point3& a, const Point3& b);
/// Sorted along the first slice's normal.
void sort_stack(Stack& stack);

/// Stacks in an order that depends on what the slices say only. Splits by whatever cannot share a grid, then by the
/// attributes of `Split` where stacks overlap or places repeat (docs/formats/dicom-series.md). Errors: SeriesRefused
/// (more than 1,000 stacks).
std::vector<Stack> stacks_of(std::span<const SliceFacts> slices, std::span<const FileFacts> files);

struct StackGeometry {
  image::Grid grid;              ///< of the slices; of an uneven stack the first slice's with the median step
  std::vector<double> along_mm;  ///< of each slice, from the first
  double step_mm = 0;            ///< along the normal; the median of an uneven stack
  bool even = true;
  std::vector<std::string> warnings;
};
/// `stack` is sorted and no place repeats. Errors: SeriesRefused: one slice alone, slices missing (places named),
/// uneven (the same with Uneven::resample only for gaps over kMostFilledSteps), shifted sideways, normals apart.
StackGeometry stack_geometry(const Stack& stack, std::span<const FileFacts> files, const SeriesOptions& options);

}  // namespace rouage::dicom::series
