#include "image/shapes/lattice.h"

#include <cmath>

namespace rouage::image {

Point3 perpendicular_spacing(const Grid& grid) {
  const Point3 spacing = grid.spacing_mm();
  for (const double step : spacing)
    if (!(step > 0) || !std::isfinite(step)) throw Error(ErrorCode::VolumeInvalid, "a step of the grid has no length");
  if (!(grid.shear() <= kMostShear))
    throw Error(ErrorCode::VolumeInvalid,
                "the axes of the grid are not perpendicular (shear " + number_text(grid.shear()) + ")")
        .remedy("resample the volume to a grid with perpendicular axes first");
  return spacing;
}

std::array<std::uint32_t, 3> WideBox::size() const {
  std::array<std::uint32_t, 3> size{};
  for (std::size_t a = 0; a < 3; ++a) size[a] = static_cast<std::uint32_t>(last[a] - first[a] + 1);
  return size;
}

WideBox WideBox::grown(double margin_mm, const Point3& spacing_mm) const {
  WideBox box = *this;
  double voxels = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    const double steps = std::ceil(margin_mm * (1 + 1e-6) / spacing_mm[a]);
    voxels *= static_cast<double>(last[a] - first[a] + 1) + 2 * steps;
    if (!(voxels < 4294967296.0)) throw Error(ErrorCode::VolumeInvalid, "the radius reaches over 2^32 voxels or more");
    box.first[a] -= static_cast<std::int64_t>(steps);
    box.last[a] += static_cast<std::int64_t>(steps);
  }
  return box;
}

WideBox WideBox::within(const Grid& grid) const {
  WideBox box = *this;
  for (std::size_t a = 0; a < 3; ++a) {
    box.first[a] = std::max<std::int64_t>(box.first[a], 0);
    box.last[a] = std::min<std::int64_t>(box.last[a], std::int64_t{grid.size[a]} - 1);
  }
  return box;
}

WideBox WideBox::grown_within(double margin_mm, const Point3& spacing_mm, const Grid& grid) const {
  WideBox box = *this;
  for (std::size_t a = 0; a < 3; ++a) {
    const double steps = std::ceil(margin_mm * (1 + 1e-6) / spacing_mm[a]);
    const auto most = static_cast<std::int64_t>(std::min(steps, static_cast<double>(grid.size[a])));
    box.first[a] -= most;
    box.last[a] += most;
  }
  return box.within(grid);
}

WideBox wide(const IndexBox& box) {
  WideBox result;
  for (std::size_t a = 0; a < 3; ++a) {
    result.first[a] = box.first[a];
    result.last[a] = box.last[a];
  }
  return result;
}

std::vector<std::uint8_t> taken(const Mask& mask, const WideBox& box, std::uint8_t beyond) {
  const auto size = box.size();
  const WideBox inner = box.within(mask.grid);
  std::vector<std::uint8_t> values(std::size_t{size[0]} * size[1] * size[2], beyond);
  for (std::int64_t k = inner.first[2]; k <= inner.last[2]; ++k)
    for (std::int64_t j = inner.first[1]; j <= inner.last[1]; ++j) {
      const std::uint8_t* source = &mask.at(static_cast<std::uint32_t>(inner.first[0]), static_cast<std::uint32_t>(j),
                                            static_cast<std::uint32_t>(k));
      const std::size_t row =
          static_cast<std::size_t>(k - box.first[2]) * size[1] + static_cast<std::size_t>(j - box.first[1]);
      std::uint8_t* target = values.data() + row * size[0] + static_cast<std::size_t>(inner.first[0] - box.first[0]);
      const std::size_t length = static_cast<std::size_t>(inner.last[0] - inner.first[0] + 1);
      for (std::size_t i = 0; i < length; ++i) target[i] = source[i] != 0;
    }
  return values;
}

Grid sub_grid(const Grid& grid, const IndexBox& box) {
  Grid result = grid;
  for (std::size_t a = 0; a < 3; ++a) {
    if (box.first[a] > box.last[a] || box.last[a] >= grid.size[a])
      throw Error(ErrorCode::VolumeInvalid, "the box does not lie inside the grid");
    result.size[a] = box.last[a] - box.first[a] + 1;
  }
  result.origin_mm = grid.position(box.first[0], box.first[1], box.first[2]);
  return result;
}

std::optional<IndexBox> bounding_box(const Mask& mask) {
  check_volume(mask);
  const auto [ni, nj, nk] = mask.grid.size;
  IndexBox box{{ni, nj, nk}, {0, 0, 0}};
  bool any = false;
  const auto is_set = [](std::uint8_t v) { return v != 0; };
  for (std::uint32_t k = 0; k < nk; ++k)
    for (std::uint32_t j = 0; j < nj; ++j) {
      const std::uint8_t* row = mask.values.data() + (std::size_t{k} * nj + j) * ni;
      const std::uint8_t* first = std::find_if(row, row + ni, is_set);
      if (first == row + ni) continue;
      const std::uint8_t* last = row + ni - 1;
      while (!*last) --last;
      any = true;
      box.first = {std::min(box.first[0], static_cast<std::uint32_t>(first - row)), std::min(box.first[1], j),
                   std::min(box.first[2], k)};
      box.last = {std::max(box.last[0], static_cast<std::uint32_t>(last - row)), std::max(box.last[1], j),
                  std::max(box.last[2], k)};
    }
  return any ? std::optional(box) : std::nullopt;
}

Mask cropped(const Mask& mask, const IndexBox& box) {
  check_volume(mask);
  const Grid grid = sub_grid(mask.grid, box);
  return {grid, taken(mask, wide(box), 0), mask.unit};
}

Mask thresholded(const Volume<float>& volume, double lower, double upper) {
  check_volume(volume);
  Mask mask{volume.grid, std::vector<std::uint8_t>(volume.values.size()), ""};
  for (std::size_t v = 0; v < mask.values.size(); ++v) {
    const double value = static_cast<double>(volume.values[v]);
    mask.values[v] = value >= lower && value <= upper;
  }
  return mask;
}

Mask mask_of(const LabelMap& labels, std::uint16_t label) {
  check_volume(labels);
  Mask mask{labels.grid, std::vector<std::uint8_t>(labels.values.size()), ""};
  for (std::size_t v = 0; v < mask.values.size(); ++v) mask.values[v] = labels.values[v] == label;
  return mask;
}

std::uint64_t set_voxels(const Mask& mask) {
  std::uint64_t unset = 0;
  for (const std::uint8_t value : mask.values) unset += value == 0;
  return mask.values.size() - unset;
}

}  // namespace rouage::image
