#include "infer/nnunet/geometry.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/values.h"

namespace rouage::infer::nnunet {
namespace {

constexpr double kSeparateAbove = 3.0;

bool anisotropic(const Spacing3& spacing) {
  const auto [low, high] = std::minmax_element(spacing.begin(), spacing.end());
  return *high / *low > kSeparateAbove;
}

/// The one coarsest axis; nothing when several are equally coarse.
std::optional<int> coarsest(const Spacing3& spacing) {
  const double most = *std::max_element(spacing.begin(), spacing.end());
  std::optional<int> found;
  for (int a = 0; a < 3; ++a) {
    if (most / spacing[static_cast<std::size_t>(a)] != 1.0) continue;
    if (found) return std::nullopt;
    found = a;
  }
  return found;
}

}  // namespace

Shape3 resampled_shape(const Shape3& size, const Spacing3& current, const Spacing3& wanted) {
  Shape3 shape{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double exact = current[a] / wanted[a] * size[a];
    const double rounded = std::nearbyint(exact);
    if (!(rounded >= 1 && rounded <= 65535)) {
      throw Error(ErrorCode::VolumeInvalid, "at the plan's spacing of " + number_text(wanted[a]) + " mm axis " +
                                                std::to_string(a) + " (" + std::to_string(size[a]) + " voxels of " +
                                                number_text(current[a]) + " mm) would have " + number_text(rounded) +
                                                " voxels")
          .remedy("check the spacing in the file's header");
    }
    shape[a] = static_cast<std::uint32_t>(rounded);
  }
  return shape;
}

std::optional<int> separate_axis(const std::optional<bool>& force, const Spacing3& current, const Spacing3& wanted) {
  if (force) return *force ? coarsest(current) : std::nullopt;
  if (anisotropic(current)) return coarsest(current);
  if (anisotropic(wanted)) return coarsest(wanted);
  return std::nullopt;
}

std::vector<std::uint32_t> window_starts(std::uint32_t size, std::uint32_t patch, double step) {
  const double room = static_cast<double>(size) - patch;
  const double target_step = patch * step;
  const auto count = static_cast<std::size_t>(std::ceil(room / target_step)) + 1;
  const double stride = count > 1 ? room / static_cast<double>(count - 1) : 0.0;
  std::vector<std::uint32_t> starts(count);
  for (std::size_t i = 0; i < count; ++i)
    starts[i] = static_cast<std::uint32_t>(std::nearbyint(stride * static_cast<double>(i)));
  return starts;
}

Geometry geometry_of(const NnunetModel& model, const Shape3& full, const Box& box, const Spacing3& spacing,
                     double step) {
  Geometry g;
  g.full = full;
  g.box = box;
  g.cropped = box.size();
  g.current = spacing;
  g.plan = model.spacing_mm;
  g.patch = model.patch;
  if (model.two_dimensional) {
    g.plan[0] = spacing[0];
    g.patch[0] = 1;
  }
  g.target =
      model.data.function == Resampling::no_resampling ? g.cropped : resampled_shape(g.cropped, g.current, g.plan);
  for (std::size_t a = 0; a < 3; ++a) {
    const std::uint32_t missing = g.patch[a] > g.target[a] ? g.patch[a] - g.target[a] : 0;
    g.pad_low[a] = missing / 2;
    g.padded[a] = g.target[a] + missing;
    g.starts[a] = window_starts(g.padded[a], g.patch[a], step);
  }
  if (model.two_dimensional) {
    g.starts[0].resize(g.padded[0]);
    for (std::uint32_t z = 0; z < g.padded[0]; ++z) g.starts[0][z] = z;
  }
  return g;
}

std::uint64_t voxels(const Shape3& shape) {
  return std::uint64_t{shape[0]} * shape[1] * shape[2];
}

Shape3 transposed(const Shape3& zyx, const std::array<int, 3>& forward) {
  Shape3 out{};
  for (std::size_t a = 0; a < 3; ++a) out[a] = zyx[static_cast<std::size_t>(forward[a])];
  return out;
}

Spacing3 transposed(const Spacing3& zyx, const std::array<int, 3>& forward) {
  Spacing3 out{};
  for (std::size_t a = 0; a < 3; ++a) out[a] = zyx[static_cast<std::size_t>(forward[a])];
  return out;
}

Shape3 shape_of(const image::Grid& grid) {
  return {grid.size[2], grid.size[1], grid.size[0]};
}

Spacing3 spacing_of(const image::Grid& grid) {
  const image::Point3 ijk = grid.spacing_mm();
  return {ijk[2], ijk[1], ijk[0]};
}

}  // namespace rouage::infer::nnunet
