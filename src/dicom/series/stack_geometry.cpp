#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "dicom/series/stacks.h"

namespace rouage::dicom::series {
namespace {

constexpr std::size_t kMostNamed = 8;  ///< places in one message
constexpr double kTiltSaidDeg = 0.05;

Point3 scaled(const Point3& a, double by) {
  return {a[0] * by, a[1] * by, a[2] * by};
}
Point3 minus(const Point3& a, const Point3& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}
double length_of(const Point3& a) {
  return std::sqrt(dot(a, a));
}

[[noreturn]] void refuse(const std::string& detail, const std::filesystem::path& file, Tag tag,
                         std::string_view remedy) {
  throw Error(ErrorCode::SeriesRefused, detail).file(file).tag(reading::tag_text(tag)).remedy(remedy);
}

struct Measured {
  std::vector<double> along;  ///< mm along the normal, from the first slice
  std::vector<double> steps;
  double median = 0, tolerance = 0;
};

Measured measure(const Stack& stack, const Point3& normal) {
  Measured m;
  const double first = dot(stack.slices.front()->position_mm, normal);
  for (const SliceFacts* slice : stack.slices) m.along.push_back(dot(slice->position_mm, normal) - first);
  for (std::size_t i = 1; i < m.along.size(); ++i) m.steps.push_back(m.along[i] - m.along[i - 1]);
  std::vector<double> sorted = m.steps;
  // The lower median: of one step and its double, the step.
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  m.median = *middle;
  m.tolerance = std::min(std::max(kEvenMm, kEvenShare * m.median), kEvenMost * m.median);
  return m;
}

bool lies_evenly(const Measured& m) {
  const double step = m.along.back() / static_cast<double>(m.steps.size());
  for (std::size_t i = 0; i < m.along.size(); ++i)
    if (!(std::abs(m.along[i] - step * static_cast<double>(i)) <= m.tolerance)) return false;
  return true;
}

std::string place_text(const Point3& p) {
  return fmt::format("({:.2f}, {:.2f}, {:.2f})", p[0], p[1], p[2]);
}

/// Where slices are missing: every step is a whole multiple of the median step, some of more than one.
/// Nothing when a step is no multiple: then the stack is uneven, not incomplete.
std::vector<Point3> missing_places(const Stack& stack, const Measured& m, std::size_t& count) {
  std::vector<Point3> places;
  count = 0;
  for (std::size_t i = 0; i < m.steps.size(); ++i) {
    const double times = std::round(m.steps[i] / m.median);
    if (times < 1 || std::abs(m.steps[i] - times * m.median) > std::max(m.tolerance, 0.1 * m.median)) {
      count = 0;
      return {};
    }
    count += static_cast<std::size_t>(times) - 1;
    const Point3 &a = stack.slices[i]->position_mm, &b = stack.slices[i + 1]->position_mm;
    for (double t = 1; t < times && places.size() < kMostNamed; ++t)
      places.push_back(
          {a[0] + (b[0] - a[0]) * t / times, a[1] + (b[1] - a[1]) * t / times, a[2] + (b[2] - a[2]) * t / times});
  }
  return places;
}

void refuse_uneven(const Stack& stack, const Measured& m, std::span<const FileFacts> files) {
  std::size_t count = 0;
  const auto places = missing_places(stack, m, count);
  if (count > 0) {
    std::string text;
    for (const Point3& place : places) text += (text.empty() ? "" : ", ") + place_text(place);
    const std::string more = count > places.size() ? ", ..." : "";
    std::size_t before = 0;
    while (m.steps[before] < 1.5 * m.median) ++before;
    refuse(fmt::format("{} slice{} missing of {} ({:.4g} mm steps), at {}{} mm", count, count == 1 ? " is" : "s are",
                       stack.slices.size() + count, m.median, text, more),
           files[stack.slices[before]->file].path, kPosition,
           "fetch the missing slices from the archive; resampling over the gap must be asked for");
  }
  const auto worst = std::max_element(m.steps.begin(), m.steps.end(), [&](double a, double b) {
    return std::abs(a - m.median) < std::abs(b - m.median);
  });
  const auto at = static_cast<std::size_t>(worst - m.steps.begin());
  refuse(fmt::format("the slices are not evenly spaced: the median step is {:.4g} mm, behind {} it is {:.4g} mm",
                     m.median, place_text(stack.slices[at]->position_mm), *worst),
         files[stack.slices[at]->file].path, kPosition,
         "fetch the whole series from the archive; resampling to an even step must be asked for");
}

/// What each slice is shifted by in its plane must grow evenly with its place along the normal.
void require_straight(const Stack& stack, const Measured& m, const Point3& normal, std::span<const FileFacts> files) {
  const SliceFacts &first = *stack.slices.front(), &last = *stack.slices.back();
  const Point3 run = minus(minus(last.position_mm, first.position_mm), scaled(normal, m.along.back()));
  const double tolerance =
      std::max(kSidewaysMm, kSidewaysPixels * std::min(first.row_spacing_mm, first.column_spacing_mm));
  for (std::size_t i = 0; i < stack.slices.size(); ++i) {
    const Point3 shift = minus(minus(stack.slices[i]->position_mm, first.position_mm), scaled(normal, m.along[i]));
    const double off = length_of(minus(shift, scaled(run, m.along[i] / m.along.back())));
    if (!(off <= tolerance))
      refuse(fmt::format("the slice at {} lies {:.3g} mm beside the line of the others",
                         place_text(stack.slices[i]->position_mm), off),
             files[stack.slices[i]->file].path, kPosition, "fetch the whole series from the archive");
  }
}

void say_tilt(const StackGeometry& geometry, const FileFacts& file, std::vector<std::string>& warnings) {
  const auto& step = geometry.grid.step_mm[2];
  const double length = length_of(step);
  const double angle =
      std::acos(std::clamp(geometry.step_mm / std::max(length, 1e-300), -1.0, 1.0)) * 180 / std::numbers::pi;
  if (angle > kTiltSaidDeg)
    warnings.push_back(
        fmt::format("the slices are shifted sideways by an angle of {:.2f} degrees (gantry tilt): the grid "
                    "is sheared",
                    angle));
  else if (file.gantry_tilt_deg && std::abs(*file.gantry_tilt_deg) > kTiltSaidDeg)
    warnings.push_back(
        fmt::format("(0018,1120) Gantry/Detector Tilt is {:.2f} degrees, but the slices lie straight above "
                    "each other",
                    *file.gantry_tilt_deg));
}

void say_spacing(const Stack& stack, const Measured& m, const StackGeometry& geometry,
                 std::vector<std::string>& warnings) {
  const SliceFacts& first = *stack.slices.front();
  const double differs = std::max(kEvenMm, 0.02 * geometry.step_mm);
  if (first.between_slices_mm && std::abs(*first.between_slices_mm - geometry.step_mm) > differs)
    warnings.push_back(
        fmt::format("(0018,0088) Spacing Between Slices is {:.4g} mm, the positions lie {:.4g} mm apart; the "
                    "positions count",
                    *first.between_slices_mm, geometry.step_mm));
  if (first.thickness_mm && geometry.step_mm > 1.5 * *first.thickness_mm)
    warnings.push_back(
        fmt::format("the slices are {:.4g} mm thick and lie {:.4g} mm apart: what is between them was not "
                    "imaged",
                    *first.thickness_mm, geometry.step_mm));
  double worst = 0;
  for (const double step : m.steps) worst = std::max(worst, std::abs(step - m.median));
  if (geometry.even && worst > m.tolerance)
    warnings.push_back(
        fmt::format("one step differs by {:.3g} mm from the median of {:.4g} mm; no slice lies further than "
                    "{:.3g} mm from its place on the even grid",
                    worst, m.median, m.tolerance));
}

image::Grid plane_grid(const SliceFacts& first, std::size_t slices) {
  image::Grid grid;
  grid.size = {first.columns, first.rows, static_cast<std::uint32_t>(slices)};
  grid.origin_mm = first.position_mm;
  grid.step_mm[0] = scaled(first.row_direction, first.column_spacing_mm);
  grid.step_mm[1] = scaled(first.column_direction, first.row_spacing_mm);
  return grid;
}

StackGeometry single_slice(const Stack& stack, std::span<const FileFacts> files, const SeriesOptions& options) {
  const SliceFacts& slice = *stack.slices.front();
  if (options.single_slice == SingleSlice::refuse)
    refuse("one slice alone: its distance to the next is unknown", files[slice.file].path, kPosition,
           "give the whole series, or ask for its slice thickness to be taken");
  if (!slice.thickness_mm)
    refuse("one slice alone, and no slice thickness", files[slice.file].path, kThickness, "give the whole series");
  StackGeometry geometry;
  geometry.grid = plane_grid(slice, 1);
  geometry.step_mm = *slice.thickness_mm;
  geometry.grid.step_mm[2] = scaled(normal_of(slice), geometry.step_mm);
  geometry.along_mm = {0};
  geometry.warnings.push_back(
      fmt::format("one slice alone: its slice thickness of {:.4g} mm is taken for the step", geometry.step_mm));
  return geometry;
}

}  // namespace

StackGeometry stack_geometry(const Stack& stack, std::span<const FileFacts> files, const SeriesOptions& options) {
  if (stack.slices.size() == 1) return single_slice(stack, files, options);
  const SliceFacts &first = *stack.slices.front(), &last = *stack.slices.back();
  const Point3 normal = normal_of(first);
  const Measured m = measure(stack, normal);
  StackGeometry geometry;
  geometry.even = lies_evenly(m);
  if (!geometry.even) {
    const double widest = *std::max_element(m.steps.begin(), m.steps.end());
    if (options.uneven == Uneven::refuse || widest > (kMostFilledSteps + 0.1) * m.median)
      refuse_uneven(stack, m, files);
  }
  require_straight(stack, m, normal, files);
  const auto steps = static_cast<double>(m.steps.size());
  geometry.step_mm = geometry.even ? m.along.back() / steps : m.median;
  geometry.along_mm = m.along;
  geometry.grid = plane_grid(first, stack.slices.size());
  // One step of the stack, shift in the plane included: the whole way from first to last, shared evenly.
  const double share = geometry.even ? 1 / steps : m.median / m.along.back();
  geometry.grid.step_mm[2] = scaled(minus(last.position_mm, first.position_mm), share);
  say_tilt(geometry, files[first.file], geometry.warnings);
  say_spacing(stack, m, geometry, geometry.warnings);
  return geometry;
}

}  // namespace rouage::dicom::series
