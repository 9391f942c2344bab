/// The box of what is not zero, and its mask. Specification section 3.
#pragma once
#include <cstddef>

#include "infer/nnunet/geometry.h"

namespace rouage::infer::nnunet {

/// Voxels in any axis order: value at (a, b, c) is first[a * step[0] + b * step[1] + c * step[2]].
template <class T>
struct View {
  const T* first = nullptr;
  Shape3 size{};
  std::array<std::ptrdiff_t, 3> step{};
  const T* row(std::uint32_t a, std::uint32_t b) const { return first + a * step[0] + b * step[1]; }
};

/// A volume's values as (z, y, x) permuted by `forward`.
template <class T>
View<T> transposed_view(const image::Volume<T>& volume, const std::array<int, 3>& forward) {
  const std::array<std::ptrdiff_t, 3> step{static_cast<std::ptrdiff_t>(volume.grid.size[0]) * volume.grid.size[1],
                                           static_cast<std::ptrdiff_t>(volume.grid.size[0]), 1};
  View<T> view{volume.values.data(), transposed(shape_of(volume.grid), forward), {}};
  for (std::size_t a = 0; a < 3; ++a) view.step[a] = step[static_cast<std::size_t>(forward[a])];
  return view;
}
template <class T>
View<T> cropped_view(View<T> view, const Box& box) {
  for (std::size_t a = 0; a < 3; ++a) view.first += static_cast<std::ptrdiff_t>(box.first[a]) * view.step[a];
  view.size = box.size();
  return view;
}

/// Smallest box that holds every voxel that is not 0 in any channel; the whole volume when all are 0. Views of one
/// size.
Box nonzero_box(const std::vector<View<float>>& channels, int threads);

/// 1 where any channel is not 0, holes filled: zeros that are not joined by faces to the border become 1. Dense, a box'
/// order. Filling inside the box equals filling in the whole volume: outside the box all is 0 and joined to the border.
std::vector<std::uint8_t> filled_mask(const std::vector<View<float>>& cropped, int threads);

}  // namespace rouage::infer::nnunet
