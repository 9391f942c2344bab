#include "dicom/series/stacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.h"

namespace rouage::dicom::series {
namespace {

constexpr std::size_t kMostStacks = 1'000;

/// What a split by an attribute needs: stacks that lie in each other (contrast), or places that repeat (time).
bool enough_that_they_overlap(Split split, const std::string& modality) {
  switch (split) {
    case Split::image_type:
    case Split::component:
    case Split::stack:
    case Split::echo:
    case Split::b_value:
    case Split::inversion_time:
    case Split::flip_angle:
    case Split::tube_voltage:
    case Split::kernel:
    case Split::energy_window:
      return true;
    case Split::acquisition:
      return modality == "CT";  // elsewhere interleaved slices of one volume may have numbers of their own
    default:
      return false;
  }
}

double distance_of(const Point3& a, const Point3& b) {
  return std::max({std::abs(a[0] - b[0]), std::abs(a[1] - b[1]), std::abs(a[2] - b[2])});
}

bool same_spacing(double a, double b) {
  return std::abs(a - b) <= 1e-4 * std::max(a, b);
}

bool same_plane_kind(const SliceFacts& a, const SliceFacts& b) {
  return same_spacing(a.row_spacing_mm, b.row_spacing_mm) && same_spacing(a.column_spacing_mm, b.column_spacing_mm) &&
         distance_of(a.row_direction, b.row_direction) <= kSameDirection &&
         distance_of(a.column_direction, b.column_direction) <= kSameDirection;
}

using GroupKey = std::tuple<std::string, std::string, std::string, std::string, std::uint32_t, std::uint32_t>;

/// Places along the normal, sorted; and how many of them repeat another.
std::vector<double> places_of(const std::vector<const SliceFacts*>& slices) {
  const Point3 normal = normal_of(*slices.front());
  std::vector<double> places;
  places.reserve(slices.size());
  for (const SliceFacts* slice : slices) places.push_back(dot(slice->position_mm, normal));
  std::sort(places.begin(), places.end());
  return places;
}

std::size_t repeated(const std::vector<const SliceFacts*>& slices) {
  const auto places = places_of(slices);
  std::size_t count = 0;
  for (std::size_t i = 1; i < places.size(); ++i) count += places[i] - places[i - 1] <= kSamePlaceMm ? 1 : 0;
  return count;
}

using Parts = std::map<std::string, std::vector<const SliceFacts*>>;

/// The place of a slice in its own plane: what differs between two fields of view at one place along the normal.
std::string field_of_view(const SliceFacts& slice) {
  return fmt::format("{:.0f}/{:.0f} mm", dot(slice.position_mm, slice.row_direction) + 0.0,
                     dot(slice.position_mm, slice.column_direction) + 0.0);
}

Parts parts_by(const std::vector<const SliceFacts*>& slices, Split split) {
  Parts parts;
  for (const SliceFacts* slice : slices)
    parts[split == Split::field_of_view ? field_of_view(*slice) : slice->split[static_cast<std::size_t>(split)]]
        .push_back(slice);
  return parts;
}

/// Two parts of at least two slices each whose ranges along the normal lie in each other.
bool overlap(const Parts& parts) {
  std::vector<std::pair<double, double>> ranges;
  const Point3 normal = normal_of(*parts.begin()->second.front());
  for (const auto& [value, slices] : parts) {
    if (slices.size() < 2) continue;
    double low = dot(slices.front()->position_mm, normal), high = low;
    for (const SliceFacts* slice : slices) {
      low = std::min(low, dot(slice->position_mm, normal));
      high = std::max(high, dot(slice->position_mm, normal));
    }
    ranges.emplace_back(low, high);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first <= ranges[i - 1].second - kSamePlaceMm) return true;
  return false;
}

/// An attribute that every slice has for itself (a time, a number) tells no stacks apart.
bool tells_apart(const Parts& parts, std::size_t slices, Split split, const std::string& modality) {
  if (parts.size() < 2) return false;
  std::size_t in_company = 0, after = 0, before = 0;
  std::vector<const SliceFacts*> all;
  for (const auto& [value, part] : parts) {
    if (part.size() >= 2) in_company += part.size();
    after += repeated(part);
    all.insert(all.end(), part.begin(), part.end());
  }
  if (in_company * 4 < slices * 3) return false;
  before = repeated(all);
  if (after < before) return true;
  return enough_that_they_overlap(split, modality) && overlap(parts);
}

void split_stack(Stack stack, const std::string& modality, std::vector<Stack>& out) {
  for (std::size_t s = 0; s < kSplits; ++s) {
    const auto split = static_cast<Split>(s);
    Parts parts = parts_by(stack.slices, split);
    if (!tells_apart(parts, stack.slices.size(), split, modality)) continue;
    for (auto& [value, slices] : parts) {
      const std::string said = split_name(split) + " " + (value.empty() ? "(none)" : value);
      split_stack({std::move(slices), stack.split_by.empty() ? said : stack.split_by + ", " + said, {}}, modality, out);
    }
    return;
  }
  if (out.size() >= kMostStacks)
    throw Error(ErrorCode::SeriesRefused, fmt::format("more than {} stacks", kMostStacks))
        .remedy("give one series at a time");
  sort_stack(stack);
  out.push_back(std::move(stack));
}

/// What distinguishes this group from the other groups of its series.
std::string group_text(const SliceFacts& own, const FileFacts& file, const SliceFacts& other,
                       const FileFacts& other_file) {
  std::vector<std::string> parts;
  if (file.header.modality != other_file.header.modality) parts.push_back("modality " + file.header.modality);
  if (file.unit != other_file.unit) parts.push_back("unit " + file.unit);
  if (file.frame_of_reference_uid != other_file.frame_of_reference_uid)
    parts.push_back("frame of reference " + file.frame_of_reference_uid);
  if (own.rows != other.rows || own.columns != other.columns)
    parts.push_back(fmt::format("matrix {} x {}", own.columns, own.rows));
  if (!same_spacing(own.row_spacing_mm, other.row_spacing_mm) ||
      !same_spacing(own.column_spacing_mm, other.column_spacing_mm))
    parts.push_back(fmt::format("pixel spacing {:.4g} x {:.4g} mm", own.column_spacing_mm, own.row_spacing_mm));
  const Point3 n = normal_of(own), m = normal_of(other);
  if (distance_of(own.row_direction, other.row_direction) > kSameDirection || distance_of(n, m) > kSameDirection)
    parts.push_back(fmt::format("normal {:.2f}/{:.2f}/{:.2f}", n[0] + 0.0, n[1] + 0.0, n[2] + 0.0));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

bool canonical(const SliceFacts* a, const SliceFacts* b, std::span<const FileFacts> files) {
  const FileFacts &x = files[a->file], &y = files[b->file];
  const auto key = [](const FileFacts& f, const SliceFacts* s) {
    return std::tie(f.header.series_instance_uid, f.instance_number, f.header.sop_instance_uid, s->frame,
                    s->position_mm, f.path);
  };
  return key(x, a) < key(y, b);
}

}  // namespace

double dot(const Point3& a, const Point3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

Point3 normal_of(const SliceFacts& slice) {
  const Point3 &a = slice.row_direction, &b = slice.column_direction;
  const Point3 n{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  const double length = std::sqrt(dot(n, n));
  return {n[0] / length, n[1] / length, n[2] / length};
}

void sort_stack(Stack& stack) {
  const Point3 normal = normal_of(*stack.slices.front());
  std::stable_sort(stack.slices.begin(), stack.slices.end(), [&](const SliceFacts* a, const SliceFacts* b) {
    return dot(a->position_mm, normal) < dot(b->position_mm, normal);
  });
}

std::vector<Stack> stacks_of(std::span<const SliceFacts> slices, std::span<const FileFacts> files) {
  std::vector<const SliceFacts*> sorted;
  for (const SliceFacts& slice : slices) sorted.push_back(&slice);
  std::sort(sorted.begin(), sorted.end(),
            [&](const SliceFacts* a, const SliceFacts* b) { return canonical(a, b, files); });
  std::map<GroupKey, std::vector<Stack>> groups;
  std::size_t count = 0;
  for (const SliceFacts* slice : sorted) {
    const FileFacts& file = files[slice->file];
    auto& alike = groups[{file.header.series_instance_uid, file.header.modality, file.unit, file.frame_of_reference_uid,
                          slice->rows, slice->columns}];
    const auto found = std::find_if(alike.begin(), alike.end(),
                                    [&](const Stack& s) { return same_plane_kind(*s.slices.front(), *slice); });
    if (found != alike.end()) {
      found->slices.push_back(slice);
      continue;
    }
    if (++count > kMostStacks)
      throw Error(ErrorCode::SeriesRefused, fmt::format("more than {} kinds of slices", kMostStacks))
          .remedy("give one series at a time");
    alike.push_back({{slice}, {}, {}});
  }
  // Each group is described by what it does not share with the largest group of its series.
  std::map<std::string, const Stack*> largest;
  for (const auto& [key, alike] : groups)
    for (const Stack& stack : alike) {
      const Stack*& best = largest[std::get<0>(key)];
      if (best == nullptr || stack.slices.size() > best->slices.size()) best = &stack;
    }
  std::vector<Stack> out;
  for (const auto& [key, alike] : groups)
    for (const Stack& stack : alike) {
      Stack named = stack;
      const SliceFacts &own = *stack.slices.front(), &other = *largest[std::get<0>(key)]->slices.front();
      if (&own != &other) named.split_by = group_text(own, files[own.file], other, files[other.file]);
      split_stack(std::move(named), std::get<1>(key), out);
    }
  return out;
}

}  // namespace rouage::dicom::series
