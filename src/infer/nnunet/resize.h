/// Resampling to a given shape: what scikit-image's resize and nnU-Net's functions around it do. Specification
/// section 5. Planes are read on demand, so that the source may be a file's integers, cropped, transposed and
/// normalised on the way.
#pragma once
#include <functional>

#include "infer/nnunet/geometry.h"
#include "infer/nnunet/rows.h"

namespace rouage::infer::nnunet {

/// Tables for one axis from n to m samples.
LinearAxis linear_axis(std::uint32_t n, std::uint32_t m);
LinearAxis nearest_axis(std::uint32_t n, std::uint32_t m);
/// torch.interpolate's coordinates, computed in float32.
LinearAxis torch_linear_axis(std::uint32_t n, std::uint32_t m);
LinearAxis torch_nearest_axis(std::uint32_t n, std::uint32_t m);

/// The three tables of an order 0 or 1 rule (torch included), the separate axis already with its own.
std::array<LinearAxis, 3> linear_axes(const ResampleRule& rule, const Shape3& from, const Shape3& to,
                                      const std::optional<int>& separate);

/// Reads the rows of one plane along axis `across`: plane[row][column] in the order of the two other axes.
struct PlaneSource {
  Shape3 shape{};
  std::function<void(int across, std::uint32_t index, std::span<double> plane)> read;
  double low = 0, high = 0;  ///< of all values: results of orders 1 and 3 are clipped to it
};

struct ResizeJob {
  Shape3 to{};
  int order = 3;
  int order_z = 0;
  std::optional<int> separate;
  int threads = 1;
};

/// Dense [to[0]][to[1]][to[2]]. Work memory: resize_work_bytes. Errors: none of its own.
void resize(const PlaneSource& source, const ResizeJob& job, std::span<float> out);
void resize(const PlaneSource& source, const ResizeJob& job, std::span<double> out);
std::uint64_t resize_work_bytes(const Shape3& from, const ResizeJob& job);

/// torch.interpolate, trilinear (separate: bilinear, then nearest-exact), in float32. Section 5.5.
void resize_torch(const PlaneSource& source, const ResizeJob& job, std::span<float> out);

/// Label maps (is_seg): per label in ascending order where its share is >= 0.5; torch: > 700 of 1000, else the largest.
/// values: dense [from...]. rule.order 0 or 1. Sections 5.4 and 5.5.
std::vector<std::int32_t> resize_labels(std::span<const std::int32_t> values, const Shape3& from, const Shape3& to,
                                        const ResampleRule& rule, const std::optional<int>& separate, int threads);

}  // namespace rouage::infer::nnunet
