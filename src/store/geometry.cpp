#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "store/completeness.h"

namespace rouage::store {
namespace {

constexpr double kSamePlace_mm = 0.02;    ///< two phases of one slice
constexpr double kHole = 1.5;             ///< an interval of so many spacings holds a missing slice
constexpr double kEven = 0.15;            ///< intervals of an even stack differ from whole spacings by less
constexpr std::size_t kFewestSlices = 4;  ///< below, a spacing means nothing

struct Place {
  double position_mm = 0;
  int phases = 0;
};

/// Distinct positions in order, with the number of slices at each.
std::vector<Place> places_of(std::vector<double> positions) {
  std::sort(positions.begin(), positions.end());
  std::vector<Place> places;
  for (const double position : positions) {
    if (!places.empty() && position - places.back().position_mm < kSamePlace_mm)
      ++places.back().phases;
    else
      places.push_back({position, 1});
  }
  return places;
}

std::vector<double> intervals_of(const std::vector<Place>& places) {
  std::vector<double> intervals;
  for (std::size_t i = 1; i < places.size(); ++i)
    intervals.push_back(places[i].position_mm - places[i - 1].position_mm);
  return intervals;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Phases: every place of a dynamic series holds as many slices as the fullest.
Geometry phases_of(const std::vector<Place>& places, double spacing_mm) {
  const int most = std::max_element(places.begin(), places.end(), [](const Place& a, const Place& b) {
                     return a.phases < b.phases;
                   })->phases;
  int missing = 0;
  for (const Place& place : places) missing += most - place.phases;
  if (missing == 0)
    return {Geometry::Kind::even, 0, spacing_mm,
            fmt::format("{} slices every {:.3g} mm without a hole", places.size(), spacing_mm)};
  return {Geometry::Kind::holes, missing, spacing_mm,
          fmt::format("{} of {} places x {} phases are missing", missing, places.size(), most)};
}

Geometry stack_geometry(const std::vector<double>& positions) {
  const std::vector<Place> places = places_of(positions);
  if (places.size() < kFewestSlices) return {};
  const std::vector<double> intervals = intervals_of(places);
  const double spacing = median(intervals);
  int missing = 0;
  double first_hole = 0;
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    const double slices = intervals[i] / spacing;
    if (std::abs(slices - std::round(slices)) > kEven * std::max(1.0, std::round(slices)))
      return {Geometry::Kind::unknown, 0, 0, "the slices are not evenly spaced"};
    if (slices < kHole) continue;
    if (missing == 0) first_hole = places[i].position_mm;
    missing += static_cast<int>(std::lround(slices)) - 1;
  }
  if (missing > 0)
    return {Geometry::Kind::holes, missing, spacing,
            fmt::format("{} slices are missing, the first after {:.4g} mm (spacing {:.3g} mm)", missing, first_hole,
                        spacing)};
  return phases_of(places, spacing);
}

/// How many instance numbers are left out between the first and the last; 0 where they are not all there and distinct.
int number_holes(const SeriesEvidence& series) {
  std::vector<int> numbers;
  for (const auto& [uid, facts] : series.instances)
    if (facts.instance_number) numbers.push_back(*facts.instance_number);
  std::sort(numbers.begin(), numbers.end());
  if (numbers.size() < kFewestSlices || numbers.size() != series.instances.size() ||
      std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end())
    return 0;
  return numbers.back() - numbers.front() + 1 - static_cast<int>(numbers.size());
}

}  // namespace

Geometry geometry_of(const SeriesEvidence& series) {
  std::map<std::string, std::vector<double>> stacks;
  bool all_placed = !series.instances.empty();
  for (const auto& [uid, facts] : series.instances) {
    if (facts.position_mm)
      stacks[facts.stack].push_back(*facts.position_mm);
    else
      all_placed = false;
  }
  Geometry whole;
  bool even = all_placed;
  for (const auto& [name, positions] : stacks) {
    const Geometry stack = stack_geometry(positions);
    if (stack.kind == Geometry::Kind::holes) {
      whole.missing += stack.missing;
      if (whole.text.empty()) whole.text = stack.text;
    }
    even = even && stack.kind == Geometry::Kind::even;
    if (whole.text.empty() || stack.kind == Geometry::Kind::even) whole.spacing_mm = stack.spacing_mm;
    if (even) whole.text = stack.text;
  }
  if (whole.missing > 0) {
    whole.kind = Geometry::Kind::holes;
    return whole;
  }
  if (const int left_out = number_holes(series); left_out > 0)
    return {Geometry::Kind::doubtful, 0, whole.spacing_mm,
            fmt::format("no hole in the positions, but {} instance numbers are left out", left_out)};
  if (even) whole.kind = Geometry::Kind::even;
  return whole;
}

}  // namespace rouage::store
