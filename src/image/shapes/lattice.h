/// What the shapes share: checks, boxes that may reach beyond the volume, squared distances on a bare lattice, threads.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/values.h"
#include "image/volume_shapes.h"

namespace rouage::image {

/// Calls work(begin, end) on consecutive parts of 0..count. Each part writes only its own results, so that the number
/// of threads does not show. The first exception is thrown on.
template <class Work>
void in_parts(std::size_t count, int threads, const Work& work) {
  const std::size_t parts =
      std::clamp<std::size_t>(threads < 1 ? 1 : static_cast<std::size_t>(threads), 1, std::max<std::size_t>(count, 1));
  if (parts == 1) {
    work(std::size_t{0}, count);
    return;
  }
  std::exception_ptr failure;
  std::mutex mutex;
  const auto guarded = [&](std::size_t begin, std::size_t end) {
    try {
      work(begin, end);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t p = 1; p < parts; ++p) workers.emplace_back(guarded, count * p / parts, count * (p + 1) / parts);
    guarded(0, count / parts);
  }
  if (failure) std::rethrow_exception(failure);
}

inline void check_grid(const Grid& grid) {
  std::uint64_t voxels = 0;
  if (!multiply_checked({grid.size[0], grid.size[1], grid.size[2]}, voxels) ||
      voxels > std::numeric_limits<std::uint32_t>::max())
    throw Error(ErrorCode::VolumeInvalid, "the grid has 2^32 voxels or more")
        .remedy("crop the volume or resample it to larger voxels");
}
template <class T>
void check_volume(const Volume<T>& volume) {
  check_grid(volume.grid);
  if (volume.values.size() != volume.grid.voxels())
    throw Error(ErrorCode::VolumeInvalid, "the volume does not hold one value a voxel");
}
/// Lengths of the steps of a grid whose axes are perpendicular. Errors: VolumeInvalid.
Point3 perpendicular_spacing(const Grid& grid);

/// Voxels first..last of each axis, both included; may lie outside the volume.
struct WideBox {
  std::array<std::int64_t, 3> first{}, last{};
  std::array<std::uint32_t, 3> size() const;
  /// Larger by ceil(margin_mm / spacing) voxels on each side. Errors: VolumeInvalid when it would have 2^32 voxels or
  /// more.
  WideBox grown(double margin_mm, const Point3& spacing_mm) const;
  WideBox within(const Grid& grid) const;
  WideBox grown_within(double margin_mm, const Point3& spacing_mm, const Grid& grid) const;
};
WideBox wide(const IndexBox& box);
/// Values of the box, 0 or 1; `beyond` stands outside the volume.
std::vector<std::uint8_t> taken(const Mask& mask, const WideBox& box, std::uint8_t beyond);

/// Squared distance (mm2) from each point of a lattice to the nearest point whose value is set (to_set) or unset;
/// infinity beyond limit_mm. size along i, j, k; i fastest.
std::vector<float> squared_distances(std::span<const std::uint8_t> values, const std::array<std::uint32_t, 3>& size,
                                     const Point3& spacing_mm, bool to_set, double limit_mm, int threads);

}  // namespace rouage::image
