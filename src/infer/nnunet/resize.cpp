#include "infer/nnunet/resize.h"

#include <algorithm>
#include <cmath>

#include "infer/nnunet/parallel.h"

namespace rouage::infer::nnunet {
namespace {

constexpr std::size_t kPad = 12;      ///< edge copies before the spline filter, as scipy takes
constexpr std::size_t kColumns = 64;  ///< filtered side by side: 600 rows of them stay in the second-level cache
constexpr std::size_t kRows = 32;

struct CubicAxis {
  std::vector<std::uint32_t> first;  ///< row of the padded line that the first weight belongs to
  std::vector<std::array<double, 4>> weights;
};

CubicAxis cubic_axis(std::uint32_t n, std::uint32_t m) {
  CubicAxis axis;
  const double ratio = static_cast<double>(n) / m;
  for (std::uint32_t k = 0; k < m; ++k) {
    const double x = (k + 0.5) * ratio - 0.5;
    const double below = std::floor(x), t = x - below, u = 1.0 - t;
    std::array<double, 4> w{};
    w[0] = u * u * u / 6.0;
    w[1] = (t * t * (t - 2.0) * 3.0 + 4.0) / 6.0;
    w[2] = (u * u * (u - 2.0) * 3.0 + 4.0) / 6.0;
    w[3] = 1.0 - w[0] - w[1] - w[2];
    axis.first.push_back(static_cast<std::uint32_t>(below + static_cast<double>(kPad) - 1.0));
    axis.weights.push_back(w);
  }
  return axis;
}

/// A line of a 2D or 3D array: how n samples become m along one axis.
struct AxisJob {
  std::uint32_t n = 0, m = 0;
  int order = 1;
  LinearAxis linear;
  CubicAxis cubic;
  bool identity() const { return n == m; }  ///< a spline through samples at samples gives the samples
};

AxisJob axis_job(std::uint32_t n, std::uint32_t m, int order) {
  AxisJob job{n, m, order, {}, {}};
  if (order == 3) job.cubic = cubic_axis(n, m);
  if (order == 1) job.linear = linear_axis(n, m);
  if (order == 0) job.linear = nearest_axis(n, m);
  return job;
}

/// block holds n rows of `width` from row kPad on: ends are padded and all is filtered.
void pad_and_filter(std::span<double> block, std::size_t n, std::size_t width) {
  for (std::size_t p = 0; p < kPad; ++p) {
    std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(kPad * width), width,
                block.begin() + static_cast<std::ptrdiff_t>(p * width));
    std::copy_n(block.begin() + static_cast<std::ptrdiff_t>((kPad + n - 1) * width), width,
                block.begin() + static_cast<std::ptrdiff_t>((kPad + n + p) * width));
  }
  spline_filter(block.first((n + 2 * kPad) * width), n + 2 * kPad, width);
}

/// in[n][width] -> out[m][width], rows `stride` apart on both sides.
void along_rows(const AxisJob& axis, const double* in, double* out, std::size_t width, std::size_t in_stride,
                std::size_t out_stride, std::vector<double>& work) {
  if (axis.order != 3) {
    for (std::size_t k = 0; k < axis.m; ++k) {
      const double* low = in + static_cast<std::size_t>(axis.linear.low[k]) * in_stride;
      const double* high = in + static_cast<std::size_t>(axis.linear.high[k]) * in_stride;
      mix(std::span(low, width), std::span(high, width), axis.linear.low_weight[k], axis.linear.high_weight[k],
          std::span(out + k * out_stride, width));
    }
    return;
  }
  work.resize((axis.n + 2 * kPad) * kColumns);
  for (std::size_t first = 0; first < width; first += kColumns) {
    const std::size_t columns = std::min(kColumns, width - first);
    for (std::size_t i = 0; i < axis.n; ++i)
      std::copy_n(in + i * in_stride + first, columns, work.data() + (i + kPad) * columns);
    pad_and_filter(work, axis.n, columns);
    for (std::size_t k = 0; k < axis.m; ++k)
      mix_four(work.data() + std::size_t{axis.cubic.first[k]} * columns, columns, axis.cubic.weights[k],
               std::span(out + k * out_stride + first, columns));
  }
}

/// in[rows][n] -> out[rows][m], a block of rows turned into columns at a time.
void along_columns(const AxisJob& axis, const double* in, double* out, std::size_t rows, std::vector<double>& work) {
  if (axis.order != 3) {
    for (std::size_t r = 0; r < rows; ++r)
      sample(std::span(in + r * axis.n, axis.n), axis.linear, std::span(out + r * axis.m, axis.m));
    return;
  }
  work.resize((axis.n + 2 * kPad) * kRows);
  std::array<double, kRows> column{};
  for (std::size_t first = 0; first < rows; first += kRows) {
    const std::size_t count = std::min(kRows, rows - first);
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t i = 0; i < axis.n; ++i) work[(i + kPad) * count + r] = in[(first + r) * axis.n + i];
    pad_and_filter(work, axis.n, count);
    for (std::size_t k = 0; k < axis.m; ++k) {
      mix_four(work.data() + std::size_t{axis.cubic.first[k]} * count, count, axis.cubic.weights[k],
               std::span(column).first(count));
      for (std::size_t r = 0; r < count; ++r) out[(first + r) * axis.m + k] = column[r];
    }
  }
}

/// Buffers of one task, kept between planes.
struct PlaneWork {
  std::vector<double> source, rows_done, block;
};

/// One plane at its new in-plane size, in double: rows, then columns.
void resize_plane(const PlaneSource& source, int across, std::uint32_t index, const AxisJob& rows,
                  const AxisJob& columns, PlaneWork& work, std::span<double> out) {
  work.source.resize(std::size_t{rows.n} * columns.n);
  source.read(across, index, work.source);
  const std::vector<double>* current = &work.source;
  if (!rows.identity()) {
    work.rows_done.resize(std::size_t{rows.m} * columns.n);
    along_rows(rows, current->data(), work.rows_done.data(), columns.n, columns.n, columns.n, work.block);
    current = &work.rows_done;
  }
  if (columns.identity())
    std::copy(current->begin(), current->end(), out.begin());
  else
    along_columns(columns, current->data(), out.data(), rows.m, work.block);
}

template <class Out>
void whole(const PlaneSource& source, const ResizeJob& job, std::span<Out> out) {
  const Shape3 &from = source.shape, &to = job.to;
  const AxisJob depth = axis_job(from[0], to[0], job.order);
  const AxisJob rows = axis_job(from[1], to[1], job.order), columns = axis_job(from[2], to[2], job.order);
  const std::size_t plane = std::size_t{to[1]} * to[2];
  const bool direct = depth.identity();
  std::vector<double> between(direct ? 0 : std::size_t{from[0]} * plane);
  parallel_for(from[0], job.threads, [&](std::size_t p) {
    thread_local PlaneWork work;
    thread_local std::vector<double> done;
    if (!direct)
      return resize_plane(source, 0, static_cast<std::uint32_t>(p), rows, columns, work,
                          std::span(between).subspan(p * plane, plane));
    done.resize(plane);
    resize_plane(source, 0, static_cast<std::uint32_t>(p), rows, columns, work, done);
    clip_to(done, source.low, source.high, out.subspan(p * plane, plane));
  });
  if (direct) return;
  parallel_for((plane + kColumns - 1) / kColumns, job.threads, [&](std::size_t block) {
    thread_local std::vector<double> filtered, done;
    const std::size_t first = block * kColumns, width = std::min(kColumns, plane - first);
    done.resize(std::size_t{to[0]} * width);
    along_rows(depth, between.data() + first, done.data(), width, plane, width, filtered);
    for (std::size_t k = 0; k < to[0]; ++k)
      clip_to(std::span<const double>(done).subspan(k * width, width), source.low, source.high,
              out.subspan(k * plane + first, width));
  });
}

/// Position of plane rows in the dense output when planes lie across axis `across`.
struct Placement {
  std::size_t plane_step = 0, row_step = 0, column_step = 0;
};
Placement placement(int across, const Shape3& to) {
  const std::array<std::size_t, 3> step{std::size_t{to[1]} * to[2], to[2], 1};
  if (across == 0) return {step[0], step[1], step[2]};
  if (across == 1) return {step[1], step[0], step[2]};
  return {step[2], step[0], step[1]};
}

/// A resized plane within the range of its own source values: in this mode the reference sees each slice alone.
void clipped_plane(const PlaneSource& source, int across, std::uint32_t index, const AxisJob& rows,
                   const AxisJob& columns, PlaneWork& work, std::span<double> out) {
  resize_plane(source, across, index, rows, columns, work, out);
  const auto [low, high] = std::minmax_element(work.source.begin(), work.source.end());
  clip_to(out, *low, *high, out);
}

template <class Out>
void separately(const PlaneSource& source, const ResizeJob& job, std::span<Out> out) {
  const int across = *job.separate;
  const auto a = static_cast<std::size_t>(across);
  const std::size_t r = across == 0 ? 1 : 0, c = across == 2 ? 1 : 2;
  const Shape3 &from = source.shape, &to = job.to;
  const AxisJob rows = axis_job(from[r], to[r], job.order), columns = axis_job(from[c], to[c], job.order);
  const LinearAxis depth = job.order_z == 0 ? nearest_axis(from[a], to[a]) : linear_axis(from[a], to[a]);
  const Placement at = placement(across, to);
  const std::size_t plane = std::size_t{to[r]} * to[c];
  // Tasks are source planes: each writes the output planes whose lower neighbour it is.
  parallel_for(from[a], job.threads, [&](std::size_t p) {
    thread_local PlaneWork work;
    thread_local std::vector<double> low, high;
    const auto range = std::equal_range(depth.low.begin(), depth.low.end(), static_cast<std::int32_t>(p));
    if (range.first == range.second) return;
    low.resize(plane);
    clipped_plane(source, across, static_cast<std::uint32_t>(p), rows, columns, work, low);
    bool high_ready = false;
    for (auto it = range.first; it != range.second; ++it) {
      const auto k = static_cast<std::size_t>(it - depth.low.begin());
      const bool mixed = depth.high[k] != depth.low[k] && depth.high_weight[k] != 0;
      if (mixed && !high_ready) {
        high.resize(plane);
        clipped_plane(source, across, static_cast<std::uint32_t>(depth.high[k]), rows, columns, work, high);
        high_ready = true;
      }
      const double wl = depth.low_weight[k], wh = depth.high_weight[k];
      for (std::size_t i = 0; i < plane; ++i)
        out[k * at.plane_step + i / to[c] * at.row_step + i % to[c] * at.column_step] =
            static_cast<Out>(mixed ? low[i] * wl + high[i] * wh : low[i]);
    }
  });
}

template <class Out>
void unchanged(const PlaneSource& source, const ResizeJob& job, std::span<Out> out) {
  const std::size_t plane = std::size_t{job.to[1]} * job.to[2];
  parallel_for(job.to[0], job.threads, [&](std::size_t p) {
    thread_local std::vector<double> values;
    values.resize(plane);
    source.read(0, static_cast<std::uint32_t>(p), values);
    for (std::size_t i = 0; i < plane; ++i) out[p * plane + i] = static_cast<Out>(values[i]);
  });
}

template <class Out>
void resize_any(const PlaneSource& source, const ResizeJob& job, std::span<Out> out) {
  if (source.shape == job.to) return unchanged(source, job, out);
  if (job.separate) return separately(source, job, out);
  whole(source, job, out);
}

}  // namespace

void resize(const PlaneSource& source, const ResizeJob& job, std::span<float> out) {
  resize_any(source, job, out);
}
void resize(const PlaneSource& source, const ResizeJob& job, std::span<double> out) {
  resize_any(source, job, out);
}

std::uint64_t resize_work_bytes(const Shape3& from, const ResizeJob& job) {
  const auto across = static_cast<std::size_t>(job.separate.value_or(0));
  const std::size_t r = across == 0 ? 1 : 0, c = across == 2 ? 1 : 2;
  const std::uint64_t plane_in = std::uint64_t{from[r]} * from[c], rows_done = std::uint64_t{job.to[r]} * from[c];
  const std::uint64_t plane_out = std::uint64_t{job.to[r]} * job.to[c];
  const std::uint64_t longest = std::max({from[0], from[1], from[2]}) + 2 * kPad;
  const std::uint64_t block = longest * kColumns + std::uint64_t{job.to[across]} * kColumns;
  const std::uint64_t a_task = 8 * (plane_in + rows_done + 2 * plane_out + 2 * block);
  const bool between = !job.separate && from[0] != job.to[0];
  return static_cast<std::uint64_t>(std::max(1, job.threads)) * a_task + (between ? 8 * from[0] * plane_out : 0);
}

void resize_torch(const PlaneSource& source, const ResizeJob& job, std::span<float> out) {
  if (source.shape == job.to) return unchanged(source, job, out);
  const std::array<LinearAxis, 3> axes =
      linear_axes({Resampling::torch, 1, 0, std::nullopt}, source.shape, job.to, job.separate);
  const std::size_t rows = source.shape[1], columns = source.shape[2], plane = std::size_t{job.to[1]} * job.to[2];
  parallel_for(job.to[0], job.threads, [&](std::size_t k) {
    thread_local std::vector<double> read;
    thread_local std::vector<float> low, high, even, upper, lower;
    read.resize(rows * columns);
    const auto fetch = [&](std::int32_t index, std::vector<float>& into) {
      source.read(0, static_cast<std::uint32_t>(index), read);
      into.assign(read.begin(), read.end());
    };
    fetch(axes[0].low[k], low);
    fetch(axes[0].high[k], high);
    even.resize(rows * columns);
    upper.resize(job.to[2]);
    lower.resize(job.to[2]);
    mix(low, high, axes[0].low_weight_f[k], axes[0].high_weight_f[k], even);
    for (std::size_t y = 0; y < job.to[1]; ++y) {
      sample(std::span<const float>(even).subspan(static_cast<std::size_t>(axes[1].low[y]) * columns, columns), axes[2],
             std::span(upper));
      sample(std::span<const float>(even).subspan(static_cast<std::size_t>(axes[1].high[y]) * columns, columns),
             axes[2], std::span(lower));
      mix(upper, lower, axes[1].low_weight_f[y], axes[1].high_weight_f[y],
          out.subspan(k * plane + y * job.to[2], job.to[2]));
    }
  });
}

}  // namespace rouage::infer::nnunet
